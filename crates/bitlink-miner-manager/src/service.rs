//! [`Service`]: a fleet that is looked for, watched and kept, for months. Joins the scanner, the monitor, the registry and the store
//! and says what comes of it; the rules are theirs.

mod alerting;
mod book;
#[cfg(unix)]
pub(crate) mod control;
#[cfg(not(unix))]
#[path = "service/no_control.rs"]
pub(crate) mod control;
mod memories;
mod recorder;
mod stats;
mod task;

pub use alerting::{Alerting, AlertingError};

use crate::error::Error;
use crate::fleet::Fleet;
use crate::registry::FleetRegistry;
use bitlink_alerts::{AlertOrder, AlertState, ChannelKind, CourierEvent, Maintenance, Mute, OrderError};
use bitlink_model::{Miner, MinerId, MinerRecord, RecordEdit, Timestamp};
use bitlink_monitor::{
    Change, Clock, Conflict, FleetSnapshot, JournalError, MonitorEvent, MonitorHandle, Registry,
    RegistryError, RegistryJournal, SystemClock,
};
use bitlink_scanner::{ScanReport, ScanTargets};
use bitlink_store::StoreError;
use bitlink_store::history::{HistoryConfig, HistoryReader, HistoryStatus};
use bitlink_transport::ListenConfig;
use book::Book;
pub use stats::{AlertsFiring, ServiceStats};

use recorder::Recorder;
use stats::Counts;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use task::Task;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What a service does beside what its [`Fleet`] says of scans and of watching.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// Where miners are looked for. Default nowhere: then only those that are known already are watched.
    pub networks: ScanTargets,
    /// What is watched whether anybody answers there or not. Names are looked up again with every scan. Default nothing.
    pub always: ScanTargets,
    /// Whether and how miners are heard that show themselves, all the time. Whoever is heard at an address of a private network is
    /// asked at once. Default not.
    pub listen: Option<ListenConfig>,
    /// Time from the end of one scan to the beginning of the next; default 15 min, 1 s to 30 days. `None` looks once, at the
    /// start, and when it is told to.
    pub rescan: Option<Duration>,
    /// For how long a machine must not have been heard of to be [vanished](ServiceEvent::Vanished); default 1 h, 1 min to
    /// 30 days. Long enough for an update of its firmware.
    pub vanished_after: Duration,
    /// Whether readings are kept over time, and for how long; default yes, as [`HistoryConfig`] says.
    pub history: Option<HistoryConfig>,
    /// What is told to people, and how; default the shipped rules and no channel: then nobody is told, and `bitlink alerts list` has it.
    pub alerts: Alerting,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            networks: ScanTargets::default(),
            always: ScanTargets::default(),
            listen: None,
            rescan: Some(Duration::from_mins(15)),
            vanished_after: Duration::from_hours(1),
            history: Some(HistoryConfig::default()),
            alerts: Alerting::default(),
        }
    }
}

const LONGEST: Duration = Duration::from_hours(24 * 30);

impl ServiceConfig {
    /// With networks in which miners are looked for.
    #[must_use]
    pub fn with_networks(mut self, networks: ScanTargets) -> Self {
        self.networks = networks;
        self
    }

    /// With targets that are always watched.
    #[must_use]
    pub fn with_always(mut self, always: ScanTargets) -> Self {
        self.always = always;
        self
    }

    /// With miners that show themselves.
    #[must_use]
    pub fn with_listen(mut self, listen: Option<ListenConfig>) -> Self {
        self.listen = listen;
        self
    }

    /// With another time between two scans.
    #[must_use]
    pub fn with_rescan(mut self, rescan: Option<Duration>) -> Self {
        self.rescan = rescan;
        self
    }

    /// With another time after which a machine has vanished.
    #[must_use]
    pub fn with_vanished_after(mut self, after: Duration) -> Self {
        self.vanished_after = after;
        self
    }

    /// With readings that are kept over time in another way, or not.
    #[must_use]
    pub fn with_history(mut self, history: Option<HistoryConfig>) -> Self {
        self.history = history;
        self
    }

    /// With other alerts.
    #[must_use]
    pub fn with_alerts(mut self, alerts: Alerting) -> Self {
        self.alerts = alerts;
        self
    }

    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// [`Error::Service`] with the first setting that is not.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |setting, allowed| Err(Error::Service { setting, allowed });
        if self.rescan.is_some_and(|time| time < Duration::from_secs(1) || time > LONGEST) {
            return wrong("rescan", "1 s to 30 days");
        }
        if self.vanished_after < Duration::from_mins(1) || self.vanished_after > LONGEST {
            return wrong("vanished_after", "1 min to 30 days");
        }
        if let Some(Err((setting, allowed))) = self.history.as_ref().map(HistoryConfig::validate) {
            return wrong(setting, allowed);
        }
        self.alerts.open()?;
        Ok(())
    }
}

