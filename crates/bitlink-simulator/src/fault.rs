//! What can be wrong with a simulated miner, and when.

use crate::number::millis;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Something that is wrong with a machine, as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A hash board is not detected.
    BoardMissing {
        /// Which, from 0.
        board: u8,
    },
    /// Chips of a board do not answer.
    ChipsLost {
        /// Which board, from 0.
        board: u8,
        /// How many chips.
        chips: u16,
    },
    /// The chips are above 88 °C and the machine throttles a little.
    Overheating,
    /// A fan stands still.
    FanFailed {
        /// Which, from 0.
        fan: u8,
    },
    /// The power supply has shut its output off: the control board answers, nothing hashes.
    PsuFault,
    /// The machine hashes at a part of its rate.
    Slow {
        /// What is left, in percent.
        percent: u8,
    },
    /// The first pool does not answer; the machine works for the next.
    PoolDead,
    /// No pool answers: nothing to work on.
    AllPoolsDead,
    /// Somebody has put the machine to sleep.
    Asleep,
    /// The mining program runs and does not hash yet.
    Booting,
    /// Nothing on the machine answers.
    Unresponsive,
    /// The machine is down and refuses connections; when this ends it has just booted and counts from zero.
    Rebooting,
}

/// The kinds of [`Fault`] by name, for configuration; which board or fan is drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::BoardMissing`].
    BoardMissing,
    /// [`Fault::ChipsLost`].
    ChipsLost,
    /// [`Fault::Overheating`].
    Overheating,
    /// [`Fault::FanFailed`].
    FanFailed,
    /// [`Fault::PsuFault`].
    PsuFault,
    /// [`Fault::Slow`].
    Slow,
    /// [`Fault::PoolDead`].
    PoolDead,
    /// [`Fault::AllPoolsDead`].
    AllPoolsDead,
    /// [`Fault::Asleep`].
    Asleep,
    /// [`Fault::Booting`].
    Booting,
    /// [`Fault::Unresponsive`].
    Unresponsive,
    /// [`Fault::Rebooting`].
    Rebooting,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::BoardMissing,
        Self::ChipsLost,
        Self::Overheating,
        Self::FanFailed,
        Self::PsuFault,
        Self::Slow,
        Self::PoolDead,
        Self::AllPoolsDead,
        Self::Asleep,
        Self::Booting,
        Self::Unresponsive,
        Self::Rebooting,
    ];

    /// Its name: lower-case, words joined with `-`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BoardMissing => "board-missing",
            Self::ChipsLost => "chips-lost",
            Self::Overheating => "overheating",
            Self::FanFailed => "fan-failed",
            Self::PsuFault => "psu-fault",
            Self::Slow => "slow",
            Self::PoolDead => "pool-dead",
            Self::AllPoolsDead => "all-pools-dead",
            Self::Asleep => "asleep",
            Self::Booting => "booting",
            Self::Unresponsive => "unresponsive",
            Self::Rebooting => "rebooting",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}; known: {known}", known = names())]
pub struct UnknownFault(String);

fn names() -> String {
    FaultKind::ALL.map(FaultKind::name).join(", ")
}

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let wanted = text.trim();
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownFault(wanted.to_owned()))
    }
}

impl Fault {
    /// Its kind.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::BoardMissing { .. } => FaultKind::BoardMissing,
            Self::ChipsLost { .. } => FaultKind::ChipsLost,
            Self::Overheating => FaultKind::Overheating,
            Self::FanFailed { .. } => FaultKind::FanFailed,
            Self::PsuFault => FaultKind::PsuFault,
            Self::Slow { .. } => FaultKind::Slow,
            Self::PoolDead => FaultKind::PoolDead,
            Self::AllPoolsDead => FaultKind::AllPoolsDead,
            Self::Asleep => FaultKind::Asleep,
            Self::Booting => FaultKind::Booting,
            Self::Unresponsive => FaultKind::Unresponsive,
            Self::Rebooting => FaultKind::Rebooting,
        }
    }
}

