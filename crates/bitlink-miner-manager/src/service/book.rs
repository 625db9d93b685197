//! The registry as the monitor, scans and readers share it: whoever meets a machine asks here who it is.

use bitlink_model::{Miner, MinerId, MinerRecord, RecordEdit, Timestamp};
use bitlink_monitor::{Change, Conflict, Observer, Registry, RegistryChange, RegistryError, Sighting, Sweep};
use bitlink_transport::Endpoint;
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Something about machines that is worth telling.
#[derive(Debug)]
pub(super) enum News {
    Met { record: Arc<MinerRecord>, change: Change, displaced: Option<MinerId>, absorbed: Option<MinerId> },
    Conflict { record: Arc<MinerRecord>, conflict: Conflict },
    Vanished(Arc<MinerRecord>),
    Returned(Arc<MinerRecord>),
}

/// Cheap to clone: all clones are of one registry.
#[derive(Debug, Clone)]
pub(super) struct Book {
    inner: Arc<Mutex<Inner>>,
    /// Something is to be told.
    pub(super) news: Arc<Notify>,
}

/// What was kept of all machines at one moment.
#[derive(Debug)]
pub(super) struct Records(HashMap<MinerId, Arc<MinerRecord>>);

impl Records {
    pub(super) fn get(&self, id: MinerId) -> Option<&MinerRecord> {
        self.0.get(&id).map(AsRef::as_ref)
    }
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    /// When a machine was heard of, by a clock that nobody can set.
    heard: HashMap<MinerId, Instant>,
    opened: Instant,
    vanished: BTreeSet<MinerId>,
    news: Vec<News>,
}

impl Book {
    /// With what was known before. Who had vanished then is not told to have vanished again.
    pub(super) fn new(registry: Registry, now: Timestamp, vanished_after: Duration) -> Self {
        let long_gone = |record: &&Arc<MinerRecord>| record.last_seen.plus(vanished_after) < now;
        let vanished = registry.records().filter(long_gone).map(|record| record.id).collect();
        let inner =
            Inner { registry, heard: HashMap::new(), opened: Instant::now(), vanished, news: Vec::new() };
        Self { inner: Arc::new(Mutex::new(inner)), news: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.lock().registry)
    }

    /// All records as they are now, for whoever has much to do with them: meanwhile nobody else would get at the registry.
    pub(super) fn records(&self) -> Records {
        self.look(|registry| {
            Records(registry.all_records().map(|record| (record.id, Arc::clone(record))).collect())
        })
    }

    pub(super) fn begin_sweep(&self) -> Sweep {
        self.lock().registry.begin_sweep()
    }

    /// A scan has found a miner. Whether it told anything of itself, and is kept.
    pub(super) fn found(&self, miner: &Miner, sweep: Sweep) -> bool {
        let sighting = Sighting::of(miner);
        if let Some(sighting) = sighting {
            self.met(&sighting.in_sweep(sweep));
            return true;
        }
        false
    }

    fn met(&self, sighting: &Sighting<'_>) -> MinerId {
        let mut inner = self.lock();
        let met = inner.registry.observe(sighting);
        inner.heard.insert(met.id, Instant::now());
        let record = inner.registry.get(met.id).cloned();
        let Some(record) = record else { return met.id };
        let before = inner.news.len();
        if inner.vanished.remove(&met.id) {
            inner.news.push(News::Returned(Arc::clone(&record)));
        }
        if met.change != Change::Same || met.displaced.is_some() || met.absorbed.is_some() {
            let (displaced, absorbed) = (met.displaced, met.absorbed);
            if let Some(gone) = absorbed {
                inner.heard.remove(&gone);
                inner.vanished.remove(&gone);
            }
            let change = met.change;
            inner.news.push(News::Met { record: Arc::clone(&record), change, displaced, absorbed });
        }
        for conflict in met.conflicts {
            inner.news.push(News::Conflict { record: Arc::clone(&record), conflict });
        }
        if inner.news.len() > before {
            self.news.notify_one();
        }
        met.id
    }

    pub(super) fn take_news(&self) -> Vec<News> {
        mem::take(&mut self.lock().news)
    }

    /// Looks for machines that were not heard of for so long.
    pub(super) fn look_for_vanished(&self, after: Duration) {
        let mut inner = self.lock();
        let Inner { registry, heard, opened, vanished, news } = &mut *inner;
        for record in registry.records() {
            let silent = heard.get(&record.id).unwrap_or(opened).elapsed();
            if silent >= after && vanished.insert(record.id) {
                news.push(News::Vanished(Arc::clone(record)));
            }
        }
        if !news.is_empty() {
            self.news.notify_one();
        }
    }

    /// Where machines are now, as far as is known.
    pub(super) fn places(&self) -> BTreeSet<Endpoint> {
        self.lock().registry.records().filter_map(|record| record.endpoint).collect()
    }

    /// Changes what is written about machines, all or nothing.
    pub(super) fn amend(
        &self,
        edits: &[(MinerId, RecordEdit)],
        forget: &[MinerId],
        now: Timestamp,
    ) -> Result<usize, RegistryError> {
        let mut inner = self.lock();
        let edits: Vec<(MinerId, &RecordEdit)> = edits.iter().map(|(id, edit)| (*id, edit)).collect();
        let changed = inner.registry.amend(&edits, forget, now)?;
        for id in forget {
            inner.vanished.remove(id);
        }
        Ok(changed)
    }

    /// What is to be kept; with `times`, also that nothing has changed but when machines were last seen.
    pub(super) fn take_changes(&self, times: bool) -> Vec<RegistryChange> {
        let mut inner = self.lock();
        let mut changes = inner.registry.take_changes();
        if times {
            changes.extend(inner.registry.take_touched());
        }
        changes
    }

    pub(super) fn not_kept(&self, changes: &[RegistryChange]) {
        self.lock().registry.not_kept(changes);
    }
}

impl Observer for Book {
    fn observed(&mut self, sighting: &Sighting<'_>) -> Option<MinerId> {
        Some(self.met(sighting))
    }

    fn expected(&self, endpoint: Endpoint) -> Option<MinerId> {
        self.look(|registry| registry.at(endpoint).map(|record| record.id))
    }
}
