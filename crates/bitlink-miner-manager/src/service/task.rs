//! The one task of a service: it owns the monitor, the scan that is running and what is being kept, and brings them together.

mod keeping;
mod search;

use super::alerting::Alerts;
use super::book::{Book, News};
use super::memories::Memories;
use super::recorder::Recorder;
use super::stats::Counts;
use super::{AmendError, Command, Pulse, Service, ServiceConfig, ServiceEvent};
use crate::error::Error;
use crate::fleet::Fleet;
use bitlink_alerts::{CourierEvent, Occasion};
use bitlink_monitor::{
    Change, Clock, JournalError, MonitorEvent, MonitorHandle, MonitorStream, Registry, RegistryChange,
    RegistryJournal, Sweep,
};
use bitlink_scanner::{ScanEvent, ScanStream, ScanTargets};
use bitlink_transport::{Endpoint, ListenEvent, ListenStream};
use futures::future::{BoxFuture, OptionFuture};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Changes of the registry are gathered for this long before they are kept together.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// How often it is kept when machines were last seen, where nothing else has changed.
const TIMES_KEPT_EVERY: Duration = Duration::from_mins(5);
/// How often it is kept what the rules remember of machines: of the last day, so that the last minutes weigh little.
const MEMORIES_KEPT_EVERY: Duration = Duration::from_mins(15);
/// Pauses between attempts to keep what could not be kept: the first one, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How often it is looked for machines that have vanished.
const VANISHED_EVERY: Duration = Duration::from_secs(10);
/// Most addresses that were heard of and are still to be asked: anybody on the network may name any.
const MOST_HEARD: usize = 256;
/// How long the end may wait for the disk.
const LAST_KEEP: Duration = Duration::from_secs(20);

/// News of messages that wait to be told.
const ALERT_NEWS: usize = 256;

/// What whoever starts a task needs of it.
pub(super) struct Parts {
    pub(super) book: Book,
    pub(super) monitor: MonitorHandle,
    pub(super) pulse: watch::Receiver<Pulse>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
pub(super) struct Task {
    fleet: Fleet,
    config: ServiceConfig,
    clock: Arc<dyn Clock>,
    book: Book,
    journal: Option<Arc<dyn RegistryJournal>>,
    recorder: Option<Recorder>,
    memories: Option<Memories>,
    alerts: Alerts,
    alert_news: mpsc::Receiver<CourierEvent>,
    carrying: JoinSet<()>,
    monitor: MonitorStream,
    handle: MonitorHandle,
    events: broadcast::Sender<ServiceEvent>,
    orders: mpsc::Receiver<Command>,
    pulse: watch::Sender<Pulse>,
    counts: Counts,
    watched: BTreeSet<Endpoint>,
    /// What every target came to that is always watched, when its names were last looked up.
    always: BTreeMap<String, Vec<Endpoint>>,
    looking_up: Option<LookUp>,
    listening: Option<ListenStream>,
    /// Where somebody may be who is still to be asked who it is: miners have shown themselves there, or have gone from there.
    heard: BTreeSet<IpAddr>,
    scan: Option<Scan>,
    next_scan: Option<Instant>,
    /// Machines may be elsewhere than what is watched.
    stirred: bool,
    next_reconcile: Instant,
    next_vanished: Instant,
    keeping: Option<Keeping>,
    next_keep: Instant,
    next_times: Instant,
    next_memories: Instant,
    /// Who wants to know when what was changed is kept, and how many changes that were.
    waiting: Vec<(oneshot::Sender<Result<usize, AmendError>>, usize)>,
    failing: Option<Failing>,
}

/// A scan that is running.
#[derive(Debug)]
struct Scan {
    stream: ScanStream,
    sweep: Sweep,
    /// The networks that it is of; `None`: of those that were heard.
    networks: Option<ScanTargets>,
}

type Looked = Vec<(String, Result<Vec<Endpoint>, Error>)>;

/// Names of what is always watched, being looked up.
struct LookUp(BoxFuture<'static, Looked>);

impl std::fmt::Debug for LookUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookUp")
    }
}

/// Changes that are being kept.
struct Keeping {
    changes: Vec<RegistryChange>,
    began: Instant,
    done: BoxFuture<'static, Result<(), JournalError>>,
    waiting: Vec<(oneshot::Sender<Result<usize, AmendError>>, usize)>,
}

impl std::fmt::Debug for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeping").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

/// Nothing can be kept just now.
#[derive(Debug)]
struct Failing {
    why: String,
    pause: Duration,
}

/// What woke the task.
enum Woken {
    Order(Option<Command>),
    Kept(Result<(), JournalError>),
    Monitor(Option<MonitorEvent>),
    Scan(Option<ScanEvent>),
    LookedUp(Looked),
    Heard(Option<ListenEvent>),
    Alert(CourierEvent),
    News,
    Due,
}

