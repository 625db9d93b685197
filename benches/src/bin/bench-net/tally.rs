//! A transport that counts: how many connections there were, what was asked, and when each miner's turn began.

use async_trait::async_trait;
use bitlink_protocol::{Reply, Request};
use bitlink_transport::{Endpoint, Limits, Probe, TcpTransport, Transport, TransportError};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Where was asked, and with which bytes.
type Asked = Vec<(Endpoint, Vec<u8>)>;

/// TCP, counted.
#[derive(Debug)]
pub(crate) struct Tally {
    transport: TcpTransport,
    connections: AtomicU64,
    questions: Option<Mutex<Asked>>,
    turns: Option<Turns>,
}

impl Tally {
    /// Counts connections.
    pub(crate) fn new(transport: TcpTransport) -> Self {
        Self { transport, connections: AtomicU64::new(0), questions: None, turns: None }
    }

    /// Also remembers every question.
    pub(crate) fn recording(transport: TcpTransport) -> Self {
        Self { questions: Some(Mutex::default()), ..Self::new(transport) }
    }

    /// Also looks at when the turns of these miners begin.
    pub(crate) fn timing(transport: TcpTransport, turns: Turns) -> Self {
        Self { turns: Some(turns), ..Self::new(transport) }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Where was asked, and with which bytes.
    pub(crate) fn take_questions(self) -> Asked {
        let questions = self.questions.map(|all| all.into_inner().unwrap_or_else(PoisonError::into_inner));
        questions.unwrap_or_default()
    }

    pub(crate) const fn turns(&self) -> Option<&Turns> {
        self.turns.as_ref()
    }
}

#[async_trait]
impl Transport for Tally {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        self.transport.probe(endpoint, deadline).await
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if let Some(questions) = &self.questions {
            let question = (request.destination(endpoint), request.encode(endpoint.ip()).into_owned());
            questions.lock().unwrap_or_else(PoisonError::into_inner).push(question);
        }
        if let Some(turns) = &self.turns {
            turns.note(endpoint.ip(), Instant::now());
        }
        self.transport.exchange(endpoint, request, limits).await
    }
}

/// How late a turn may be and still have a place of its own in the counts, in milliseconds.
const LATEST: usize = 60_000;

/// When turns begin, by miner, and how late each is: by how much longer than the interval the time since the one before is.
#[derive(Debug)]
pub(crate) struct Turns {
    first: u32,
    interval: Duration,
    miners: Vec<Mutex<Option<Turn>>>,
    /// Whether lateness counts already.
    counts: AtomicBool,
    /// How many turns were so many milliseconds late.
    late: Vec<AtomicU32>,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    began: Instant,
    last: Instant,
}

impl Turns {
    pub(crate) fn new(first: std::net::Ipv4Addr, count: u32, interval: Duration) -> Self {
        Self {
            first: first.into(),
            interval,
            miners: (0..count).map(|_| Mutex::default()).collect(),
            counts: AtomicBool::new(false),
            late: (0..=LATEST).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// From now on lateness counts.
    pub(crate) fn start_counting(&self) {
        self.counts.store(true, Ordering::Relaxed);
    }

    /// A question goes out. It begins a turn when there was none for half an interval.
    fn note(&self, ip: IpAddr, now: Instant) {
        let IpAddr::V4(ip) = ip else { return };
        let place = usize::try_from(u32::from(ip).wrapping_sub(self.first)).ok();
        let Some(miner) = place.and_then(|place| self.miners.get(place)) else { return };
        let mut turn = miner.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *turn {
            Some(turn) if now - turn.last < self.interval / 2 => turn.last = now,
            Some(before) => {
                if self.counts.load(Ordering::Relaxed) {
                    let late = (now - before.began).saturating_sub(self.interval);
                    let place = usize::try_from(late.as_millis()).unwrap_or(LATEST).min(LATEST);
                    if let Some(count) = self.late.get(place) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                *before = Turn { began: now, last: now };
            }
            None => *turn = Some(Turn { began: now, last: now }),
        }
    }

    /// How many turns were counted.
    pub(crate) fn counted(&self) -> u64 {
        self.late.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).sum()
    }

    /// So many of a thousand turns were not later than this, in milliseconds.
    pub(crate) fn late_ms(&self, of_thousand: u64) -> u64 {
        let wanted = (self.counted() * of_thousand).div_ceil(1_000);
        let mut seen = 0;
        for (late, count) in (0..).zip(&self.late) {
            seen += u64::from(count.load(Ordering::Relaxed));
            if seen >= wanted {
                return late;
            }
        }
        LATEST as u64
    }
}

#[cfg(test)]
mod tests {
    //! Turns that are late by so much.
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_time_between_two_turns_is_held_against_the_interval() {
        let (first, interval) = (Ipv4Addr::new(127, 60, 0, 0), Duration::from_secs(10));
        let turns = Turns::new(first, 2, interval);
        turns.start_counting();
        let began = Instant::now();
        let ask = |millis| turns.note(first.into(), began + Duration::from_millis(millis));
        // The first turn, a second question of it, one on time, one 250 ms late, and one that catches up.
        [0, 20, 10_000, 20_250, 30_000].into_iter().for_each(ask);
        assert_eq!(turns.counted(), 3);
        assert_eq!((turns.late_ms(500), turns.late_ms(1_000)), (0, 250));
        // Nobody's address.
        turns.note(Ipv4Addr::new(127, 60, 0, 2).into(), began);
        assert_eq!(turns.counted(), 3);
    }
}
