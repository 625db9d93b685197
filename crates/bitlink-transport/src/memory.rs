//! A network in memory: a map from addresses to simulated machines, no socket, and no time but what the machines ask
//! for. It does not decide what a machine says; that is the [`Host`]'s business.

use crate::Stage;
use crate::error::TransportError;
use crate::host::{Door, Host};
use crate::read::carry;
use crate::script::ScriptStream;
use crate::transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
use async_trait::async_trait;
use bitlink_protocol::{Reply, Request};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Carries questions to machines that exist in this process only.
///
/// Replies go through the same reading as on a socket: the same framing, limits and deadline. All waiting is tokio's,
/// so a paused clock makes an hour pass in no time; a machine that answers at once touches no timer at all. Machines
/// may come and go while questions are under way; a question that has begun is answered by the machine it began with.
/// Clones share everything.
///
/// Needs a tokio runtime with time enabled.
#[derive(Debug, Clone)]
pub struct MemoryTransport {
    shared: Arc<Shared>,
    elsewhere: Door,
}

#[derive(Debug, Default)]
struct Shared {
    machines: RwLock<HashMap<IpAddr, Arc<Machine>>>,
    all: Meter,
}

#[derive(Debug)]
struct Machine {
    host: Arc<dyn Host>,
    meter: Meter,
}

/// What has passed through a [`MemoryTransport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Probes begun.
    pub probes: u64,
    /// Exchanges begun.
    pub exchanges: u64,
    /// Exchanges under way now.
    pub open: u64,
    /// Most exchanges that were ever under way at once.
    pub most_open: u64,
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTransport {
    /// A network without a machine, where every address refuses.
    pub fn new() -> Self {
        Self { shared: Arc::default(), elsewhere: Door::Refused }
    }

    /// The same network, where addresses without a machine behave like this. With [`Door::Open`] a connection stands
    /// and is closed without a byte, as some routers feign when they run out of neighbour entries.
    #[must_use]
    pub fn with_elsewhere(mut self, door: Door) -> Self {
        self.elsewhere = door;
        self
    }

    /// The same network with one machine more. See [`insert`](Self::insert).
    #[must_use]
    pub fn with_host(self, ip: IpAddr, host: impl Host) -> Self {
        self.insert(ip, Arc::new(host));
        self
    }

    /// Puts a machine at an address, with its counters at zero, and hands back the one that was there.
    pub fn insert(&self, ip: IpAddr, host: Arc<dyn Host>) -> Option<Arc<dyn Host>> {
        let machine = Arc::new(Machine { host, meter: Meter::default() });
        let mut machines = self.shared.machines.write().unwrap_or_else(PoisonError::into_inner);
        machines.insert(ip, machine).map(|before| Arc::clone(&before.host))
    }

    /// Takes a machine away, and hands it back.
    pub fn remove(&self, ip: IpAddr) -> Option<Arc<dyn Host>> {
        let mut machines = self.shared.machines.write().unwrap_or_else(PoisonError::into_inner);
        machines.remove(&ip).map(|before| Arc::clone(&before.host))
    }

    /// How many machines there are.
    pub fn len(&self) -> usize {
        self.shared.machines.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has passed in all, to addresses without a machine too.
    pub fn traffic(&self) -> Traffic {
        self.shared.all.read()
    }

    /// What has passed to the machine that is at an address now. All zero where there is none.
    pub fn traffic_of(&self, ip: IpAddr) -> Traffic {
        self.machine(ip).map(|machine| machine.meter.read()).unwrap_or_default()
    }

    fn machine(&self, ip: IpAddr) -> Option<Arc<Machine>> {
        self.shared.machines.read().unwrap_or_else(PoisonError::into_inner).get(&ip).map(Arc::clone)
    }

    fn door(&self, machine: Option<&Arc<Machine>>, port: u16) -> Door {
        machine.map_or(self.elsewhere, |machine| machine.host.connect(port))
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        let machine = self.machine(endpoint.ip());
        count(&self.shared.all.probes);
        if let Some(machine) = &machine {
            count(&machine.meter.probes);
        }
        let started = Instant::now();
        let outcome = match pass(self.door(machine.as_ref(), endpoint.port()), started, deadline).await {
            Ok(()) => ProbeOutcome::Open,
            Err(TransportError::Refused) => ProbeOutcome::Refused,
            Err(_) => ProbeOutcome::Silent,
        };
        Probe { outcome, elapsed: started.elapsed() }
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let destination = request.destination(endpoint);
        let machine = self.machine(endpoint.ip());
        let _open_in_all = self.shared.all.open();
        let _open_here = machine.as_ref().map(|machine| machine.meter.open());
        pass(self.door(machine.as_ref(), destination.port()), Instant::now(), limits.deadline).await?;
        let Some(machine) = &machine else {
            return Err(TransportError::ClosedWithoutReply);
        };
        let script = machine.host.respond(destination.port(), &request.encode(endpoint.ip()));
        carry(&mut ScriptStream::new(script), endpoint.ip(), request, limits).await
    }
}

/// Waits until a connection stands, or for the reason that it does not.
async fn pass(door: Door, now: Instant, deadline: Instant) -> Result<(), TransportError> {
    match door {
        Door::Open { after: Duration::ZERO } => return Ok(()),
        Door::Open { after } => {
            if let Some(open) = now.checked_add(after).filter(|open| *open < deadline) {
                sleep_until(open).await;
                return Ok(());
            }
        }
        Door::Refused => return Err(TransportError::Refused),
        Door::Silent => {}
    }
    sleep_until(deadline).await;
    Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 })
}

/// Counts what passes.
#[derive(Debug, Default)]
struct Meter {
    probes: AtomicU64,
    exchanges: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
}

impl Meter {
    fn open(&self) -> OpenExchange<'_> {
        count(&self.exchanges);
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        self.most_open.fetch_max(open, Ordering::AcqRel);
        OpenExchange(self)
    }

    fn read(&self) -> Traffic {
        Traffic {
            probes: self.probes.load(Ordering::Acquire),
            exchanges: self.exchanges.load(Ordering::Acquire),
            open: self.open.load(Ordering::Acquire),
            most_open: self.most_open.load(Ordering::Acquire),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::AcqRel);
}

/// An exchange under way; over when this is dropped, however it ends.
#[derive(Debug)]
struct OpenExchange<'a>(&'a Meter);

impl Drop for OpenExchange<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