impl Task {
    /// Watches what is known already.
    pub(super) fn start(
        service: Service,
        (registry, journal): (Registry, Option<Arc<dyn RegistryJournal>>),
        (recorder, store): (Option<Recorder>, Option<Arc<bitlink_store::Store>>),
        (not_kept, events): (Option<String>, broadcast::Sender<ServiceEvent>),
        orders: mpsc::Receiver<Command>,
    ) -> (Self, Parts) {
        let Service { fleet, config, clock } = service;
        let now = Instant::now();
        let book = Book::new(registry, clock.now(), config.vanished_after);
        let watched = book.places();
        let (memories, known) = store.clone().map(Memories::open).unzip();
        let monitor = fleet
            .monitor()
            .with_clock(Arc::clone(&clock))
            .with_observer(book.clone())
            .with_memories(known.unwrap_or_default())
            .start(watched.clone());
        let handle = monitor.handle();
        let (pulse, pulses) = watch::channel(Pulse {
            round_at: now,
            scanning_since: None,
            scanned_at: None,
            not_kept,
            not_recorded: None,
            history: None,
            interval: fleet.monitor_config().interval,
        });
        let counts = Counts::new(clock.now());
        let parts =
            Parts { book: book.clone(), monitor: handle.clone(), pulse: pulses, counts: counts.clone() };
        let (told, alert_news) = mpsc::channel(ALERT_NEWS);
        let alerts = Alerts::new(store, Arc::clone(&clock), told);
        let task = Self {
            alerts,
            alert_news,
            carrying: JoinSet::new(),
            fleet,
            config,
            clock,
            book,
            journal,
            recorder,
            memories,
            monitor,
            handle,
            events,
            orders,
            pulse,
            counts,
            watched,
            always: BTreeMap::new(),
            looking_up: None,
            listening: None,
            heard: BTreeSet::new(),
            scan: None,
            next_scan: Some(now),
            stirred: false,
            next_reconcile: now,
            next_vanished: now + VANISHED_EVERY,
            keeping: None,
            next_keep: now,
            next_times: now + TIMES_KEPT_EVERY,
            next_memories: now + MEMORIES_KEPT_EVERY,
            waiting: Vec::new(),
            failing: None,
        };
        (task, parts)
    }

    /// Works until it is told to stop, with a door for other processes meanwhile.
    pub(super) async fn run(mut self, door: Option<impl Future<Output = ()> + Send + 'static>) {
        let mut doors = JoinSet::new();
        if let Some(door) = door {
            doors.spawn(door);
        }
        self.look_up();
        self.listen();
        self.keep_history();
        self.watch_alerts();
        loop {
            self.do_what_is_due(Instant::now()).await;
            let news = Arc::clone(&self.book.news);
            let wake = self.next_wake();
            let woken = tokio::select! {
                // What a person asked for comes first.
                biased;
                order = self.orders.recv() => Woken::Order(order),
                Some(kept) = OptionFuture::from(self.keeping.as_mut().map(|keeping| &mut keeping.done)) => Woken::Kept(kept),
                event = self.monitor.recv() => Woken::Monitor(event),
                Some(event) = OptionFuture::from(self.scan.as_mut().map(|scan| scan.stream.recv())) => Woken::Scan(event),
                Some(looked) = OptionFuture::from(self.looking_up.as_mut().map(|look_up| &mut look_up.0)) => Woken::LookedUp(looked),
                Some(heard) = OptionFuture::from(self.listening.as_mut().map(ListenStream::recv)) => Woken::Heard(heard),
                Some(event) = self.alert_news.recv() => Woken::Alert(event),
                () = news.notified() => Woken::News,
                () = sleep_until(wake) => Woken::Due,
            };
            match woken {
                // The monitor never ends by itself.
                Woken::Order(None | Some(Command::Shutdown)) | Woken::Monitor(None) => break,
                Woken::Order(Some(order)) => self.obey(order).await,
                Woken::Kept(outcome) => self.kept(outcome),
                Woken::Monitor(Some(event)) => self.pass_on(event),
                Woken::Scan(event) => self.scanned(event),
                Woken::LookedUp(looked) => self.looked_up(looked),
                Woken::Heard(event) => self.hear(event),
                Woken::Alert(event) => {
                    self.counts.message(&event);
                    self.alerts.heard(&event);
                    self.tell(ServiceEvent::Alert(Arc::new(event)));
                }
                Woken::News => self.tell_news(),
                Woken::Due => {}
            }
        }
        // Before the directory is anybody's: another service may open its own at once.
        doors.shutdown().await;
        self.wind_down().await;
    }

    /// Whoever does not listen misses it.
    fn tell(&self, event: ServiceEvent) {
        let _ = self.events.send(event);
    }

