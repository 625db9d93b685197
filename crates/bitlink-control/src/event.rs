//! What is told while a plan runs: edges of a bounded stream. What each target came to and the end are never left out.

use crate::outcome::{Counts, Outcome};
use crate::plan::PlanId;
use bitlink_transport::Endpoint;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ControlEvent {
    /// It begins.
    Started {
        /// Which plan.
        plan: PlanId,
        /// How many targets are to be commanded now.
        targets: usize,
        /// How many steps are left.
        steps: usize,
    },
    /// A step begins.
    Step {
        /// Which, from 1.
        number: usize,
        /// How many targets it has.
        size: usize,
        /// Whether these go first, and must come back healthy.
        canary: bool,
    },
    /// What is being done with a target. Left out before anything else when nobody reads.
    Stage {
        /// Which of the plan's targets.
        target: u32,
        /// Where it is.
        endpoint: Endpoint,
        /// What is being done.
        stage: Stage,
    },
    /// What a target came to.
    Ended {
        /// Which of the plan's targets.
        target: u32,
        /// Where it is.
        endpoint: Endpoint,
        /// What.
        outcome: Outcome,
        /// What was read, where that was the command.
        log: Option<Vec<u8>>,
    },
    /// Those that went first are back and healthy.
    CanaryPassed {
        /// How many.
        healthy: u32,
    },
    /// No more commands go out.
    Stopping {
        /// Why.
        why: Stop,
    },
    /// The reader was too slow, and stages were left out.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// It is over. The last event.
    Complete {
        /// What it came to.
        report: Box<Report>,
    },
}

/// What is being done with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Whether it is the machine that was planned.
    Checking,
    /// The command goes out.
    Sending,
    /// Whether it has its effect.
    Proving,
}

/// Why a plan stops before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// One of those that went first did not come back healthy.
    CanaryFailed {
        /// Which, and what it came to.
        why: String,
    },
    /// More failed than is put up with.
    TooManyFailures {
        /// How many.
        failures: u32,
    },
    /// As many as may be down are down, and do not come back.
    TooManyDown {
        /// How many.
        down: u32,
    },
    /// What is done cannot be written down.
    Journal {
        /// Why not.
        why: String,
    },
    /// Its time is over.
    Deadline,
    /// Somebody wished it.
    Cancelled,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CanaryFailed { why } => write!(f, "one of the first did not come back healthy ({why})"),
            Self::TooManyFailures { failures } => write!(f, "{failures} failed, and that is too many"),
            Self::TooManyDown { down } => write!(f, "{down} are down and do not come back"),
            Self::Journal { why } => write!(f, "nothing more can be written down: {why}"),
            Self::Deadline => f.write_str("its time is over"),
            Self::Cancelled => f.write_str("it was stopped"),
        }
    }
}

/// What a plan came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Which plan.
    pub plan: PlanId,
    /// What each target came to, in the plan's order.
    pub outcomes: Vec<Outcome>,
    /// How many came to what.
    pub counts: Counts,
    /// Why it stopped before its end, if it did.
    pub stopped: Option<Stop>,
    /// How long it took.
    pub elapsed: Duration,
    /// The most that were down or being switched at one time.
    pub most_at_once: u32,
}

impl Report {
    /// Whether every target has exactly one outcome.
    pub fn adds_up(&self) -> bool {
        usize::try_from(self.counts.total()).is_ok_and(|total| total == self.outcomes.len())
            && self.counts == Counts::of(&self.outcomes)
    }
}

/// The events on their way to a reader.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// How many stages may wait.
    stages: usize,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<ControlEvent>,
    stages: usize,
    missed: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl Queue {
    pub(crate) fn new(stages: usize) -> Self {
        Self { inner: Mutex::default(), stages }
    }

    pub(crate) fn push(&self, event: ControlEvent) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(event, ControlEvent::Stage { .. }) {
            if inner.stages >= self.stages {
                inner.missed += 1;
                return;
            }
            inner.stages += 1;
        }
        if inner.missed > 0 {
            let missed = std::mem::take(&mut inner.missed);
            inner.events.push_back(ControlEvent::Lagged { missed });
        }
        inner.events.push_back(event);
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.closed = true;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<ControlEvent>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.events.pop_front() {
            Some(event) => {
                if matches!(event, ControlEvent::Stage { .. }) {
                    inner.stages = inner.stages.saturating_sub(1);
                }
                Poll::Ready(Some(event))
            }
            None if inner.closed => Poll::Ready(None),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
