//! The seam: how a question travels to a miner and the answer back, whatever carries it.

use async_trait::async_trait;
use bitlink_protocol::{Reply, Request};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

use crate::error::TransportError;

/// Where a miner's API listens.
pub type Endpoint = SocketAddr;

/// Carries questions and answers. Used as `Arc<dyn Transport>`; real networks, memory, recordings and faults all look
/// the same from above.
#[cfg_attr(feature = "test-util", mockall::automock)]
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Is anything there? Answers by the deadline at the latest. Never asks anything.
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe;

    /// One question, one answer, one connection. Never panics, never reads past the limits, and gives up by the
    /// deadline. Dropping the future closes the connection.
    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError>;
}

/// What a probe found, and how long it took to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What was found.
    pub outcome: ProbeOutcome,
    /// From the first packet to the answer, or to giving up.
    pub elapsed: Duration,
}

/// What a probe can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeOutcome {
    /// Somebody listens.
    Open,
    /// A machine is there and nobody listens.
    Refused,
    /// Nothing came back before the deadline.
    Silent,
    /// The network said that there is no way there (no route, host or network unreachable, ARP unanswered).
    Unreachable,
    /// This machine may not ask (a local firewall, a missing right).
    Denied,
    /// This machine could not ask just now: out of descriptors, ports, buffers or neighbour entries. Says nothing
    /// about the address; ask again later.
    Exhausted,
}

/// How long and how much one exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When to give up, connecting included.
    pub deadline: Instant,
    /// How long a reply that looks complete is waited on for more, where the miner neither ends nor closes.
    pub settle: Duration,
    /// Longest reply accepted.
    pub max_reply_bytes: usize,
}

impl Limits {
    /// The usual limits with a deadline: 200 ms to settle, 4 MiB of reply (the longest replies on record, per-chip
    /// statistics, are some tens of KiB).
    pub const fn until(deadline: Instant) -> Self {
        Self { deadline, settle: Duration::from_millis(200), max_reply_bytes: 4 << 20 }
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    //! The mock serves where the layers above expect a transport.
    use super::*;
    use bitlink_protocol::{ApiReply, ApiRequest};
    use std::sync::Arc;

    #[tokio::test]
    async fn the_mock_is_a_transport() {
        let mut mock = MockTransport::new();
        mock.expect_probe()
            .returning(|_, _| Probe { outcome: ProbeOutcome::Exhausted, elapsed: Duration::ZERO });
        mock.expect_exchange().once().returning(|_, _, _| Ok(Reply::Api(ApiReply::terminated(*b"{}"))));
        let transport: Arc<dyn Transport> = Arc::new(mock);

        let endpoint = ([127, 0, 0, 1], 4028).into();
        let limits = Limits::until(Instant::now());
        assert_eq!(transport.probe(endpoint, limits.deadline).await.outcome, ProbeOutcome::Exhausted);
        let question = Request::Api(ApiRequest::new(b"version".as_slice()));
        let reply = transport.exchange(endpoint, &question, &limits).await.unwrap();
        assert_eq!(reply, Reply::Api(ApiReply::terminated(*b"{}")));
    }
}
