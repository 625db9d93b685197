//! What the engine is told: of every miner how it does, and what has happened. Borrowed from whoever knows it.

use bitlink_model::{Metric, MinerId, MinerStatus, Position, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Something that is found wrong with a miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The health rule that says so.
    pub rule: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// In words.
    pub message: &'a str,
}

/// A miner as it is known at a time. What is not known is absent, and changes nothing.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Which machine.
    pub id: MinerId,
    /// Where it answers.
    pub address: &'a str,
    /// Make and model.
    pub model: &'a str,
    /// Where it stands.
    pub position: &'a Position,
    /// Words that people put on it.
    pub labels: &'a BTreeSet<String>,
    /// How it does; [`MinerStatus::Scanning`] is not known.
    pub status: MinerStatus,
    /// What is wrong with it.
    pub findings: Vec<Found<'a>>,
    /// Readings, of those metrics that the rules name ([`crate::Policy::metrics`]), only while they are live.
    pub readings: Vec<(Metric, f64)>,
    /// What it should hash, in H/s.
    pub expected_hs: Option<f64>,
    /// What it hashes, in H/s, while that is live.
    pub hashrate_hs: Option<f64>,
}

impl Subject<'_> {
    /// What is lost of its hash rate: all of it while it is dead.
    pub(crate) fn lost_hs(&self) -> Option<f64> {
        let expected = self.expected_hs?;
        match self.status {
            MinerStatus::Dead => Some(expected),
            _ => Some((expected - self.hashrate_hs?).max(0.0)),
        }
    }
}

/// Kinds of what happens at a moment and does not last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Occasion {
    /// A machine was met for the first time.
    New,
    /// A machine answers at another address.
    Moved,
    /// A machine has another control board.
    BoardSwapped,
    /// A machine was not heard of for long, wherever it was looked for.
    Vanished,
    /// A machine that had vanished is back.
    Returned,
    /// Two machines have one identity.
    Conflict,
    /// A machine has another firmware or another version of it.
    FirmwareChanged,
    /// A machine has other pools or another worker.
    PoolsChanged,
    /// A machine has found a block.
    BlockFound,
    /// The program itself cannot keep what it knows.
    NotKept,
    /// The program itself keeps what it knows again.
    KeptAgain,
    /// The program itself cannot record readings.
    NotRecorded,
    /// The program itself records readings again.
    RecordedAgain,
}

/// Something that has happened.
#[derive(Debug, Clone)]
pub struct Happening<'a> {
    /// What.
    pub occasion: Occasion,
    /// To whom; `None`: to the program itself.
    pub subject: Option<Subject<'a>>,
    /// In words.
    pub message: &'a str,
}
