//! Writing: one thread owns the one connection that writes, and commits together what waits together.

use crate::error::StoreError;
use crate::history::{
    Compacted, Expired, HistoryConfig, HistoryStatus, HistoryWriter, Ingest, RecordError, Shared, Tick,
};
use crate::lock::Lock;
use crate::reader::Reader;
use crate::upkeep::{Maintained, Upkeep, Worker};
use crate::{database_in, items, schema, table};
use bitlink_model::{MinerId, MinerRecord};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Something to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordChange {
    /// A record as it is now, in place of any other of its id.
    Put(Arc<MinerRecord>),
    /// A record that is no more.
    Drop(MinerId),
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The file does not grow beyond so many bytes, in pages of 4 KiB; default no limit but the disk's. Writing more is
    /// [`StoreError::Full`].
    pub most_bytes: Option<u64>,
}

impl StoreOptions {
    /// With a limit on the size of the file.
    #[must_use]
    pub fn with_most_bytes(mut self, bytes: u64) -> Self {
        self.most_bytes = Some(bytes);
        self
    }
}

type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

pub(crate) struct Job {
    work: Work,
    done: Done,
}

/// What the thread does.
pub(crate) enum Work {
    Records(Vec<RecordChange>),
    Tick(Box<Tick>),
    /// Many ticks of long ago in one commit.
    Past(Vec<Tick>),
    Compacted(Box<Compacted>),
    Forget(i64),
    Items(BTreeMap<String, Option<String>>),
}

/// Where work is handed in, by the store and by its own upkeep.
#[derive(Clone)]
pub(crate) struct Jobs(SyncSender<Job>);

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jobs")
    }
}

impl Jobs {
    pub(crate) fn submit(
        &self,
        work: Work,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        match self.0.send(Job { work, done: Box::new(done) }) {
            Ok(()) => Ok(()),
            Err(_gone) => Err(StoreError::Closed),
        }
    }

    /// Hands work in and waits until it is on the disk.
    pub(crate) fn run(&self, work: Work) -> Result<(), StoreError> {
        let (told, outcome) = mpsc::sync_channel(1);
        self.submit(work, move |result| {
            // Whoever asked has gone away.
            let _ = told.send(result);
        })?;
        outcome.recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// Most jobs that wait for the thread before the next one has to wait itself.
const QUEUE: usize = 64;
/// Most jobs that are committed together.
const TOGETHER: usize = 64;
/// Most ticks that wait: one of 10,000 machines takes some 15 MB meanwhile.
const TICKS: usize = 4;

/// The one that may write in a data directory. Dropping it finishes what waits and closes the file.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    jobs: Option<Jobs>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Makes rows into chunks and removes what is old, while history is kept.
    worker: Mutex<Option<Worker>>,
    upgraded_from: Option<PathBuf>,
    /// Last, so that the directory is free only when the file is closed.
    _lock: Lock,
}

impl Store {
    /// Opens a data directory for writing, making it and its database where there is none, and brings an older format up
    /// to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::ReadOnly`], [`StoreError::Directory`]: the directory; [`StoreError::Newer`],
    /// [`StoreError::Foreign`], [`StoreError::Corrupt`]: the file, which is left as it is.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, &StoreOptions::default())
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        Self::open_at(dir, options, schema::STEPS)
    }

