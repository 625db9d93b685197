//! Raising and clearing: one gate per rule, part and severity. Knows time and hysteresis, not what is measured.

use super::rules::rule;
use bitlink_model::{Finding, Rule, Severity, Timestamp};
use std::time::Duration;

/// Which gate: a rule may watch several parts (fan 2, board 0) at several severities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) rule: Rule,
    pub(super) part: u32,
    pub(super) severity: Severity,
}

/// What a reading says about a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The limit is broken.
    Bad,
    /// Not broken, and not better by the margin either.
    Between,
    /// Better by the margin.
    Good,
}

/// Every gate that is not simply at rest, in order. There are few, and a fleet has as many of these as miners.
#[derive(Debug, Clone, Default)]
pub(super) struct Gates(Vec<(Key, Gate)>);

#[derive(Debug, Clone)]
struct Gate {
    /// Since when the limit has been broken without a break.
    since: Timestamp,
    /// When that was last seen.
    seen: Timestamp,
    /// Set once it has lasted long enough.
    raised: Option<Box<Finding>>,
}

/// Findings that say nothing new while another one stands that is no milder: (hidden, by).
const IMPLIED: &[(Rule, Rule)] = &[
    (rule::HASHRATE_LOW, rule::NOT_HASHING),
    (rule::HASHRATE_LOW, rule::MINING_FAILED),
    (rule::NOT_HASHING, rule::MINING_FAILED),
    (rule::SHARE_RATE_LOW, rule::NOT_HASHING),
    (rule::SHARE_RATE_LOW, rule::NO_SHARES),
    (rule::SHARE_RATE_LOW, rule::POOLS_DEAD),
    (rule::SHARE_RATE_LOW, rule::REJECTED_HIGH),
    (rule::BOARDS_GONE, rule::BOARDS_MISSING),
    (rule::CHIPS_GONE, rule::CHIPS_LOST),
    (rule::CHIPS_GONE, rule::BOARDS_MISSING),
    (rule::CHIPS_GONE, rule::BOARDS_GONE),
    (rule::NO_SHARES, rule::NOT_HASHING),
    (rule::NO_SHARES, rule::MINING_FAILED),
    (rule::NO_SHARES, rule::POOLS_DEAD),
];

impl Gates {
    /// Takes one look at one limit. `lasted` is for how long the reading itself shows that it has been broken; it counts
    /// when it is the whole of `hold`, since a shorter window proves nothing about the rest. `tell` puts into words what
    /// is wrong; it is called only when that is wanted.
    #[allow(clippy::too_many_arguments)] // each is one fact of the look
    pub(super) fn see(
        &mut self,
        now: Timestamp,
        longest_gap: Duration,
        key: Key,
        seen: Seen,
        hold: Duration,
        lasted: Duration,
        tell: impl FnOnce() -> Finding,
    ) {
        match seen {
            Seen::Good => self.remove(&key),
            Seen::Between => match self.get_mut(&key) {
                Some(gate) if gate.raised.is_some() => {
                    gate.seen = now;
                    gate.raised = Some(Box::new(tell().since(gate.since)));
                }
                _ => self.remove(&key),
            },
            Seen::Bad => {
                let shown = if lasted >= hold { now.minus(lasted) } else { now };
                let Some(gate) = self.entry(key, || Gate { since: shown, seen: now, raised: None }) else {
                    return;
                };
                // Not watched for long, or the clock was set back: it may not have lasted.
                let unwatched = gate.raised.is_none() && now.since(gate.seen) > longest_gap;
                if unwatched || now < gate.since {
                    gate.since = shown;
                }
                gate.seen = now;
                if gate.raised.is_none() {
                    gate.since = gate.since.min(shown);
                }
                if gate.raised.is_some() || now.since(gate.since) >= hold {
                    gate.raised = Some(Box::new(tell().since(gate.since)));
                }
            }
        }
    }

    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    fn get_mut(&mut self, key: &Key) -> Option<&mut Gate> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, gate)| gate)
    }

    /// The gate of a key, a new one where there is none. Always one.
    fn entry(&mut self, key: Key, new: impl FnOnce() -> Gate) -> Option<&mut Gate> {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.0.insert(place, (key, new()));
            place
        });
        self.0.get_mut(place).map(|(_, gate)| gate)
    }

    fn remove(&mut self, key: &Key) {
        if let Ok(place) = self.place(key) {
            self.0.remove(place);
        }
    }

    /// Takes a rule back altogether: it does not apply now.
    pub(super) fn excuse(&mut self, rule: &Rule) {
        if !self.0.is_empty() {
            self.0.retain(|(key, _)| key.rule != *rule);
        }
    }

    /// A limit is no more: all of a rule, or of one severity.
    pub(super) fn drop_limit(&mut self, rule: &Rule, severity: Option<Severity>) {
        self.0.retain(|(key, _)| {
            key.rule != *rule || severity.is_some_and(|severity| key.severity != severity)
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a rule stands, and no milder than this.
    fn raised(&self, rule: &Rule, severity: Severity) -> bool {
        self.0
            .iter()
            .any(|(key, gate)| key.rule == *rule && key.severity >= severity && gate.raised.is_some())
    }

    /// What stands, the worst of each rule and part only, and nothing that follows from another finding.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<(u32, &Finding)> = Vec::new();
        for (key, gate) in &self.0 {
            let Some(finding) = &gate.raised else { continue };
            match findings.last_mut() {
                // Keys are in order of severity within a rule and part.
                Some((part, last)) if *part == key.part && last.rule == key.rule => *last = finding,
                _ => findings.push((key.part, finding)),
            }
        }
        findings.retain(|(_, f)| {
            !IMPLIED.iter().any(|(hidden, by)| f.rule == *hidden && self.raised(by, f.severity))
        });
        findings.into_iter().map(|(_, finding)| finding.clone()).collect()
    }
}
