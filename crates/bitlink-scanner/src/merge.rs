//! Candidates of all [sources](crate::CandidateSource) join the sweep here: each is visited at once, and no endpoint twice,
//! whoever comes first. Keeps account of who named whom.

use crate::engine::Shared;
use crate::event::ScanEvent;
use crate::sources::{Candidate, CandidateSource, SourceCounts};
use bitlink_protocol::Doors;
use bitlink_transport::Endpoint;
use futures::StreamExt;
use futures::stream::select_all;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Candidates that are visited at the same time.
const AT_ONCE: usize = 64;
/// Most endpoints beyond the targets that are visited. A network on which more machines show themselves has somebody on it who
/// invents them.
const MOST_BEYOND: usize = 4_096;
/// Most addresses of which it is remembered who named them.
const MOST_NAMED: usize = 1 << 17;

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    names: Vec<&'static str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Steps of the sweep that were taken out of turn.
    taken: HashSet<u64>,
    /// Endpoints that are no targets.
    beyond: HashSet<Endpoint>,
    named: HashMap<IpAddr, Named>,
    /// Where there are miners.
    found: HashSet<IpAddr>,
}

/// Who named an address: one bit for each source.
#[derive(Debug, Default, Clone, Copy)]
struct Named {
    by: u64,
    beyond: bool,
}

impl Merged {
    pub(crate) fn new(sources: &[Arc<dyn CandidateSource>]) -> Self {
        Self { names: sources.iter().map(|source| source.name()).collect(), state: Mutex::default() }
    }

    /// Whether a step of the sweep was taken out of turn. Called after the step is counted as begun.
    pub(crate) fn is_taken(&self, number: u64) -> bool {
        !self.names.is_empty() && self.lock().taken.contains(&number)
    }

    /// There is a miner at an address.
    pub(crate) fn found(&self, ip: IpAddr) {
        if !self.names.is_empty() {
            self.lock().found.insert(ip);
        }
    }

    /// How many endpoints are no targets and have been or will be visited.
    pub(crate) fn beyond(&self) -> u64 {
        self.lock().beyond.len() as u64
    }

    /// How many addresses those have that are no targets at any port.
    pub(crate) fn addresses_beyond(&self) -> u64 {
        self.lock().named.values().filter(|named| named.beyond).count() as u64
    }

    /// What each source came to.
    pub(crate) fn counts(&self) -> Vec<SourceCounts> {
        let state = self.lock();
        let of = |(index, name): (usize, &&'static str)| {
            let bit = bit(index);
            let mut counts = SourceCounts { name, seen: 0, beyond: 0, found: 0, only: 0 };
            for (ip, named) in state.named.iter().filter(|(_, named)| named.by & bit != 0) {
                let found = state.found.contains(ip);
                counts.seen += 1;
                counts.beyond += u64::from(named.beyond);
                counts.found += u64::from(found);
                counts.only += u64::from(found && named.beyond && named.by == bit);
            }
            counts
        };
        self.names.iter().enumerate().map(of).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bit(index: usize) -> u64 {
    1 << index.min(63)
}

/// What comes of a candidate.
struct Turn {
    /// Where to go now; `None` where somebody has been, or is on the way.
    visit: Option<(Endpoint, u64)>,
    /// What there is to tell.
    event: Option<ScanEvent>,
}

impl Shared {
    /// Decides about a candidate. One that is excluded, or where no miner can be, comes to nothing.
    fn turn(&self, index: usize, candidate: Candidate) -> Option<Turn> {
        let ip = candidate.ip.to_canonical();
        let plan = &self.plan;
        if plan.is_excluded(ip) {
            return None;
        }
        let first = self.config.ports.first().copied();
        let port = candidate.port.or(first)?;
        let asked = Endpoint::new(ip, port);
        let within = plan.contains_address(ip);
        let mut state = self.merged.lock();
        if !within && (!is_local(ip) || !state.beyond.contains(&asked) && state.beyond.len() >= MOST_BEYOND) {
            return None;
        }
        let visit = match plan.place_of(asked).and_then(|place| self.order.number_of(place)) {
            Some(number) => {
                // A step that the sweep has begun is its own; one that is taken before it comes there is skipped by it.
                let is_ahead = number >= self.next.load(Ordering::Relaxed);
                (is_ahead && state.taken.insert(number)).then_some((asked, number))
            }
            // A target at other ports than these is visited by the sweep alone, unless the port was told.
            None if within && candidate.port.is_none() => None,
            None => {
                let room = state.beyond.len() < MOST_BEYOND;
                (room && state.beyond.insert(asked)).then_some((asked, plan.len()))
            }
        };
        if state.named.len() >= MOST_NAMED && !state.named.contains_key(&ip) {
            return Some(Turn { visit, event: None });
        }
        let named = state.named.entry(ip).or_default();
        named.beyond = !within;
        let is_news = named.by & bit(index) == 0;
        named.by |= bit(index);
        let source = self.merged.names.get(index).copied().unwrap_or_default();
        let event = is_news.then_some(ScanEvent::Sighted { source, ip, mac: candidate.mac, beyond: !within });
        Some(Turn { visit, event })
    }
}

/// Whether an address is one of a private network, of this link or of this machine. Whoever can forge the source of a datagram
/// must not make a scan ask somewhere in the world.
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is what carriers and overlay networks hand out.
            let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || is_shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Takes candidates from all sources until they have no more, and visits them.
pub(crate) async fn gather(
    shared: Arc<Shared>,
    sources: Vec<Arc<dyn CandidateSource>>,
    open: mpsc::Sender<(Endpoint, Doors)>,
) {
    let mut streams = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let (stream, trouble) = match source.open(&shared.plan) {
            Ok(candidates) => (Some(candidates.stream), candidates.trouble),
            Err(error) => (None, vec![error]),
        };
        for error in trouble {
            let event = ScanEvent::SourceTrouble { source: source.name(), error };
            if shared.events.send(event).await.is_err() {
                return;
            }
        }
        streams.extend(stream.map(|stream| stream.map(move |candidate| (index, candidate)).boxed()));
    }
    let (shared, open) = (&shared, &open);
    let visits = select_all(streams).for_each_concurrent(AT_ONCE, |(index, candidate)| async move {
        if let Some(mac) = candidate.mac {
            shared.links.said(candidate.ip.to_canonical(), mac);
        }
        let Some(turn) = shared.turn(index, candidate) else { return };
        if let Some(event) = turn.event
            && shared.events.send(event).await.is_err()
        {
            return;
        }
        if let Some((endpoint, number)) = turn.visit {
            // Where nobody listens to the scan any more, its end is near.
            let _ = shared.visit(endpoint, number, open).await;
        }
    });
    visits.await;
}
