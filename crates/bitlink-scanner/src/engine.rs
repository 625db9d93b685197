//! The machinery of a scan: a fixed pool of workers that pull endpoint numbers and probe them, a bounded queue of open
//! ports, and a second pool that identifies what listens there. Decides when work starts and ends and that every
//! endpoint is settled once; how to probe, pace, identify and judge is told by other files.
//!
//! Memory is bounded by the widths of the pools and the lengths of the queues, never by the number of targets.

use crate::approach::Approach;
use crate::config::ScanConfig;
use crate::event::ScanEvent;
use crate::identify::{Identifier, identify};
use crate::lanes::{Lanes, Turn};
use crate::merge::{Merged, gather};
use crate::order::Permutation;
use crate::outcome::{Outcome, OutcomeKind, ScanFailure};
use crate::pace::{Gate, Pacer};
use crate::probe::{Permit, Probed, probe};
use crate::report::{Scope, Tally, count};
use crate::resolve::{Resolver, resolve_all};
use crate::scan::Judge;
use crate::sources::CandidateSource;
use crate::story::{ScanStep, Stories};
use crate::targets::{ScanPlan, ScanTargets};
use crate::times::Times;
use bitlink_model::{Miner, MinerSnapshot, Timestamp};
use bitlink_protocol::Doors;
use bitlink_transport::{Endpoint, Links, Neighbours, Transport};
use futures::FutureExt;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How many open ports may wait to be asked who they are before the sweep waits for them. Some tens of bytes each.
const OPEN_QUEUE: usize = 4_096;

/// Most questions for neighbours per second, whatever the rate of connections: each is heard by every machine on the link.
const MOST_ASKED: u32 = 40_000;

/// All that a scan needs to run.
pub(crate) struct Job {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) identifier: Arc<dyn Identifier>,
    pub(crate) stories: Stories,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) neighbours: Option<Arc<dyn Neighbours>>,
    pub(crate) sources: Vec<Arc<dyn CandidateSource>>,
    pub(crate) targets: ScanTargets,
    /// The plan of the targets before their names are resolved.
    pub(crate) plan: ScanPlan,
    pub(crate) config: ScanConfig,
    pub(crate) events: mpsc::Sender<ScanEvent>,
    pub(crate) stop: Arc<Notify>,
}

/// What the workers of a scan share.
pub(crate) struct Shared {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) identifier: Arc<dyn Identifier>,
    pub(crate) stories: Stories,
    judge: Arc<Judge>,
    pub(crate) plan: ScanPlan,
    pub(crate) order: Permutation,
    pub(crate) times: Times,
    pub(crate) config: ScanConfig,
    pub(crate) tally: Tally,
    pub(crate) gate: Gate,
    pub(crate) pacer: Pacer,
    /// Questions for neighbours are short, and twice as many as connections.
    pub(crate) asking_pacer: Pacer,
    pub(crate) approach: Option<Approach>,
    pub(crate) links: Links,
    pub(crate) merged: Merged,
    pub(crate) next: AtomicU64,
    pub(crate) events: mpsc::Sender<ScanEvent>,
}

