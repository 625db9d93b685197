//! The story of an address: every step that a scan takes at it, told as it happens. A transport that tells what passes over
//! it, and the kinds of step. Decides nothing; an address that nobody asks about costs one comparison.

use crate::event::ScanEvent;
use crate::outcome::Outcome;
use async_trait::async_trait;
use bitlink_model::Mac;
use bitlink_protocol::{Excerpt, Reply, Request};
use bitlink_transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport, TransportError};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Something that was done at an address whose [story](crate::ScanConfig::explain) is wanted, or that came of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ScanStep {
    /// Its turn came in the order of the scan.
    #[non_exhaustive]
    Turn {
        /// How many endpoints had their turn before.
        number: u64,
        /// How many endpoints there are.
        total: u64,
        /// How long each try at it will be waited for before the next one, the last one until it is given up; as learnt from
        /// its neighbours so far, if the scan learns.
        waits: Vec<Duration>,
    },
    /// It is on a link of this machine, and was asked for by ARP.
    #[non_exhaustive]
    AskedByArp {
        /// Who answered; `None` when nobody did, so that it is silent.
        answered: Option<Mac>,
    },
    /// It is on a link of this machine, and had a place in the kernel's table of neighbours to wait for.
    GotPlace,
    /// The kernel's table of neighbours was full meanwhile, so that its silence means nothing; it is asked again.
    TableOverflowed,
    /// A connection was tried.
    #[non_exhaustive]
    Knocked {
        /// At which port.
        port: u16,
        /// What came of it.
        outcome: ProbeOutcome,
        /// How long that took.
        elapsed: Duration,
    },
    /// It was slow to say who it is, and is asked again with all patience when those that answer at once have had their turn.
    Postponed,
    /// A question was asked.
    #[non_exhaustive]
    Asked {
        /// At which port.
        port: u16,
        /// The question, cut and printable, without what may hold a password.
        question: Excerpt,
        /// How many bytes were answered, or why there was no answer.
        answer: Result<usize, TransportError>,
        /// How long that took.
        elapsed: Duration,
    },
    /// What it came to, which is the end of the story.
    Ended(Outcome),
}

/// Who wants to know of which addresses.
#[derive(Debug, Clone)]
pub(crate) struct Stories {
    whose: Arc<[IpAddr]>,
    events: mpsc::Sender<ScanEvent>,
    began: Instant,
}

impl Stories {
    pub(crate) fn new(whose: &[IpAddr], events: mpsc::Sender<ScanEvent>) -> Self {
        Self { whose: whose.into(), events, began: Instant::now() }
    }

    /// Whether somebody wants to know of this address.
    pub(crate) fn wants(&self, endpoint: Endpoint) -> bool {
        self.whose.contains(&endpoint.ip())
    }

    /// Tells a step of an address, if somebody wants to know.
    pub(crate) async fn tell(&self, endpoint: Endpoint, step: impl FnOnce() -> ScanStep) {
        if self.wants(endpoint) {
            let at = self.began.elapsed();
            // A consumer that is gone does not want to know.
            drop(self.events.send(ScanEvent::Step { endpoint, at, step: Box::new(step()) }).await);
        }
    }

    /// The transport, telling of these addresses; itself where there are none.
    pub(crate) fn of(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        if self.whose.is_empty() { transport } else { Arc::new(Telling { transport, stories: self.clone() }) }
    }
}

/// A transport that tells.
#[derive(Debug)]
struct Telling {
    transport: Arc<dyn Transport>,
    stories: Stories,
}

#[async_trait]
impl Transport for Telling {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        let probe = self.transport.probe(endpoint, deadline).await;
        let Probe { outcome, elapsed } = probe;
        self.stories.tell(endpoint, || ScanStep::Knocked { port: endpoint.port(), outcome, elapsed }).await;
        probe
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let began = Instant::now();
        let reply = self.transport.exchange(endpoint, request, limits).await;
        let step = || ScanStep::Asked {
            port: request.destination(endpoint).port(),
            question: in_short(request),
            answer: reply.as_ref().map(|reply| reply.clone().into_bytes().bytes.len()).map_err(Clone::clone),
            elapsed: began.elapsed(),
        };
        self.stories.tell(endpoint, step).await;
        reply
    }
}

/// A question without what may hold a password: bodies, headers and queries of pages.
fn in_short(request: &Request) -> Excerpt {
    match request {
        Request::Api(line) => Excerpt::of_bytes(&line.bytes),
        Request::Frame(message) => Excerpt::of_bytes(&message.body),
        Request::Http(page) => {
            let path = page.path.split('?').next().unwrap_or_default();
            Excerpt::of(&format!("{} {path}", page.method))
        }
        _ => Excerpt::default(),
    }
}

#[cfg(test)]
mod tests {
    //! What is told of a question.
    use super::*;
    use bitlink_protocol::{ApiRequest, HttpRequest};

    #[test]
    fn a_question_is_told_without_what_may_hold_a_password() {
        let line = Request::Api(ApiRequest::new(b"{\"command\":\"version\"}\x1b".as_slice()));
        assert_eq!(in_short(&line).as_str(), "{\"command\":\"version\"}\\u{1b}");
        let login = HttpRequest::post("/user/login?password=secret", "text/plain", *b"password=secret");
        assert_eq!(in_short(&login.into()).as_str(), "POST /user/login");
    }
}