    fn next_wake(&self) -> Instant {
        let mut wake = self.next_vanished.min(self.next_times).min(self.next_memories);
        if self.scan.is_none() {
            let heard = (!self.heard.is_empty()).then(Instant::now);
            wake = [self.next_scan, heard].into_iter().flatten().fold(wake, Instant::min);
        }
        if self.stirred {
            wake = wake.min(self.next_reconcile);
        }
        // Without anywhere to keep it, what has changed waits for ever.
        if self.keeping.is_none() && self.journal.is_some() {
            wake = wake.min(self.next_keep);
        }
        wake
    }

    async fn do_what_is_due(&mut self, now: Instant) {
        if self.scan.is_none() && self.next_scan.is_some_and(|at| now >= at) {
            self.begin_scan(now);
        }
        if self.scan.is_none() && !self.heard.is_empty() {
            self.ask_those_heard(now);
        }
        if now >= self.next_vanished {
            self.book.look_for_vanished(self.config.vanished_after);
            self.next_vanished = now + VANISHED_EVERY;
        }
        if self.stirred && now >= self.next_reconcile {
            self.reconcile().await;
            self.next_reconcile = now + GATHERED_FOR;
        }
        if now >= self.next_keep {
            let times = now >= self.next_times;
            self.keep(times);
            self.next_keep = now + GATHERED_FOR;
        }
        if now >= self.next_times {
            self.next_times = now + TIMES_KEPT_EVERY;
        }
        if now >= self.next_memories {
            self.next_memories = now + MEMORIES_KEPT_EVERY;
            let kept = self.keep_memories().await;
            while self.carrying.try_join_next().is_some() {}
            self.carrying.spawn(kept);
        }
    }

    /// Hands over what the rules remember; the future ends when it is on the disk.
    async fn keep_memories(&mut self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut kept = None;
        if let Some(memories) = &mut self.memories {
            // An error means that the monitor has stopped.
            kept = self.handle.memories().await.ok().map(|all| memories.keep(&all));
        }
        async move {
            if let Some(kept) = kept
                && let Err(error) = kept.await
            {
                tracing::warn!(%error, "what the rules remember of miners is not kept");
            }
        }
    }

    /// Watches where machines are, and no longer where none is.
    async fn reconcile(&mut self) {
        self.stirred = false;
        let mut wanted = self.book.places();
        wanted.extend(self.always.values().flatten());
        let more: Vec<Endpoint> = wanted.difference(&self.watched).copied().collect();
        let less: Vec<Endpoint> = self.watched.difference(&wanted).copied().collect();
        // An error means that the monitor has stopped, which ends the service too.
        if !more.is_empty() {
            let _ = self.handle.extend(more).await;
        }
        for endpoint in less {
            let _ = self.handle.remove(endpoint).await;
        }
        self.watched = wanted;
    }

    fn tell_news(&mut self) {
        for news in self.book.take_news() {
            self.stirred = true;
            // Who left may have made room for another: two may have exchanged their addresses.
            if let News::Met { change: Change::Moved { from }, .. } = &news {
                self.heard.insert(from.ip());
            }
            if let (Some(recorder), News::Met { record, absorbed: Some(gone), .. }) =
                (&mut self.recorder, &news)
            {
                recorder.absorbed(*gone, record.id, self.clock.now());
            }
            self.note_for_alerts(&news);
            self.tell(match news {
                News::Met { record, change, displaced, absorbed } => {
                    ServiceEvent::Met { record, change, displaced, absorbed }
                }
                News::Conflict { record, conflict } => ServiceEvent::Conflict { record, conflict },
                News::Vanished(record) => ServiceEvent::Vanished(record),
                News::Returned(record) => ServiceEvent::Returned(record),
            });
        }
    }

