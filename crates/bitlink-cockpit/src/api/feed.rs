//! The fleet as rows with a revision each, so that whoever listens is told of what has changed and of nothing else, and can go
//! on where it stopped. Brought up to date when somebody looks, at most once a second.

use super::Api;
use super::overview::{self, Overview};
use crate::clock;
use bitlink_miner_manager::query::{Field, Filter, Subject, Value};
use bitlink_miner_manager::{Coverage, FleetSnapshot, Miner, MinerId, ServiceHandle, Timestamp};
use bitlink_model::MinerRecord;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How old what is shown may be.
const FRESH: Duration = Duration::from_millis(900);
/// Rows that are gone, remembered for those who were away.
const GONE: usize = 20_000;
/// Records looked up at a time: nobody else gets at them meanwhile.
const LOOK: usize = 2_000;

/// The fleet at one time.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) revision: u64,
    pub(super) taken_at: Timestamp,
    /// In the order of the fleet.
    pub(super) rows: Vec<Row>,
    /// The same from one table to the next while nobody comes, goes or moves.
    by_key: Arc<HashMap<Key, usize>>,
    /// Rows that went, by the revision in which they did, the oldest first.
    gone: VecDeque<(u64, Key)>,
    /// Since when all that went are in there.
    gone_since: u64,
    pub(super) coverage: Coverage,
    /// Made when somebody asks for it.
    overview: OnceLock<Arc<Overview>>,
}

/// One machine, or one place where a machine answers that answers elsewhere too.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) miner: Arc<Miner>,
    pub(super) record: Option<Arc<MinerRecord>>,
    /// In which it became what it is.
    pub(super) revision: u64,
    /// The texts that are looked through for a word, from when somebody does until it becomes something else.
    words: OnceLock<Arc<str>>,
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
    pub(super) fn new(key: Key, miner: &Arc<Miner>, revision: u64) -> Self {
        Self { key, miner: Arc::clone(miner), record: None, revision, words: OnceLock::new() }
    }

    fn is_of(&self, miner: &Arc<Miner>) -> bool {
        Arc::ptr_eq(&self.miner, miner) || self.key.id == miner.id
    }

    /// What is known of it now, in this revision if that is something else.
    fn renew(&mut self, miner: &Arc<Miner>, record: Option<&Arc<MinerRecord>>, revision: u64) {
        let is_same = Arc::ptr_eq(&self.miner, miner)
            && self.record.as_ref().map(Arc::as_ptr) == record.map(Arc::as_ptr);
        if !is_same {
            *self = Self { record: record.cloned(), ..Self::new(self.key, miner, revision) };
        }
    }

    /// What a field says of it; its name is that of the row.
    pub(super) fn value(&self, field: &Field, now: Timestamp) -> Value<'_> {
        match field.key {
            "id" => Value::Text(self.key.to_string().into()),
            _ => field.value(&self.subject(now)),
        }
    }

    pub(super) fn subject(&self, now: Timestamp) -> Subject<'_> {
        Subject::new(&self.miner, self.record.as_deref(), now)
    }

    /// For a filter, with what it looks through.
    pub(super) fn subject_for(&self, filter: &Filter, now: Timestamp) -> Subject<'_> {
        let subject = self.subject(now);
        if !filter.looks_anywhere() {
            return subject;
        }
        subject.with_words(self.words.get_or_init(|| subject.words().into()))
    }
}

impl Table {
    fn new() -> Self {
        Self {
            revision: 0,
            taken_at: Timestamp::from_unix_millis(0),
            rows: Vec::new(),
            by_key: Arc::default(),
            gone: VecDeque::new(),
            gone_since: 0,
            coverage: Coverage::default(),
            overview: OnceLock::new(),
        }
    }

    /// Brings it to what is known now. Only what has changed is touched: most machines have not, from one second to the next.
    fn renew(&mut self, service: &ServiceHandle) {
        let fleet = service.state();
        self.revision += 1;
        self.taken_at = fleet.taken_at;
        self.coverage = fleet.coverage.clone();
        self.overview.take();
        let as_before = self.rows.len() == fleet.len()
            && self.rows.iter().zip(fleet.iter()).all(|(row, miner)| row.is_of(miner));
        if !as_before {
            self.place(&fleet);
        }
        for (rows, miners) in self.rows.chunks_mut(LOOK).zip(fleet.chunks(LOOK)) {
            service.with_registry(|registry| {
                for (row, miner) in rows.iter_mut().zip(miners) {
                    let record = registry.get(row.key.id).filter(|record| record.forgotten.is_none());
                    row.renew(miner, record, self.revision);
                }
            });
        }
    }

    /// Gives every machine of the fleet its row: that which it has had, if it has had one.
    fn place(&mut self, fleet: &FleetSnapshot) {
        let mut before: HashMap<Key, Row> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (row.key, row)).collect();
        let mut by_key = HashMap::with_capacity(fleet.len());
        for miner in fleet.iter() {
            let mut key = Key { id: miner.id, twin: 0 };
            while by_key.contains_key(&key) {
                key.twin += 1;
            }
            by_key.insert(key, self.rows.len());
            let revision = self.revision;
            self.rows.push(before.remove(&key).unwrap_or_else(|| Row::new(key, miner, revision)));
        }
        self.by_key = Arc::new(by_key);
        self.gone.extend(before.into_keys().map(|key| (self.revision, key)));
        while self.gone.len() > GONE {
            if let Some((at, _)) = self.gone.pop_front() {
                self.gone_since = at;
            }
        }
    }

    /// The farm in numbers.
    pub(super) fn overview(&self, api: &Api) -> Arc<Overview> {
        Arc::clone(self.overview.get_or_init(|| Arc::new(overview::of(self, api))))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Row> {
        let (id, twin) = match key.split_once('~') {
            Some((id, twin)) => (id, twin.parse().ok()?),
            None => (key, 0),
        };
        let key = Key { id: id.parse().ok()?, twin };
        self.by_key.get(&key).and_then(|place| self.rows.get(*place))
    }

    /// The places of rows that have changed since a revision, and those that went; `None` when that cannot be told any more.
    pub(super) fn since(&self, revision: u64) -> Option<(Vec<usize>, Vec<Key>)> {
        if revision < self.gone_since || revision > self.revision {
            return None;
        }
        let changed = |(place, row): (usize, &Row)| (row.revision > revision).then_some(place);
        let rows = self.rows.iter().enumerate().filter_map(changed).collect();
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
    kept: Mutex<Kept>,
    /// Tells the revisions of this run from those of others.
    pub(super) epoch: String,
}

#[derive(Debug)]
struct Kept {
    /// When it was brought up to date; `None` when it has to be.
    at: Option<Instant>,
    table: Arc<Table>,
}

impl Feed {
    pub(super) fn new() -> Self {
        let mut epoch = String::new();
        // Writing to a text cannot fail.
        let _ = write!(epoch, "{:x}", clock::now_ms());
        Self { kept: Mutex::new(Kept { at: None, table: Arc::new(Table::new()) }), epoch }
    }

    /// The fleet as it is now, or was less than a second ago.
    pub(super) fn table(&self, service: &ServiceHandle) -> Arc<Table> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if kept.at.is_none_or(|at| now.saturating_duration_since(at) >= FRESH) {
            // Whoever still reads the old one keeps it, and this one is a copy.
            Arc::make_mut(&mut kept.table).renew(service);
            kept.at = Some(now);
        }
        Arc::clone(&kept.table)
    }

    /// Lets the next one who looks see what is new now.
    pub(super) fn stir(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).at = None;
    }
}
