//! What people ask of a running engine, and what it shows them.

use crate::rule::Selection;
use bitlink_model::{MinerId, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// Somebody knows of an alert and sees to it: no reminders of the miners that it concerns now. Others that join are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ack {
    /// Until when; `None`: until it is over.
    #[serde(default, rename = "until_ms")]
    pub until: Option<Timestamp>,
    /// Who, or why.
    #[serde(default)]
    pub note: String,
}

impl Ack {
    /// Until a time, or until it is over.
    pub fn new(until: Option<Timestamp>, note: impl Into<String>) -> Self {
        Self { until, note: note.into() }
    }
}

/// Nothing is told of some miners for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mute {
    /// What it is called; another one of the same name takes its place.
    pub name: String,
    /// Of whom.
    #[serde(default)]
    pub only: Selection,
    /// Until when.
    #[serde(rename = "until_ms")]
    pub until: Timestamp,
}

impl Mute {
    /// Of some miners until a time.
    pub fn new(name: impl Into<String>, only: Selection, until: Timestamp) -> Self {
        Self { name: name.into(), only, until }
    }
}

/// What people ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertOrder {
    /// That an alert is acknowledged.
    Ack {
        /// [`Notification::alert`](crate::Notification::alert).
        alert: String,
        /// For how long.
        ack: Ack,
    },
    /// That nothing is told of some miners.
    Mute(Mute),
    /// That it is told again.
    Unmute(String),
}

/// Why it is not done. User.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// There is none.
    #[error("there is no alert {0:?}")]
    NoAlert(String),
    /// There is none.
    #[error("nothing is muted by the name {0:?}")]
    NoMute(String),
    /// Too many.
    #[error("200 mutes are the most")]
    TooMany,
}

impl AlertState {
    /// So many miners are named one by one.
    pub const MOST_NAMED: usize = 100;
}

/// An alert as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertState {
    /// By which it can be acknowledged.
    pub alert: String,
    /// The rule.
    pub rule: String,
    /// What messages call it.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// By what the miners were put together, and what it is here.
    pub group: Vec<(String, String)>,
    /// Of how many miners it is true.
    pub firing: usize,
    /// Which they are, the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub miners: Vec<MinerId>,
    /// How many of them are not told of: acknowledged, muted, or hidden by another alert.
    pub quiet: usize,
    /// Since when it is true of the first of them.
    #[serde(rename = "since_ms")]
    pub since: Option<Timestamp>,
    /// When it was told last.
    #[serde(rename = "told_ms")]
    pub told: Option<Timestamp>,
    /// Whether and how long it is acknowledged.
    pub ack: Option<Ack>,
    /// What is lost, in H/s, as far as that is known.
    pub lost_hs: Option<f64>,
}
