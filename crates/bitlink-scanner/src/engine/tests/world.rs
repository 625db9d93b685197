//! A network whose every endpoint has a fate, with counters: what the engine is tested against. Time is tokio's.

use crate::identify::Identifier;
use async_trait::async_trait;
use bitlink_model::{HashRate, MinerSnapshot};
use bitlink_protocol::{Doors, Excerpt, ExchangeFailure, ProtocolError, Reply, Request, Service};
use bitlink_transport::{
    ConverseError, Endpoint, Limits, Probe, ProbeOutcome, Stage, Transport, TransportError,
};
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// What becomes of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    Silent,
    Refused,
    Unreachable,
    Denied,
    /// Silent at first, then a miner.
    LossyMiner,
    Miner,
    /// A miner whose answer takes so many milliseconds.
    SlowMiner(u64),
    /// A miner that refuses the first conversation.
    BusyMiner,
    Unknown,
    WebServer,
    Closed,
    Malformed,
    Mute,
    /// Provokes a panic while it is identified.
    Poisonous,
}

#[derive(Debug, Default)]
pub(super) struct World {
    fates: HashMap<Endpoint, Fate>,
    /// How many sockets this machine has for probes; no limit without one.
    pub(super) sockets: Option<usize>,
    pub(super) probes: AtomicU64,
    pub(super) probing: AtomicUsize,
    pub(super) most_probing: AtomicUsize,
    pub(super) identifying: AtomicUsize,
    pub(super) most_identifying: AtomicUsize,
    seen: Mutex<HashMap<Endpoint, u32>>,
}

impl World {
    pub(super) fn new(fates: impl IntoIterator<Item = (Endpoint, Fate)>) -> Self {
        Self { fates: fates.into_iter().collect(), ..Self::default() }
    }

    fn fate(&self, endpoint: Endpoint) -> Fate {
        self.fates.get(&endpoint).copied().unwrap_or(Fate::Silent)
    }

    /// How often this endpoint was asked before.
    fn times(&self, endpoint: Endpoint) -> u32 {
        let mut seen = self.seen.lock().unwrap();
        let times = seen.entry(endpoint).or_default();
        *times += 1;
        *times - 1
    }
}

/// Counts as under way until it is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(now: &'a AtomicUsize, most: &AtomicUsize) -> Self {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(now)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Transport for World {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        self.probes.fetch_add(1, Ordering::SeqCst);
        if self.sockets.is_some_and(|sockets| self.probing.load(Ordering::SeqCst) >= sockets) {
            return Probe { outcome: ProbeOutcome::Exhausted, elapsed: Duration::ZERO };
        }
        let _under_way = UnderWay::begin(&self.probing, &self.most_probing);
        let started = Instant::now();
        let (wait, outcome) = match self.fate(endpoint) {
            Fate::Silent => (None, ProbeOutcome::Silent),
            Fate::LossyMiner if self.times(endpoint) == 0 => (None, ProbeOutcome::Silent),
            Fate::Refused => (Some(1), ProbeOutcome::Refused),
            Fate::Unreachable => (Some(50), ProbeOutcome::Unreachable),
            Fate::Denied => (Some(0), ProbeOutcome::Denied),
            _ => (Some(2), ProbeOutcome::Open),
        };
        sleep_until(wait.map_or(deadline, |ms| started + Duration::from_millis(ms))).await;
        Probe { outcome, elapsed: started.elapsed() }
    }

    async fn exchange(&self, _: Endpoint, _: &Request, _: &Limits) -> Result<Reply, TransportError> {
        Err(TransportError::Unsupported)
    }
}

impl Identifier for World {
    fn identify(&self, endpoint: Endpoint, _: &Doors) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>> {
        Box::pin(async move {
            let _under_way = UnderWay::begin(&self.identifying, &self.most_identifying);
            let error = match self.fate(endpoint) {
                // What is silent or refuses here was found open, so the miner is behind another of its doors.
                Fate::Silent | Fate::Refused | Fate::Miner | Fate::LossyMiner => return Ok(reading(5)),
                Fate::SlowMiner(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    return Ok(reading(5));
                }
                Fate::BusyMiner if self.times(endpoint) > 0 => return Ok(reading(5)),
                Fate::BusyMiner => ConverseError::Transport(TransportError::Refused),
                Fate::Unknown => {
                    ConverseError::Protocol(ProtocolError::NotIdentified { excerpt: Excerpt::of("?") })
                }
                Fate::WebServer => ConverseError::Protocol(ProtocolError::NotAMiner {
                    service: Service::Http,
                    excerpt: Excerpt::of("HTTP/1.1 400"),
                }),
                Fate::Closed => ConverseError::Transport(TransportError::ClosedWithoutReply),
                Fate::Malformed => ConverseError::Protocol(ProtocolError::Malformed {
                    question: "version".to_owned(),
                    excerpt: Excerpt::of("\u{0}"),
                }),
                Fate::Mute => {
                    sleep(Duration::from_secs(5)).await;
                    ConverseError::Transport(TransportError::TimedOut { stage: Stage::Waiting, received: 0 })
                }
                Fate::Poisonous => panic!("a defect that the test provokes"),
                fate => unreachable!("{fate:?} has no open port"),
            };
            Err(error)
        })
    }
}

pub(super) fn reading(ths: u32) -> MinerSnapshot {
    let mut snapshot = MinerSnapshot::default();
    snapshot.hashrate.average = HashRate::from_ths(f64::from(ths)).ok();
    snapshot
}

/// A machine that has no socket for anything, ever.
#[derive(Debug)]
pub(super) struct NoSockets;

#[async_trait]
impl Transport for NoSockets {
    async fn probe(&self, _: Endpoint, _: Instant) -> Probe {
        Probe { outcome: ProbeOutcome::Exhausted, elapsed: Duration::ZERO }
    }

    async fn exchange(&self, _: Endpoint, _: &Request, _: &Limits) -> Result<Reply, TransportError> {
        Err(TransportError::Exhausted(Arc::new(io::Error::from(io::ErrorKind::OutOfMemory))))
    }
}

/// A closed access list as the conversation tells it.
pub(super) fn closed() -> ConverseError {
    ConverseError::Protocol(ProtocolError::NoReply {
        question: "version".to_owned(),
        failure: ExchangeFailure::ClosedWithoutReply,
    })
}
