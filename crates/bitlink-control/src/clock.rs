//! What time it is, as a value that can be exchanged: the wall in a program, tokio's clock in a test.

use bitlink_model::Timestamp;
use std::fmt::Debug;
use std::time::SystemTime;
use tokio::time::Instant;

/// Tells the wall-clock time with which journals are dated. Pauses and deadlines are measured by tokio's clock and do not
/// depend on it.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(SystemTime::now())
    }
}

/// A wall clock that moves with tokio's clock from a given start.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    epoch: Timestamp,
    started: Instant,
}

impl VirtualClock {
    /// A clock that shows `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, started: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.epoch.plus(self.started.elapsed())
    }
}