/// Runs a scan to its end, to its stop, or until nobody listens any more.
pub(crate) async fn run(job: Job) {
    let started = Instant::now();
    let Job {
        transport,
        identifier,
        stories,
        resolver,
        judge,
        neighbours,
        sources,
        targets,
        plan,
        config,
        events,
        stop,
    } = job;

    let names = targets.names().len() as u64;
    let mut plan = plan;
    let mut unknown = Vec::new();
    let mut stopped = false;
    if names > 0 {
        tokio::select! {
            () = stop.notified() => stopped = true,
            (resolved, nameless) = resolve_all(&targets, &*resolver, config.name_timeout) => {
                // Resolving adds a bounded number of addresses for each name, so the limit was checked before. A plan
                // of nothing but unknown names is empty.
                plan = resolved.plan_up_to(&config, u64::MAX).unwrap_or_default();
                unknown = nameless;
            }
        }
    }
    // A stop before the names were known leaves each of them without an outcome, once.
    let nameless = if stopped { names } else { unknown.len() as u64 };
    let mut scope = Scope {
        total: plan.len().saturating_add(nameless),
        addresses: plan.addresses(),
        skipped: plan.skipped(),
        stopped,
        narrowed_to: None,
    };
    tracing::debug!(total = scope.total, addresses = scope.addresses, "a scan begins");

    let approach = Approach::new(neighbours.as_ref(), scope.addresses);
    let shared = Arc::new(Shared {
        transport,
        identifier,
        stories,
        judge,
        order: Permutation::new(config.order, plan.len()),
        times: Times::new(&config.probe_timeouts, config.adaptive),
        plan,
        tally: Tally::default(),
        gate: Gate::new(config.concurrency),
        pacer: Pacer::new(config.rate),
        asking_pacer: Pacer::new(Some(
            config.rate.map_or(MOST_ASKED, |rate| rate.saturating_mul(2).min(MOST_ASKED)),
        )),
        approach,
        links: Links::new(neighbours),
        merged: Merged::new(&sources),
        next: AtomicU64::new(0),
        events,
        config,
    });
    let begun = ScanEvent::Started { total: scope.total, addresses: scope.addresses, skipped: scope.skipped };
    if shared.events.send(begun).await.is_err() {
        return;
    }
    if let Some(approach) = &shared.approach
        && some_of(&shared.plan).any(|endpoint| approach.minds(endpoint.ip()))
    {
        let event = ScanEvent::FlatNetwork { asks: approach.asks(), places: approach.places() };
        if shared.events.send(event).await.is_err() {
            return;
        }
    }
    for unknown in unknown {
        let event = ScanEvent::NameUnknown { name: unknown.name, error: unknown.error };
        if shared.tell(OutcomeKind::NameUnknown, Some(event)).await.is_break() {
            return;
        }
    }
    if !scope.stopped {
        scope.stopped = work(&shared, scope.total, sources, &stop).await;
    }
    scope.total = scope.total.saturating_add(shared.merged.beyond());
    scope.addresses = scope.addresses.saturating_add(shared.merged.addresses_beyond());
    scope.narrowed_to = shared.gate.narrowed_to();
    let mut report = shared.tally.report(&scope, started.elapsed());
    report.sources = shared.merged.counts();
    tracing::debug!(counts = ?report.counts, elapsed = ?report.elapsed, "a scan is over");
    let found = report.counts.of(OutcomeKind::Found);
    let failed = report.counts.of(OutcomeKind::Failed);
    // A consumer that is gone does not want to know.
    drop(shared.events.send(ScanEvent::Complete { found, failed, report: Box::new(report) }).await);
}

/// Endpoints from all parts of a plan, to tell of what kind it is.
fn some_of(plan: &ScanPlan) -> impl Iterator<Item = Endpoint> {
    const SOME: u64 = 1_024;
    let step = plan.len().div_ceil(SOME).max(1);
    (0..SOME).map_while(move |number| plan.nth(number * step))
}

