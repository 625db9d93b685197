//! A transport on which things go wrong, by plan and by chance, the same way again for the same seed. It breaks what
//! another transport carries and makes nothing up of its own.

use crate::Stage;
use crate::error::TransportError;
use crate::transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
use async_trait::async_trait;
use bitlink_protocol::{ApiReply, Completion, Reply, Request};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What can be made to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The way there takes longer. What else happens, happens after that.
    Delay,
    /// This machine is out of sockets. The miner hears nothing.
    Exhaust,
    /// The connection is refused. The miner hears nothing.
    Refuse,
    /// The miner gets the question, and does as it is told, and no byte comes back before the deadline. A probe is
    /// silent.
    Stall,
    /// The miner gets the question, and does as it is told, and the connection is closed without a byte.
    Drop,
    /// The reply ends early: the miner closes the connection in the middle.
    Truncate,
    /// Some bytes of the reply, four at most, are others. Never a NUL, which would end it.
    Corrupt,
    /// The reply comes byte by byte, with a pause before each; the deadline may cut it.
    Drip,
}

/// How likely each fault is on one way. The default is a way without faults.
///
/// A probability is between 0 (never) and 1 (always); what lies beyond counts as the nearer of these, NaN as never.
/// Each fault is decided for itself, so changing the odds of one leaves the others where they were.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FaultPlan {
    /// Probability of [`Fault::Delay`]. Probes too.
    pub delay: f64,
    /// How much longer a delayed way takes. Default 500 ms.
    pub delay_by: Duration,
    /// Probability of [`Fault::Exhaust`]. Probes too.
    pub exhaust: f64,
    /// Probability of [`Fault::Refuse`]. Probes too.
    pub refuse: f64,
    /// Probability of [`Fault::Stall`]. Probes too.
    pub stall: f64,
    /// Probability of [`Fault::Drop`].
    pub drop: f64,
    /// Probability of [`Fault::Truncate`].
    pub truncate: f64,
    /// How many bytes a truncated reply keeps. `None`, the default: by chance, from none to all but one.
    pub truncate_at: Option<usize>,
    /// Probability of [`Fault::Corrupt`].
    pub corrupt: f64,
    /// Probability of [`Fault::Drip`].
    pub drip: f64,
    /// The pause before each byte of a dripping reply. Default 10 ms.
    pub drip_every: Duration,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self {
            delay: 0.0,
            delay_by: Duration::from_millis(500),
            exhaust: 0.0,
            refuse: 0.0,
            stall: 0.0,
            drop: 0.0,
            truncate: 0.0,
            truncate_at: None,
            corrupt: 0.0,
            drip: 0.0,
            drip_every: Duration::from_millis(10),
        }
    }
}

impl FaultPlan {
    /// Every fault with the same probability.
    pub fn everything(probability: f64) -> Self {
        Self {
            delay: probability,
            exhaust: probability,
            refuse: probability,
            stall: probability,
            drop: probability,
            truncate: probability,
            corrupt: probability,
            drip: probability,
            ..Self::default()
        }
    }

    /// The same with another probability of [`Fault::Delay`], and how long that is.
    #[must_use]
    pub fn with_delay(mut self, probability: f64, by: Duration) -> Self {
        self.delay = probability;
        self.delay_by = by;
        self
    }

    /// The same with another probability of [`Fault::Exhaust`].
    #[must_use]
    pub fn with_exhaust(mut self, probability: f64) -> Self {
        self.exhaust = probability;
        self
    }

    /// The same with another probability of [`Fault::Refuse`].
    #[must_use]
    pub fn with_refuse(mut self, probability: f64) -> Self {
        self.refuse = probability;
        self
    }

    /// The same with another probability of [`Fault::Stall`].
    #[must_use]
    pub fn with_stall(mut self, probability: f64) -> Self {
        self.stall = probability;
        self
    }

    /// The same with another probability of [`Fault::Drop`].
    #[must_use]
    pub fn with_drop(mut self, probability: f64) -> Self {
        self.drop = probability;
        self
    }

    /// The same with another probability of [`Fault::Truncate`], at a place left to chance.
    #[must_use]
    pub fn with_truncate(mut self, probability: f64) -> Self {
        self.truncate = probability;
        self.truncate_at = None;
        self
    }

    /// The same where every reply ends after so many bytes.
    #[must_use]
    pub fn with_truncate_at(mut self, bytes: usize) -> Self {
        self.truncate = 1.0;
        self.truncate_at = Some(bytes);
        self
    }

    /// The same with another probability of [`Fault::Corrupt`].
    #[must_use]
    pub fn with_corrupt(mut self, probability: f64) -> Self {
        self.corrupt = probability;
        self
    }

