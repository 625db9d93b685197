//! What time it is in the simulation: the one place that looks at a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Counts the time since the simulation began. Clones share it.
#[derive(Debug, Clone)]
pub struct SimClock {
    source: Source,
    epoch_s: u64,
}

#[derive(Debug, Clone)]
enum Source {
    Real(std::time::Instant),
    Virtual(tokio::time::Instant),
    Manual(Arc<AtomicU64>),
}

impl SimClock {
    /// The calendar second at which simulated time begins unless the clock says otherwise: 2026-01-01T00:00:00Z.
    pub const EPOCH_S: u64 = 1_767_225_600;

    /// Real time from now on; the miners' calendar is the real one.
    pub fn real() -> Self {
        let epoch_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(Self::EPOCH_S, |d| d.as_secs());
        Self { source: Source::Real(std::time::Instant::now()), epoch_s }
    }

    /// The async runtime's time from now on: it stands still and jumps with a paused runtime, and is real otherwise.
    pub fn runtime() -> Self {
        Self { source: Source::Virtual(tokio::time::Instant::now()), epoch_s: Self::EPOCH_S }
    }

    /// Time that moves only when it is told to.
    pub fn manual() -> Self {
        Self { source: Source::Manual(Arc::new(AtomicU64::new(0))), epoch_s: Self::EPOCH_S }
    }

    /// With another calendar second for the beginning of time.
    #[must_use]
    pub fn with_epoch_s(mut self, epoch_s: u64) -> Self {
        self.epoch_s = epoch_s;
        self
    }

    /// Time since the simulation began.
    pub fn elapsed(&self) -> Duration {
        match &self.source {
            Source::Real(start) => start.elapsed(),
            Source::Virtual(start) => start.elapsed(),
            Source::Manual(millis) => Duration::from_millis(millis.load(Ordering::Acquire)),
        }
    }

    /// The calendar second at which simulated time began.
    pub fn epoch_s(&self) -> u64 {
        self.epoch_s
    }

    /// Moves a manual clock on, in whole milliseconds; other clocks move by themselves and ignore it.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.source {
            millis.fetch_add(u64::try_from(by.as_millis()).unwrap_or(0), Ordering::AcqRel);
        }
    }
}