/// Sets the pools to work and tells progress until they are done. Returns whether they were stopped.
async fn work(
    shared: &Arc<Shared>,
    total: u64,
    sources: Vec<Arc<dyn CandidateSource>>,
    stop: &Notify,
) -> bool {
    let (open, opened) = mpsc::channel(OPEN_QUEUE);
    // No more workers than work, nor than have room for the tries of a silent address that overlap.
    let doors = if shared.config.doors.is_empty() { 1 } else { 2 };
    let sweepers = shared.times.addresses(shared.config.concurrency, doors);
    let endpoints = usize::try_from(shared.plan.len()).unwrap_or(usize::MAX);
    let mut workers = JoinSet::new();
    for _ in 0..sweepers.min(endpoints) {
        workers.spawn(sweep(Arc::clone(shared), open.clone()));
    }
    let identifiers = if sources.is_empty() { endpoints } else { usize::MAX };
    let width = shared.config.identify_concurrency.min(identifiers);
    let lanes = Arc::new(Lanes::new(opened, width));
    for _ in 0..width {
        workers.spawn(identify_opened(Arc::clone(shared), Arc::clone(&lanes)));
    }
    if !sources.is_empty() {
        workers.spawn(gather(Arc::clone(shared), sources, open.clone()));
    }
    // The queue closes with the last sweeper.
    drop(open);

    let mut progress = Progress::new(total);
    let mut ticks = interval(shared.config.progress_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is now.
    ticks.tick().await;
    loop {
        tokio::select! {
            () = stop.notified() => {
                workers.shutdown().await;
                return true;
            }
            joined = workers.join_next() => match joined {
                None => return false,
                Some(Ok(())) => {}
                // Whatever a worker does is contained; should one fail all the same, the others go on with its work.
                Some(Err(error)) => tracing::error!(%error, "a worker of the scan failed"),
            },
            _ = ticks.tick() => {
                // Full or closed: progress is not worth waiting for.
                drop(shared.events.try_send(progress.event(&shared.tally, shared.merged.beyond())));
            }
        }
    }
}

/// Probes endpoints until there are no more.
async fn sweep(shared: Arc<Shared>, open: mpsc::Sender<(Endpoint, Doors)>) {
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(endpoint) = shared.order.nth(number).and_then(|place| shared.plan.nth(place)) else {
            return;
        };
        if shared.merged.is_taken(number) {
            continue;
        }
        if shared.visit(endpoint, number, &open).await.is_break() {
            return;
        }
    }
}

/// Identifies open ports until the sweep is over and the queue is empty.
async fn identify_opened(shared: Arc<Shared>, lanes: Arc<Lanes>) {
    while let Some(turn) = lanes.next().await {
        let ((endpoint, doors), mut patient) = match turn {
            Turn::First(opened) => (opened, None),
            Turn::Again(opened, patient) => (opened, Some(patient)),
        };
        let mut identified = contained(identify(&shared, endpoint, &doors, patient.is_none())).await;
        if matches!(identified, Ok(None)) {
            shared.stories.tell(endpoint, || ScanStep::Postponed).await;
            count(&shared.tally.postponed);
            match lanes.postpone((endpoint, doors)) {
                Ok(()) => continue,
                Err((_, doors)) => {
                    identified = contained(identify(&shared, endpoint, &doors, false)).await;
                }
            }
        }
        let flow = match identified {
            Ok(Some(Ok(snapshot))) => {
                shared.stories.tell(endpoint, || ScanStep::Ended(Outcome::Found)).await;
                shared.merged.found(endpoint.ip());
                let miner = Box::new(shared.miner(endpoint, snapshot));
                shared.tell(OutcomeKind::Found, Some(ScanEvent::Found(miner))).await
            }
            Ok(Some(Err(outcome))) => shared.settle(endpoint, outcome).await,
            // Nobody who was not asked whether it is slow says so.
            Ok(None) | Err(_) => shared.settle(endpoint, Outcome::Failed(ScanFailure::Defect)).await,
        };
        drop(patient.take());
        shared.is_done(endpoint);
        if flow.is_break() {
            return;
        }
    }
}

/// Contains a defect to one endpoint: what a hostile machine provokes in one probe must not end the others.
async fn contained<T>(work: impl Future<Output = T>) -> Result<T, ScanFailure> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_panic_has_been_printed| ScanFailure::Defect)
}

