//! The ways by which people are told: what a configuration says of one, and what all have in common.

mod http;
mod mail;
#[cfg(test)]
mod tests;

use crate::notification::{Notification, NotificationKind};
use async_trait::async_trait;
use bitlink_model::{Secret, Severity};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Sends messages.
#[async_trait]
pub trait Channel: fmt::Debug + Send + Sync + 'static {
    /// Sends one, and says what was answered, in words. `id` is the same however often it is tried.
    ///
    /// # Errors
    /// [`SendError`]; then it can be tried again.
    async fn send(&self, id: u64, notification: &Notification) -> Result<String, SendError>;
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Network: the server could not be reached, or did not answer in time.
    #[error("not reached: {0}")]
    Unreached(String),
    /// The server wants to be left alone for a while.
    #[error("too many messages: asked to wait {} s", after.as_secs())]
    Busy {
        /// For how long.
        after: Duration,
    },
    /// The server does not take it. Operator, mostly: a wrong address or password.
    #[error("refused: {0}")]
    Refused(String),
}

impl SendError {
    /// How long to wait at least.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Busy { after } => Some(*after),
            // What is wrong by the operator's doing is not better in five seconds.
            Self::Refused(_) => Some(Duration::from_mins(1)),
            Self::Unreached(_) => None,
        }
    }

    /// Harmless and short.
    pub fn in_words(&self) -> String {
        crate::words::clean(&self.to_string(), 300)
    }
}

/// Kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChannelKind {
    /// JSON by POST, signed where there is a secret.
    Webhook,
    /// Mail.
    Smtp,
    /// A bot of Telegram.
    Telegram,
    /// An incoming webhook of Slack, Mattermost, Rocket.Chat and others like them.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
}

/// How mail is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS after STARTTLS, and not without: port 587.
    Starttls,
    /// TLS from the beginning: port 465.
    Tls,
    /// None: port 25. For a server on this machine.
    Plain,
}

/// What a configuration says of a channel. Which settings are of use depends on its kind; others are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChannelConfig {
    /// By which rules name it.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// Whose messages: as bad as this at least; default all.
    #[serde(default = "info")]
    pub min_severity: Severity,
    /// Whether it is told when something is over; default yes.
    #[serde(default = "yes")]
    pub recovered: bool,
    /// Address of the server: `https://..`. Of Telegram and ntfy the usual ones are known; of Slack and Discord the address is the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The key that signs (webhook), the password (smtp), the bot's token (telegram), the access token (ntfy), the whole address (slack, discord).
    #[serde(default)]
    pub secret: Secret,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// A variable of the environment that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// Telegram: the chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// ntfy: the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// smtp: the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// smtp: its port; none given: that of the security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// smtp: default starttls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SmtpSecurity>,
    /// smtp: the user; none given: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// smtp: the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// smtp: who gets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

fn info() -> Severity {
    Severity::Info
}

fn yes() -> bool {
    true
}

/// Why a channel cannot be used. Operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel {name:?}: {what}")]
#[non_exhaustive]
pub struct ChannelError {
    /// Its name.
    pub name: String,
    /// In words.
    pub what: String,
}

impl ChannelConfig {
    /// One of a kind, with nothing set.
    pub fn new(name: impl Into<String>, kind: ChannelKind) -> Self {
        Self {
            name: name.into(),
            kind,
            min_severity: info(),
            recovered: true,
            url: None,
            secret: Secret::default(),
            secret_file: None,
            secret_env: None,
            chat: None,
            topic: None,
            server: None,
            port: None,
            security: None,
            user: None,
            from: None,
            to: Vec::new(),
        }
    }

    pub(crate) fn wants(&self, notification: &Notification) -> bool {
        notification.severity >= self.min_severity
            && (self.recovered || notification.kind != NotificationKind::Recovered)
    }

    /// Whether there is a secret, or a place where one is.
    fn has_secret(&self) -> bool {
        self.secret.is_known() || self.secret_file.is_some() || self.secret_env.is_some()
    }

    pub(crate) fn complaint(&self) -> Option<String> {
        use ChannelKind::{Discord, Ntfy, Slack, Smtp, Telegram, Webhook};
        if self.name.is_empty() || self.name.len() > 64 || self.name.contains(char::is_control) {
            return Some("a name has 1 to 64 characters".to_owned());
        }
        let secrets = [self.secret.is_known(), self.secret_file.is_some(), self.secret_env.is_some()];
        if secrets.iter().filter(|given| **given).count() > 1 {
            return Some("one of secret, secret_file and secret_env is enough".to_owned());
        }
        let of_mail = self.server.is_some()
            || self.port.is_some()
            || self.security.is_some()
            || self.user.is_some()
            || self.from.is_some()
            || !self.to.is_empty();
        let useless = [
            ("server, port, security, user, from and to", of_mail && self.kind != Smtp),
            ("chat", self.chat.is_some() && self.kind != Telegram),
            ("topic", self.topic.is_some() && self.kind != Ntfy),
            ("url", self.url.is_some() && self.kind == Smtp),
        ];
        if let Some((what, _)) = useless.iter().find(|(_, is)| *is) {
            return Some(format!("{what}: of no use for this kind"));
        }
        let missing = match self.kind {
            Webhook if self.url.is_none() => Some("url"),
            Slack | Discord if self.url.is_none() && !self.has_secret() => {
                Some("url, or secret_file with it,")
            }
            Telegram if !self.has_secret() => Some("secret_file (the bot's token)"),
            Telegram if self.chat.is_none() => Some("chat"),
            Ntfy if self.topic.is_none() => Some("topic"),
            Smtp if self.server.is_none() => Some("server"),
            Smtp if self.from.is_none() => Some("from"),
            Smtp if self.to.is_empty() => Some("to"),
            Smtp if self.user.is_some() && !self.has_secret() => Some("secret_file (the password)"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Some(format!("{missing} is needed"));
        }
        match self.kind {
            Smtp => mail::complaint(self),
            _ => self.url.as_deref().and_then(http::complaint),
        }
    }

    /// Makes it ready to send, with its secret where it has one.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn open(&self, secret: Secret, zone: TimeZone) -> Result<Arc<dyn Channel>, ChannelError> {
        let wrong = |what| ChannelError { name: self.name.clone(), what };
        let mut with_secret = self.clone();
        if secret.is_known() {
            (with_secret.secret_file, with_secret.secret_env) = (None, None);
            with_secret.secret = secret.clone();
        }
        if let Some(what) = with_secret.complaint() {
            return Err(wrong(what));
        }
        Ok(match self.kind {
            ChannelKind::Smtp => Arc::new(mail::Mail::new(self, &secret, zone).map_err(wrong)?),
            _ => Arc::new(http::Post::new(self, secret, zone).map_err(wrong)?),
        })
    }
}
