//! Is it well? Pure judgement of one miner from its readings and silences over time: time is an argument, nothing is
//! asked or stored elsewhere. The limits are in [`Rules`]; this is what is done with them.
//!
//! * **Missing data changes nothing.** A reading that is not there neither raises a finding nor clears one.
//! * **Every limit has a way back.** A finding is raised when its limit has been broken for its time, and cleared only
//!   when the reading is better than the limit by the margin.
//! * **Intent counts.** A miner that is stopped by somebody's wish is not slow: it is paused, unless something else is wrong
//!   with it.
//! * **What is not watched does not last.** When a miner dies or cannot be read, what its last reading said is over:
//!   it comes back with a clean sheet.

mod book;
mod checks;
mod contact;
mod counters;
mod derived;
mod gates;
mod patch;
pub(crate) mod rules;

use bitlink_model::{Finding, MinerSnapshot, MinerStatus, MiningState, Severity, Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) use book::Resolver;
pub use book::{Override, RuleBook, Shipped};
pub use patch::{BandPatch, LimitPatch, RulesPatch};
pub use rules::{ALL_RULES, Band, Limit, Rules, RulesError, rule};

use checks::Exam;
use contact::{Contact, Standing};
use counters::Memory;
use derived::Most;
use gates::Gates;

/// What became of a poll that brought no reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Miss {
    /// Nothing came back, or nobody listens: the miner may be dead.
    Unanswered {
        /// In words.
        why: String,
    },
    /// Something answered that could not be used: access denied, malformed, another service. A miner that does that is
    /// not dead.
    Unusable {
        /// In words.
        why: String,
    },
    /// This machine could not ask. Says nothing about the miner, except that its last reading grows old.
    NotAsked {
        /// In words.
        why: String,
    },
}

impl Miss {
    /// Why there is no reading, in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Unanswered { why } | Self::Unusable { why } | Self::NotAsked { why } => why,
        }
    }
}

/// What is to be said of a miner now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// How it does.
    pub status: MinerStatus,
    /// Everything that is wrong, worst first, then by rule. Entries of [`Severity::Info`] are worth knowing and leave the
    /// status alone.
    pub findings: Vec<Finding>,
    /// Whether its last reading may still be shown as live. Not so once it is dead or unreadable, or
    /// could not be asked for long.
    pub live: bool,
}

/// What a [`Judge`] knows of a machine that is worth keeping when the program ends or the machine moves to another address:
/// the most boards and chips that it told within the last day, and its restarts. A value to be handed out and back in, as
/// JSON or in any other form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgeMemory {
    #[serde(skip_serializing_if = "is_empty")]
    boards: Most,
    #[serde(skip_serializing_if = "is_empty")]
    chips: Most,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restarts: Vec<Timestamp>,
    /// When it was last heard, and for how long its mining program had been running then.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<(Timestamp, Span)>,
}

impl JudgeMemory {
    /// The same with all times moved, for clocks that do not agree.
    pub(crate) fn moved(self, to: impl Fn(Timestamp) -> Timestamp) -> Self {
        Self {
            boards: self.boards.moved(&to),
            chips: self.chips.moved(&to),
            restarts: self.restarts.into_iter().map(&to).collect(),
            last_seen: self.last_seen.map(|(at, running)| (to(at), running)),
        }
    }
}

fn is_empty(most: &Most) -> bool {
    *most == Most::default()
}

/// Judges one miner. Feed it every reading and every failed poll, in order of time.
///
/// ```
/// use bitlink_model::{MinerSnapshot, MinerStatus, Temperature, Timestamp};
/// use bitlink_monitor::{Judge, Rules, rule};
/// use std::sync::Arc;
///
/// let mut judge = Judge::new(Arc::new(Rules::default()));
/// let mut reading = MinerSnapshot::default();
/// reading.temperatures.chip_max = Temperature::from_celsius(91.0).ok();
/// let verdict = judge.observe(Timestamp::from_unix_millis(0), &reading);
/// assert_eq!(verdict.status, MinerStatus::Warning);
/// assert_eq!(verdict.findings[0].rule, rule::CHIP_HOT);
/// assert_eq!(verdict.findings[0].message, "hottest chip 91 °C, limit 85 °C");
/// assert_eq!(verdict.findings[0].clears_when, "below 82 °C");
/// ```
#[derive(Debug, Clone)]
pub struct Judge {
    rules: Arc<Rules>,
    contact: Contact,
    gates: Gates,
    memory: Memory,
}

