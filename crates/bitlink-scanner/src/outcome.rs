//! What an endpoint came to. Every endpoint of a scan ends in exactly one of these; this file is the one place where
//! errors of the layers below become outcomes.

use bitlink_protocol::{Excerpt, ExchangeFailure, ProtocolError, Service};
use bitlink_transport::{ConverseError, TransportError};
use std::error::Error;
use std::fmt;

/// What one endpoint (an address and a port) came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// A miner. The event [`ScanEvent::Found`](crate::ScanEvent::Found) carries it.
    Found,
    /// Speaks the API, but nobody knows it.
    NotIdentified {
        /// The beginning of what it said, printable.
        excerpt: Excerpt,
    },
    /// Something else listens there.
    NotAMiner {
        /// What it looks like.
        service: Service,
        /// The beginning of what it said, printable.
        excerpt: Excerpt,
    },
    /// A miner, or a restarting one, that does not let this machine ask: it accepts and closes without a word, or says
    /// so.
    AccessDenied,
    /// A machine is there and nobody listens.
    Refused,
    /// No answer to any try.
    Silent,
    /// The network says that there is no way there.
    Unreachable,
    /// This machine or its firewall does not permit asking.
    Denied,
    /// The port was open, or this machine could not ask, and no answer served.
    Failed(ScanFailure),
    /// The scan was stopped first.
    NotProbed,
    /// The host name has no address. Counted once for the name.
    NameUnknown,
}

/// Why an endpoint that should have given an answer gave none.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ScanFailure {
    /// Network or miner: the port was open, and the conversation failed.
    #[error("the port is open, but no answer served")]
    Conversation(#[source] ConverseError),
    /// This machine: no socket, port or buffer could be had for it, however often it was tried.
    #[error("this machine had no socket to spare in {tries} tries")]
    Exhausted {
        /// How often it was tried.
        tries: u32,
    },
    /// A mistake in this program, contained to this endpoint.
    #[error("a defect in this program stopped the probe; please report it")]
    Defect,
}

/// The kinds of outcome, for counting and naming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// See [`Outcome::Found`].
    Found,
    /// See [`Outcome::NotIdentified`].
    NotIdentified,
    /// See [`Outcome::NotAMiner`].
    NotAMiner,
    /// See [`Outcome::AccessDenied`].
    AccessDenied,
    /// See [`Outcome::Refused`].
    Refused,
    /// See [`Outcome::Silent`].
    Silent,
    /// See [`Outcome::Unreachable`].
    Unreachable,
    /// See [`Outcome::Denied`].
    Denied,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::NotProbed`].
    NotProbed,
    /// See [`Outcome::NameUnknown`].
    NameUnknown,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Found,
        Self::NotIdentified,
        Self::NotAMiner,
        Self::AccessDenied,
        Self::Refused,
        Self::Silent,
        Self::Unreachable,
        Self::Denied,
        Self::Failed,
        Self::NotProbed,
        Self::NameUnknown,
    ];

    /// Stable name for output ("access_denied").
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotIdentified => "not_identified",
            Self::NotAMiner => "not_a_miner",
            Self::AccessDenied => "access_denied",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::NotProbed => "not_probed",
            Self::NameUnknown => "name_unknown",
        }
    }

    /// Whether it deserves an event of its own: something answered, or something went wrong. A dead address does not.
    pub const fn is_notable(self) -> bool {
        matches!(
            self,
            Self::Found
                | Self::NotIdentified
                | Self::NotAMiner
                | Self::AccessDenied
                | Self::Denied
                | Self::Failed
        )
    }
}

impl Outcome {
    /// Its kind.
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Found => OutcomeKind::Found,
            Self::NotIdentified { .. } => OutcomeKind::NotIdentified,
            Self::NotAMiner { .. } => OutcomeKind::NotAMiner,
            Self::AccessDenied => OutcomeKind::AccessDenied,
            Self::Refused => OutcomeKind::Refused,
            Self::Silent => OutcomeKind::Silent,
            Self::Unreachable => OutcomeKind::Unreachable,
            Self::Denied => OutcomeKind::Denied,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::NotProbed => OutcomeKind::NotProbed,
            Self::NameUnknown => OutcomeKind::NameUnknown,
        }
    }

    /// What a failed conversation with an open port means. A port that was open and then refuses, resets or falls
    /// silent is a failure that somebody should look into, not a dead address; where there is no way at all, nobody was.
    pub(crate) fn of_conversation(error: ConverseError) -> Self {
        match error {
            ConverseError::Protocol(ProtocolError::NotAMiner { service, excerpt }) => {
                Self::NotAMiner { service, excerpt }
            }
            ConverseError::Protocol(ProtocolError::NotIdentified { excerpt }) => {
                Self::NotIdentified { excerpt }
            }
            ConverseError::Protocol(
                ProtocolError::AccessDenied { .. }
                | ProtocolError::NoReply { failure: ExchangeFailure::ClosedWithoutReply, .. },
            )
            | ConverseError::Transport(TransportError::ClosedWithoutReply) => Self::AccessDenied,
            ConverseError::Transport(TransportError::Denied(_)) => Self::Denied,
            // While a neighbour table overflows, a connect may be reported as open to an address where nothing lives.
            ConverseError::Transport(TransportError::Unreachable(_)) => Self::Unreachable,
            error => Self::Failed(ScanFailure::Conversation(error)),
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Found => "miner",
            Self::NotIdentified => "unknown miner",
            Self::NotAMiner => "not a miner",
            Self::AccessDenied => "access denied",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::Denied => "not permitted from here",
            Self::Failed => "failed",
            Self::NotProbed => "not probed",
            Self::NameUnknown => "unknown name",
        })
    }
}

impl fmt::Display for Outcome {
    /// In words, fit to be shown anywhere: what strangers said is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotIdentified { excerpt } => write!(f, "answers, but nobody knows it: {excerpt}"),
            Self::NotAMiner { service, excerpt } => write!(f, "not a miner but {service}: {excerpt}"),
            Self::Failed(failure) => {
                write!(f, "{failure}")?;
                let mut cause = failure.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            _ => self.kind().fmt(f),
        }
    }
}
