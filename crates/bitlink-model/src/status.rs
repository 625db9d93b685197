//! How a miner is doing, and why that is said of it.

use crate::snapshot::Severity;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// How a miner is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MinerStatus {
    /// Answers, cool enough, hash rate as expected.
    Active,
    /// Answers, and is idle by somebody's wish: neither at work nor slow. With a fault of its own it is in warning all the
    /// same.
    Paused,
    /// Answers, and something is wrong; the findings say what.
    Warning,
    /// Does not answer.
    Dead,
    /// Not judged yet: the first reading is still to come.
    Scanning,
}

impl fmt::Display for MinerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Warning => "warning",
            Self::Dead => "dead",
            Self::Scanning => "scanning",
        })
    }
}

/// The name of a health rule: stable, lower-case, usable in configuration and as a metric label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rule(Cow<'static, str>);

impl Rule {
    /// A rule's name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A number that a finding rests on, with its unit, ready to be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The number in the unit below.
    pub value: f64,
    /// Unit as written after the number ("°C", "%", "rpm", "").
    pub unit: Cow<'static, str>,
}

impl Evidence {
    /// A number and its unit.
    pub const fn new(value: f64, unit: &'static str) -> Self {
        Self { value, unit: Cow::Borrowed(unit) }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.value.fract().abs() >= 0.05);
        write!(f, "{:.decimals$}", self.value)?;
        if self.unit.is_empty() { Ok(()) } else { write!(f, " {}", self.unit) }
    }
}

/// One thing that is wrong with a miner: which rule says so, what it saw, against which limit, since when, and what
/// would clear it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that raised it.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// In words ("hottest chip 91 °C, limit 85 °C").
    pub message: String,
    /// What was seen, where it is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Evidence>,
    /// The limit it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Evidence>,
    /// Since when it has been true.
    #[serde(default, rename = "since_ms", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What would clear it, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clears_when: String,
}

impl Finding {
    /// A finding in words; numbers, time and cure are added with the setters.
    pub fn new(rule: Rule, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            message: message.into(),
            value: None,
            limit: None,
            since: None,
            clears_when: String::new(),
        }
    }

    /// With what was seen and the limit it broke.
    #[must_use]
    pub fn with_numbers(mut self, value: Evidence, limit: Evidence) -> Self {
        self.value = Some(value);
        self.limit = Some(limit);
        self
    }

    /// True since a point in time.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// With what would clear it.
    #[must_use]
    pub fn clears_when(mut self, words: impl Into<String>) -> Self {
        self.clears_when = words.into();
        self
    }
}
