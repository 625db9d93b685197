//! Readings over time: what every miner said at every tick, kept raw for a day and as summaries for a year, and what happened, kept
//! for ever.
//!
//! A tick is written as one row for each 1,024 machines, column by column (`row`). Rows of an hour become chunks of one machine each
//! (`chunk`) and summaries of a quarter of an hour, which are rows of the next tier; rows of that tier become chunks after a day and
//! summaries of six hours, and those after a week. Rows are deleted in the transaction that writes what they became, so that a value is
//! in one of the two whatever happens meanwhile. Groups of machines, as the fleet and its sites, are series like machines, summed before
//! they are written.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "numbers of rows, places, columns and bits are bounded far below what these types hold"
)]

mod answer;
mod bits;
mod chunk;
mod compact;
mod compare;
pub(crate) mod event;
mod export;
mod ingest;
mod query;
mod retention;
mod row;
mod status;
mod sums;
mod tick;

pub use answer::{Sample, Series};
pub use compare::{Changed, Difference, StateAt};
pub use event::{BoardFact, Event, EventKind, Facts, FindingFact, PoolFact, StatusFact};
pub use export::{write_csv, write_ndjson};
pub use query::{Query, SeriesName, Step};
pub use status::{HistoryStatus, RecordError};
pub use sums::Sums;
pub use tick::Tick;

pub(crate) use chunk::unbundle_all;
pub(crate) use compact::{Compacted, Failure, due, prepare};
pub(crate) use ingest::Ingest;
pub(crate) use query::{Trouble, series, values_at};
pub(crate) use retention::{Expired, expired};
pub(crate) use row::Row;
pub(crate) use status::Shared;

use crate::error::StoreError;
use bitlink_model::{MinerId, Timestamp};
use std::fmt;
use std::time::Duration;

/// A resolution in which readings are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Every reading.
    Raw,
    /// Least, mean, greatest and last of a quarter of an hour.
    Quarter,
    /// The same of six hours.
    SixHours,
}

impl Tier {
    /// From the finest to the coarsest.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Quarter, Self::SixHours];

    pub(crate) const fn number(self) -> i64 {
        self as i64
    }

    /// The time that one summary is of; of raw readings none.
    pub const fn width(self) -> Option<Duration> {
        match self {
            Self::Raw => None,
            Self::Quarter => Some(Duration::from_mins(15)),
            Self::SixHours => Some(Duration::from_hours(6)),
        }
    }

    /// The next coarser one.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Raw => Some(Self::Quarter),
            Self::Quarter => Some(Self::SixHours),
            Self::SixHours => None,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Raw => "raw",
            Self::Quarter => "15m",
            Self::SixHours => "6h",
        })
    }
}

/// For how long readings are kept. What happened is kept for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryConfig {
    /// Every reading: default 24 h, 2 h to 10 years.
    pub raw: Duration,
    /// Summaries of 15 minutes: default 30 days, 2 days to 10 years.
    pub quarter: Duration,
    /// Summaries of six hours: default 366 days, 14 days to 10 years.
    pub six_hours: Duration,
    /// Most bytes that the database may have in use, in which case the oldest readings go before their time, raw ones first;
    /// default no limit, at least 16 MiB.
    pub most_bytes: Option<u64>,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            raw: Duration::from_hours(24),
            quarter: Duration::from_hours(24 * 30),
            six_hours: Duration::from_hours(24 * 366),
            most_bytes: None,
        }
    }
}

impl HistoryConfig {
    /// With raw readings kept for so long.
    #[must_use]
    pub fn with_raw(mut self, age: Duration) -> Self {
        self.raw = age;
        self
    }

    /// With summaries of 15 minutes kept for so long.
    #[must_use]
    pub fn with_quarter(mut self, age: Duration) -> Self {
        self.quarter = age;
        self
    }

    /// With summaries of six hours kept for so long.
    #[must_use]
    pub fn with_six_hours(mut self, age: Duration) -> Self {
        self.six_hours = age;
        self
    }

    /// With a limit on the bytes in use.
    #[must_use]
    pub fn with_most_bytes(mut self, bytes: Option<u64>) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// The name of the first setting that is out of its range, and the range.
    ///
    /// # Errors
    /// That pair.
    pub fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        const HOUR: Duration = Duration::from_hours(1);
        const LONGEST: Duration = Duration::from_hours(24 * 3660);
        if self.raw < 2 * HOUR || self.raw > LONGEST {
            return Err(("raw", "2 h to 10 years"));
        }
        if self.quarter < 48 * HOUR || self.quarter > LONGEST {
            return Err(("quarter", "2 days to 10 years"));
        }
        if self.six_hours < 14 * 24 * HOUR || self.six_hours > LONGEST {
            return Err(("six_hours", "14 days to 10 years"));
        }
        if self.most_bytes.is_some_and(|bytes| bytes < 1 << 24) {
            return Err(("most_bytes", "at least 16 MiB"));
        }
        Ok(())
    }

    pub(crate) const fn age(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Raw => self.raw,
            Tier::Quarter => self.quarter,
            Tier::SixHours => self.six_hours,
        }
    }
}

/// What is asked of whoever writes history. The store does; a test or another database may.
pub trait HistoryWriter: fmt::Debug + Send + Sync + 'static {
    /// Takes a tick without waiting for the disk. `done` is called when it is on the disk, or could not be kept.
    ///
    /// # Errors
    /// [`RecordError`]: the tick is not taken, `done` is not called, and that is counted in the status.
    fn record(
        &self,
        tick: Tick,
        done: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
    ) -> Result<(), RecordError>;

    /// How it goes.
    fn history_status(&self) -> HistoryStatus;

    /// Takes ticks from now on, or with other settings than before; `None`: takes none any more.
    ///
    /// # Errors
    /// Those of the database.
    fn keep_history(&self, config: Option<HistoryConfig>) -> Result<(), StoreError>;
}

/// What is asked of whoever reads history.
pub trait HistoryReader: fmt::Debug {
    /// The series that a query names, each in order of time.
    ///
    /// # Errors
    /// Those of the database.
    fn series(&self, query: &Query) -> Result<Vec<Series>, StoreError>;

    /// What happened, in order of time: of one machine, or of all.
    ///
    /// # Errors
    /// Those of the database.
    fn events(
        &self,
        miner: Option<MinerId>,
        from: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// The last things that happened in a time, in order of time: of one machine, or of all.
    ///
    /// # Errors
    /// Those of the database.
    fn last_events(
        &self,
        miner: Option<MinerId>,
        from: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// What was known of every machine at a time: the last that was told of each kind.
    ///
    /// # Errors
    /// Those of the database.
    fn states_at(&self, at: Timestamp) -> Result<Vec<(MinerId, Vec<Event>)>, StoreError>;

    /// Names of the groups that are summed.
    ///
    /// # Errors
    /// Those of the database.
    fn groups(&self) -> Result<Vec<String>, StoreError>;
}