    /// The same with another probability of [`Fault::Drip`], and the pause before each byte.
    #[must_use]
    pub fn with_drip(mut self, probability: f64, every: Duration) -> Self {
        self.drip = probability;
        self.drip_every = every;
        self
    }

    fn probability(&self, fault: Fault) -> f64 {
        match fault {
            Fault::Delay => self.delay,
            Fault::Exhaust => self.exhaust,
            Fault::Refuse => self.refuse,
            Fault::Stall => self.stall,
            Fault::Drop => self.drop,
            Fault::Truncate => self.truncate,
            Fault::Corrupt => self.corrupt,
            Fault::Drip => self.drip,
        }
    }
}

/// Another transport with faults.
///
/// What happens depends on the seed, the endpoint and how many probes or exchanges there have been with that endpoint,
/// and on nothing else: however many miners are asked at once and in whatever order, each meets the same fate again.
/// Plans can change at any time and hold for what begins after that.
#[derive(Debug)]
pub struct FaultTransport {
    inner: Arc<dyn Transport>,
    seed: u64,
    plans: RwLock<Plans>,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Plans {
    usual: FaultPlan,
    own: HashMap<Endpoint, FaultPlan>,
}

#[derive(Debug, Default)]
struct Past {
    probes: HashMap<Endpoint, u64>,
    exchanges: HashMap<Endpoint, u64>,
    injected: HashMap<Fault, u64>,
}

impl FaultTransport {
    /// A transport that has no faults yet.
    pub fn new(inner: Arc<dyn Transport>, seed: u64) -> Self {
        Self { inner, seed, plans: RwLock::default(), past: Mutex::default() }
    }

    /// The same with a plan for every endpoint that has none of its own.
    #[must_use]
    pub fn with_plan(self, plan: FaultPlan) -> Self {
        self.set_plan(plan);
        self
    }

    /// The same with a plan for one endpoint.
    #[must_use]
    pub fn with_plan_for(self, endpoint: Endpoint, plan: FaultPlan) -> Self {
        self.set_plan_for(endpoint, plan);
        self
    }

    /// From now on this plan holds for every endpoint that has none of its own.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.plans.write().unwrap_or_else(PoisonError::into_inner).usual = plan;
    }

    /// From now on this plan holds for one endpoint.
    pub fn set_plan_for(&self, endpoint: Endpoint, plan: FaultPlan) {
        self.plans.write().unwrap_or_else(PoisonError::into_inner).own.insert(endpoint, plan);
    }

    /// From now on the usual plan holds for an endpoint.
    pub fn clear_plan_for(&self, endpoint: Endpoint) {
        self.plans.write().unwrap_or_else(PoisonError::into_inner).own.remove(&endpoint);
    }

    /// The seed, to be told when a test fails.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How often a fault has been injected.
    pub fn injected(&self, fault: Fault) -> u64 {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.injected.get(&fault).copied().unwrap_or_default()
    }

    fn fate(&self, endpoint: Endpoint, what: What) -> Fate<'_> {
        let plan = {
            let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
            plans.own.get(&endpoint).copied().unwrap_or(plans.usual)
        };
        let turn = {
            let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = match what {
                What::Probe => &mut past.probes,
                What::Exchange => &mut past.exchanges,
            };
            let turn = turns.entry(endpoint).or_default();
            *turn += 1;
            *turn
        };
        let (family, ip) = match endpoint.ip() {
            IpAddr::V4(ip) => (4, u128::from(u32::from(ip))),
            IpAddr::V6(ip) => (6, u128::from(ip)),
        };
        let low = u64::try_from(ip & u128::from(u64::MAX)).unwrap_or_default();
        let high = u64::try_from(ip >> 64).unwrap_or_default();
        let seed = [family, low, high, u64::from(endpoint.port()), what as u64, turn]
            .into_iter()
            .fold(self.seed, |state, word| Dice(state ^ word).next());
        Fate { transport: self, plan, seed }
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Probe = 1,
    Exchange = 2,
}

/// What will happen to one probe or exchange.
#[derive(Debug)]
struct Fate<'a> {
    transport: &'a FaultTransport,
    plan: FaultPlan,
    seed: u64,
}

