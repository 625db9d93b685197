//! What a scan tells while it runs, and the stream that brings it.

use crate::outcome::Outcome;
use crate::report::ScanReport;
use crate::sources::SourceError;
use crate::story::ScanStep;
use crate::targets::{SkippedTargets, TargetError};
use bitlink_model::{Mac, Miner};
use bitlink_transport::Endpoint;
use futures::Stream;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// Something that happened in a scan.
///
/// Every event but [`Progress`](ScanEvent::Progress) reaches the consumer, however slow it is: the scan waits for room
/// in its queue. Progress is left out when there is no room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ScanEvent {
    /// The scan has begun; names are resolved.
    #[non_exhaustive]
    Started {
        /// How many outcomes there will be: endpoints, and names without an address.
        total: u64,
        /// How many different addresses the endpoints have.
        addresses: u64,
        /// What was named and is left out.
        skipped: SkippedTargets,
    },
    /// There may be more targets on this machine's own links than its table of neighbours has places, so the scan minds
    /// them. Comes after [`Started`](Self::Started), if at all.
    FlatNetwork {
        /// Whether it asks by ARP who is there, which is fast. Without the right to do so (`CAP_NET_RAW`) it waits for the
        /// kernel: each place serves one address in three seconds.
        asks: bool,
        /// How many places there are.
        places: usize,
    },
    /// A [source of candidates](crate::CandidateSource) named an address, for the first time. What is there is told like any
    /// other outcome.
    #[non_exhaustive]
    Sighted {
        /// The name of the source.
        source: &'static str,
        /// The address.
        ip: IpAddr,
        /// The hardware address that was told with it.
        mac: Option<Mac>,
        /// Whether it is no target. It is visited all the same, and counted.
        beyond: bool,
    },
    /// A source of candidates names none, or not all that it could. The scan goes on.
    #[non_exhaustive]
    SourceTrouble {
        /// The name of the source.
        source: &'static str,
        /// Why.
        error: SourceError,
    },
    /// A miner. Told apart by endpoint: a machine that answers at two scanned ports or addresses comes twice, with the
    /// same id where it tells enough of itself.
    Found(Box<Miner>),
    /// An endpoint came to something worth telling that is no miner: something answered, or failed. With
    /// [`ScanConfig::report_all`](crate::ScanConfig::report_all) also those where nothing is.
    #[non_exhaustive]
    Outcome {
        /// The endpoint.
        endpoint: Endpoint,
        /// What it came to.
        outcome: Outcome,
    },
    /// A host name has no address.
    #[non_exhaustive]
    NameUnknown {
        /// The name.
        name: String,
        /// Why.
        error: TargetError,
    },
    /// A step of the story of an address, as [`ScanConfig::explain`](crate::ScanConfig::explain) asks for it.
    #[non_exhaustive]
    Step {
        /// The endpoint: the address, and the port by which it is told from others.
        endpoint: Endpoint,
        /// How long after the beginning of the scan the step was done.
        at: Duration,
        /// What was done.
        step: Box<ScanStep>,
    },
    /// How far the scan is.
    #[non_exhaustive]
    Progress {
        /// Outcomes so far.
        done: u64,
        /// Outcomes there will be.
        total: u64,
        /// Miners so far.
        found: u64,
        /// Connections being tried or talked over just now.
        in_flight: u64,
        /// Outcomes per second lately.
        rate: f64,
        /// How long the rest takes at that rate; unknown while there is none.
        eta: Option<Duration>,
    },
    /// The scan is over. The last event.
    #[non_exhaustive]
    Complete {
        /// Miners found.
        found: u64,
        /// Endpoints that [failed](Outcome::Failed): the port was open, or this machine could not ask, and no answer
        /// served. Dead addresses and machines that are no miners are no failures.
        failed: u64,
        /// Everything in numbers.
        report: Box<ScanReport>,
    },
}

/// The events of one scan. Dropping it stops the scan at once, closing every connection.
#[derive(Debug)]
pub struct ScanStream {
    events: mpsc::Receiver<ScanEvent>,
    stop: Arc<Notify>,
    /// Owns the scan: aborts it when dropped.
    _task: JoinSet<()>,
}

impl ScanStream {
    pub(crate) fn new(events: mpsc::Receiver<ScanEvent>, stop: Arc<Notify>, task: JoinSet<()>) -> Self {
        Self { events, stop, _task: task }
    }

    /// The next event; `None` after [`ScanEvent::Complete`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ScanEvent> {
        self.events.recv().await
    }

    /// Ends the scan early. Connections are closed, and [`ScanEvent::Complete`] comes after the events that are
    /// already queued, with a report in which the rest is [not probed](Outcome::NotProbed).
    pub fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Stream for ScanStream {
    type Item = ScanEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ScanEvent>> {
        self.events.poll_recv(cx)
    }
}