    fn pass_on(&mut self, event: MonitorEvent) {
        match &event {
            MonitorEvent::FullSnapshot(fleet) => {
                self.pulse.send_modify(|pulse| pulse.round_at = Instant::now());
                aside(|| {
                    let records = self.book.records();
                    if let Some(recorder) = &mut self.recorder {
                        let turn = recorder.record(fleet, &records, self.clock.now());
                        self.recorded(turn);
                    }
                    self.alerts.round(fleet, &records);
                });
                self.counts.lock().alerts_firing = self.alerts.firing();
            }
            MonitorEvent::StatusChanged { miner, .. } => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.note(miner, self.clock.now());
                }
            }
            MonitorEvent::Lagged { missed, .. } => self.counts.lock().monitor_events_dropped += missed,
            _ => {}
        }
        self.tell(ServiceEvent::Monitor(event));
    }

    // -- orders

    async fn obey(&mut self, order: Command) {
        match order {
            Command::Amend { edits, forget, done } => {
                if self.journal.is_none() {
                    let _ = done.send(Err(AmendError::ReadOnly));
                    return;
                }
                match self.book.amend(&edits, &forget, self.clock.now()) {
                    Ok(changed) => {
                        self.stirred |= !forget.is_empty();
                        self.waiting.push((done, changed));
                        // At once: somebody waits.
                        self.keep(false);
                    }
                    Err(error) => drop(done.send(Err(error.into()))),
                }
            }
            Command::Reconfigure(new) => {
                let (fleet, config) = *new;
                self.fleet = self.fleet.configured_as(&fleet);
                let interval = self.fleet.monitor_config().interval;
                // An error means that the monitor has stopped, which ends the service too.
                let _ = self.handle.configure(self.fleet.monitor_config().clone()).await;
                self.pulse.send_modify(|pulse| {
                    pulse.interval = interval;
                    pulse.round_at = Instant::now();
                });
                let listens_otherwise = config.listen != self.config.listen;
                self.config = config;
                self.stirred = true;
                self.look_up();
                if listens_otherwise {
                    // The old places are free before the new ones are taken.
                    self.listening = None;
                    self.listen();
                }
                self.keep_history();
                self.watch_alerts();
                let of = self.scan.as_ref().and_then(|scan| scan.networks.as_ref());
                if of != Some(&self.config.networks) {
                    self.scan = None;
                    self.next_scan = Some(Instant::now());
                }
                self.tell(ServiceEvent::Reconfigured);
            }
            Command::Alert(order, done) => drop(done.send(self.alerts.obey(order))),
            Command::Alerts(done) => drop(done.send(self.alerts.now(&self.config.alerts))),
            Command::Adopt(miners, done) => {
                let sweep = self.book.begin_sweep();
                let adopted = miners.iter().filter(|miner| self.book.found(miner, sweep)).count();
                self.stirred = true;
                let _ = done.send(adopted);
            }
            Command::Rescan => self.next_scan = Some(Instant::now()),
            Command::Shutdown => {}
        }
    }

    // -- alerts

    fn watch_alerts(&mut self) {
        match self.alerts.configure(&self.config.alerts) {
            // owned by this set, which ends it with the service
            Ok(Some(work)) => drop(self.carrying.spawn(work)),
            Ok(None) => {}
            // They were looked at before they were taken; a time zone may be gone since.
            Err(error) => tracing::error!(%error, "alerts are as they were"),
        }
    }

    fn note_for_alerts(&mut self, news: &News) {
        match news {
            News::Met { record, change, .. } => {
                let (occasion, message) = match change {
                    Change::New => (Occasion::New, "met for the first time".to_owned()),
                    Change::Moved { from } => (Occasion::Moved, format!("was at {from}")),
                    Change::BoardSwapped { from, to } => {
                        (Occasion::BoardSwapped, format!("control board {to}, was {from}"))
                    }
                    _ => return,
                };
                self.alerts.note(occasion, Some(record.id), message);
            }
            News::Conflict { record, conflict } => {
                let message = format!("{} is also that of {}", conflict.evidence, conflict.with);
                self.alerts.note(Occasion::Conflict, Some(record.id), message);
            }
            News::Vanished(record) => {
                self.alerts.note(
                    Occasion::Vanished,
                    Some(record.id),
                    "not heard of, wherever it was looked for",
                );
            }
            News::Returned(record) => self.alerts.note(Occasion::Returned, Some(record.id), "is back"),
        }
    }

    async fn wind_down(mut self) {
        self.scan = None;
        let memories = self.keep_memories().await;
        self.handle.shutdown().await;
        while let Some(event) = self.monitor.recv().await {
            self.pass_on(event);
        }
        self.tell_news();
        if let Some(recorder) = &mut self.recorder {
            recorder.stop(self.clock.now());
        }
        let last = async {
            memories.await;
            if let Some(keeping) = &mut self.keeping {
                let outcome = (&mut keeping.done).await;
                self.kept(outcome);
            }
            self.keep(true);
            if let Some(keeping) = &mut self.keeping {
                let outcome = (&mut keeping.done).await;
                self.kept(outcome);
            }
        };
        if timeout(LAST_KEEP, last).await.is_err() {
            tracing::error!("the disk has not answered; what was met last may not be kept");
        }
        self.alerts.stop();
        // What is under way is sent again after the next start; what was decided is kept.
        let carried = async { while self.carrying.join_next().await.is_some() {} };
        if timeout(LAST_KEEP, carried).await.is_err() {
            tracing::error!("the disk has not answered; what alerts decided last may not be kept");
        }
        for (done, _) in mem::take(&mut self.waiting) {
            let _ = done.send(Err(AmendError::Stopped));
        }
    }
}

/// Work that takes a while: half a second for tens of thousands of machines. Meanwhile this thread of the runtime, if there are more of
/// them, lets another one go on with what waits in its queue, such as an answer to somebody who looks at the fleet.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
