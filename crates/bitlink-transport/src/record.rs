//! Keeps what passes over a transport, and plays it back without one. The value and text form of what is kept are the
//! [`Transcript`]'s.

use crate::error::{Stage, TransportError};
use crate::transcript::{RecordedExchange, RecordedFailure, Transcript};
use crate::transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
use async_trait::async_trait;
use bitlink_protocol::{ApiReply, Reply, Request};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Another transport, every exchange of which is kept. Probes carry no bytes and are not kept; neither is an exchange
/// whose future was dropped before its end.
///
/// What is kept is raw: see [`Transcript`].
#[derive(Debug)]
pub struct RecordingTransport {
    inner: Arc<dyn Transport>,
    began: Instant,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    exchanges: VecDeque<RecordedExchange>,
    bytes: usize,
    dropped: u64,
}

impl RecordingTransport {
    /// Memory that a recording takes at most, unless told otherwise: 16 MiB, a few thousand full readings.
    pub const DEFAULT_MAX_BYTES: usize = 16 << 20;

    /// Begins to record.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, began: Instant::now(), max_bytes: Self::DEFAULT_MAX_BYTES, kept: Mutex::default() }
    }

    /// The same with another limit, in bytes, to what is kept. The oldest exchanges are dropped first, and counted.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Hands over what has been kept, and goes on with nothing.
    pub fn take_transcript(&self) -> Transcript {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        Transcript { exchanges: kept.exchanges.into(), dropped: kept.dropped }
    }

    fn keep(&self, exchange: RecordedExchange) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += weight(&exchange);
        kept.exchanges.push_back(exchange);
        while kept.bytes > self.max_bytes {
            let Some(oldest) = kept.exchanges.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(weight(&oldest));
            kept.dropped += 1;
        }
    }
}

/// Memory that an exchange takes, causes of failures (some words) aside.
fn weight(exchange: &RecordedExchange) -> usize {
    let reply = exchange.outcome.as_ref().map_or(0, |reply| reply.bytes.len());
    size_of::<RecordedExchange>() + exchange.request.len() + reply
}

#[async_trait]
impl Transport for RecordingTransport {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        self.inner.probe(endpoint, deadline).await
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let began = Instant::now();
        let outcome = self.inner.exchange(endpoint, request, limits).await;
        self.keep(RecordedExchange {
            endpoint: request.destination(endpoint),
            began: whole_micros(began.saturating_duration_since(self.began)),
            took: whole_micros(began.elapsed()),
            request: request.encode(endpoint.ip()).into_owned(),
            outcome: match &outcome {
                Ok(reply) => Ok(reply.clone().into_bytes()),
                Err(error) => Err(RecordedFailure::from(error)),
            },
        });
        outcome
    }
}

/// So that a transcript is the same after it has been written and read.
fn whole_micros(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Answers from a transcript, at once: recorded times are not waited out.
///
/// The same question to the same endpoint gets its recorded outcomes in order, and the last of them again and again.
/// A question is the same when its bytes are, so one that carries a fresh token or time is not.
#[derive(Debug)]
pub struct ReplayTransport {
    tapes: Mutex<HashMap<Endpoint, HashMap<Vec<u8>, Tape>>>,
    doors: HashMap<Endpoint, ProbeOutcome>,
}

#[derive(Debug, Default)]
struct Tape {
    outcomes: VecDeque<Result<ApiReply, RecordedFailure>>,
}

impl Tape {
    /// The next outcome; the last one stays.
    fn next(&mut self) -> Option<Result<ApiReply, RecordedFailure>> {
        if self.outcomes.len() > 1 { self.outcomes.pop_front() } else { self.outcomes.front().cloned() }
    }
}

impl ReplayTransport {
    /// Plays a transcript.
    pub fn new(transcript: Transcript) -> Self {
        let mut tapes: HashMap<Endpoint, HashMap<Vec<u8>, Tape>> = HashMap::new();
        let mut doors = HashMap::new();
        for RecordedExchange { endpoint, request, outcome, .. } in transcript.exchanges {
            doors.entry(endpoint).or_insert_with(|| door(&outcome));
            let tape = tapes.entry(endpoint).or_default().entry(request).or_default();
            tape.outcomes.push_back(outcome);
        }
        Self { tapes: Mutex::new(tapes), doors }
    }
}

/// What a probe would have found where an exchange had this outcome.
fn door(outcome: &Result<ApiReply, RecordedFailure>) -> ProbeOutcome {
    match outcome {
        Err(RecordedFailure::Refused) => ProbeOutcome::Refused,
        Err(RecordedFailure::Unreachable(_)) => ProbeOutcome::Unreachable,
        Err(RecordedFailure::TimedOut { stage: Stage::Connecting, .. }) => ProbeOutcome::Silent,
        Err(RecordedFailure::Exhausted(_)) => ProbeOutcome::Exhausted,
        Err(RecordedFailure::Denied(_)) => ProbeOutcome::Denied,
        Ok(_) | Err(_) => ProbeOutcome::Open,
    }
}

#[async_trait]
impl Transport for ReplayTransport {
    /// What the first exchange with that endpoint tells; refused where there was none.
    async fn probe(&self, endpoint: Endpoint, _deadline: Instant) -> Probe {
        let outcome = self.doors.get(&endpoint).copied().unwrap_or(ProbeOutcome::Refused);
        Probe { outcome, elapsed: Duration::ZERO }
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let outcome = {
            let (destination, bytes) = (request.destination(endpoint), request.encode(endpoint.ip()));
            let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
            let tape = tapes.get_mut(&destination).and_then(|tapes| tapes.get_mut(bytes.as_ref()));
            tape.and_then(Tape::next)
        };
        match outcome {
            None => Err(TransportError::NotRecorded),
            Some(Ok(reply)) if reply.bytes.len() > limits.max_reply_bytes => {
                Err(TransportError::TooLong { limit: limits.max_reply_bytes })
            }
            Some(Ok(reply)) => match request {
                Request::Http(_) => Ok(Reply::Http(reply)),
                Request::Frame(_) => Ok(Reply::Frame(reply)),
                _ => Ok(Reply::Api(reply)),
            },
            Some(Err(failure)) => Err(TransportError::from(&failure)),
        }
    }
}

#[cfg(test)]
mod tests;
