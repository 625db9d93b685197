//! What publishing has come to, for the metrics of the service.

use super::port::Kind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MqttCounts {
    /// Whether a broker is connected now.
    pub is_connected: bool,
    /// Times that a broker agreed to a connection.
    pub accepted: u64,
    /// Times that none could be made.
    pub failed: u64,
    /// Times that one was lost.
    pub lost: u64,
    /// Messages that say what there is.
    pub discovery: u64,
    /// Messages that say whether readings stand for now.
    pub availability: u64,
    /// Messages with readings.
    pub state: u64,
    /// Messages that take away what is no more.
    pub removals: u64,
    /// Rounds over the whole fleet.
    pub rounds: u64,
    /// How long the last round took.
    pub took: Duration,
}

impl MqttCounts {
    /// Messages by what they are about, with its name.
    pub const fn messages(&self) -> [(&'static str, u64); 4] {
        [
            ("discovery", self.discovery),
            ("availability", self.availability),
            ("state", self.state),
            ("removal", self.removals),
        ]
    }

    pub(super) const fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Discovery => &mut self.discovery,
            Kind::Availability => &mut self.availability,
            Kind::State => &mut self.state,
            Kind::Removal => &mut self.removals,
        }
    }
}

/// The counts, for others to read while they grow.
#[derive(Debug, Clone, Default)]
pub struct MqttWatch(Arc<Mutex<MqttCounts>>);

impl MqttWatch {
    /// The counts as they are now.
    pub fn counts(&self) -> MqttCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut MqttCounts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
