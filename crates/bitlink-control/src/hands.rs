//! How the engine touches a miner: the one trait between rules and wires. What a firmware wants to be told is not known here.

use async_trait::async_trait;
use bitlink_model::{Action, Capabilities, MinerSnapshot};
use bitlink_transport::Endpoint;
use std::fmt::Debug;

/// Looks at miners and commands them. Every call ends in bounded time.
#[async_trait]
pub trait Hands: Debug + Send + Sync + 'static {
    /// A reading of whoever answers at this address now, and what it can be told to do.
    async fn look(&self, at: Endpoint) -> Result<Seen, LookError>;

    /// One command, once. Nothing is tried again in here.
    async fn act(&self, at: Endpoint, action: &Action) -> Result<Acted, ActFailure>;

    /// What a reading proves of an action, against one that was taken before it.
    fn prove(&self, action: &Action, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof;
}

/// What was seen at an address.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Seen {
    /// The reading.
    pub snapshot: MinerSnapshot,
    /// What this machine can be told to do.
    pub capabilities: Capabilities,
}

impl Seen {
    /// A reading of a machine that can do so much.
    pub const fn new(snapshot: MinerSnapshot, capabilities: Capabilities) -> Self {
        Self { snapshot, capabilities }
    }
}

/// Why nothing was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// Network: nobody answers.
    #[error("no answer: {why}")]
    Unreachable {
        /// What the network said.
        why: String,
    },
    /// Operator: it does not let us read.
    #[error("it does not let us read: {why}")]
    AccessDenied {
        /// What it said.
        why: String,
    },
    /// Operator: another client is in, or it lets nobody in for a while.
    #[error("somebody else is in: {why}")]
    Busy {
        /// What it said.
        why: String,
    },
    /// Miner: what it answered does not serve.
    #[error("its answers do not serve: {why}")]
    Unusable {
        /// Why not.
        why: String,
    },
    /// This machine could not ask.
    #[error("this machine could not ask: {why}")]
    Local {
        /// Why not.
        why: String,
    },
}

/// When the effect of a command shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// At once.
    Now,
    /// At the next restart, which the firmware does not do by itself.
    AfterRestart,
    /// Nobody knows: the connection ended without an answer, as it does where firmware obeys such a command.
    ConnectionLost,
}

/// A command that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acted {
    /// When it shows.
    pub effect: Effect,
    /// What the miner said to it.
    pub said: Option<String>,
    /// What was read, where that was the command.
    pub log: Option<Vec<u8>>,
}

impl Acted {
    /// Taken, and nothing said.
    pub const fn new(effect: Effect) -> Self {
        Self { effect, said: None, log: None }
    }

    /// With what the miner said.
    #[must_use]
    pub fn saying(mut self, said: impl Into<String>) -> Self {
        self.said = Some(said.into());
        self
    }

    /// With what was read.
    #[must_use]
    pub fn reading(mut self, log: Vec<u8>) -> Self {
        self.log = Some(log);
        self
    }
}

/// A command that was not taken, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct ActFailure {
    /// What kind of failure.
    pub kind: ActFailureKind,
    /// Whether anything that changes the machine may have reached it.
    pub written: bool,
    /// In words.
    pub why: String,
}

impl ActFailure {
    /// A failure before anything that changes the machine was sent.
    pub fn before(kind: ActFailureKind, why: impl Into<String>) -> Self {
        Self { kind, written: false, why: why.into() }
    }

    /// A failure after something that changes the machine was sent.
    pub fn after(kind: ActFailureKind, why: impl Into<String>) -> Self {
        Self { kind, written: true, why: why.into() }
    }
}

/// Kinds of failure, by who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActFailureKind {
    /// Miner: it said no.
    Refused,
    /// Operator: wrong or missing password, or no right.
    AccessDenied,
    /// Somebody else holds its session or its lock.
    Busy,
    /// Firmware: it cannot.
    Unsupported,
    /// Network: no answer.
    Network,
    /// This machine could not ask.
    Local,
}

/// What a reading proves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// The action has its effect.
    Proven,
    /// Not to be seen yet.
    NotYet,
    /// The opposite is to be seen.
    Contradicted {
        /// What is to be seen.
        why: String,
    },
    /// No reading shows it.
    Impossible,
}
