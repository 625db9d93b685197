//! A simulated miner in time: what somebody who connects to it meets.

use crate::access::{Access, ApiDoor};
use crate::clock::SimClock;
use crate::defect::{Defect, deliver};
use crate::face::{Speaks, token};
use crate::fault::{Episode, Fault, FaultKind, Schedule};
use crate::miner::{MinerSpec, SimMiner, Truth};
use crate::orders::{Desk, Obedience, Order, obey};
use crate::state::{MinerState, Phase};
use bitlink_transport::{Act, Door, Host, Script};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

/// A simulated miner with a clock, ready to be put behind a transport. Faults can be switched while it runs.
#[derive(Debug)]
pub struct SimHost {
    clock: SimClock,
    latency: bool,
    inner: RwLock<SimMiner>,
    sessions: Mutex<Sessions>,
}

/// Sessions that were used up.
#[derive(Debug, Default)]
struct Sessions {
    ended: u64,
    /// How many requests the one that counts has had.
    requests: u32,
}

impl SimHost {
    /// The port of the API.
    pub const API_PORT: u16 = 4028;
    /// The port of the web server.
    pub const WEB_PORT: u16 = 80;
    /// The port of the web server over TLS.
    pub const TLS_PORT: u16 = 443;

    /// A miner on a clock.
    pub fn new(miner: SimMiner, clock: SimClock) -> Self {
        Self { clock, latency: true, inner: RwLock::new(miner), sessions: Mutex::default() }
    }

    /// Answers at once instead of after some milliseconds.
    #[must_use]
    pub fn without_latency(mut self) -> Self {
        self.latency = false;
        self
    }

    /// What it is.
    pub fn spec(&self) -> MinerSpec {
        self.read(|miner, _| miner.spec().clone())
    }

    /// Its clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Its state now.
    pub fn state(&self) -> MinerState {
        self.read(|miner, now| miner.state_on(now, self.clock.epoch_s()))
    }

    /// What is true of it now.
    pub fn truth(&self) -> Truth {
        self.read(SimMiner::truth_at)
    }

    /// Lets a fault begin now. It stays until it is [mended](Self::mend).
    pub fn break_with(&self, fault: Fault) {
        let now = self.clock.elapsed();
        self.write(|miner| miner.spec.episodes.push(Episode { fault, when: Schedule::From(now) }));
    }

    /// Lets every fault of this kind that is there end now, and never come back.
    pub fn mend(&self, kind: FaultKind) {
        let now = self.clock.elapsed();
        self.write(|miner| {
            miner.mend(kind, now);
        });
    }

    /// Reboots it: connections are refused for a while, then it counts from zero.
    pub fn reboot(&self, lasting: Duration) {
        let now = self.clock.elapsed();
        let when = Schedule::Between(now, now + lasting);
        self.write(|miner| miner.spec.episodes.push(Episode { fault: Fault::Rebooting, when }));
    }

    /// Lets its API answer wrongly in these ways from now on, and in no others.
    pub fn set_defects(&self, defects: impl Into<Vec<Defect>>) {
        let defects = defects.into();
        self.write(|miner| miner.spec.defects = defects);
    }

    /// Lets people in otherwise from now on.
    pub fn set_access(&self, access: Access) {
        self.write(|miner| miner.spec.access = access);
    }

    /// Lets it obey otherwise from now on.
    pub fn set_obedience(&self, obedience: Obedience) {
        self.write(|miner| miner.spec.obedience = obedience);
    }

    /// Ends the session that somebody may hold: it logs in again or gets nothing more.
    pub fn end_session(&self) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        *sessions = Sessions { ended: sessions.ended + 1, requests: 0 };
    }

    /// The session that counts for a request, which uses it when it names it.
    fn session(&self, miner: &SimMiner, now: Duration, request: &[u8]) -> u64 {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = miner.session(now, sessions.ended);
        if let Some(most) = miner.spec.access.session_requests {
            let token = token(miner.spec.seed, session);
            let uses = request.windows(token.len()).any(|bytes| bytes == token.as_bytes());
            sessions.requests += u32::from(uses);
            if sessions.requests >= most.max(1) {
                *sessions = Sessions { ended: sessions.ended + 1, requests: 0 };
            }
        }
        session
    }

    // A panic while the lock was held cannot leave the list of faults half-written, so poison means nothing here.
    fn read<T>(&self, f: impl FnOnce(&SimMiner, Duration) -> T) -> T {
        let miner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        f(&miner, self.clock.elapsed())
    }

    fn write(&self, f: impl FnOnce(&mut SimMiner)) {
        f(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Host for SimHost {
    fn ports(&self) -> Vec<u16> {
        self.read(|miner, _| miner.doors().iter().map(|door| door.port).collect())
    }

    fn is_secure(&self, port: u16) -> bool {
        self.read(|miner, _| miner.speaks_at(port) == Some(Speaks::Https))
    }

    fn connect(&self, port: u16) -> Door {
        self.read(|miner, now| match miner.phase_at(now) {
            Phase::Hung => Door::Silent,
            Phase::Down => Door::Refused,
            _ => match (miner.speaks_at(port), miner.spec.access.api) {
                (None, _) | (Some(Speaks::Api), ApiDoor::Shut) => Door::Refused,
                (Some(Speaks::Api), ApiDoor::Silent) => Door::Silent,
                _ => Door::Open { after: if self.latency { miner.way() } else { Duration::ZERO } },
            },
        })
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let desk = Desk::default();
        let (script, now, obedience) = self.read(|miner, now| {
            let is_api = miner.speaks_at(port) == Some(Speaks::Api);
            let obedience = miner.spec.obedience;
            if is_api && miner.spec.access.api == ApiDoor::Denied {
                return (Script::close(), now, obedience);
            }
            let session = self.session(miner, now, request);
            let epoch_s = self.clock.epoch_s();
            let bytes = miner.reply_in_session(port, now, epoch_s, request, session, &desk);
            let defects = if is_api { miner.spec.defects.as_slice() } else { &[] };
            let think = self.latency.then(|| Act::Wait(miner.think_time(now)));
            let script = Script { acts: think.into_iter().chain(deliver(bytes, defects)).collect() };
            (script, now, obedience)
        });
        let orders = desk.into_orders();
        // Who takes or gives back a session changes nothing.
        let changes = orders.iter().any(|order| !matches!(order, Order::Hold(_)));
        if !orders.is_empty() {
            self.write(|miner| obey(miner, orders, now));
        }
        if changes && obedience.reply_lost_after_write { Script::close() } else { script }
    }
}
