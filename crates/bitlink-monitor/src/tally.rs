//! What came of polls since the start, by cause, and how long those took that were answered. Counts, and knows no single miner.

use crate::health::Miss;
use bitlink_protocol::{ExchangeFailure, ProtocolError};
use bitlink_transport::{ConverseError, TransportError};
use std::time::Duration;

/// How a poll ended. Names are stable, lower-case and few: they are labels of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PollEnd {
    /// It brought a reading.
    Answered,
    /// Network: nothing listens there.
    Refused,
    /// Network: no way to the address.
    Unreachable,
    /// Network: no answer in time.
    TimedOut,
    /// Accepted and closed without a byte.
    Closed,
    /// The connection was reset before a byte came.
    Reset,
    /// Miner: an answer longer than allowed.
    TooLong,
    /// Miner: an answer that nobody can read.
    Malformed,
    /// Something else answers there.
    NotAMiner,
    /// Operator: it does not let us in, or lets nobody in.
    AccessDenied,
    /// Miner: its mining process is down.
    MiningProcessDown,
    /// Miner: an error of its own.
    MinerError,
    /// No TLS could be agreed on, or nobody vouches for the certificate.
    Tls,
    /// This machine is out of sockets, ports or buffers.
    Exhausted,
    /// This machine or its administrator does not permit it.
    NotPermitted,
    /// Anything else.
    Other,
}

impl PollEnd {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Answered,
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::Closed,
        Self::Reset,
        Self::TooLong,
        Self::Malformed,
        Self::NotAMiner,
        Self::AccessDenied,
        Self::MiningProcessDown,
        Self::MinerError,
        Self::Tls,
        Self::Exhausted,
        Self::NotPermitted,
        Self::Other,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::NotAMiner => "not_a_miner",
            Self::AccessDenied => "access_denied",
            Self::MiningProcessDown => "mining_process_down",
            Self::MinerError => "miner_error",
            Self::Tls => "tls",
            Self::Exhausted => "exhausted",
            Self::NotPermitted => "not_permitted",
            Self::Other => "other",
        }
    }

    fn of_transport(error: &TransportError) -> Self {
        match error {
            TransportError::Refused => Self::Refused,
            TransportError::Unreachable(_) => Self::Unreachable,
            TransportError::TimedOut { .. } => Self::TimedOut,
            TransportError::ClosedWithoutReply => Self::Closed,
            TransportError::Reset => Self::Reset,
            TransportError::TooLong { .. } => Self::TooLong,
            TransportError::Exhausted(_) => Self::Exhausted,
            TransportError::Denied(_) => Self::NotPermitted,
            TransportError::Tls(_) | TransportError::Untrusted => Self::Tls,
            _ => Self::Other,
        }
    }

    pub(crate) fn of_protocol(error: &ProtocolError) -> Self {
        match error {
            ProtocolError::NoReply { failure, .. } => match failure {
                ExchangeFailure::Refused => Self::Refused,
                ExchangeFailure::Unreachable => Self::Unreachable,
                ExchangeFailure::TimedOut => Self::TimedOut,
                ExchangeFailure::ClosedWithoutReply => Self::Closed,
                ExchangeFailure::Reset => Self::Reset,
                ExchangeFailure::TooLong => Self::TooLong,
                ExchangeFailure::Local => Self::Exhausted,
                _ => Self::Other,
            },
            ProtocolError::Malformed { .. } => Self::Malformed,
            ProtocolError::NotAMiner { .. } | ProtocolError::NotIdentified { .. } => Self::NotAMiner,
            ProtocolError::AccessDenied { .. } | ProtocolError::Locked { .. } => Self::AccessDenied,
            ProtocolError::MiningProcessDown { .. } => Self::MiningProcessDown,
            ProtocolError::Miner { .. } | ProtocolError::Refused { .. } => Self::MinerError,
            _ => Self::Other,
        }
    }

    pub(crate) fn of(error: &ConverseError) -> Self {
        match error {
            ConverseError::Transport(error) => Self::of_transport(error),
            ConverseError::Protocol(error) => Self::of_protocol(error),
            _ => Self::Other,
        }
    }
}

/// What a poll came to for the miner's judgement. Names are stable and few, as those of [`PollEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PollResult {
    /// A reading.
    Answered,
    /// Nothing came back.
    Unanswered,
    /// Something came back that could not be used.
    Unusable,
    /// This machine could not ask.
    NotAsked,
}