/// When a fault is there, in time since the simulation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// Always.
    Always,
    /// Since ever, up to, without, a time.
    Until(Duration),
    /// From one time up to, without, another.
    Between(Duration, Duration),
    /// From a time on.
    From(Duration),
    /// Again and again.
    Every {
        /// From one beginning to the next; at least a minute.
        period: Duration,
        /// How long it stays each time.
        lasting: Duration,
        /// When it first begins.
        first: Duration,
    },
}

/// A fault and its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Episode {
    /// What is wrong.
    pub fault: Fault,
    /// When.
    pub when: Schedule,
}

/// The shortest time between two beginnings of one recurring fault, which bounds how many have to be counted.
const SHORTEST_PERIOD_MS: i64 = 60_000;

impl Episode {
    /// A fault that is always there.
    pub const fn always(fault: Fault) -> Self {
        Self { fault, when: Schedule::Always }
    }

    /// Whether the fault is there at a time.
    pub(crate) fn covers(&self, at_ms: i64) -> bool {
        match self.when {
            Schedule::Always => true,
            Schedule::Until(until) => at_ms < millis(until),
            Schedule::Between(from, until) => (millis(from)..millis(until)).contains(&at_ms),
            Schedule::From(from) => at_ms >= millis(from),
            Schedule::Every { period, lasting, first } => {
                let since = at_ms - millis(first);
                since >= 0 && since % millis(period).max(SHORTEST_PERIOD_MS) < millis(lasting)
            }
        }
    }

    /// The times in `from..=until` at which it begins or ends, in no order.
    pub(crate) fn edges(&self, from_ms: i64, until_ms: i64, out: &mut Vec<i64>) {
        let mut push = |edge: i64| {
            if (from_ms..=until_ms).contains(&edge) {
                out.push(edge);
            }
        };
        match self.when {
            Schedule::Always => {}
            Schedule::Until(until) => push(millis(until)),
            Schedule::Between(from, until) => [from, until].map(millis).into_iter().for_each(&mut push),
            Schedule::From(from) => push(millis(from)),
            Schedule::Every { period, lasting, first } => {
                let (period, first) = (millis(period).max(SHORTEST_PERIOD_MS), millis(first));
                let mut begin = first + (from_ms - first).div_euclid(period).max(0) * period;
                while begin <= until_ms {
                    push(begin);
                    push(begin.saturating_add(millis(lasting)));
                    begin = begin.saturating_add(period);
                }
            }
        }
    }

    /// When it last ended at or before a time.
    pub(crate) fn last_end(&self, at_ms: i64) -> Option<i64> {
        match self.when {
            Schedule::Always | Schedule::From(_) => None,
            Schedule::Until(until) => Some(millis(until)).filter(|&end| end <= at_ms),
            Schedule::Between(from, until) => Some(millis(until)).filter(|&end| from < until && end <= at_ms),
            Schedule::Every { period, lasting, first } => {
                let (period, lasting, first) =
                    (millis(period).max(SHORTEST_PERIOD_MS), millis(lasting), millis(first));
                let since = at_ms - first - lasting;
                (since >= 0 && lasting > 0 && lasting < period)
                    .then(|| first + since.div_euclid(period) * period + lasting)
            }
        }
    }

    /// The same episode, over for good at a moment: what was before stays, for the counters depend on it.
    pub(crate) fn until(&self, now: Duration) -> Vec<Self> {
        let between = |from: Duration, until: Duration| {
            (from < until).then_some(Self { fault: self.fault, when: Schedule::Between(from, until) })
        };
        match self.when {
            // Since before the beginning: the machine ran with it all the time.
            Schedule::Always => vec![Self { fault: self.fault, when: Schedule::Until(now) }],
            Schedule::Until(until) => vec![Self { fault: self.fault, when: Schedule::Until(until.min(now)) }],
            Schedule::From(from) => between(from, now).into_iter().collect(),
            Schedule::Between(from, until) => between(from, until.min(now)).into_iter().collect(),
            Schedule::Every { period, lasting, first } => {
                let period = period.max(Duration::from_mins(1));
                std::iter::successors(Some(first), |begin| begin.checked_add(period))
                    .take_while(|begin| *begin < now)
                    .filter_map(|begin| between(begin, begin.saturating_add(lasting).min(now)))
                    .collect()
            }
        }
    }
}
