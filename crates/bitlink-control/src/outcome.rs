//! What an action came to on one machine: exactly one of these for each target, and the counts add up.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

/// What an action came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Done, and a later reading proves it.
    Verified,
    /// The machine said that it is done, and no reading can prove it.
    Applied {
        /// Why there is no proof.
        why: String,
    },
    /// Not done, and it is known why.
    Refused {
        /// By what.
        by: Refusal,
        /// In words.
        why: String,
    },
    /// Its firmware cannot.
    Unsupported {
        /// In words.
        why: String,
    },
    /// The command went out, and what became of it is not known. Somebody has to look.
    Unknown {
        /// What is in doubt.
        doubt: Doubt,
        /// In words.
        why: String,
    },
    /// No command went out.
    NotAttempted {
        /// Because of what.
        because: Hindrance,
        /// In words.
        why: String,
    },
}

/// What refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The miner said no.
    Miner,
    /// A password that is wrong or missing, or a right that we do not have.
    AccessDenied,
    /// Another client holds its session or its lock.
    Busy,
    /// It said yes and did nothing.
    NoEffect,
}

/// What is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The answer was lost after the command went out.
    ReplyLost,
    /// It took a part, and then refused.
    Partly,
    /// It did not come back, or does not hash.
    NotBack,
    /// Nobody waited for the proof.
    NotProven,
    /// This program ended between the command and the proof.
    Interrupted,
}

/// What was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hindrance {
    /// Another machine answers at the address now.
    OtherMachine,
    /// Whether it is the same machine cannot be told.
    Untold,
    /// Nobody answers there.
    Unreachable,
    /// It answers, and cannot be read.
    Unreadable,
    /// This machine could not ask.
    Local,
    /// A secret or a file is missing.
    Incomplete,
    /// The plan stopped by itself before it was its turn.
    Stopped,
    /// Somebody stopped the plan before it was its turn.
    Cancelled,
    /// The plan's time was over.
    Deadline,
    /// What was to be done could not be written down first.
    Journal,
    /// Another plan has this machine.
    Claimed,
    /// As many of its group as may be are down.
    Blocked,
}

impl Hindrance {
    /// Whether its turn has not come yet, so that a plan that is taken up again goes on with it.
    pub const fn is_postponed(self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Cancelled
                | Self::Deadline
                | Self::Journal
                | Self::Claimed
                | Self::Blocked
                | Self::Incomplete
        )
    }
}

impl Outcome {
    /// Whether it is as was asked.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Verified | Self::Applied { .. })
    }

    /// Whether a command went out, or would have, and did not do what was asked.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unsupported { .. } | Self::Unknown { .. })
    }

    /// Whether its turn has not come yet.
    pub const fn is_postponed(&self) -> bool {
        matches!(self, Self::NotAttempted { because, .. } if because.is_postponed())
    }

    /// Its word, as in serialised form.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Applied { .. } => "applied",
            Self::Refused { .. } => "refused",
            Self::Unsupported { .. } => "unsupported",
            Self::Unknown { .. } => "unknown",
            Self::NotAttempted { .. } => "not_attempted",
        }
    }

    /// Why, where there is anything to say.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Verified => None,
            Self::Applied { why }
            | Self::Refused { why, .. }
            | Self::Unsupported { why }
            | Self::Unknown { why, .. }
            | Self::NotAttempted { why, .. } => Some(why),
        }
    }

    pub(crate) fn not(because: Hindrance, why: impl Into<String>) -> Self {
        Self::NotAttempted { because, why: why.into() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::NotAttempted { .. } => "not attempted",
            other => other.word(),
        };
        match self.why() {
            Some(why) if !why.is_empty() => write!(f, "{word}: {why}"),
            _ => f.write_str(word),
        }
    }
}

/// How many targets came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Proven.
    pub verified: u32,
    /// Done without proof.
    pub applied: u32,
    /// Not done.
    pub refused: u32,
    /// Cannot be done.
    pub unsupported: u32,
    /// Nobody knows.
    pub unknown: u32,
    /// Not tried.
    pub not_attempted: u32,
}

impl Counts {
    /// Counts outcomes.
    pub fn of(outcomes: impl IntoIterator<Item: Borrow<Outcome>>) -> Self {
        let mut counts = Self::default();
        outcomes.into_iter().for_each(|outcome| counts.add(outcome.borrow()));
        counts
    }

    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        let slot = match outcome {
            Outcome::Verified => &mut self.verified,
            Outcome::Applied { .. } => &mut self.applied,
            Outcome::Refused { .. } => &mut self.refused,
            Outcome::Unsupported { .. } => &mut self.unsupported,
            Outcome::Unknown { .. } => &mut self.unknown,
            Outcome::NotAttempted { .. } => &mut self.not_attempted,
        };
        *slot = slot.saturating_add(1);
    }

    /// All of them.
    pub const fn total(&self) -> u32 {
        self.verified
            .saturating_add(self.applied)
            .saturating_add(self.refused)
            .saturating_add(self.unsupported)
            .saturating_add(self.unknown)
            .saturating_add(self.not_attempted)
    }

    /// Those that count against the failure budget.
    pub const fn failures(&self) -> u32 {
        self.refused.saturating_add(self.unsupported).saturating_add(self.unknown)
    }
}