    pub(crate) fn open_at(dir: &Path, options: &StoreOptions, steps: &[&str]) -> Result<Self, StoreError> {
        let lock = Lock::take(dir)?;
        let path = database_in(dir);
        let (connection, upgraded_from) = connect(&path, options, steps)?;
        let (jobs, waiting) = mpsc::sync_channel(QUEUE);
        let thread = thread::Builder::new().name("bitlink-store".to_owned());
        let shared = Arc::new(Shared::default());
        let work = {
            let (path, shared) = (path.clone(), Arc::clone(&shared));
            move || work(connection, &path, &waiting, &shared)
        };
        let thread = thread.spawn(work).map_err(|source| StoreError::file(&path, source))?;
        Ok(Self {
            dir: dir.to_path_buf(),
            jobs: Some(Jobs(jobs)),
            thread: Some(thread),
            shared,
            worker: Mutex::new(None),
            upgraded_from,
            _lock: lock,
        })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the file as it was before its format was brought up to date is kept, if it was.
    pub fn upgraded_from(&self) -> Option<&Path> {
        self.upgraded_from.as_deref()
    }

    /// Keeps all of it or nothing, and returns when it is on the disk. Blocks meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] and others; then nothing of it was kept, and it can be tried again.
    pub fn write(&self, changes: Vec<RecordChange>) -> Result<(), StoreError> {
        self.jobs()?.run(Work::Records(changes))
    }

    fn jobs(&self) -> Result<&Jobs, StoreError> {
        self.jobs.as_ref().ok_or(StoreError::Closed)
    }

    /// The same without waiting: `done` is called from the store's thread when it is on the disk or could not be kept. Blocks
    /// only where 64 others wait already.
    ///
    /// # Errors
    /// [`StoreError::Closed`]; then `done` is not called.
    pub fn submit(
        &self,
        changes: Vec<RecordChange>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.jobs()?.submit(Work::Records(changes), done)
    }

    /// Keeps texts under keys, of which each takes the place of the one before; `None` removes it. All of it or nothing; `done` is called as
    /// by [`Store::submit`].
    ///
    /// # Errors
    /// [`StoreError::Closed`]; then `done` is not called.
    pub fn submit_items(
        &self,
        items: BTreeMap<String, Option<String>>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.jobs()?.submit(Work::Items(items), done)
    }

    /// Keeps ticks of the past together, in the order of their times, and returns when they are on the disk: for what was recorded
    /// elsewhere, or is made up. All of them or none. They are not counted in the status of history, which is of what goes on now, and
    /// nothing has to be switched on. Blocks meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] and others; then nothing of it was kept, and it can be tried again.
    pub fn write_past(&self, ticks: Vec<Tick>) -> Result<(), StoreError> {
        self.jobs()?.run(Work::Past(ticks))
    }

    /// Takes ticks without a thread that makes rows into chunks: whoever calls this calls [`Store::maintain`].
    pub fn keep_history_unattended(&self) {
        self.shared.is_on.store(true, Ordering::Relaxed);
    }

    /// Makes rows into chunks and removes what is old, as of the last tick, and returns when that is on the disk. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Full`] and others; nothing is lost then, and it can be tried again.
    pub fn maintain(&self, config: &HistoryConfig) -> Result<Maintained, StoreError> {
        self.upkeep(config)?.run()
    }

    fn upkeep(&self, config: &HistoryConfig) -> Result<Upkeep, StoreError> {
        Ok(Upkeep::new(&self.dir, self.jobs()?.clone(), Arc::clone(&self.shared), config.clone()))
    }

    /// A connection that reads what has been committed, and never waits for this store.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.dir)
    }
}

impl HistoryWriter for Store {
    fn record(&self, tick: Tick, done: Done) -> Result<(), RecordError> {
        if !self.shared.is_on.load(Ordering::Relaxed) {
            return Err(RecordError::Off);
        }
        let Some(jobs) = &self.jobs else { return Err(RecordError::Closed) };
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let refused = if waiting < TICKS {
            match jobs.0.try_send(Job { work: Work::Tick(Box::new(tick)), done }) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => RecordError::Behind { waiting },
                Err(TrySendError::Disconnected(_)) => RecordError::Closed,
            }
        } else {
            RecordError::Behind { waiting }
        };
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        Err(refused)
    }

    fn history_status(&self) -> HistoryStatus {
        self.shared.status()
    }

    /// A thread beside that of the store makes rows into chunks and removes what is old, from the first time on.
    fn keep_history(&self, config: Option<HistoryConfig>) -> Result<(), StoreError> {
        let Some(config) = config else {
            self.shared.is_on.store(false, Ordering::Relaxed);
            return Ok(());
        };
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        match &*worker {
            Some(worker) => worker.configure(config),
            None => *worker = Some(Worker::start(self.upkeep(&config)?)?),
        }
        self.shared.is_on.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It hands in work, so it ends first.
        drop(self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the store broke off; this is a bug");
        }
    }
}