impl Shared {
    /// Waits until one more connection may be opened: for its moment, then for room.
    pub(crate) async fn admit(&self) -> Permit<'_> {
        self.pacer.wait().await;
        self.gate.enter().await
    }

    /// How many endpoints there are.
    pub(crate) fn endpoints(&self) -> u64 {
        self.plan.len()
    }

    /// Probes an endpoint: whoever is met is identified later, and where nobody is, that is the outcome. Breaks when the scan
    /// is over.
    pub(crate) async fn visit(
        &self,
        endpoint: Endpoint,
        number: u64,
        open: &mpsc::Sender<(Endpoint, Doors)>,
    ) -> ControlFlow<()> {
        let outcome = match contained(probe(self, endpoint, number)).await {
            Ok(Probed::Open(doors)) => {
                return match open.send((endpoint, doors)).await {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_the_scan_is_over) => ControlFlow::Break(()),
                };
            }
            Ok(Probed::Closed(outcome)) => outcome,
            Err(failure) => Outcome::Failed(failure),
        };
        self.is_done(endpoint);
        self.settle(endpoint, outcome).await
    }

    /// Nobody will connect to it again.
    fn is_done(&self, endpoint: Endpoint) {
        if let Some(approach) = &self.approach {
            approach.done(endpoint.ip());
        }
    }

    /// Gives an endpoint its outcome, and tells of it when it is worth telling.
    async fn settle(&self, endpoint: Endpoint, outcome: Outcome) -> ControlFlow<()> {
        self.stories.tell(endpoint, || ScanStep::Ended(outcome.clone())).await;
        let kind = outcome.kind();
        let told = kind.is_notable() || self.config.report_all;
        self.tell(kind, told.then_some(ScanEvent::Outcome { endpoint, outcome })).await
    }

    /// Counts an outcome and queues its event in one step, so that neither happens without the other whenever the scan
    /// is stopped. Breaks when nobody listens any more.
    async fn tell(&self, kind: OutcomeKind, event: Option<ScanEvent>) -> ControlFlow<()> {
        let Some(event) = event else {
            self.tally.record(kind);
            return ControlFlow::Continue(());
        };
        match self.events.reserve().await {
            Ok(room) => {
                self.tally.record(kind);
                room.send(event);
                ControlFlow::Continue(())
            }
            Err(_nobody_listens) => ControlFlow::Break(()),
        }
    }

    fn miner(&self, endpoint: Endpoint, mut snapshot: MinerSnapshot) -> Miner {
        snapshot.observed_at.get_or_insert_with(|| Timestamp::from(SystemTime::now()));
        self.links.tell(endpoint.ip(), &mut snapshot);
        let (status, findings) = (self.judge)(&snapshot);
        Miner::from_snapshot(endpoint.ip(), endpoint.port(), status, snapshot).with_findings(findings)
    }
}

/// How fast the scan goes lately.
struct Progress {
    total: u64,
    /// How many were done when, over the last [`LATELY`], the oldest first.
    samples: VecDeque<(Instant, u64)>,
}

/// Silent addresses end in bursts, one for each timeout; shorter than several of those, a rate would jump about.
const LATELY: Duration = Duration::from_secs(10);

impl Progress {
    fn new(total: u64) -> Self {
        Self { total, samples: VecDeque::from([(Instant::now(), 0)]) }
    }

    #[allow(clippy::cast_precision_loss)]
    fn event(&mut self, tally: &Tally, beyond: u64) -> ScanEvent {
        let total = self.total.saturating_add(beyond);
        let counts = tally.counts();
        let (now, done) = (Instant::now(), counts.sum());
        while self.samples.get(1).is_some_and(|(then, _)| now.duration_since(*then) >= LATELY) {
            self.samples.pop_front();
        }
        let (then, done_then) = self.samples.front().copied().unwrap_or((now, done));
        self.samples.push_back((now, done));
        let seconds = now.duration_since(then).as_secs_f64();
        let rate = if seconds > 0.0 { done.saturating_sub(done_then) as f64 / seconds } else { 0.0 };
        let left = total.saturating_sub(done) as f64;
        ScanEvent::Progress {
            done,
            total,
            found: counts.of(OutcomeKind::Found),
            in_flight: tally.in_flight(),
            rate,
            // Infinite or not a number while there is no rate.
            eta: Duration::try_from_secs_f64(left / rate).ok(),
        }
    }
}

#[cfg(test)]
mod tests;