impl Judge {
    /// A judge of a miner that has not been heard yet.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, contact: Contact::default(), gates: Gates::default(), memory: Memory::default() }
    }

    /// The same with what was remembered of this machine before: by another run of the program, or at another address.
    #[must_use]
    pub fn with_memory(mut self, memory: JudgeMemory) -> Self {
        self.recall(memory);
        self
    }

    /// Takes over what was remembered of this machine, in place of what this judge remembers.
    pub fn recall(&mut self, memory: JudgeMemory) {
        let JudgeMemory { boards, chips, restarts, last_seen } = memory;
        self.memory.most_boards = boards;
        self.memory.most_chips = chips;
        self.memory.starts.times = restarts.into();
        self.memory.starts.last = last_seen.map(|(at, running)| (at, running.as_duration()));
    }

    /// What is worth remembering of this machine for longer than this judge lives.
    pub fn memory(&self) -> JudgeMemory {
        JudgeMemory {
            boards: self.memory.most_boards.clone(),
            chips: self.memory.most_chips.clone(),
            restarts: self.memory.starts.times.iter().copied().collect(),
            last_seen: self.memory.starts.last.map(|(at, running)| (at, running.into())),
        }
    }

    /// Judges by other rules from now on. What is raised stays until the new rules clear it, unless its limit is no more.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        if !Arc::ptr_eq(&self.rules, &rules) {
            for (rule, severity) in rules.switched_off() {
                self.gates.drop_limit(&rule, severity);
            }
            self.rules = rules;
        }
    }

    /// The miner answered.
    pub fn observe(&mut self, now: Timestamp, snapshot: &MinerSnapshot) -> Verdict {
        if self.contact.standing(&self.rules).is_stale() {
            self.forget_readings();
        }
        self.contact.answered(now, &self.rules);
        Exam { now, rules: &self.rules, snapshot, gates: &mut self.gates, memory: &mut self.memory }.run();
        self.verdict()
    }

    /// A poll brought no reading.
    pub fn missed(&mut self, now: Timestamp, miss: &Miss) -> Verdict {
        self.contact.missed(now, miss, &self.rules);
        if self.contact.standing(&self.rules).is_stale() {
            self.forget_readings();
        }
        self.verdict()
    }

    /// How often the mining program has been seen to restart within [`Rules::restarts_window`].
    pub fn restarts(&self) -> usize {
        self.memory.starts.count()
    }

    /// Failed polls in a row, of whatever kind, since the last usable reading.
    pub fn failures(&self) -> u32 {
        self.contact.failures()
    }

    /// Whether it was dead, answers again, and has not done so for long enough yet.
    pub fn is_recovering(&self) -> bool {
        self.contact.is_recovering()
    }

    /// What its readings raised is over, but not how often it restarted: that is judged across silences.
    fn forget_readings(&mut self) {
        self.gates.clear();
        self.memory.forget_rates();
    }

    fn verdict(&self) -> Verdict {
        let standing = self.contact.standing(&self.rules);
        let mut findings = self.contact.findings(&self.rules);
        if !standing.is_stale() {
            findings.extend(self.gates.findings());
            findings.extend(self.memory.errors.findings());
        }
        findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.rule.cmp(&b.rule)));
        let troubled = findings.iter().any(|f| f.severity >= Severity::Warning);
        let status = match standing {
            Standing::Dead => MinerStatus::Dead,
            Standing::Unheard => MinerStatus::Scanning,
            Standing::Unreadable | Standing::NotAsked => MinerStatus::Warning,
            Standing::Heard if troubled => MinerStatus::Warning,
            Standing::Heard if self.memory.state == Some(MiningState::Stopped) => MinerStatus::Paused,
            Standing::Heard => MinerStatus::Active,
        };
        Verdict { status, findings, live: matches!(standing, Standing::Heard) }
    }
}

#[cfg(test)]
mod tests;
