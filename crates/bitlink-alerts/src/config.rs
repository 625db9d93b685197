//! What is to be told, as data: rules, what hides what, maintenance, channels; and what that comes to once it has been understood.

use crate::channel::ChannelConfig;
use crate::notification::Notification;
use crate::rule::{Field, MetricPattern, Repeat, Rule};
use crate::shipped::{shipped_inhibitions, shipped_rules};
use crate::span::Span;
use crate::window::{Maintenance, Window};
use bitlink_model::Metric;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is to be told, to whom and when. Every setting may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AlertsConfig {
    /// Whether anything is: default yes. Without a channel it is known what would be told, and told to nobody.
    pub enabled: bool,
    /// For how long it is gathered who else it concerns before a group is told; default 30 s, up to 1 h.
    pub group_wait: Span,
    /// Shortest time between two messages about one group, and time in which of one rule no more than ten are; default 5 min, 10 s to 1 day.
    pub group_interval: Span,
    /// Time between two reminders of what lasts, or `"off"`; default 4 h, not shorter than `group_interval`.
    pub repeat: Repeat,
    /// By whose clock on the wall maintenance is; default that of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether the shipped rules count; default yes.
    pub shipped: bool,
    /// For how long a message that no channel takes is tried again; default 1 day, 1 min to 30 days.
    pub give_up_after: Span,
    /// More rules, or others in place of the shipped ones of the same name.
    pub rule: Vec<Rule>,
    /// More of what hides what.
    pub inhibit: Vec<Inhibition>,
    /// Times in which nothing is told.
    pub maintenance: Vec<Maintenance>,
    /// By which ways people are told.
    pub channel: Vec<ChannelConfig>,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            group_wait: Span(Duration::from_secs(30)),
            group_interval: Span(Duration::from_mins(5)),
            repeat: Repeat::Every(Span(Duration::from_hours(4))),
            timezone: None,
            shipped: true,
            give_up_after: Span(Duration::from_hours(24)),
            rule: Vec::new(),
            inhibit: Vec::new(),
            maintenance: Vec::new(),
            channel: Vec::new(),
        }
    }
}

/// While a rule is true somewhere, others are not told of there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Inhibition {
    /// Rules that hide.
    pub source: Vec<String>,
    /// Rules that are hidden; `*` stands for anything. No rule hides itself.
    pub target: Vec<String>,
    /// In what both have to be the same; none given: in nothing.
    #[serde(default)]
    pub same: Vec<Field>,
    /// For how long it goes on after what hides is over; default 5 min.
    #[serde(default = "linger")]
    pub linger: Span,
}

fn linger() -> Span {
    Span(Duration::from_mins(5))
}

impl Inhibition {
    /// With the usual settings.
    pub fn new(source: Vec<String>, target: Vec<String>) -> Self {
        Self { source, target, same: Vec::new(), linger: linger() }
    }
}

/// What is wrong with a configuration of alerts. User.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting of the whole.
    #[error("{setting} is {allowed}")]
    Range {
        /// Which.
        setting: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A rule.
    #[error("rule {name:?}: {what}")]
    Rule {
        /// Its name.
        name: String,
        /// In words.
        what: String,
    },
    /// What hides what.
    #[error("inhibit: {what}")]
    Inhibition {
        /// In words.
        what: String,
    },
    /// A time in which nothing is told.
    #[error("maintenance {name:?}: {what}")]
    Maintenance {
        /// Its name.
        name: String,
        /// In words.
        what: String,
    },
    /// A way by which people are told.
    #[error("channel {name:?}: {what}")]
    Channel {
        /// Its name.
        name: String,
        /// In words.
        what: String,
    },
    /// A time zone that is not known here.
    #[error("timezone: {name:?} is not known here; expected one like \"Europe/Oslo\"")]
    Timezone {
        /// What was given.
        name: String,
    },
}

/// Most rules, maintenance windows, inhibitions and channels, each.
const MOST: usize = 200;

impl AlertsConfig {
    /// All rules that count: shipped ones that are not replaced, then the others. Those that are switched off are among them.
    pub fn rules(&self) -> Vec<Rule> {
        let own: BTreeSet<&str> = self.rule.iter().map(|rule| rule.name.as_str()).collect();
        let shipped = if self.shipped { shipped_rules() } else { Vec::new() };
        shipped
            .into_iter()
            .filter(|rule| !own.contains(rule.name.as_str()))
            .chain(self.rule.iter().cloned())
            .collect()
    }

