//! One question and one answer, as values. How the bytes travel is the transport's business.

use crate::http::HttpRequest;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// A question to a miner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// A line of the CGMiner API: one connection, one write, one reply.
    Api(ApiRequest),
    /// A question to the miner's web server: one connection, one request, one reply.
    Http(HttpRequest),
    /// A message with its length before it, as MicroBT's API 3 wants: one connection, one message, one reply.
    Frame(FrameRequest),
}

impl Request {
    /// Where the question goes at a miner whose API listens at `api`.
    pub fn destination(&self, api: SocketAddr) -> SocketAddr {
        match self {
            Self::Api(ApiRequest { port: None, .. }) | Self::Http(HttpRequest { port: API_DOOR, .. }) => api,
            Self::Api(ApiRequest { port: Some(port), .. })
            | Self::Http(HttpRequest { port, .. })
            | Self::Frame(FrameRequest { port, .. }) => SocketAddr::new(api.ip(), *port),
        }
    }

    /// The bytes for the wire.
    pub fn encode(&self, host: IpAddr) -> Cow<'_, [u8]> {
        match self {
            Self::Api(request) => Cow::Borrowed(request.bytes.as_ref()),
            Self::Http(request) => Cow::Owned(request.encode(&match host {
                IpAddr::V4(host) => host.to_string(),
                IpAddr::V6(host) => format!("[{host}]"),
            })),
            Self::Frame(request) => Cow::Owned(request.encode()),
        }
    }
}

/// In place of a port: wherever the miner's API listens.
pub const API_DOOR: u16 = 0;

/// A question of the CGMiner API, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The bytes to write, all at once: servers read a request with a single `recv` of some 4 KiB and re-assemble
    /// nothing (cgminer `api.c`).
    pub bytes: Cow<'static, [u8]>,
    /// The port, where it is not the one at which the miner was found.
    pub port: Option<u16>,
}

impl ApiRequest {
    /// A question to the API where it was found.
    pub fn new(bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { bytes: bytes.into(), port: None }
    }
}

/// A message that is sent with its length before it: 32 bits, the lowest byte first (WhatsMiner API 3, transport).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRequest {
    /// Where such messages are taken.
    pub port: u16,
    /// The message.
    pub body: Cow<'static, [u8]>,
}

impl FrameRequest {
    /// The bytes for the wire. A message that is longer than its length can tell is cut.
    pub fn encode(&self) -> Vec<u8> {
        let len = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = len.to_le_bytes().to_vec();
        bytes.extend(self.body.iter().take(usize::try_from(len).unwrap_or(usize::MAX)));
        bytes
    }
}

impl From<FrameRequest> for Request {
    fn from(request: FrameRequest) -> Self {
        Self::Frame(request)
    }
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Self {
        Self::Http(request)
    }
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
    /// A reply of the miner's web server, head and body as they came: see [`HttpReply`](crate::HttpReply).
    Http(ApiReply),
    /// A message, with the length that came before it and without the heartbeats: see [`unframe`](crate::unframe).
    Frame(ApiReply),
}

impl Reply {
    /// The bytes, of whatever kind.
    pub fn into_bytes(self) -> ApiReply {
        match self {
            Self::Api(reply) | Self::Http(reply) | Self::Frame(reply) => reply,
        }
    }
}

/// The bytes of a reply and how they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReply {
    /// Everything up to, and without, the terminating NUL where there is one.
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
    /// By the reply itself: a NUL byte, as the reference server sends, or the length that the head of an HTTP reply tells.
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
