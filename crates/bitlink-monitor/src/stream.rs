//! How a program holds a monitor: the stream of its events, and handles to steer it and to read its state.

use crate::clock::{Clock, SystemClock};
use crate::config::{ConfigError, MonitorConfig};
use crate::engine::{Command, Engine, Parts};
use crate::event::{EventQueue, MonitorEvent, Numbered};
use crate::health::JudgeMemory;
use crate::observer::Observer;
use crate::state::{Coverage, FleetSnapshot};
use bitlink_model::MinerId;
use bitlink_transport::{Endpoint, Links, Transport};
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// Starts to watch miners with this machine's clock. See [`Monitor`] for more choices.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn monitor(
    transport: Arc<dyn Transport>,
    targets: impl IntoIterator<Item = Endpoint>,
    config: MonitorConfig,
) -> MonitorStream {
    Monitor::new(transport).with_config(config).start(targets)
}

/// A monitor that has not been started yet.
#[derive(Debug)]
#[must_use]
pub struct Monitor {
    transport: Arc<dyn Transport>,
    config: MonitorConfig,
    clock: Arc<dyn Clock>,
    links: Option<Arc<Links>>,
    observer: Option<Box<dyn Observer>>,
    memories: Vec<(MinerId, JudgeMemory)>,
}

impl Monitor {
    /// A monitor with default settings that asks through this transport.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        let (config, clock) = (MonitorConfig::default(), Arc::new(SystemClock));
        Self { transport, config, clock, links: None, observer: None, memories: Vec::new() }
    }

    /// With other settings. Those out of their range are brought into it ([`MonitorConfig::sanitised`]).
    pub fn with_config(mut self, config: MonitorConfig) -> Self {
        self.config = config;
        self
    }

    /// With another wall clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With what is known of hardware addresses: a miner that does not tell its own is known again by the one at which it is
    /// met. Where none is given, by its serials or its address.
    pub fn with_links(mut self, links: Option<Arc<Links>>) -> Self {
        self.links = links;
        self
    }

    /// With somebody who is handed what every reading tells of who the machine is, and names the machines.
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// With what an earlier monitor remembered of machines ([`MonitorHandle::memories`]). Each waits until its machine is met.
    pub fn with_memories(mut self, memories: impl IntoIterator<Item = (MinerId, JudgeMemory)>) -> Self {
        self.memories = memories.into_iter().collect();
        self
    }

    /// Starts to watch. Targets named twice are watched once.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self, targets: impl IntoIterator<Item = Endpoint>) -> MonitorStream {
        let empty = FleetSnapshot {
            taken_at: self.clock.now(),
            seq: 0,
            miners: Arc::default(),
            coverage: Coverage::default(),
        };
        let (state, states) = watch::channel(Arc::new(empty));
        let (commands, orders) = mpsc::channel(COMMANDS);
        let events = Arc::new(EventQueue::new(self.config.clone().sanitised().event_queue));
        let Self { transport, config, clock, links, observer, memories } = self;
        let parts = Parts { transport, clock, config, links, observer, memories };
        let mut engine = Engine::new(parts, Arc::clone(&events), state, orders);
        engine.start_with(targets);
        // owned by the stream, which ends it when it is dropped
        let task = tokio::spawn(engine.run()).abort_handle();
        MonitorStream { events, handle: MonitorHandle { commands, states }, task }
    }
}

/// Orders that may wait for the engine before the next one has to.
const COMMANDS: usize = 64;

/// The events of a running monitor. Dropping it stops the work at once; [`MonitorHandle::shutdown`] stops it in good
/// order.
#[derive(Debug)]
#[must_use = "dropping the stream stops the monitor"]
pub struct MonitorStream {
    events: Arc<EventQueue>,
    handle: MonitorHandle,
    task: AbortHandle,
}

impl MonitorStream {
    /// The next event; `None` once the monitor has stopped and all its events are read. Nothing is lost when this is
    /// dropped while it waits.
    pub async fn recv(&mut self) -> Option<MonitorEvent> {
        self.recv_numbered().await.map(|numbered| numbered.event)
    }

    /// The next event with its number, for readers that keep a [state](Self::state) up to date or take up a broken stream
    /// again.
    pub async fn recv_numbered(&mut self) -> Option<Numbered> {
        std::future::poll_fn(|cx| self.events.poll(cx)).await
    }

    /// A handle to steer the monitor and to read its state from elsewhere.
    pub fn handle(&self) -> MonitorHandle {
        self.handle.clone()
    }

    /// The fleet as it is now.
    pub fn state(&self) -> Arc<FleetSnapshot> {
        self.handle.state()
    }

    /// Lets the reader know of a target that cannot be watched, in order with all other events. For whoever turns texts
    /// into targets.
    pub fn reject(&self, target: impl Into<String>, reason: impl Into<String>) {
        self.events.push(MonitorEvent::Rejected { target: target.into(), reason: reason.into() });
    }
}

