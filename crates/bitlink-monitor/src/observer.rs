//! Who keeps account of the machines, as seen from the engine: somebody who is told of every reading and says whose it is.

use crate::registry::{Registry, Sighting};
use bitlink_model::MinerId;
use bitlink_transport::Endpoint;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// Is handed what every reading tells of who the machine is, and names the machines. Called from the one task that watches, in
/// the order in which the readings came, so it must not wait for anything slow.
///
/// [`Registry`] is one. Whoever wants to read it meanwhile shares it, and whoever wants to keep what has changed takes it
/// out from time to time:
///
/// ```
/// use bitlink_monitor::{Monitor, Registry};
/// use bitlink_transport::MemoryTransport;
/// use std::sync::{Arc, Mutex};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let registry = Arc::new(Mutex::new(Registry::new()));
/// let events = Monitor::new(Arc::new(MemoryTransport::new())).with_observer(Arc::clone(&registry)).start([]);
/// // Every now and then, and once more when the monitor has stopped:
/// let changes = registry.lock().unwrap().take_changes();
/// # assert!(changes.is_empty()); drop(events);
/// # }
/// ```
///
/// Whoever wants to know what is new about a machine, be it that it has moved, writes one of its own:
///
/// ```
/// use bitlink_model::MinerId;
/// use bitlink_monitor::{Change, Observed, Observer, Registry, Sighting};
/// use std::sync::mpsc::Sender;
///
/// #[derive(Debug)]
/// struct Told(Registry, Sender<Observed>);
///
/// impl Observer for Told {
///     fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId> {
///         let observed = self.0.observe(sighting);
///         let id = observed.id;
///         if observed.change != Change::Same {
///             let _ = self.1.send(observed);
///         }
///         Some(id)
///     }
/// }
/// ```
pub trait Observer: Debug + Send + 'static {
    /// A machine has answered. The sighting has what it told from its first question on: at this poll, or at an earlier one
    /// where its running time, its hardware address and its model show that it is the same one still. Returns the name by
    /// which the machine is shown; `None` leaves that to [`MinerId::derived`].
    ///
    /// Where two readings of one address get different names, the machine there is another one: its judgement starts anew,
    /// and [`MonitorEvent::IdentityChanged`](crate::MonitorEvent::IdentityChanged) tells. Where a name was last heard at
    /// another address, what is remembered of the machine comes along.
    fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId>;

    /// Who answered last at an address that is watched from now on. Until somebody answers, it is shown and judged under that
    /// name, so that a machine that is silent after a restart is the one that it was. `None` where nobody is known.
    fn expected(&self, _endpoint: Endpoint) -> Option<MinerId> {
        None
    }
}

impl Observer for Registry {
    fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId> {
        Some(self.observe(sighting).id)
    }

    fn expected(&self, endpoint: Endpoint) -> Option<MinerId> {
        self.at(endpoint).map(|record| record.id)
    }
}

/// One that others look into. The engine waits for the lock, so nobody may hold it for long.
impl<O: Observer> Observer for Arc<Mutex<O>> {
    fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId> {
        self.lock().unwrap_or_else(PoisonError::into_inner).observed(sighting)
    }

    fn expected(&self, endpoint: Endpoint) -> Option<MinerId> {
        self.lock().unwrap_or_else(PoisonError::into_inner).expected(endpoint)
    }
}