/// Something that a service tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceEvent {
    /// Of the monitor.
    Monitor(MonitorEvent),
    /// A machine was met that is new, has moved, has another control board, or is back after it was forgotten. One that is met
    /// where it always was is not told.
    Met {
        /// The machine as it is kept.
        record: Arc<MinerRecord>,
        /// What is new.
        change: Change,
        /// The machine that was held to be at this address. Where it is now is not known.
        displaced: Option<MinerId>,
        /// A record that turned out to be of this machine, and is gone.
        absorbed: Option<MinerId>,
    },
    /// Evidence that several machines have, as two with one hardware address.
    Conflict {
        /// Who was met.
        record: Arc<MinerRecord>,
        /// With whom it has something in common, and what.
        conflict: Conflict,
    },
    /// A machine was not heard of for [`ServiceConfig::vanished_after`], neither where it was nor in a scan.
    Vanished(Arc<MinerRecord>),
    /// A machine that had vanished was met.
    Returned(Arc<MinerRecord>),
    /// A scan has begun.
    ScanBegan {
        /// How many endpoints it visits. Miners that answer all the time are not among them.
        total: u64,
    },
    /// A scan has ended.
    ScanEnded(Arc<ScanReport>),
    /// A scan could not be made.
    ScanFailed(Arc<Error>),
    /// A miner has shown itself at an address where none was known. It is asked who it is.
    Heard {
        /// Where.
        ip: IpAddr,
    },
    /// Miners that show themselves cannot be heard.
    Deaf(Arc<Error>),
    /// A target that is always to be watched cannot be, for now.
    Unwatchable {
        /// The target as it was given.
        target: String,
        /// Why not.
        error: Arc<Error>,
    },
    /// What is known could not be kept. It is tried again and again, and nothing is forgotten meanwhile.
    NotKept {
        /// Why not.
        error: JournalError,
        /// How many changes wait.
        waiting: usize,
    },
    /// What could not be kept is kept now.
    KeptAgain,
    /// Readings are not kept, while miners are watched all the same. Told once.
    NotRecorded {
        /// Why not.
        reason: String,
    },
    /// Readings are kept again.
    RecordedAgain {
        /// Of how many rounds none are kept.
        missed: u64,
    },
    /// What has become of a message to people.
    Alert(Arc<CourierEvent>),
    /// Other settings count from now on.
    Reconfigured,
    /// The reader was too slow: so many events are left out here.
    Lagged(u64),
}

/// How a service does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pulse {
    /// When a round of the monitor ended last; before the first one, when it started.
    pub round_at: Instant,
    /// Since when a scan is running.
    pub scanning_since: Option<Instant>,
    /// When the last scan ended.
    pub scanned_at: Option<Instant>,
    /// Why what is known cannot be kept, while it cannot.
    pub not_kept: Option<String>,
    /// Why readings are not kept, while they should be and are not.
    pub not_recorded: Option<String>,
    /// How keeping them goes.
    pub history: Option<HistoryStatus>,
    /// Time between two rounds.
    pub interval: Duration,
}

impl Pulse {
    /// Whether it does its work: rounds of the monitor end as they should.
    pub fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.round_at) < self.interval * 3 + Duration::from_secs(10)
    }
}

/// A service that has not been started yet.
#[derive(Debug)]
#[must_use]
pub struct Service {
    fleet: Fleet,
    config: ServiceConfig,
    clock: Arc<dyn Clock>,
}

impl Service {
    /// Over a fleet, with its settings for scans and for watching.
    pub fn new(fleet: Fleet) -> Self {
        Self { fleet, config: ServiceConfig::default(), clock: Arc::new(SystemClock) }
    }

    /// With other settings.
    pub fn with_config(mut self, config: ServiceConfig) -> Self {
        self.config = config;
        self
    }