impl Fate<'_> {
    /// Whether a fault happens, and if so the dice for its details.
    fn brings(&self, fault: Fault) -> Option<Dice> {
        let mut dice = Dice(self.seed ^ Dice(fault as u64).next());
        let happens = dice.unit() < self.plan.probability(fault);
        if happens {
            let mut past = self.transport.past.lock().unwrap_or_else(PoisonError::into_inner);
            *past.injected.entry(fault).or_default() += 1;
        }
        happens.then_some(dice)
    }

    /// Waits where the way is delayed. False when the deadline came first.
    async fn delayed(&self, deadline: Instant) -> bool {
        if self.brings(Fault::Delay).is_none() || self.plan.delay_by.is_zero() {
            return true;
        }
        let due = Instant::now().checked_add(self.plan.delay_by).filter(|due| *due < deadline);
        sleep_until(due.unwrap_or(deadline)).await;
        due.is_some()
    }

    /// What becomes of a reply on its way back.
    async fn spoil(&self, mut reply: ApiReply, deadline: Instant) -> Result<ApiReply, TransportError> {
        if self.brings(Fault::Stall).is_some() {
            sleep_until(deadline).await;
            return Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 });
        }
        if self.brings(Fault::Drop).is_some() {
            return Err(TransportError::ClosedWithoutReply);
        }
        if let Some(mut dice) = self.brings(Fault::Truncate) {
            let kept = self.plan.truncate_at.unwrap_or_else(|| dice.below(reply.bytes.len()));
            if kept == 0 {
                return Err(TransportError::ClosedWithoutReply);
            }
            if kept < reply.bytes.len() {
                reply.bytes.truncate(kept);
                reply.completion = Completion::EndOfStream;
            }
        }
        if let Some(mut dice) = self.brings(Fault::Corrupt) {
            for _ in 0..=dice.below(4) {
                let place = dice.below(reply.bytes.len());
                if let Some(byte) = reply.bytes.get_mut(place) {
                    *byte = dice.other_than(*byte);
                }
            }
        }
        if self.brings(Fault::Drip).is_some() {
            return drip(reply, self.plan.drip_every, deadline).await;
        }
        Ok(reply)
    }
}

async fn drip(mut reply: ApiReply, every: Duration, deadline: Instant) -> Result<ApiReply, TransportError> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A pause of no time has no end of bytes before the deadline.
    let in_time = left.as_nanos().checked_div(every.as_nanos());
    let in_time = in_time.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
    if reply.bytes.len() <= in_time {
        let pauses = u32::try_from(reply.bytes.len()).unwrap_or(u32::MAX);
        tokio::time::sleep(every.saturating_mul(pauses)).await;
        return Ok(reply);
    }
    sleep_until(deadline).await;
    if in_time == 0 {
        return Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 });
    }
    reply.bytes.truncate(in_time);
    reply.completion = Completion::Cut;
    Ok(reply)
}

#[async_trait]
impl Transport for FaultTransport {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        let started = Instant::now();
        let fate = self.fate(endpoint, What::Probe);
        let outcome = if !fate.delayed(deadline).await {
            ProbeOutcome::Silent
        } else if fate.brings(Fault::Exhaust).is_some() {
            ProbeOutcome::Exhausted
        } else if fate.brings(Fault::Refuse).is_some() {
            ProbeOutcome::Refused
        } else if fate.brings(Fault::Stall).is_some() {
            sleep_until(deadline).await;
            ProbeOutcome::Silent
        } else {
            self.inner.probe(endpoint, deadline).await.outcome
        };
        Probe { outcome, elapsed: started.elapsed() }
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let fate = self.fate(endpoint, What::Exchange);
        if !fate.delayed(limits.deadline).await {
            return Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 });
        }
        if fate.brings(Fault::Exhaust).is_some() {
            return Err(TransportError::Exhausted(Arc::new(io::Error::other("injected fault"))));
        }
        if fate.brings(Fault::Refuse).is_some() {
            return Err(TransportError::Refused);
        }
        match self.inner.exchange(endpoint, request, limits).await? {
            Reply::Api(reply) => fate.spoil(reply, limits.deadline).await.map(Reply::Api),
            Reply::Http(reply) => fate.spoil(reply, limits.deadline).await.map(Reply::Http),
            Reply::Frame(reply) => fate.spoil(reply, limits.deadline).await.map(Reply::Frame),
            // Other kinds of replies have their own ways to break, and none is written yet.
            other => Ok(other),
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014): a few lines, good
/// enough for faults, and the same on every machine for ever.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to just below 1.
    fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or_default();
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }

    /// From 0 to `n - 1`; 0 where `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        self.next().checked_rem(n).and_then(|value| usize::try_from(value).ok()).unwrap_or_default()
    }

    /// Any byte but this one and NUL.
    fn other_than(&mut self, byte: u8) -> u8 {
        let other = u8::try_from(1 + self.next() % 254).unwrap_or(1);
        if other < byte { other } else { other + 1 }
    }
}

#[cfg(test)]
mod tests;
