//! What judging needs beside the miner itself: what time it is, which rules count, what machines are called, and what is
//! remembered of those that are not being watched just now. Knows no single miner.

use super::texts::Texts;
use crate::clock::Clock;
use crate::health::{JudgeMemory, Resolver};
use crate::observer::Observer;
use crate::registry::Sighting;
use bitlink_model::{Finding, Mac, MinerId, MinerSnapshot, Timestamp};
use bitlink_transport::Endpoint;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Memories of machines that wait to be met again.
const MOST_MEMORIES: usize = 1 << 17;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) dates: Dates,
    pub(super) rules: Resolver,
    pub(super) texts: Texts,
    pub(super) observer: Option<Box<dyn Observer>>,
    memories: BTreeMap<MinerId, JudgeMemory>,
}

impl Desk {
    pub(super) fn new(
        dates: Dates,
        rules: Resolver,
        observer: Option<Box<dyn Observer>>,
        memories: impl IntoIterator<Item = (MinerId, JudgeMemory)>,
    ) -> Self {
        Self {
            dates,
            rules,
            texts: Texts::default(),
            observer,
            memories: memories.into_iter().take(MOST_MEMORIES).collect(),
        }
    }

    /// What the observer calls a machine that has answered, if there is one. It is handed what the machine told, and the
    /// hardware address at which it was met where it told none.
    pub(super) fn name(
        &mut self,
        endpoint: Endpoint,
        told: &MinerSnapshot,
        met_at: Option<Mac>,
        now: Duration,
    ) -> Option<MinerId> {
        let wall = self.dates.wall(now);
        let observer = self.observer.as_mut()?;
        let met_at = met_at.filter(|mac| mac.is_unique() && !told.identity.mac.is_some_and(Mac::is_unique));
        let with_mac = met_at.map(|mac| {
            let mut identity = told.identity.clone();
            identity.mac = Some(mac);
            identity
        });
        let identity = with_mac.as_ref().unwrap_or(&told.identity);
        let boards = told.boards.iter().filter_map(|board| board.serial.as_deref());
        observer.observed(&Sighting::new(endpoint, identity, wall).with_boards(boards))
    }

    /// Whom the observer knows at an address where nobody has answered yet.
    pub(super) fn expected(&self, endpoint: Endpoint) -> Option<MinerId> {
        self.observer.as_ref()?.expected(endpoint)
    }

    /// Keeps what is remembered of a machine that is no longer at its address.
    pub(super) fn keep(&mut self, id: MinerId, memory: JudgeMemory) {
        if memory != JudgeMemory::default() {
            if self.memories.len() >= MOST_MEMORIES {
                self.memories.pop_first();
            }
            self.memories.insert(id, memory);
        }
    }

    /// What is remembered of a machine that has been met.
    pub(super) fn recall(&mut self, id: MinerId) -> Option<JudgeMemory> {
        self.memories.remove(&id)
    }

    /// Everything that is kept.
    pub(super) fn memories(&self) -> &BTreeMap<MinerId, JudgeMemory> {
        &self.memories
    }
}

/// The wall clock, and a steady one that nobody can set: it began with the wall clock's time and has gone on by itself.
/// Health is judged by the steady one, and what is shown is dated by the other.
#[derive(Debug)]
pub(super) struct Dates {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    /// By how much the wall clock has been moved since, in milliseconds.
    moved: i64,
}

impl Dates {
    /// A wall clock that is this much off has been set; less is a clock that runs a little fast or slow, or a pause between
    /// two looks.
    const STEP_MS: i64 = 2_000;

    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.now();
        Self { clock, began, moved: 0 }
    }

    /// The steady time after so long.
    pub(super) fn steady(&self, now: Duration) -> Timestamp {
        self.began.plus(now)
    }

    /// The wall clock's time.
    pub(super) fn wall(&mut self, now: Duration) -> Timestamp {
        let wall = self.clock.now();
        let off = wall.as_unix_millis().saturating_sub(self.steady(now).as_unix_millis());
        let step = off.saturating_sub(self.moved);
        if step.saturating_abs() > Self::STEP_MS {
            tracing::warn!(seconds = step / 1000, "the wall clock was set; statuses do not depend on it");
            self.moved = off;
        }
        wall
    }

    /// A steady time as the wall clock would show it.
    pub(super) fn shown(&self, steady: Timestamp) -> Timestamp {
        Timestamp::from_unix_millis(steady.as_unix_millis().saturating_add(self.moved))
    }

    /// The same for what findings say.
    pub(super) fn show(&self, findings: &mut [Finding]) {
        if self.moved != 0 {
            for since in findings.iter_mut().filter_map(|finding| finding.since.as_mut()) {
                *since = self.shown(*since);
            }
        }
    }
}
