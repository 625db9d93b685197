//! What a monitor tells, and the bounded queue between it and its reader.

use crate::state::FleetSnapshot;
use bitlink_model::{Miner, MinerId, MinerStatus};
use futures::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Something that happened. State is read from [`MonitorHandle::state`](crate::MonitorHandle::state); these are its
/// edges.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MonitorEvent {
    /// Something that a reader sees has changed on a miner: its status, a finding, its model, a pool, or a number by more
    /// than noise (hash rate, power and efficiency by 1 %, temperatures by 1 °C, fans by 5 %, at least 100 rpm). Counters
    /// that grow and time that passes are no change.
    MinerUpdated(Arc<Miner>),
    /// A miner's status has changed. Comes before the [`MonitorEvent::MinerUpdated`] of the same change.
    StatusChanged {
        /// The miner as it is now.
        miner: Arc<Miner>,
        /// What it was.
        from: MinerStatus,
        /// What it is.
        to: MinerStatus,
    },
    /// Another machine answers at an address than before. Its judgement starts anew.
    IdentityChanged {
        /// The machine that answers now.
        miner: Arc<Miner>,
        /// The one that did before.
        before: MinerId,
    },
    /// The whole fleet, once per interval. Can be read like a slice of miners, in order of address.
    FullSnapshot(Arc<FleetSnapshot>),
    /// A miner was added while the monitor ran. It has not been asked yet.
    Added(Arc<Miner>),
    /// A miner was removed while the monitor ran; this is the last that was known of it.
    Removed(Arc<Miner>),
    /// A target cannot be watched.
    Rejected {
        /// The target as it was given.
        target: String,
        /// Why not, in words.
        reason: String,
    },
    /// The reader was too slow, and events were left out or joined with later ones. Numbers and snapshots are left out
    /// first, then changes of status of one miner are joined into one. Comes where the events would have come, and is the
    /// only reason for a gap in the [numbers](Numbered::seq).
    Lagged {
        /// How many were left out.
        missed: u64,
        /// The number of the first of them; the others follow it.
        first: u64,
    },
}

/// An event and its number in the order of events of its monitor.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Numbered {
    /// Counted from 1, without gaps but those that [`MonitorEvent::Lagged`] tells: it has the number of the last event that
    /// was left out. A reader that has read a state ([`FleetSnapshot::seq`]) passes over events up to that number: they
    /// are in it.
    pub seq: u64,
    /// What happened.
    pub event: MonitorEvent,
}

/// The queue between a monitor and its one reader. Bounded: what does not fit is left out by rank and counted.
#[derive(Debug)]
pub(crate) struct EventQueue {
    lanes: Mutex<Lanes>,
    reader: AtomicWaker,
}

/// Events of one importance each, with their number in the common order.
#[derive(Debug, Default)]
struct Lanes {
    /// The number of the newest event.
    newest: u64,
    /// The number up to which all is read or told to be missing.
    read: u64,
    /// Must arrive if at all possible.
    edges: VecDeque<(u64, MonitorEvent)>,
    /// Superseded by later ones of the same miner and by snapshots.
    updates: VecDeque<(u64, Arc<Miner>)>,
    /// Superseded by the next one.
    snapshot: Option<(u64, Arc<FleetSnapshot>)>,
    closed: bool,
    /// How many may wait.
    capacity: usize,
}

impl EventQueue {
    pub(crate) fn new(capacity: usize) -> Self {
        let lanes = Lanes { capacity: capacity.max(1), ..Lanes::default() };
        Self { lanes: Mutex::new(lanes), reader: AtomicWaker::new() }
    }

    pub(crate) fn push(&self, event: MonitorEvent) {
        {
            let mut lanes = self.lock();
            if lanes.closed {
                return;
            }
            lanes.push(event);
        }
        self.reader.wake();
    }

    /// From now on so many wait for a slow reader. What waits beyond that is left out when the next ones come.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.lock().capacity = capacity.max(1);
    }

    /// No more events will come. What is queued can still be read.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.reader.wake();
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().newest
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Numbered>> {
        // Registered first, so that an event pushed from now on is not missed.
        self.reader.register(cx.waker());
        let mut lanes = self.lock();
        match lanes.pop() {
            Some(event) => Poll::Ready(Some(event)),
            None if lanes.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing in here panics half-way; a poisoned lock holds a whole queue.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn len(&self) -> usize {
        self.edges.len() + self.updates.len() + usize::from(self.snapshot.is_some())
    }

    fn push(&mut self, event: MonitorEvent) {
        self.newest += 1;
        let number = self.newest;
        match event {
            MonitorEvent::FullSnapshot(snapshot) => self.snapshot = Some((number, snapshot)),
            MonitorEvent::MinerUpdated(miner) => self.updates.push_back((number, miner)),
            edge => self.edges.push_back((number, edge)),
        }
        while self.len() > self.capacity {
            self.leave_one_out();
        }
    }

    /// Makes room for one event: by the oldest update, else by joining the newest change of status with an earlier one
    /// of the same miner, else by the oldest of all.
    fn leave_one_out(&mut self) {
        if self.updates.pop_front().is_some() || self.join_newest() {
            return;
        }
        if self.edges.pop_front().is_none() {
            self.snapshot = None;
        }
    }

    fn join_newest(&mut self) -> bool {
        let Some((_, MonitorEvent::StatusChanged { miner, .. })) = self.edges.back() else { return false };
        let place = (miner.ip, miner.port);
        let last = self.edges.len() - 1;
        let same = |event: &MonitorEvent| matches!(event, MonitorEvent::StatusChanged { miner, .. } if (miner.ip, miner.port) == place);
        let Some(earlier) = self.edges.iter().take(last).rposition(|(_, event)| same(event)) else {
            return false;
        };
        let Some((_, MonitorEvent::StatusChanged { from: first, .. })) = self.edges.remove(earlier) else {
            return false;
        };
        if let Some((_, MonitorEvent::StatusChanged { from, .. })) = self.edges.back_mut() {
            *from = first;
        }
        true
    }

    /// The next event in order, or what is missing before it.
    fn pop(&mut self) -> Option<Numbered> {
        let edge = self.edges.front().map(|(number, _)| *number);
        let update = self.updates.front().map(|(number, _)| *number);
        let snapshot = self.snapshot.as_ref().map(|(number, _)| *number);
        let first = [edge, update, snapshot].into_iter().flatten().min();
        // The newest of all may be missing too.
        let last_missed = first.map_or(self.newest, |first| first - 1);
        let missed = last_missed - self.read;
        if missed > 0 {
            let event = MonitorEvent::Lagged { missed, first: self.read + 1 };
            self.read = last_missed;
            return Some(Numbered { seq: last_missed, event });
        }
        let seq = first?;
        self.read = seq;
        let event = self.take(seq, edge, update)?;
        Some(Numbered { seq, event })
    }

    /// Takes the event of this number, which is the first of its lane.
    fn take(&mut self, first: u64, edge: Option<u64>, update: Option<u64>) -> Option<MonitorEvent> {
        if edge == Some(first) {
            self.edges.pop_front().map(|(_, event)| event)
        } else if update == Some(first) {
            self.updates.pop_front().map(|(_, miner)| MonitorEvent::MinerUpdated(miner))
        } else {
            self.snapshot.take().map(|(_, snapshot)| MonitorEvent::FullSnapshot(snapshot))
        }
    }
}

#[cfg(test)]
mod tests;
