//! The fleet as it is: one value that is replaced as a whole, and read without waiting for anybody.

use crate::tally::PollTally;
use bitlink_model::{Miner, MinerStatus, Timestamp};
use bitlink_transport::Endpoint;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// The whole fleet at one time. Reads like a slice of miners, in order of address and port.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FleetSnapshot {
    /// When it was put together.
    pub taken_at: Timestamp,
    /// The number of the last event that it includes ([`Numbered::seq`](crate::Numbered::seq)); 0 before the first. What
    /// comes after that number is newer than this state.
    pub seq: u64,
    /// Every miner that is watched, in order of address and port.
    pub miners: Arc<[Arc<Miner>]>,
    /// How complete and how fresh it is.
    pub coverage: Coverage,
}

impl FleetSnapshot {
    /// One miner, by where its API listens.
    pub fn get(&self, endpoint: Endpoint) -> Option<&Arc<Miner>> {
        let found =
            self.miners.binary_search_by_key(&endpoint, |miner| Endpoint::new(miner.ip, miner.port)).ok()?;
        self.miners.get(found)
    }
}

impl Deref for FleetSnapshot {
    type Target = [Arc<Miner>];

    fn deref(&self) -> &Self::Target {
        &self.miners
    }
}

/// How much of the fleet a snapshot speaks for, and how well the monitor keeps up.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Coverage {
    /// Miners watched.
    pub miners: usize,
    /// Miners whose last reading is live: read, and since then neither dead nor unreadable nor long unasked.
    pub live: usize,
    /// Miners of status active.
    pub active: usize,
    /// Miners of status paused.
    pub paused: usize,
    /// Miners of status warning.
    pub warning: usize,
    /// Miners of status dead.
    pub dead: usize,
    /// Miners that have not been judged yet.
    pub scanning: usize,
    /// When the oldest live reading was taken.
    pub oldest_reading: Option<Timestamp>,
    /// Polls that brought a reading, since the start.
    pub polls_answered: u64,
    /// Polls that did not, since the start.
    pub polls_failed: u64,
    /// Polls that this machine could not make, since the start: out of sockets, or not permitted. They say nothing about
    /// the miners.
    pub not_asked: u64,
    /// What came of all polls since the start, by cause.
    pub polls: PollTally,
    /// Polls running.
    pub in_flight: usize,
    /// How long the most overdue miner has been waiting for its turn. More than nothing for long means that there are too
    /// many miners for the interval and the number of polls at once.
    pub lag: Duration,
    /// The mean time between two polls of one miner over the last interval, the dead aside. `None` before there were two.
    pub effective_interval: Option<Duration>,
}

impl Coverage {
    pub(crate) fn count(&mut self, miner: &Miner, live: bool) {
        self.miners += 1;
        match miner.status {
            MinerStatus::Active => self.active += 1,
            MinerStatus::Paused => self.paused += 1,
            MinerStatus::Warning => self.warning += 1,
            MinerStatus::Dead => self.dead += 1,
            _ => self.scanning += 1,
        }
        if live {
            self.live += 1;
            self.oldest_reading = match (self.oldest_reading, miner.last_updated) {
                (Some(oldest), Some(this)) => Some(oldest.min(this)),
                (oldest, this) => oldest.or(this),
            };
        }
    }
}
