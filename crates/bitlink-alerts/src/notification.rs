//! What is told: one message about many miners, and its words. Harmless as plain text; each channel minds its own marks.

use crate::rule::rate;
use crate::span::Span;
use crate::words::{clean, count, so_many};
use bitlink_model::{MinerId, Severity, Timestamp};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotificationKind {
    /// It is new.
    Firing,
    /// Others are concerned than were told.
    Changed,
    /// It still lasts.
    Reminder,
    /// It is over.
    Recovered,
    /// It happened, and does not last.
    Happened,
    /// Somebody tries whether messages arrive.
    Test,
}

/// One of the miners that a message is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Example {
    /// Which machine; `None`: the program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MinerId>,
    /// Where it answers.
    pub address: String,
    /// Make and model.
    pub model: String,
    /// Where it stands.
    pub position: String,
    /// What is wrong with it, in words.
    pub message: String,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notification {
    /// Why.
    pub kind: NotificationKind,
    /// By which it can be acknowledged: the same as long as it is about the same rule and group.
    pub alert: String,
    /// The rule.
    pub rule: String,
    /// What messages call it.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// By what the miners were put together, and what it is here. Empty: about several groups.
    pub group: Vec<(String, String)>,
    /// How many groups it is about.
    pub groups: usize,
    /// When it is told.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Since when it is true of the first of them.
    #[serde(rename = "since_ms", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of how many miners it is true.
    pub firing: usize,
    /// How many of them are told for the first time.
    pub new: usize,
    /// How many recovered since the message before.
    pub recovered: usize,
    /// What they should hash and do not, in H/s, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_hs: Option<f64>,
    /// Of how many of them that is known.
    pub lost_known: usize,
    /// The first few of them.
    pub examples: Vec<Example>,
}

impl Notification {
    /// Most examples.
    pub const EXAMPLES: usize = 5;

    /// One that tries whether messages arrive.
    pub fn test(at: Timestamp) -> Self {
        Self {
            kind: NotificationKind::Test,
            alert: "test".to_owned(),
            rule: "test".to_owned(),
            title: "test: messages of the miner manager arrive here".to_owned(),
            severity: Severity::Info,
            group: Vec::new(),
            groups: 0,
            at,
            since: None,
            firing: 0,
            new: 0,
            recovered: 0,
            lost_hs: None,
            lost_known: 0,
            examples: Vec::new(),
        }
    }

    /// Where, in words: "rack R7, site North".
    pub fn place(&self) -> String {
        if self.groups > 1 {
            return format!("{} groups", count(self.groups));
        }
        let parts = self.group.iter().rev().filter(|(_, value)| !value.is_empty());
        parts.map(|(field, value)| format!("{field} {}", clean(value, 64))).collect::<Vec<_>>().join(", ")
    }

    /// In one line.
    pub fn headline(&self) -> String {
        let title = clean(&self.title, 100);
        let miners = |n| so_many(n, "miner", "miners");
        let what = match self.kind {
            NotificationKind::Test => return title,
            NotificationKind::Recovered => format!("OVER: {} {title}", miners(self.recovered)),
            NotificationKind::Reminder => format!("STILL: {} {title}", miners(self.firing)),
            NotificationKind::Happened if self.examples.iter().all(|example| example.id.is_none()) => title,
            _ => format!("{} {title}", miners(self.firing)),
        };
        let word = match self.severity {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "warning",
            _ => "info",
        };
        let place = self.place();
        if place.is_empty() { format!("[{word}] {what}") } else { format!("[{word}] {what} ({place})") }
    }

    /// The rest, line by line.
    pub fn body(&self, zone: &TimeZone) -> String {
        let mut text = String::new();
        let mut line = |words: &str| {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{words}");
        };
        if let Some(since) = self.since {
            line(&format!("since {} ({})", wall(since, zone), Span(self.at.since(since))));
        }
        if let Some(lost) = self.lost_hs.filter(|_| self.kind != NotificationKind::Recovered) {
            line(&format!(
                "lost: {} (known of {} of {})",
                rate(lost),
                count(self.lost_known),
                count(self.firing)
            ));
        }
        if self.kind == NotificationKind::Changed {
            line(&format!(
                "{} new, {} recovered since the message before",
                count(self.new),
                count(self.recovered)
            ));
        }
        for example in &self.examples {
            let Example { address, model, position, message, .. } = example;
            let known = [address, model, position].into_iter().filter(|text| !text.is_empty());
            let who = known.map(|text| clean(text, 64)).collect::<Vec<_>>().join(" ");
            line(&format!("- {who}{}{}", if who.is_empty() { "" } else { ": " }, clean(message, 160)));
        }
        let all = if self.kind == NotificationKind::Recovered { self.recovered } else { self.firing };
        if all > self.examples.len() && !self.examples.is_empty() {
            line(&format!("… and {} more", count(all - self.examples.len())));
        }
        if !matches!(
            self.kind,
            NotificationKind::Test | NotificationKind::Recovered | NotificationKind::Happened
        ) {
            line(&format!("alert {} (bitlink alerts ack {0})", self.alert));
        }
        text
    }
}

/// By the clock on the wall.
fn wall(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_unix_millis()) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        Err(_out_of_range) => "?".to_owned(),
    }
}
