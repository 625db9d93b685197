//! How recording goes: what was kept, what was not, and why.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How recording goes, since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryStatus {
    /// Ticks that are on the disk.
    pub ticks: u64,
    /// Values that are on the disk.
    pub values: u64,
    /// Ticks that were not taken because others waited for the disk, or could not be kept.
    pub dropped: u64,
    /// Ticks that wait.
    pub waiting: usize,
    /// How long the last tick took to be written, in microseconds.
    pub last_write_us: u64,
    /// How long all ticks that are on the disk took to be written, in microseconds.
    pub write_us: u64,
    /// Why the last tick was not kept, while none has been since.
    pub failing: Option<String>,
    /// Why rows could not be made into chunks, or old readings not be removed, while that is so.
    pub upkeep_failing: Option<String>,
}

/// Why a tick is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// This machine: earlier ticks still wait for the disk.
    #[error("the disk is behind: {waiting} earlier readings of the fleet wait")]
    Behind {
        /// How many.
        waiting: usize,
    },
    /// No history is kept in this store.
    #[error("no history is kept")]
    Off,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// What the threads of a store know in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) waiting: AtomicUsize,
    pub(crate) dropped: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) values: AtomicU64,
    pub(crate) last_write_us: AtomicU64,
    pub(crate) write_us: AtomicU64,
    /// The time of the last tick that was written.
    pub(crate) last_at: AtomicI64,
    pub(crate) is_on: AtomicBool,
    pub(crate) failing: Mutex<Option<String>>,
    pub(crate) upkeep: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn status(&self) -> HistoryStatus {
        let read = |text: &Mutex<Option<String>>| text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        HistoryStatus {
            ticks: self.ticks.load(Ordering::Relaxed),
            values: self.values.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            last_write_us: self.last_write_us.load(Ordering::Relaxed),
            write_us: self.write_us.load(Ordering::Relaxed),
            failing: read(&self.failing),
            upkeep_failing: read(&self.upkeep),
        }
    }

    pub(crate) fn say(place: &Mutex<Option<String>>, what: Option<String>) {
        *place.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}
