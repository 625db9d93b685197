//! What a machine has been told to do, and what that makes of it: the one place where a machine changes.
//!
//! Faces understand the words of their firmware and hand over [`Order`]s; what an order does is the same on all of them.

use crate::fault::{Episode, Fault, FaultKind, Schedule};
use crate::miner::{MinerSpec, PoolSpec, SimMiner};
use crate::number::millis;
use std::cell::RefCell;
use std::time::Duration;

/// How long a machine that reboots is away.
pub(crate) const REBOOT: Duration = Duration::from_secs(40);
/// Most changes that are remembered; the counters forget what was before.
const HISTORY: usize = 64;

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    /// These pools and no others.
    Pools(Vec<PoolSpec>),
    /// One pool more, at the end.
    AddPool(PoolSpec),
    /// One pool less.
    RemovePool(usize),
    /// Work for another of them.
    SwitchPool(usize),
    /// Stop hashing.
    Pause,
    /// Go on.
    Resume,
    /// The locator light.
    Light(bool),
    /// A power mode by the firmware's word, and what part of the nominal power it is.
    Mode(String, f64),
    /// A limit in watts; none lifts it.
    PowerLimit(Option<f64>),
    /// A chip frequency in MHz.
    Frequency(f64),
    /// Fans by hand in percent, or by the firmware.
    Fans(Option<u8>),
    /// How it gets its address, in words. It stays where it is: the network of a simulation does not move.
    Network(String),
    /// Another password.
    Password(String),
    /// The mining program starts anew.
    Restart,
    /// The machine starts anew.
    Reboot,
    /// As delivered.
    Reset,
    /// Another firmware, of so many bytes.
    Update(usize),
    /// Somebody takes the one session there is until a moment, or gives it back.
    Hold(Option<Held>),
}

/// A session that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) until_s: u64,
}

/// What has been set by orders. Everything is as delivered at first.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Whether the locator light is on.
    pub light: bool,
    /// Its power mode by the firmware's word; as delivered when none was set.
    pub mode: Option<String>,
    /// A limit in watts.
    pub power_limit_w: Option<f64>,
    /// A chip frequency in MHz.
    pub frequency_mhz: Option<f64>,
    /// Fans by hand, in percent.
    pub fan_percent: Option<u8>,
    /// How it gets its address, in words.
    pub network: Option<String>,
    /// How many bytes the firmware had that it was last given.
    pub firmware_bytes: Option<usize>,
    /// Which of its pools it prefers.
    pub preferred_pool: usize,
    /// When the mining program was started anew.
    pub(crate) starts_ms: Vec<i64>,
    /// From when on it makes which part of its nominal rate.
    pub(crate) shares: Vec<(i64, f64)>,
    /// Since when the preference counts.
    pub(crate) preferred_ms: i64,
    /// The one session that there is.
    pub(crate) held: Option<Held>,
}

impl Settings {
    /// The part of its nominal rate that it is set to make at a moment.
    pub(crate) fn share(&self, at_ms: i64) -> f64 {
        self.shares.iter().rev().find(|(since, _)| *since <= at_ms).map_or(1.0, |(_, share)| *share)
    }

    /// When the mining program was last started anew.
    pub(crate) fn last_start(&self, at_ms: i64) -> Option<i64> {
        self.starts_ms.iter().copied().filter(|start| *start <= at_ms).max()
    }
}

/// How a machine obeys. By default it does what it is told and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Obedience {
    /// It says yes and does nothing.
    pub says_yes_does_nothing: bool,
    /// It does what it is told, and its reply is lost.
    pub reply_lost_after_write: bool,
    /// It does not come back from a reboot.
    pub never_comes_back: bool,
}

impl Obedience {
    /// Saying yes and doing nothing.
    #[must_use]
    pub fn with_says_yes_does_nothing(mut self, it_does: bool) -> Self {
        self.says_yes_does_nothing = it_does;
        self
    }

    /// Doing what it is told without a reply.
    #[must_use]
    pub fn with_reply_lost_after_write(mut self, it_is: bool) -> Self {
        self.reply_lost_after_write = it_is;
        self
    }

    /// Staying away after a reboot.
    #[must_use]
    pub fn with_never_comes_back(mut self, it_does: bool) -> Self {
        self.never_comes_back = it_does;
        self
    }
}