    /// Understands it.
    ///
    /// # Errors
    /// [`ConfigError`] with the first thing that is wrong.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        let range = |setting, allowed| Err(ConfigError::Range { setting, allowed });
        if self.group_wait.0 > Duration::from_hours(1) {
            return range("group_wait", "1h at most");
        }
        if self.group_interval.0 < Duration::from_secs(10) || self.group_interval.0 > Duration::from_hours(24)
        {
            return range("group_interval", "10s to 1d");
        }
        if self.give_up_after.0 < Duration::from_mins(1)
            || self.give_up_after.0 > Duration::from_hours(24 * 30)
        {
            return range("give_up_after", "1min to 30d");
        }
        if [self.rule.len(), self.inhibit.len(), self.maintenance.len(), self.channel.len()]
            .iter()
            .any(|n| *n > MOST)
        {
            return range("rule, inhibit, maintenance, channel", "200 of each at most");
        }
        let zone = match &self.timezone {
            None => TimeZone::system(),
            Some(name) => {
                TimeZone::get(name).map_err(|_unknown| ConfigError::Timezone { name: name.clone() })?
            }
        };
        let channels = self.channel_names()?;
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for rule in self.rules() {
            let wrong = |what| ConfigError::Rule { name: rule.name.clone(), what };
            if let Some(what) = rule.complaint() {
                return Err(wrong(what));
            }
            let repeat = rule.repeat.unwrap_or(self.repeat).every();
            if repeat.is_some_and(|repeat| repeat < self.group_interval.0) {
                return Err(wrong("repeat is not shorter than group_interval".to_owned()));
            }
            if let Some(unknown) = rule.channels.iter().find(|name| !channels.contains(name.as_str())) {
                return Err(wrong(format!("there is no channel {unknown:?}")));
            }
            if !names.insert(rule.name.clone()) {
                return Err(wrong("there are two of this name".to_owned()));
            }
            if rule.enabled {
                rules.push(rule);
            }
        }
        let is_known = |pattern: &String| names.iter().any(|name| crate::rule::glob(pattern, name));
        for inhibition in &self.inhibit {
            let wrong = |what| ConfigError::Inhibition { what };
            if let Some(unknown) =
                inhibition.source.iter().chain(&inhibition.target).find(|name| !is_known(name))
            {
                return Err(wrong(format!("there is no rule {unknown:?}")));
            }
            if inhibition.source.is_empty() || inhibition.target.is_empty() {
                return Err(wrong("source and target name rules".to_owned()));
            }
            if inhibition.linger.0 > Duration::from_hours(24) {
                return Err(wrong("linger is 1d at most".to_owned()));
            }
        }
        let shipped = if self.shipped { shipped_inhibitions() } else { Vec::new() };
        let windows = self
            .maintenance
            .iter()
            .map(|maintenance| {
                let wrong = |what| ConfigError::Maintenance { name: maintenance.name.clone(), what };
                maintenance.window(&zone).map_err(wrong)
            })
            .collect::<Result<_, _>>()?;
        Ok(Policy {
            rules,
            inhibitions: shipped.into_iter().chain(self.inhibit.iter().cloned()).collect(),
            windows,
            zone,
            group_wait: self.group_wait.0,
            group_interval: self.group_interval.0,
            repeat: self.repeat,
            channels: self.channel.clone(),
        })
    }

    fn channel_names(&self) -> Result<BTreeSet<&str>, ConfigError> {
        let mut names = BTreeSet::new();
        for channel in &self.channel {
            let wrong = |what| ConfigError::Channel { name: channel.name.clone(), what };
            if let Some(what) = channel.complaint() {
                return Err(wrong(what));
            }
            if !names.insert(channel.name.as_str()) {
                return Err(wrong("there are two of this name".to_owned()));
            }
        }
        Ok(names)
    }
}

/// A configuration that was understood.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) inhibitions: Vec<Inhibition>,
    pub(crate) windows: Vec<Window>,
    pub(crate) zone: TimeZone,
    pub(crate) group_wait: Duration,
    pub(crate) group_interval: Duration,
    pub(crate) repeat: Repeat,
    pub(crate) channels: Vec<ChannelConfig>,
}

impl Policy {
    /// The rules in force.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// By whose clock on the wall times are shown.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn patterns(&self) -> impl Iterator<Item = MetricPattern> {
        self.rules.iter().filter_map(|rule| rule.when.metric())
    }

    /// Whether any rule asks for readings.
    pub fn needs_readings(&self) -> bool {
        self.patterns().next().is_some()
    }

    /// Whether a rule asks for this reading: [`Subject::readings`](crate::Subject::readings) has those.
    pub fn wants(&self, metric: Metric) -> bool {
        self.patterns().any(|pattern| pattern.matches(metric))
    }

    /// The readings that rules ask for; of boards, fans, pools and power supplies the first eight.
    pub fn metrics(&self) -> Vec<Metric> {
        let all: BTreeSet<Metric> = self.patterns().flat_map(MetricPattern::metrics).collect();
        all.into_iter().collect()
    }

    /// The channels that are told.
    pub fn channels_for(&self, notification: &Notification) -> Vec<&str> {
        let rule = self.rules.iter().find(|rule| rule.name == notification.rule);
        let named = rule.map_or(&[][..], |rule| &rule.channels);
        let takes = |channel: &&ChannelConfig| {
            (named.is_empty() || named.contains(&channel.name)) && channel.wants(notification)
        };
        self.channels.iter().filter(takes).map(|channel| channel.name.as_str()).collect()
    }
}
