//! One question and one answer, as values. How the bytes travel is the transport's business.

use std::borrow::Cow;

/// A question to a miner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// A line of the CGMiner API: one connection, one write, one reply.
    Api(ApiRequest),
}

/// A question of the CGMiner API, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The bytes to write, all at once: servers read a request with a single `recv` of some 4 KiB and re-assemble
    /// nothing (cgminer `api.c`).
    pub bytes: Cow<'static, [u8]>,
}

impl From<ApiRequest> for Request {
    fn from(request: ApiRequest) -> Self {
        Self::Api(request)
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// A reply of the CGMiner API.
    Api(ApiReply),
}

/// The bytes of a CGMiner API reply and how they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReply {
    /// Everything up to, and without, the terminating NUL.
    pub bytes: Vec<u8>,
    /// How the end was known.
    pub completion: Completion,
}

impl ApiReply {
    /// A reply that ended as it should.
    pub fn terminated(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), completion: Completion::Terminated }
    }
}

/// How the end of a reply was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// A NUL byte, as the reference server sends.
    Terminated,
    /// The miner closed the connection.
    EndOfStream,
    /// The reply was complete as JSON or text and nothing followed for a while, yet the socket stayed open.
    Settled,
    /// The connection was reset or time ran out in the middle of a reply; what had come is here.
    Cut,
}

/// Why there is no reply, without the transport's details: all that a conversation needs to decide how to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeFailure {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way to the address.
    #[error("unreachable")]
    Unreachable,
    /// Time ran out before a byte came.
    #[error("no answer in time")]
    TimedOut,
    /// The connection was accepted and closed without a byte. CGMiner does this to clients that its access list
    /// does not name; a daemon that restarts does it too.
    #[error("closed without a reply")]
    ClosedWithoutReply,
    /// The connection was reset before a byte came.
    #[error("connection reset")]
    Reset,
    /// The reply was longer than allowed.
    #[error("reply too long")]
    TooLong,
    /// This machine could not ask: out of descriptors, ports or buffers, or not permitted.
    #[error("could not be asked from here")]
    Local,
}
