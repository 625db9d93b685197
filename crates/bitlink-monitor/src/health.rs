//! Is it well? Pure judgement of one miner from its readings and silences over time: time is an argument, nothing is
//! asked or stored elsewhere. The limits are in [`Rules`]; this is what is done with them.
//!
//! * **Missing data changes nothing.** A reading that is not there neither raises a finding nor clears one.
//! * **Every limit has a way back.** A finding is raised when its limit has been broken for its time, and cleared only
//!   when the reading is better than the limit by the margin.
//! * **Intent counts.** A miner that is stopped by somebody's wish is not slow.
//! * **What is not watched does not last.** When a miner dies or cannot be read, what its last reading said is over:
//!   it comes back with a clean sheet.

mod checks;
mod contact;
mod counters;
mod gates;
pub(crate) mod rules;

use bitlink_model::{Finding, MinerSnapshot, MinerStatus, Severity, Timestamp};
use std::sync::Arc;

pub use rules::{ALL_RULES, Band, Limit, ModelRules, RuleBook, Rules, RulesError, rule};

use checks::Exam;
use contact::{Contact, Standing};
use counters::Memory;
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

    /// Judges by other rules from now on. What is raised stays until the new rules clear it.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
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
            Standing::Heard => MinerStatus::Active,
        };
        Verdict { status, findings, live: matches!(standing, Standing::Heard) }
    }
}

#[cfg(test)]
mod tests;
