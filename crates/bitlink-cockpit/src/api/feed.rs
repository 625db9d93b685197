//! The fleet as rows with a revision each, so that whoever listens is told of what has changed and of nothing else, and can go
//! on where it stopped. Put together when somebody looks, at most once a second.

use super::overview::{self, Overview};
use bitlink_miner_manager::query::Subject;
use bitlink_miner_manager::{Miner, MinerId, ServiceHandle, Timestamp};
use bitlink_model::MinerRecord;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How old what is shown may be.
const FRESH: Duration = Duration::from_millis(900);
/// Rows that are gone, remembered for those who were away.
const GONE: usize = 20_000;

/// The fleet at one time.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) revision: u64,
    pub(super) taken_at: Timestamp,
    /// In the order of the fleet.
    pub(super) rows: Vec<Row>,
    by_key: HashMap<Key, usize>,
    /// Rows that went, by the revision in which they did, the oldest first.
    gone: VecDeque<(u64, Key)>,
    /// Since when all that went are in there.
    gone_since: u64,
    pub(super) overview: Arc<Overview>,
}

/// One machine, or one place where a machine answers that answers elsewhere too.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) miner: Arc<Miner>,
    pub(super) record: Option<Arc<MinerRecord>>,
    /// In which it became what it is.
    pub(super) revision: u64,
}

/// By what a row is known: the machine; and the place too, where it answers at more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) id: MinerId,
    pub(super) twin: u32,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id)?;
        if self.twin > 0 {
            write!(f, "~{}", self.twin)?;
        }
        Ok(())
    }
}

impl Row {
    pub(super) fn subject(&self, now: Timestamp) -> Subject<'_> {
        Subject::new(&self.miner, self.record.as_deref(), now)
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Row> {
        let (id, twin) = match key.split_once('~') {
            Some((id, twin)) => (id, twin.parse().ok()?),
            None => (key, 0),
        };
        let key = Key { id: id.parse().ok()?, twin };
        self.by_key.get(&key).and_then(|place| self.rows.get(*place))
    }

    /// Rows that have changed since a revision, and those that went; `None` when that cannot be told any more.
    pub(super) fn since(&self, revision: u64) -> Option<(Vec<&Row>, Vec<Key>)> {
        if revision < self.gone_since || revision > self.revision {
            return None;
        }
        let rows = self.rows.iter().filter(|row| row.revision > revision).collect();
        let gone = self
            .gone
            .iter()
            .filter(|(at, key)| *at > revision && !self.by_key.contains_key(key))
            .map(|(_, key)| *key)
            .collect();
        Some((rows, gone))
    }
}

#[derive(Debug)]
pub(super) struct Feed {
    kept: Mutex<Option<(Instant, Arc<Table>)>>,
    /// Tells the revisions of this run from those of others.
    pub(super) epoch: String,
    version: &'static str,
}

impl Feed {
    pub(super) fn new(version: &'static str) -> Self {
        let mut epoch = String::new();
        // Writing to a text cannot fail.
        let _ = write!(epoch, "{:x}", Timestamp::from(std::time::SystemTime::now()).as_unix_millis());
        Self { kept: Mutex::new(None), epoch, version }
    }

    /// The fleet as it is now, or was less than a second ago.
    pub(super) fn table(&self, service: &ServiceHandle, happened: &super::Happened) -> Arc<Table> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, table)) = &*kept
            && now.saturating_duration_since(*at) < FRESH
        {
            return Arc::clone(table);
        }
        let before = kept.as_ref().map(|(_, table)| Arc::clone(table));
        let table = Arc::new(self.make(before.as_deref(), service, happened));
        *kept = Some((now, Arc::clone(&table)));
        table
    }

    /// Lets the next one who looks see what is new now.
    pub(super) fn stir(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, _)) = &mut *kept
            && let Some(earlier) = at.checked_sub(FRESH)
        {
            *at = earlier;
        }
    }

    fn make(&self, before: Option<&Table>, service: &ServiceHandle, happened: &super::Happened) -> Table {
        let fleet = service.state();
        let records: HashMap<MinerId, Arc<MinerRecord>> = service.with_registry(|registry| {
            registry.records().map(|record| (record.id, Arc::clone(record))).collect()
        });
        let revision = before.map_or(1, |before| before.revision + 1);
        let mut rows = Vec::with_capacity(fleet.len());
        let mut by_key = HashMap::with_capacity(fleet.len());
        for miner in fleet.iter() {
            let mut key = Key { id: miner.id, twin: 0 };
            while by_key.contains_key(&key) {
                key.twin += 1;
            }
            let record = records.get(&miner.id).cloned();
            let old =
                before.and_then(|before| before.by_key.get(&key).and_then(|place| before.rows.get(*place)));
            let is_old = old.is_some_and(|old| {
                Arc::ptr_eq(&old.miner, miner) && same(old.record.as_ref(), record.as_ref())
            });
            let revision = if is_old { old.map_or(revision, |old| old.revision) } else { revision };
            by_key.insert(key, rows.len());
            rows.push(Row { key, miner: Arc::clone(miner), record, revision });
        }
        let (mut gone, mut gone_since) =
            before.map_or_else(|| (VecDeque::new(), 0), |before| (before.gone.clone(), before.gone_since));
        for row in before.map(|before| before.rows.as_slice()).unwrap_or_default() {
            if !by_key.contains_key(&row.key) {
                gone.push_back((revision, row.key));
            }
        }
        while gone.len() > GONE {
            if let Some((at, _)) = gone.pop_front() {
                gone_since = at;
            }
        }
        let overview = Arc::new(overview::of(&fleet, &rows, revision, service, happened, self.version));
        Table { revision, taken_at: fleet.taken_at, rows, by_key, gone, gone_since, overview }
    }
}

fn same(a: Option<&Arc<MinerRecord>>, b: Option<&Arc<MinerRecord>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}