fn connect(
    path: &Path,
    options: &StoreOptions,
    steps: &[&str],
) -> Result<(Connection, Option<PathBuf>), StoreError> {
    let failed = |error| StoreError::of(path, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    // Before anything is written: is it ours, and do we know it?
    let found = schema::version(&connection, path)?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    configure(&connection, options).map_err(failed)?;
    let copy = schema::migrate(&mut connection, path, steps)?;
    let state: String =
        connection.query_row("PRAGMA quick_check('registry_miner')", [], |row| row.get(0)).map_err(failed)?;
    if state != "ok" {
        return Err(StoreError::Corrupt { path: path.to_path_buf(), detail: state });
    }
    Ok((connection, copy))
}

fn configure(connection: &Connection, options: &StoreOptions) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit is on the disk before it is acknowledged; NORMAL would lose the last ones with the power.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if let Some(bytes) = options.most_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    Ok(())
}

/// The thread: waits for work, takes what has come meanwhile along, and answers when it is on the disk.
fn work(mut connection: Connection, path: &Path, waiting: &Receiver<Job>, shared: &Shared) {
    let mut ingest = Ingest::default();
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        jobs.extend(waiting.try_iter().take(TOGETHER - 1));
        let began = Instant::now();
        let outcome =
            commit(&mut connection, &mut ingest, &jobs).map_err(|error| StoreError::of(path, error));
        match outcome {
            // What is too much together may fit one by one.
            Err(StoreError::Full { .. }) if jobs.len() > 1 => {
                for job in jobs {
                    let outcome = commit(&mut connection, &mut ingest, std::slice::from_ref(&job));
                    finish(job, outcome.map_err(|error| StoreError::of(path, error)), began, shared);
                }
            }
            outcome => jobs.into_iter().for_each(|job| finish(job, outcome.clone(), began, shared)),
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(path = %path.display(), %error, "the database could not be closed in good order");
    }
}

fn finish(job: Job, outcome: Result<(), StoreError>, began: Instant, shared: &Shared) {
    if let Work::Tick(tick) = &job.work {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        let failing = match &outcome {
            Ok(()) => {
                shared.ticks.fetch_add(1, Ordering::Relaxed);
                shared.values.fetch_add(tick.value_count() as u64, Ordering::Relaxed);
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.last_write_us.store(took, Ordering::Relaxed);
                shared.write_us.fetch_add(took, Ordering::Relaxed);
                shared.last_at.store(tick.at, Ordering::Relaxed);
                None
            }
            Err(error) => {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
                Some(error.to_string())
            }
        };
        Shared::say(&shared.failing, failing);
    }
    (job.done)(outcome);
}

fn commit(connection: &mut Connection, ingest: &mut Ingest, jobs: &[Job]) -> rusqlite::Result<()> {
    let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
        for job in jobs {
            match &job.work {
                Work::Records(changes) => records(&transaction, changes)?,
                Work::Tick(tick) => ingest.write(&transaction, tick)?,
                Work::Past(ticks) => ticks.iter().try_for_each(|tick| ingest.write(&transaction, tick))?,
                Work::Compacted(compacted) => compacted.write(&transaction)?,
                Work::Items(changed) => items::put(&transaction, changed)?,
                Work::Forget(block) => Expired::delete(&transaction, *block)?,
            }
        }
        transaction.commit()
    });
    if done.is_err() {
        // Numbers that were given out are not.
        ingest.forget();
    }
    done
}

fn records(connection: &Connection, changes: &[RecordChange]) -> rusqlite::Result<()> {
    changes.iter().try_for_each(|change| match change {
        RecordChange::Put(record) => table::put(connection, record),
        RecordChange::Drop(id) => table::drop(connection, *id),
    })
}

#[cfg(test)]
mod tests {
    //! The format: older ones are brought up to date, and newer ones left alone.
    use super::*;
    use crate::history::{HistoryReader, Query, SeriesName};
    use bitlink_model::{Identity, Metric, Timestamp};

    fn record(n: u64) -> MinerRecord {
        let at = Timestamp::from_unix_millis(i64::try_from(n).unwrap());
        MinerRecord::new(MinerId::from_u64(n), Identity::default(), "192.0.2.1:4028".parse().unwrap(), at)
    }

