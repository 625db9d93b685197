//! A command over a selection, before anything is sent: who is asked in which order, who is not and why, how much power that
//! switches, and how long it may take. Pure: it is made of readings, and can be printed, kept and read again.

use crate::hands::{LookError, Seen};
use crate::marks::Marks;
use crate::policy::Policy;
use crate::template::TemplateError;
use bitlink_model::{Action, ActionKind, Power, Secret, Span, Support, Text, Timestamp};
use bitlink_transport::Endpoint;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

mod make;

/// One machine that somebody wants to command, and what was seen of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What was seen there.
    pub seen: Result<Seen, LookError>,
    /// What this machine is to be told, where that is not what all others are.
    pub action: Option<Action>,
}

impl Candidate {
    /// A machine and what was seen of it.
    pub const fn new(endpoint: Endpoint, seen: Result<Seen, LookError>) -> Self {
        Self { endpoint, seen, action: None }
    }

    /// With an action of its own.
    #[must_use]
    pub fn with_action(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }
}

/// Names a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanId(String);

/// A text that names no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no plan")]
pub struct PlanIdError {
    text: String,
}

impl PlanId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlanId {
    type Err = PlanIdError;

    /// Letters, digits and hyphens: it names a file.
    fn from_str(text: &str) -> Result<Self, PlanIdError> {
        let fits = (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !text.starts_with('-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(PlanIdError { text: text.chars().take(80).collect() })
        }
    }
}

impl TryFrom<String> for PlanId {
    type Error = PlanIdError;

    fn try_from(text: String) -> Result<Self, PlanIdError> {
        text.parse()
    }
}

impl From<PlanId> for String {
    fn from(id: PlanId) -> Self {
        id.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A command over a selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// When it was made.
    #[serde(rename = "made_at_ms")]
    pub made_at: Timestamp,
    /// What is to be done. Secrets are not written down.
    pub action: Action,
    /// The plan whose doing this takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<PlanId>,
    /// How carefully.
    pub policy: Policy,
    /// Limits of groups to which targets belong.
    pub groups: Vec<GroupLimit>,
    /// Who is commanded, in this order.
    pub targets: Vec<Target>,
    /// The steps: how many of the targets, one after another, go together.
    pub batches: Vec<Batch>,
    /// Who is not, and why.
    pub skipped: Vec<Skipped>,
    /// Power that is switched in all.
    #[serde(rename = "power_w")]
    pub power: Power,
    /// How many of the targets did not tell their power, so that it was assumed.
    pub assumed_powers: u32,
    /// About how long it will take.
    #[serde(rename = "estimate_s")]
    pub estimate: Span,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// By what it is known again.
    pub marks: Marks,
    /// Make and model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Power that is switched with it.
    #[serde(rename = "power_w")]
    pub power: Power,
    /// Whether that was assumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub power_assumed: bool,
    /// The groups to which it belongs, by their place in [`Plan::groups`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// What it is told, where that is not what all others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Whether anybody has seen this kind of machine obey.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
}

/// What a group may do at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupLimit {
    /// What people call it.
    pub name: String,
    /// How many of it may be switched at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_at_once: Option<u32>,
    /// How much power may be switched in it at one time.
    #[serde(default, rename = "max_power_w", skip_serializing_if = "Option::is_none")]
    pub max_power: Option<Power>,
}

/// One step of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Batch {
    /// How many targets.
    pub size: u32,
    /// Power that is switched in this step.
    #[serde(rename = "power_w")]
    pub power: Power,
    /// Whether these go first, and must come back healthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
}

/// A machine that is not commanded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Skipped {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Make and model, where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Why.
    #[serde(flatten)]
    pub reason: SkipReason,
}

/// Why a machine is not commanded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Its firmware cannot do it, or nobody knows how to tell it.
    Unsupported {
        /// In words.
        why: String,
    },
    /// It shows nothing by which it could be known again.
    Unidentified,
    /// The same machine is a target at another address, or it was named twice.
    Duplicate {
        /// Where it is a target.
        of: Endpoint,
    },
    /// Nobody answers.
    Dead {
        /// In words.
        why: String,
    },
    /// It answers, and does not let us read.
    AccessDenied {
        /// In words.
        why: String,
    },
    /// It answers, and cannot be read.
    Unreadable {
        /// In words.
        why: String,
    },
    /// A template cannot be filled in for it.
    Template {
        /// In words.
        why: String,
    },
    /// It alone switches more than its group may.
    OverGroupLimit {
        /// The group.
        group: String,
    },
    /// Nothing is known of how it was before.
    NothingToUndo {
        /// In words.
        why: String,
    },
}

