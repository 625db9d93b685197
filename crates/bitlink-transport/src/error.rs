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
    /// Miner or operator: the connection was reset before a byte came. A server that closes while the question lies
    /// unread in its buffer resets the connection, so an access list can look like this too
    /// ([`ClosedWithoutReply`](Self::ClosedWithoutReply) when it is quicker than the question).
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
    /// Miner: no TLS could be agreed on with whoever listens there.
    #[error("no TLS could be agreed on")]
    Tls(#[source] Arc<io::Error>),
    /// Operator: nobody vouches for a certificate at this address, and the settings do not allow to go without.
    #[error("no certificate is trusted at this address")]
    Untrusted,
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
    pub(crate) fn tls(error: io::Error) -> Self {
        Self::Tls(Arc::new(error))
    }

    /// The same in the few words that a conversation understands.
    pub fn failure(&self) -> ExchangeFailure {
        match self {
            Self::Refused => ExchangeFailure::Refused,
            Self::Unreachable(_) => ExchangeFailure::Unreachable,
            Self::TimedOut { .. } | Self::NotRecorded => ExchangeFailure::TimedOut,
            Self::ClosedWithoutReply => ExchangeFailure::ClosedWithoutReply,
            Self::Reset | Self::Io(_) | Self::Tls(_) => ExchangeFailure::Reset,
            Self::TooLong { .. } => ExchangeFailure::TooLong,
            Self::Exhausted(_) | Self::Denied(_) | Self::Untrusted | Self::Unsupported => {
                ExchangeFailure::Local
            }
        }
    }
}

impl TransportError {
    /// Why a connection could not be opened.
    pub(crate) fn while_connecting(error: io::Error) -> Self {
        match Obstacle::of(&error) {
            Obstacle::Refused | Obstacle::Reset => Self::Refused,
            Obstacle::TimedOut => Self::TimedOut { stage: Stage::Connecting, received: 0 },
            Obstacle::Unreachable => Self::Unreachable(Arc::new(error)),
            Obstacle::Denied => Self::Denied(Arc::new(error)),
            Obstacle::Exhausted => Self::Exhausted(Arc::new(error)),
            Obstacle::HungUp | Obstacle::Other => Self::Io(Arc::new(error)),
        }
    }

    /// Why a connection that stood brought not one byte.
    pub(crate) fn while_talking(error: io::Error, stage: Stage) -> Self {
        match Obstacle::of(&error) {
            Obstacle::Refused | Obstacle::Reset => Self::Reset,
            Obstacle::HungUp => Self::ClosedWithoutReply,
            Obstacle::TimedOut => Self::TimedOut { stage, received: 0 },
            Obstacle::Unreachable => Self::Unreachable(Arc::new(error)),
            Obstacle::Denied => Self::Denied(Arc::new(error)),
            Obstacle::Exhausted => Self::Exhausted(Arc::new(error)),
            Obstacle::Other => Self::Io(Arc::new(error)),
        }
    }
}

/// Whether the other side is gone, however it went.
pub(crate) fn is_hang_up(error: &io::Error) -> bool {
    matches!(Obstacle::of(error), Obstacle::Reset | Obstacle::HungUp)
}

/// What the operating system's word for a failure means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Refused,
    /// Broken by the other side.
    Reset,
    /// Closed by the other side before it was written to.
    HungUp,
    TimedOut,
    Unreachable,
    Denied,
    Exhausted,
    Other,
}

impl Obstacle {
    pub(crate) fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::ConnectionReset | Kind::ConnectionAborted => Self::Reset,
            Kind::BrokenPipe | Kind::UnexpectedEof | Kind::NotConnected => Self::HungUp,
            Kind::TimedOut => Self::TimedOut,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::Unreachable,
            Kind::PermissionDenied => Self::Denied,
            // No free local port, or (Linux, `connect(2)`) no free entry in a routing table.
            Kind::AddrInUse | Kind::AddrNotAvailable | Kind::OutOfMemory | Kind::WouldBlock => {
                Self::Exhausted
            }
            _ => error.raw_os_error().map_or(Self::Other, Self::of_code),
        }
    }

    /// Codes that the standard library has no kind for.
    fn of_code(code: i32) -> Self {
        match code {
            code::EMFILE | code::ENFILE | code::ENOBUFS => Self::Exhausted,
            code::EHOSTDOWN | code::EAFNOSUPPORT => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

/// Error codes by the operating system's headers (`errno.h`, `winerror.h`).
#[cfg(any(target_os = "linux", target_os = "android"))]
mod code {
    pub(super) const ENFILE: i32 = 23;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const EAFNOSUPPORT: i32 = 97;
    pub(super) const ENOBUFS: i32 = 105;
    pub(super) const EHOSTDOWN: i32 = 112;
}

#[cfg(windows)]
mod code {
    // Windows has one limit where others have two.
    pub(super) const ENFILE: i32 = i32::MIN;
    pub(super) const EMFILE: i32 = 10024;
    pub(super) const EAFNOSUPPORT: i32 = 10047;
    pub(super) const ENOBUFS: i32 = 10055;
    pub(super) const EHOSTDOWN: i32 = 10064;
}

/// The BSDs and macOS.
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
mod code {
    pub(super) const ENFILE: i32 = 23;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const EAFNOSUPPORT: i32 = 47;
    pub(super) const ENOBUFS: i32 = 55;
    pub(super) const EHOSTDOWN: i32 = 64;
}

#[cfg(test)]
mod tests {
    //! Every word of the operating system that a scan meets has its meaning.
    use super::*;
    use std::error::Error;

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_codes() {
        let expected = [
            (1, Obstacle::Denied),        // EPERM
            (11, Obstacle::Exhausted),    // EAGAIN
            (12, Obstacle::Exhausted),    // ENOMEM
            (13, Obstacle::Denied),       // EACCES
            (22, Obstacle::Other),        // EINVAL
            (23, Obstacle::Exhausted),    // ENFILE
            (24, Obstacle::Exhausted),    // EMFILE
            (32, Obstacle::HungUp),       // EPIPE
            (97, Obstacle::Unreachable),  // EAFNOSUPPORT
            (98, Obstacle::Exhausted),    // EADDRINUSE
            (99, Obstacle::Exhausted),    // EADDRNOTAVAIL
            (100, Obstacle::Unreachable), // ENETDOWN
            (101, Obstacle::Unreachable), // ENETUNREACH
            (103, Obstacle::Reset),       // ECONNABORTED
            (104, Obstacle::Reset),       // ECONNRESET
            (105, Obstacle::Exhausted),   // ENOBUFS
            (110, Obstacle::TimedOut),    // ETIMEDOUT
            (111, Obstacle::Refused),     // ECONNREFUSED
            (112, Obstacle::Unreachable), // EHOSTDOWN
            (113, Obstacle::Unreachable), // EHOSTUNREACH
        ];
        for (code, obstacle) in expected {
            assert_eq!(Obstacle::of(&io::Error::from_raw_os_error(code)), obstacle, "{code}");
        }
    }

    #[test]
    fn the_cause_is_the_source() {
        let error = TransportError::while_connecting(io::Error::from(io::ErrorKind::HostUnreachable));
        assert!(matches!(error, TransportError::Unreachable(_)));
        assert!(error.source().is_some());
        assert_eq!(error.to_string(), "unreachable", "the cause is told by source() and not twice");
    }
}