impl Stream for MonitorStream {
    type Item = MonitorEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MonitorEvent>> {
        self.events.poll(cx).map(|next| next.map(|numbered| numbered.event))
    }
}

impl Drop for MonitorStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The monitor has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the monitor has stopped")]
pub struct MonitorClosed;

/// Why a running monitor keeps its settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// User: the new ones cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The monitor has stopped.
    #[error(transparent)]
    Closed(#[from] MonitorClosed),
}

/// Steers a running monitor and reads its state. Cheap to clone; does not keep the monitor running.
#[derive(Debug, Clone)]
pub struct MonitorHandle {
    commands: mpsc::Sender<Command>,
    states: watch::Receiver<Arc<FleetSnapshot>>,
}

impl MonitorHandle {
    /// The fleet as it is now. Never waits, and no reader keeps another or the monitor waiting. Large fleets are
    /// published a little later than they change: 10 µs per miner at most, half a second for 50,000.
    pub fn state(&self) -> Arc<FleetSnapshot> {
        Arc::clone(&self.states.borrow())
    }

    /// The next state that this handle has not returned from here.
    ///
    /// # Errors
    /// [`MonitorClosed`] when there will be none.
    pub async fn changed(&mut self) -> Result<Arc<FleetSnapshot>, MonitorClosed> {
        match self.states.changed().await {
            Ok(()) => Ok(Arc::clone(&self.states.borrow_and_update())),
            Err(_) => Err(MonitorClosed),
        }
    }

    /// Watches one more miner, from now on. One that is watched already stays as it is.
    ///
    /// # Errors
    /// [`MonitorClosed`] when the monitor has stopped.
    pub async fn add(&self, endpoint: Endpoint) -> Result<(), MonitorClosed> {
        self.send(Command::Add(vec![endpoint])).await
    }

    /// Watches more miners, from now on.
    ///
    /// # Errors
    /// [`MonitorClosed`] when the monitor has stopped.
    pub async fn extend(&self, endpoints: impl IntoIterator<Item = Endpoint>) -> Result<(), MonitorClosed> {
        self.send(Command::Add(endpoints.into_iter().collect())).await
    }

    /// Stops watching a miner. A poll of it that is running ends unheard.
    ///
    /// # Errors
    /// [`MonitorClosed`] when the monitor has stopped.
    pub async fn remove(&self, endpoint: Endpoint) -> Result<(), MonitorClosed> {
        self.send(Command::Remove(vec![endpoint])).await
    }

    /// Polls a miner out of turn, as soon as a poll can start. Does nothing for a miner that is being polled, and for one
    /// that is not watched.
    ///
    /// # Errors
    /// [`MonitorClosed`] when the monitor has stopped.
    pub async fn poll_now(&self, endpoint: Endpoint) -> Result<(), MonitorClosed> {
        self.send(Command::PollNow(endpoint)).await
    }

    /// Watches by other settings from now on, and returns when they count. Nothing that is known of the miners is lost: no
    /// status, no finding and no name, and polls that run end as they would have.
    ///
    /// New rules judge a miner at its next poll; what is raised stays until they clear it. A new interval counts from the next
    /// turn of each miner, none of which comes later than one new interval from now. New credentials have every miner asked from
    /// its first question on. [`MonitorConfig::seed`] stays what it was, and [`MonitorConfig::port`] is for targets that are
    /// named later, by whoever names them.
    ///
    /// # Errors
    /// [`ConfigureError::Config`] for settings that [`MonitorConfig::validate`] refuses, and then the old ones stay.
    /// [`ConfigureError::Closed`] when the monitor has stopped.
    pub async fn configure(&self, config: MonitorConfig) -> Result<(), ConfigureError> {
        config.validate()?;
        let (done, counts) = oneshot::channel();
        self.send(Command::Configure(Box::new(config), done)).await?;
        counts.await.map_err(|_closed| ConfigureError::Closed(MonitorClosed))
    }

    /// What is remembered of every machine, watched or met earlier, by its name: to be handed to the next monitor
    /// ([`Monitor::with_memories`]).
    ///
    /// # Errors
    /// [`MonitorClosed`] when the monitor has stopped.
    pub async fn memories(&self) -> Result<Vec<(MinerId, JudgeMemory)>, MonitorClosed> {
        let (to, memories) = oneshot::channel();
        self.send(Command::Memories(to)).await?;
        memories.await.map_err(|_closed| MonitorClosed)
    }

    /// Stops the monitor and waits until nothing of it is left: no more polls start, running ones may end within
    /// [`MonitorConfig::grace`], and events that are queued can still be read.
    pub async fn shutdown(&self) {
        // An error means that it has stopped already.
        let _ = self.send(Command::Shutdown).await;
        self.commands.closed().await;
    }

    /// Whether the monitor is running.
    pub fn is_running(&self) -> bool {
        !self.commands.is_closed()
    }

    async fn send(&self, command: Command) -> Result<(), MonitorClosed> {
        match self.commands.send(command).await {
            Ok(()) => Ok(()),
            Err(_) => Err(MonitorClosed),
        }
    }
}