/// Where a face leaves the orders that a request was understood as.
#[derive(Debug, Default)]
pub(crate) struct Desk(RefCell<Vec<Order>>);

impl Desk {
    pub(crate) fn leave(&self, order: Order) {
        self.0.borrow_mut().push(order);
    }

    pub(crate) fn into_orders(self) -> Vec<Order> {
        self.0.into_inner()
    }
}

/// Does what was ordered.
pub(crate) fn obey(miner: &mut SimMiner, orders: Vec<Order>, now: Duration) {
    for order in orders {
        // Whoever says yes and does nothing still knows who is logged in.
        if !miner.spec.obedience.says_yes_does_nothing || matches!(order, Order::Hold(_)) {
            one(miner, order, now);
        }
    }
}

fn one(miner: &mut SimMiner, order: Order, now: Duration) {
    let now_ms = millis(now);
    match order {
        Order::Pause => {
            if !miner.spec.episodes.iter().any(|e| e.fault == Fault::Asleep && e.covers(now_ms)) {
                miner.spec.episodes.push(Episode { fault: Fault::Asleep, when: Schedule::From(now) });
            }
        }
        Order::Resume => miner.mend(FaultKind::Asleep, now),
        Order::Reboot => {
            let when = if miner.spec.obedience.never_comes_back {
                Schedule::From(now)
            } else {
                Schedule::Between(now, now + REBOOT)
            };
            miner.spec.episodes.push(Episode { fault: Fault::Rebooting, when });
        }
        Order::Update(bytes) => {
            miner.spec.settings.firmware_bytes = Some(bytes);
            one(miner, Order::Reboot, now);
        }
        Order::Reset => {
            let spec = &mut miner.spec;
            spec.access.password = None;
            spec.access.privileged = false;
            spec.pools.clear();
            let kept = std::mem::take(&mut spec.settings);
            spec.settings.starts_ms = kept.starts_ms;
            spec.settings.shares = kept.shares;
            share(spec, now_ms, 1.0);
            miner.mend(FaultKind::Asleep, now);
            one(miner, Order::Reboot, now);
        }
        order => set(&mut miner.spec, order, now_ms),
    }
}

fn set(spec: &mut MinerSpec, order: Order, now_ms: i64) {
    let nominal_w = spec.nominal_w.max(1.0);
    let settings = &mut spec.settings;
    match order {
        Order::Pools(pools) => {
            spec.pools = pools.into_iter().filter(|pool| !pool.url.is_empty()).collect();
            settings.preferred_pool = 0;
        }
        Order::AddPool(pool) => spec.pools.push(pool),
        Order::RemovePool(at) => {
            if at < spec.pools.len() {
                spec.pools.remove(at);
            }
            if settings.preferred_pool > at {
                settings.preferred_pool -= 1;
            }
        }
        Order::SwitchPool(at) => {
            settings.preferred_pool = at;
            settings.preferred_ms = now_ms;
        }
        Order::Light(on) => settings.light = on,
        Order::Mode(mode, part) => {
            settings.mode = Some(mode);
            share(spec, now_ms, part);
        }
        Order::PowerLimit(watts) => {
            settings.power_limit_w = watts;
            share(spec, now_ms, watts.map_or(1.0, |watts| (watts / nominal_w).clamp(0.05, 1.0)));
        }
        Order::Frequency(megahertz) => {
            let part = megahertz / spec.model.frequency_mhz.max(1.0);
            settings.frequency_mhz = Some(megahertz);
            share(spec, now_ms, part.clamp(0.05, 1.3));
        }
        Order::Fans(percent) => settings.fan_percent = percent,
        Order::Network(words) => settings.network = Some(words),
        Order::Password(new) => spec.access.password = Some(new),
        Order::Restart => {
            settings.starts_ms.push(now_ms);
            let surplus = settings.starts_ms.len().saturating_sub(HISTORY);
            settings.starts_ms.drain(..surplus);
        }
        Order::Hold(held) => settings.held = held,
        Order::Pause | Order::Resume | Order::Reboot | Order::Reset | Order::Update(_) => {}
    }
}

fn share(spec: &mut MinerSpec, now_ms: i64, part: f64) {
    let shares = &mut spec.settings.shares;
    shares.push((now_ms, part));
    let surplus = shares.len().saturating_sub(HISTORY);
    shares.drain(..surplus);
}