impl PollResult {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Unanswered, Self::Unusable, Self::NotAsked];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unanswered => "unanswered",
            Self::Unusable => "unusable",
            Self::NotAsked => "not_asked",
        }
    }

    pub(crate) fn of(miss: &Miss) -> Self {
        match miss {
            Miss::Unanswered { .. } => Self::Unanswered,
            Miss::Unusable { .. } => Self::Unusable,
            Miss::NotAsked { .. } => Self::NotAsked,
        }
    }
}

const RESULTS: usize = PollResult::ALL.len();
const ENDS: usize = PollEnd::ALL.len();
const STEPS: usize = PollTally::STEPS_MS.len();

/// What came of all polls since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PollTally {
    counts: [[u64; ENDS]; RESULTS],
    /// Answered polls by how long they took: up to each step, and longer.
    times: [u64; STEPS + 1],
    took: Duration,
}

impl PollTally {
    /// Upper ends of the steps in which times are counted, in milliseconds.
    pub const STEPS_MS: [u64; 10] = [25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

    /// Takes an answered poll into account.
    pub(crate) fn answered(&mut self, took: Duration) {
        self.count(PollResult::Answered, PollEnd::Answered);
        let step = Self::STEPS_MS.partition_point(|step| Duration::from_millis(*step) < took);
        if let Some(times) = self.times.get_mut(step) {
            *times += 1;
        }
        self.took = self.took.saturating_add(took);
    }

    /// Takes a poll into account that brought nothing.
    pub(crate) fn missed(&mut self, miss: &Miss, end: PollEnd) {
        self.count(PollResult::of(miss), end);
    }

    fn count(&mut self, result: PollResult, end: PollEnd) {
        let count = self.counts.get_mut(result as usize).and_then(|ends| ends.get_mut(end as usize));
        if let Some(count) = count {
            *count += 1;
        }
    }

    /// How many polls came to each result by each cause; those that never occurred are left out, answers aside.
    pub fn counts(&self) -> impl Iterator<Item = (PollResult, PollEnd, u64)> + '_ {
        PollResult::ALL.iter().zip(&self.counts).flat_map(|(result, ends)| {
            let ends = PollEnd::ALL.iter().zip(ends);
            ends.map(|(end, count)| (*result, *end, *count)).filter(|(_, end, count)| {
                *count > 0 || *end == PollEnd::Answered && *result == PollResult::Answered
            })
        })
    }

    /// How many answered polls took no longer than each step of [`PollTally::STEPS_MS`], then all of them.
    pub fn times(&self) -> impl Iterator<Item = u64> + '_ {
        self.times.iter().scan(0_u64, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }

    /// How long all answered polls took together.
    pub const fn took(&self) -> Duration {
        self.took
    }
}

#[cfg(test)]
mod tests {
    //! What is counted adds up.
    use super::*;

    #[test]
    fn times_are_counted_up_to_each_step_and_include_its_end() {
        let mut tally = PollTally::default();
        for millis in [25, 26, 30_000, 30_001] {
            tally.answered(Duration::from_millis(millis));
        }
        assert_eq!(tally.times().collect::<Vec<_>>(), [1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4]);
        assert_eq!(tally.took(), Duration::from_millis(60_052));
        assert_eq!(tally.counts().collect::<Vec<_>>(), [(PollResult::Answered, PollEnd::Answered, 4)]);
    }

    #[test]
    fn every_cause_is_counted_under_a_name_of_its_own() {
        let mut tally = PollTally::default();
        let miss = Miss::Unanswered { why: String::new() };
        for end in PollEnd::ALL {
            tally.missed(&miss, end);
        }
        let names: std::collections::BTreeSet<&str> = tally
            .counts()
            .filter(|(result, ..)| *result == PollResult::Unanswered)
            .map(|(_, end, count)| {
                assert_eq!(count, 1);
                end.as_str()
            })
            .collect();
        assert_eq!(names.len(), PollEnd::ALL.len());
    }

    #[test]
    fn nothing_asked_yet_is_no_answer_and_no_failure() {
        let none = PollTally::default();
        assert_eq!(none.counts().collect::<Vec<_>>(), [(PollResult::Answered, PollEnd::Answered, 0)]);
    }
}
