//! Does it answer? Failures and answers in a row, and what follows from them.
//!
//! Silent for some polls is a warning; silent for some polls and some time is dead. A dead miner that answers shows its
//! new numbers at once, as a warning ("recovering") until it has answered a few times in a row; one silence before that
//! and it is dead again. A miner whose answers cannot be used is not dead. When it is this machine that could not ask,
//! that is said after the same number of polls and the same time: what was read before is too old to stand for now.

use super::rules::{Rules, rule};
use super::{Miss, Severity};
use bitlink_model::{Evidence, Finding, Timestamp};

/// The history of contact that still matters.
#[derive(Debug, Clone, Default)]
pub(super) struct Contact {
    /// When anything came from it.
    heard: Option<Timestamp>,
    /// Whether it has ever been read.
    read: bool,
    /// Polls without an answer, in a row.
    silent: Run,
    /// Answers of no use, in a row.
    unusable: Run,
    /// Polls that this machine could not make, in a row.
    not_asked: Run,
    /// Whether they have been going on for so long that the last reading is too old.
    overdue: bool,
    dead: bool,
    /// Usable answers since it was dead, while that is being watched, and since when.
    recovering: Option<Recovery>,
}

/// Failures of one kind in a row.
#[derive(Debug, Clone, Default)]
struct Run {
    count: u32,
    since: Option<Timestamp>,
    why: String,
}

#[derive(Debug, Clone, Copy)]
struct Recovery {
    answers: u32,
    since: Timestamp,
}

/// What its answers alone say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Unheard,
    Heard,
    NotAsked,
    Unreadable,
    Dead,
}

impl Standing {
    /// Whether what its last reading said is over.
    pub(super) fn is_stale(self) -> bool {
        matches!(self, Self::Dead | Self::Unreadable | Self::NotAsked)
    }
}

impl Run {
    fn add(&mut self, now: Timestamp, why: &str) {
        self.count = self.count.saturating_add(1);
        self.since.get_or_insert(now);
        self.why.clear();
        self.why.push_str(why);
    }

    fn end(&mut self) {
        self.count = 0;
        self.since = None;
        self.why.clear();
    }
}

impl Contact {
    pub(super) fn answered(&mut self, now: Timestamp, rules: &Rules) {
        self.heard_something(now);
        self.unusable.end();
        self.read = true;
        if let Some(recovery) = &mut self.recovering {
            recovery.answers = recovery.answers.saturating_add(1);
            if recovery.answers >= rules.alive_after_answers {
                self.recovering = None;
            }
        }
    }

    pub(super) fn missed(&mut self, now: Timestamp, miss: &Miss, rules: &Rules) {
        match miss {
            Miss::NotAsked { why } => {
                self.not_asked.add(now, why);
                let enough = self.not_asked.count >= rules.dead_after_failures;
                self.overdue = enough && self.heard.is_some_and(|heard| now.since(heard) >= rules.dead_after);
            }
            Miss::Unusable { why } => {
                self.heard_something(now);
                self.unusable.add(now, why);
            }
            Miss::Unanswered { why } => {
                self.asked();
                self.silent.add(now, why);
                let enough = self.silent.count >= rules.dead_after_failures;
                let long = self.heard.is_none_or(|heard| now.since(heard) >= rules.dead_after);
                if (enough && long) || self.recovering.is_some() {
                    self.dead = true;
                    self.recovering = None;
                    self.unusable.end();
                }
            }
        }
    }

    fn asked(&mut self) {
        self.not_asked.end();
        self.overdue = false;
    }

    fn heard_something(&mut self, now: Timestamp) {
        self.heard = Some(now);
        self.asked();
        self.silent.end();
        if std::mem::take(&mut self.dead) {
            self.recovering = Some(Recovery { answers: 0, since: now });
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.silent.count.saturating_add(self.unusable.count)
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.recovering.is_some()
    }

    pub(super) fn standing(&self, rules: &Rules) -> Standing {
        if self.dead {
            Standing::Dead
        } else if self.unusable.count >= rules.dead_after_failures
            || self.recovering.is_some_and(|recovery| recovery.answers == 0)
        {
            // The second: it was dead and has said something, but nothing that could be read.
            Standing::Unreadable
        } else if self.read && self.overdue {
            Standing::NotAsked
        } else if self.read {
            Standing::Heard
        } else {
            Standing::Unheard
        }
    }

    pub(super) fn findings(&self, rules: &Rules) -> Vec<Finding> {
        let mut findings = Vec::new();
        let limit = rules.dead_after_failures;
        if self.dead || self.silent.count >= limit {
            let severity = if self.dead { Severity::Critical } else { Severity::Warning };
            let message = format!("no answer to {} polls in a row: {}", self.silent.count, self.silent.why);
            let finding = Finding::new(rule::NO_ANSWER, severity, message)
                .with_numbers(polls(self.silent.count), polls(limit))
                .clears_when("it answers");
            findings.push(with_since(finding, self.silent.since));
        }
        if self.standing(rules) == Standing::NotAsked {
            let message = format!("could not be asked from here: {}", self.not_asked.why);
            let finding = Finding::new(rule::NOT_ASKED, Severity::Warning, message)
                .with_numbers(polls(self.not_asked.count), polls(limit))
                .clears_when("it can be asked and answers");
            findings.push(with_since(finding, self.not_asked.since));
        }
        if self.standing(rules) == Standing::Unreadable {
            let message = format!("answers, but of no use: {}", self.unusable.why);
            let finding = Finding::new(rule::UNREADABLE, Severity::Warning, message)
                .with_numbers(polls(self.unusable.count), polls(limit))
                .clears_when("it answers a question as a miner does");
            findings.push(with_since(finding, self.unusable.since));
        }
        if let Some(Recovery { answers, since }) = self.recovering {
            let needed = rules.alive_after_answers;
            let message = format!("answers again, {answers} of {needed} times in a row");
            findings.push(
                Finding::new(rule::RECOVERING, Severity::Warning, message)
                    .with_numbers(polls(answers), polls(needed))
                    .since(since)
                    .clears_when(format!("it has answered {needed} times in a row")),
            );
        }
        findings
    }
}

fn polls(count: u32) -> Evidence {
    Evidence::new(f64::from(count), "")
}

fn with_since(finding: Finding, since: Option<Timestamp>) -> Finding {
    match since {
        Some(since) => finding.since(since),
        None => finding,
    }
}
