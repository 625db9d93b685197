//! What can go wrong on the way. The names say who is to blame.

use bitlink_protocol::ExchangeFailure;
use std::io;
use std::sync::Arc;

/// Why an exchange brought no reply.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Network: nothing listens at that port.
    #[error("connection refused")]
    Refused,
    /// Network: no way to the address.
    #[error("unreachable")]
    Unreachable(#[source] Arc<io::Error>),
    /// Network: time ran out.
    #[error("timed out while {stage}, {received} bytes received")]
    TimedOut {
        /// What was being done.
        stage: Stage,
        /// How much of a reply had come.
        received: usize,
    },
    /// Miner or operator: accepted and closed without a byte, as an access list or a restarting daemon does.
    #[error("closed without a reply")]
    ClosedWithoutReply,
    /// Miner: the connection was reset before a byte came.
    #[error("connection reset")]
    Reset,
    /// Miner: the reply was longer than allowed.
    #[error("reply longer than {limit} bytes")]
    TooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// This machine: out of descriptors, ports or buffers. Ask again later.
    #[error("this machine is out of sockets or ports")]
    Exhausted(#[source] Arc<io::Error>),
    /// This machine or its administrator: not permitted.
    #[error("not permitted from here")]
    Denied(#[source] Arc<io::Error>),
    /// This transport cannot carry such a question.
    #[error("this transport cannot carry such a request")]
    Unsupported,
    /// A replay has no recording of this question.
    #[error("nothing recorded for this question")]
    NotRecorded,
    /// Anything else the operating system says.
    #[error("input or output failed")]
    Io(#[source] Arc<io::Error>),
}

/// What an exchange was doing when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Opening the connection.
    Connecting,
    /// Sending the question.
    Sending,
    /// Waiting for the first byte.
    Waiting,
    /// Reading on.
    Reading,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Sending => "sending the question",
            Self::Waiting => "waiting for a reply",
            Self::Reading => "reading the reply",
        })
    }
}

impl TransportError {
    /// The same in the few words that a conversation understands.
    pub fn failure(&self) -> ExchangeFailure {
        match self {
            Self::Refused => ExchangeFailure::Refused,
            Self::Unreachable(_) => ExchangeFailure::Unreachable,
            Self::TimedOut { .. } | Self::NotRecorded => ExchangeFailure::TimedOut,
            Self::ClosedWithoutReply => ExchangeFailure::ClosedWithoutReply,
            Self::Reset | Self::Io(_) => ExchangeFailure::Reset,
            Self::TooLong { .. } => ExchangeFailure::TooLong,
            Self::Exhausted(_) | Self::Denied(_) | Self::Unsupported => ExchangeFailure::Local,
        }
    }
}