    /// A directory of one test's own, gone afterwards.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("bitlink-store-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            Self(dir)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_older_format_is_brought_up_to_date_and_a_copy_of_it_kept() {
        let place = Place::new("older");
        let older = Store::open(&place.0).unwrap();
        assert_eq!(older.upgraded_from(), None);
        older.write(vec![RecordChange::Put(Arc::new(record(7)))]).unwrap();
        drop(older);

        let step = "ALTER TABLE registry_miner ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;";
        let steps: Vec<&str> = schema::STEPS.iter().copied().chain([step]).collect();
        let broken: Vec<&str> = schema::STEPS.iter().copied().chain([step, "CREATE nonsense"]).collect();
        Store::open_at(&place.0, &StoreOptions::default(), &broken).unwrap_err();
        assert_eq!(Reader::open(&place.0).unwrap().records().unwrap(), [record(7)], "all steps or none");

        let newer = Store::open_at(&place.0, &StoreOptions::default(), &steps).unwrap();
        let copy = newer.upgraded_from().unwrap().to_path_buf();
        newer.write(vec![RecordChange::Put(Arc::new(record(8)))]).unwrap();
        drop(newer);
        let flags = Connection::open(database_in(&place.0)).unwrap();
        let sum: i64 = flags
            .query_row("SELECT count(*) + sum(flags) FROM registry_miner", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sum, 2);
        drop(flags);

        // The older program refuses the newer file, and can have the copy.
        let refused = Store::open(&place.0).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 4, known: 3, .. }), "{refused}");
        assert!(matches!(Reader::open(&place.0), Err(StoreError::Newer { .. })));
        std::fs::copy(copy, database_in(&place.0)).unwrap();
        assert_eq!(Store::open(&place.0).unwrap().reader().unwrap().records().unwrap(), [record(7)]);
    }

    #[test]
    fn a_store_from_before_history_is_read_migrated_and_recorded_into() {
        let place = Place::new("before-history");
        let older = Store::open_at(&place.0, &StoreOptions::default(), &schema::STEPS[..1]).unwrap();
        older.write(vec![RecordChange::Put(Arc::new(record(7)))]).unwrap();
        drop(older);
        let all = Query::new(
            SeriesName::Miner(MinerId::from_u64(7)),
            Timestamp::from_unix_millis(0),
            Timestamp::from_unix_millis(10_000),
        );
        let reader = Reader::open(&place.0).unwrap();
        assert_eq!(reader.records().unwrap(), [record(7)]);
        assert!(reader.series(&all).unwrap().is_empty() && reader.groups().unwrap().is_empty());
        drop(reader);

        let newer = Store::open(&place.0).unwrap();
        let copy = newer.upgraded_from().unwrap().to_path_buf();
        let mut tick = Tick::new(Timestamp::from_unix_millis(1_000));
        tick.values(MinerId::from_u64(7), tick.at(), [(Metric::POWER, 325_000)]);
        let refused = newer.record(tick.clone(), Box::new(|_| {}));
        assert_eq!(refused, Err(RecordError::Off), "nobody has asked for history yet");
        newer.keep_history_unattended();
        let (told, kept) = mpsc::channel();
        newer.record(tick, Box::new(move |outcome| told.send(outcome).unwrap())).unwrap();
        kept.recv().unwrap().unwrap();
        let reader = newer.reader().unwrap();
        assert_eq!(reader.series(&all).unwrap()[0].samples[0].last, 3250.0);
        assert_eq!(reader.records().unwrap(), [record(7)]);
        let version = schema::version(&Connection::open(&copy).unwrap(), &copy).unwrap();
        assert_eq!(version, 1, "the copy is as it was");
    }

    #[test]
    fn a_database_of_somebody_else_is_left_alone() {
        let place = Place::new("foreign");
        std::fs::create_dir_all(&place.0).unwrap();
        let theirs = Connection::open(database_in(&place.0)).unwrap();
        theirs.execute_batch("CREATE TABLE places (url TEXT)").unwrap();
        drop(theirs);
        let before = std::fs::read(database_in(&place.0)).unwrap();
        assert!(matches!(Store::open(&place.0), Err(StoreError::Foreign { .. })));
        assert!(matches!(Reader::open(&place.0), Err(StoreError::Foreign { .. })));
        assert_eq!(std::fs::read(database_in(&place.0)).unwrap(), before);
    }
}