    /// With another wall clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts: what the registry knows is watched at once, then it is looked for more. Nothing is kept where the registry is open
    /// for reading only, which is told ([`ServiceEvent::NotKept`]).
    ///
    /// # Errors
    /// [`Error::Service`]: a setting out of its range.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self, registry: FleetRegistry) -> Result<ServiceStream, Error> {
        let damage = registry.damage().map(ToString::to_string);
        let dir = registry.dir().to_path_buf();
        let (registry, journal) = registry.into_parts();
        let recorder = match &journal {
            Some(journal) => {
                let store = journal.store();
                let states = self.last_states(&store);
                Some(Recorder::new(
                    store,
                    states.unwrap_or_else(|error| {
                        tracing::warn!(%error, "what was known last is not told; it is recorded anew");
                        Vec::new()
                    }),
                ))
            }
            None => None,
        };
        let store = journal.as_ref().map(crate::StoreJournal::store);
        let not_kept = journal.is_none().then(|| damage.unwrap_or_else(|| AmendError::ReadOnly.to_string()));
        let journal = journal.map(|journal| Arc::new(journal) as Arc<dyn RegistryJournal>);
        // Without the lock of the directory the door may be another's.
        let door = journal.as_ref().and_then(|_| match control::Door::open(&dir) {
            Ok(door) => Some(door),
            Err(error) => {
                let dir = dir.display();
                tracing::warn!(%error, %dir, "no control socket: what is written about miners cannot be changed meanwhile");
                None
            }
        });
        self.start_with((registry, journal), (recorder, store), not_kept, door)
    }

    /// What was recorded last of every machine.
    fn last_states(&self, store: &bitlink_store::Store) -> Result<recorder::States, StoreError> {
        store.reader()?.states_at(self.clock.now())
    }

    fn start_with(
        self,
        kept: (Registry, Option<Arc<dyn RegistryJournal>>),
        recorder: (Option<Recorder>, Option<Arc<bitlink_store::Store>>),
        not_kept: Option<String>,
        door: Option<control::Door>,
    ) -> Result<ServiceStream, Error> {
        self.config.validate()?;
        let (news, events) = broadcast::channel(EVENTS);
        let (commands, orders) = mpsc::channel(COMMANDS);
        let weak = news.downgrade();
        let (task, parts) = Task::start(self, kept, recorder, (not_kept, news), orders);
        let handle = ServiceHandle {
            commands,
            events: weak,
            book: parts.book,
            monitor: parts.monitor,
            pulse: parts.pulse,
            counts: parts.counts.clone(),
        };
        // owned by the stream, which ends it when it is dropped
        let task = tokio::spawn(task.run(door.map(|door| door.serve(handle.clone())))).abort_handle();
        Ok(ServiceStream { events: ServiceEvents { events, counts: parts.counts }, handle, task })
    }
}

/// Events that wait for a slow reader. A farm of 10,000 that is found at once is told in full.
const EVENTS: usize = 1 << 14;
/// Orders that wait.
const COMMANDS: usize = 16;

/// What a handle can ask for.
#[derive(Debug)]
enum Command {
    Amend {
        edits: Vec<(MinerId, RecordEdit)>,
        forget: Vec<MinerId>,
        done: oneshot::Sender<Result<usize, AmendError>>,
    },
    Reconfigure(Box<(Fleet, ServiceConfig)>),
    Alert(AlertOrder, oneshot::Sender<Result<(), OrderError>>),
    Alerts(oneshot::Sender<Option<AlertsNow>>),
    Adopt(Vec<Miner>, oneshot::Sender<usize>),
    Rescan,
    Shutdown,
}

/// What people are told of now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AlertsNow {
    /// The alerts that are true, told or not.
    pub firing: Vec<AlertState>,
    /// Of whom nothing is told for some time.
    pub mutes: Vec<Mute>,
    /// Times in which nothing is told of some, as the configuration has them.
    pub windows: Vec<Maintenance>,
    /// The channels by which people are told.
    pub channels: Vec<ChannelNow>,
}

/// How a channel does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelNow {
    /// By which rules name it.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// When it took a message last, since the service started.
    pub last_sent: Option<Timestamp>,
    /// Why it did not take the last one.
    pub failing: Option<String>,
}