impl SkipReason {
    /// Its word, as in serialised form.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "unsupported",
            Self::Unidentified => "unidentified",
            Self::Duplicate { .. } => "duplicate",
            Self::Dead { .. } => "dead",
            Self::AccessDenied { .. } => "access_denied",
            Self::Unreadable { .. } => "unreadable",
            Self::Template { .. } => "template",
            Self::OverGroupLimit { .. } => "over_group_limit",
            Self::NothingToUndo { .. } => "nothing_to_undo",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { why } => write!(f, "cannot do this: {why}"),
            Self::Unidentified => f.write_str("shows neither hardware address nor serial number"),
            Self::Duplicate { of } => write!(f, "the same machine as {of}"),
            Self::Dead { why }
            | Self::AccessDenied { why }
            | Self::Unreadable { why }
            | Self::Template { why } => f.write_str(why),
            Self::OverGroupLimit { group } => write!(f, "alone switches more than {group} may"),
            Self::NothingToUndo { why } => write!(f, "nothing to be undone: {why}"),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// More machines than one plan may touch.
    #[error("{miners} miners are more than the {cap} that one plan may touch")]
    TooManyMiners {
        /// How many it would be.
        miners: usize,
        /// How many it may be.
        cap: u32,
    },
    /// More power than one plan may switch.
    #[error("{:.1} kW are more than the {:.1} kW that one plan may switch", power.as_kilowatts(), cap.as_kilowatts())]
    TooMuchPower {
        /// How much it would be.
        power: Power,
        /// How much it may be.
        cap: Power,
    },
    /// The same static address for several machines.
    #[error("one address cannot be given to {miners} miners")]
    OneAddress {
        /// How many it would be.
        miners: usize,
    },
    /// A template that no machine can fill.
    #[error("the worker name {template:?} cannot be filled in")]
    Template {
        /// The template.
        template: String,
        /// Why not.
        source: TemplateError,
    },
    /// An action without its secrets or its file.
    #[error("a password or a file is missing")]
    Incomplete,
    /// Settings that make no sense.
    #[error("{what}")]
    Setting {
        /// Which, and why.
        what: String,
    },
}

impl Plan {
    /// What a target is told, with the secrets that this plan has.
    pub fn action_for(&self, target: &Target) -> Action {
        match (&target.action, &self.action) {
            (Some(Action::SetPools { pools }), Action::SetPools { pools: ours }) => {
                let mut pools = pools.clone();
                for (index, pool) in pools.iter_mut().enumerate() {
                    if pool.password.is_known() {
                        continue;
                    }
                    if let Some(known) = ours.get(index).or_else(|| ours.first()) {
                        pool.password = known.password.clone();
                    }
                }
                Action::SetPools { pools }
            }
            (Some(action), _) | (None, action) => action.clone(),
        }
    }

    /// Gives the secrets or the file of an action that was written down without them. The rest must be as it was.
    ///
    /// # Errors
    /// [`PlanError::Setting`] when it is another action.
    pub fn complete_with(&mut self, action: Action) -> Result<(), PlanError> {
        if without_secrets(&action) != without_secrets(&self.action) {
            return Err(PlanError::Setting { what: "this is not what the plan was made for".to_owned() });
        }
        self.action = action;
        Ok(())
    }

    /// Gives one password for all pools of which none is known.
    pub fn complete_pools(&mut self, password: &Secret) {
        if let Action::SetPools { pools } = &mut self.action {
            for pool in pools.iter_mut().filter(|pool| !pool.password.is_known()) {
                pool.password = password.clone();
            }
        }
    }

    /// Whether every target's action has what it needs.
    pub fn is_complete(&self) -> bool {
        self.action.is_complete()
            && self
                .targets
                .iter()
                .all(|target| target.action.is_none() || self.action_for(target).is_complete())
    }

    /// The kind of action.
    pub const fn kind(&self) -> ActionKind {
        self.action.kind()
    }

    /// Reasons for which machines were left out, each with how many, the most first.
    pub fn skip_counts(&self) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for skipped in &self.skipped {
            let word = skipped.reason.word();
            match counts.iter_mut().find(|(other, _)| *other == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// An action as it is after it was written down.
fn without_secrets(action: &Action) -> Action {
    let mut action = action.clone();
    match &mut action {
        Action::SetPools { pools } => pools.iter_mut().for_each(|pool| pool.password = Secret::default()),
        Action::Password { new, .. } => *new = Secret::default(),
        Action::Update { firmware } => firmware.bytes = std::sync::Arc::from([]),
        _ => {}
    }
    action
}

/// Whether a machine can be told, as the plan takes it.
pub(crate) fn obstacle(support: &Support) -> Option<String> {
    match support {
        Support::No { why } => Some(why.clone().into_owned()),
        _ => None,
    }
}
