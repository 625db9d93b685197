//! What is done to history beside the writing of it: rows become chunks, and what is too old or too much is removed. Computes on a
//! thread of its own, with a connection that only reads; the store's thread writes.

use crate::database_in;
use crate::error::StoreError;
use crate::history::{Failure, HistoryConfig, Shared, due, expired, prepare};
use crate::writer::{Jobs, Work};
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Blocks of chunks that were made.
    pub made: usize,
    /// Blocks that were removed.
    pub removed: usize,
}

/// How often it is looked whether there is anything to do.
const EVERY: Duration = Duration::from_secs(5);
/// A clock that goes ahead by more than that between two ticks is not believed at once.
const LEAP_MS: i64 = 600_000;
/// Nor is one that at the start is ahead of all that is kept by more than that.
const ABSENCE_MS: i64 = 24 * 3_600_000;
/// For how long it is not believed: nothing is removed meanwhile.
const DISBELIEF: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(crate) struct Upkeep {
    path: PathBuf,
    jobs: Jobs,
    shared: Arc<Shared>,
    config: Arc<Mutex<HistoryConfig>>,
    clock: Mutex<Clock>,
}

/// Whether the wall clock is to be believed.
#[derive(Debug, Default)]
struct Clock {
    last: Option<(i64, Instant)>,
    leapt: Option<Instant>,
}

impl Clock {
    /// Takes note of the time of the last tick.
    fn saw(&mut self, at: i64, now: Instant) {
        if let Some((last, then)) = self.last {
            let passed = i64::try_from(now.duration_since(then).as_millis()).unwrap_or(i64::MAX);
            if at.saturating_sub(last).saturating_sub(passed) > LEAP_MS {
                self.leapt = Some(now);
            }
        }
        self.last = Some((at, now));
    }

    /// Takes note, at the start, of the newest that is kept.
    fn begins_after(&mut self, newest: Option<i64>, at: i64, now: Instant) {
        if self.last.is_none() && newest.is_some_and(|newest| at.saturating_sub(newest) > ABSENCE_MS) {
            self.leapt = Some(now);
        }
    }

    /// Whether what is old by it may be removed.
    fn is_believed(&self, now: Instant) -> bool {
        self.leapt.is_none_or(|leapt| now.duration_since(leapt) >= DISBELIEF)
    }
}

impl Upkeep {
    pub(crate) fn new(dir: &Path, jobs: Jobs, shared: Arc<Shared>, config: HistoryConfig) -> Self {
        let config = Arc::new(Mutex::new(config));
        Self { path: database_in(dir), jobs, shared, config, clock: Mutex::default() }
    }

    /// Does all there is to do, as of the last tick.
    pub(crate) fn run(&self) -> Result<Maintained, StoreError> {
        self.run_until(&AtomicBool::new(false))
    }

    fn run_until(&self, stop: &AtomicBool) -> Result<Maintained, StoreError> {
        let mut done = Maintained::default();
        let at = self.shared.last_at.load(Ordering::Relaxed);
        if at == 0 {
            return Ok(done);
        }
        let failed = |error| StoreError::of(&self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        let is_believed = {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = "SELECT max(until_ms) FROM history_block WHERE tier = 0";
            let newest = connection.query_row(newest, [], |row| row.get(0)).map_err(failed)?;
            clock.begins_after(newest, at, Instant::now());
            clock.saw(at, Instant::now());
            clock.is_believed(Instant::now())
        };
        // What is old goes also where there is no room to make chunks: that makes some.
        let made = self.make(&connection, at, stop, &mut done);
        let removed = if is_believed { self.remove(&connection, at, stop, &mut done) } else { Ok(None) };
        made?;
        Shared::say(&self.shared.upkeep, removed?);
        Ok(done)
    }

    fn make(
        &self,
        connection: &Connection,
        at: i64,
        stop: &AtomicBool,
        done: &mut Maintained,
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::of(&self.path, error);
        while !stop.load(Ordering::Relaxed)
            && let Some(due) = due(connection, at).map_err(failed)?
        {
            let compacted = prepare(connection, due).map_err(|error| match error {
                Failure::Database(error) => failed(error),
                error @ Failure::Compressor(_) => StoreError::file(&self.path, io::Error::other(error)),
            })?;
            self.jobs.run(Work::Compacted(Box::new(compacted)))?;
            done.made += 1;
        }
        Ok(())
    }

    /// Says by how much it is not enough.
    fn remove(
        &self,
        connection: &Connection,
        at: i64,
        stop: &AtomicBool,
        done: &mut Maintained,
    ) -> Result<Option<String>, StoreError> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let expired = expired(connection, &config, at).map_err(|error| StoreError::of(&self.path, error))?;
        for block in expired.blocks {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.jobs.run(Work::Forget(block))?;
            done.removed += 1;
        }
        Ok(expired.too_much.map(|bytes| {
            format!("{bytes} bytes more are in use than may be, and nothing that is left may go")
        }))
    }
}

/// The thread that does it again and again.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Arc<(AtomicBool, Mutex<()>, Condvar)>,
    config: Arc<Mutex<HistoryConfig>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(upkeep: Upkeep) -> Result<Self, StoreError> {
        let stop = Arc::new((AtomicBool::new(false), Mutex::new(()), Condvar::new()));
        let (path, config) = (upkeep.path.clone(), Arc::clone(&upkeep.config));
        let work = {
            let stop = Arc::clone(&stop);
            move || work(&upkeep, &stop)
        };
        let thread = thread::Builder::new().name("bitlink-history".to_owned()).spawn(work);
        let thread = thread.map_err(|source| StoreError::file(&path, source))?;
        Ok(Self { stop, config, thread: Some(thread) })
    }

    /// From now on with other settings.
    pub(crate) fn configure(&self, config: HistoryConfig) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

fn work(upkeep: &Upkeep, (stop, lock, woken): &(AtomicBool, Mutex<()>, Condvar)) {
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = upkeep.run_until(stop) {
            let text = error.to_string();
            tracing::debug!(%error, "history could not be tidied; it is tried again");
            Shared::say(&upkeep.shared.upkeep, Some(text));
        }
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !stop.load(Ordering::Relaxed) {
            drop(woken.wait_timeout(guard, EVERY));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (stop, lock, woken) = &*self.stop;
        {
            let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            stop.store(true, Ordering::Relaxed);
        }
        woken.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that tidies history broke off; this is a bug");
        }
    }
}

#[cfg(test)]
mod tests {
    //! When the clock is believed.
    use super::*;

    #[test]
    fn a_clock_that_leaps_ahead_is_not_believed_for_an_hour() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut late = Clock::default();
        late.begins_after(Some(0), ABSENCE_MS + 1, start);
        assert!(!late.is_believed(after(10)));
        let mut clock = Clock::default();
        clock.begins_after(Some(0), ABSENCE_MS, start);
        for (at, now) in [(1_000_000, 0), (1_010_000, 10), (4_610_000, 3_610)] {
            clock.saw(at, after(now));
            assert!(clock.is_believed(after(now)), "time passes");
        }
        clock.saw(1_000, after(3_620));
        assert!(clock.is_believed(after(3_620)), "back is no leap");
        clock.saw(4_630_000, after(3_630));
        assert!(!clock.is_believed(after(3_630)));
        clock.saw(4_640_000, after(3_640));
        assert!(!clock.is_believed(after(3_640 + 3_500)));
        assert!(clock.is_believed(after(3_630 + 3_600)));
    }
}