/// Why what is written of machines could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AmendError {
    /// User: no such machine, or a text that cannot be kept. Nothing has changed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// This machine: it is changed, and could not be kept yet. It is tried again.
    #[error("it is changed, and not kept yet")]
    NotKept(#[source] JournalError),
    /// Operator: the data is open for reading only.
    #[error("the data is open for reading only")]
    ReadOnly,
    /// Program: the service has stopped.
    #[error("the service has stopped")]
    Stopped,
    /// User: there is no such alert.
    #[error(transparent)]
    Alert(#[from] OrderError),
}

/// The events of a running service. Dropping it stops the work at once; [`ServiceHandle::shutdown`] stops it in good order.
#[derive(Debug)]
#[must_use = "dropping the stream stops the service"]
pub struct ServiceStream {
    events: ServiceEvents,
    handle: ServiceHandle,
    task: AbortHandle,
}

impl ServiceStream {
    /// The next event; `None` once the service has stopped and all its events are read.
    pub async fn recv(&mut self) -> Option<ServiceEvent> {
        self.events.recv().await
    }

    /// A handle to steer the service from elsewhere.
    pub fn handle(&self) -> ServiceHandle {
        self.handle.clone()
    }
}

impl Drop for ServiceStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The events of a service for one more reader.
#[derive(Debug)]
pub struct ServiceEvents {
    events: broadcast::Receiver<ServiceEvent>,
    counts: Counts,
}

impl ServiceEvents {
    /// The next event; `None` once the service has stopped and all its events are read.
    pub async fn recv(&mut self) -> Option<ServiceEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                self.counts.lock().events_dropped += missed;
                Some(ServiceEvent::Lagged(missed))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Steers a running service and reads its state. Cheap to clone; does not keep the service running.
#[derive(Debug, Clone)]
pub struct ServiceHandle {
    commands: mpsc::Sender<Command>,
    /// The service's own sender: it alone keeps the events open.
    events: broadcast::WeakSender<ServiceEvent>,
    book: Book,
    monitor: MonitorHandle,
    pulse: watch::Receiver<Pulse>,
    counts: Counts,
}

impl ServiceHandle {
    /// The fleet as it is now. Never waits.
    pub fn state(&self) -> Arc<FleetSnapshot> {
        self.monitor.state()
    }

    /// Looks at what is known of the machines. Whoever takes long holds up the watching: take copies of records.
    pub fn with_registry<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        self.book.look(look)
    }

    /// How it does.
    pub fn pulse(&self) -> Pulse {
        self.pulse.borrow().clone()
    }

    /// What it has counted since its start.
    pub fn stats(&self) -> ServiceStats {
        let mut stats = self.counts.lock().clone();
        stats.events_waiting = self.events.upgrade().map_or(0, |events| events.len());
        stats.orders_waiting = self.commands.max_capacity().saturating_sub(self.commands.capacity());
        stats
    }

    /// The events from now on, for one more reader.
    pub fn subscribe(&self) -> ServiceEvents {
        let events = match self.events.upgrade() {
            Some(events) => events.subscribe(),
            // It has stopped: there are none.
            None => broadcast::channel(1).1,
        };
        ServiceEvents { events, counts: self.counts.clone() }
    }

    /// Changes what is written about machines and forgets others, all or nothing, and returns when it is kept. Says how many are
    /// different now.
    ///
    /// # Errors
    /// [`AmendError`].
    pub async fn amend(
        &self,
        edits: Vec<(MinerId, RecordEdit)>,
        forget: Vec<MinerId>,
    ) -> Result<usize, AmendError> {
        let (done, outcome) = oneshot::channel();
        let order = Command::Amend { edits, forget, done };
        self.commands.send(order).await.map_err(|_| AmendError::Stopped)?;
        outcome.await.unwrap_or(Err(AmendError::Stopped))
    }

    /// Acknowledges an alert, mutes miners, or tells of them again.
    ///
    /// # Errors
    /// [`AmendError::Alert`] and [`AmendError::Stopped`].
    pub async fn alert(&self, order: AlertOrder) -> Result<(), AmendError> {
        let (done, outcome) = oneshot::channel();
        self.commands.send(Command::Alert(order, done)).await.map_err(|_| AmendError::Stopped)?;
        outcome.await.map_err(|_| AmendError::Stopped)?.map_err(AmendError::from)
    }

    /// The alerts that are true now; `None` while alerts are switched off.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn alerts(&self) -> Result<Option<AlertsNow>, Error> {
        let (done, now) = oneshot::channel();
        self.commands.send(Command::Alerts(done)).await.map_err(|_| Error::Stopped)?;
        now.await.map_err(|_| Error::Stopped)
    }

    /// Watches and keeps miners that were found otherwise than by the service itself, as its own scans do with those they
    /// find. Says how many; one that tells nothing of itself is none.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn adopt(&self, miners: Vec<Miner>) -> Result<usize, Error> {
        let (done, adopted) = oneshot::channel();
        self.commands.send(Command::Adopt(miners, done)).await.map_err(|_| Error::Stopped)?;
        adopted.await.map_err(|_| Error::Stopped)
    }

    /// Lets other settings count from now on: those of the fleet for scans and for watching, and those of the service. What is
    /// known and every judgement stays. How miners are reached stays as well: the transport is the one of the start. A scan that
    /// is running begins anew where another network is to be scanned.
    ///
    /// # Errors
    /// A setting out of its range, and then nothing has changed; [`Error::Stopped`].
    pub async fn reconfigure(&self, fleet: Fleet, config: ServiceConfig) -> Result<(), Error> {
        config.validate()?;
        fleet.validate()?;
        let order = Command::Reconfigure(Box::new((fleet, config)));
        self.commands.send(order).await.map_err(|_| Error::Stopped)
    }

    /// Looks for miners now; does nothing while it does already.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn rescan(&self) -> Result<(), Error> {
        self.commands.send(Command::Rescan).await.map_err(|_| Error::Stopped)
    }

    /// Stops: no more scans and polls, what is known is kept, and the data directory is free. Waits for that. Events that wait
    /// can still be read.
    pub async fn shutdown(&self) {
        // An error means that it has stopped already.
        let _ = self.commands.send(Command::Shutdown).await;
        self.commands.closed().await;
    }
}

#[cfg(test)]
mod tests;
