//! Journals as files of one JSON object a line, in the data directory: written by a thread of its own that makes everything safe
//! which waits with one `fsync`, and locked for as long as a plan runs.

use super::{Journal, JournalError, Past, Record};
use crate::audit::{AuditLog, Event};
use crate::outcome::Counts;
use crate::plan::{Plan, PlanId};
use async_trait::async_trait;
use bitlink_model::{ActionKind, Timestamp};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Records that may wait to be made safe together.
const TOGETHER: usize = 4_096;
/// A line longer than this is no record of ours.
const LONGEST_LINE: u64 = 256 << 20;

/// The plans of a data directory.
#[derive(Debug, Clone)]
pub struct PlanStore {
    dir: PathBuf,
    audit: PathBuf,
}

/// What is known of a plan without reading it whole.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Its name.
    pub id: PlanId,
    /// When it was made.
    pub made_at: Timestamp,
    /// On whose account.
    pub actor: String,
    /// What was to be done.
    pub kind: ActionKind,
    /// How many targets it has.
    pub targets: usize,
    /// What they came to.
    pub counts: Counts,
    /// How many have no outcome.
    pub open: usize,
    /// Whether a process carries it out now.
    pub running: bool,
    /// Why it stopped before its end.
    pub stopped: Option<String>,
}

impl PlanStore {
    /// In a data directory. Nothing is made until a plan begins.
    pub fn in_dir(data: &Path) -> Self {
        Self { dir: data.join("plans"), audit: data.to_path_buf() }
    }

    /// Begins to keep a plan. The targets that plans of other processes have now are named too: their marks, or their
    /// endpoints where they have none.
    ///
    /// # Errors
    /// [`JournalError`]: the directory or the file cannot be made, or a plan of this name is there.
    pub fn begin(&self, plan: &Plan) -> Result<(FileJournal, HashSet<String>), JournalError> {
        make(&self.dir)?;
        let _turn = self.turn()?;
        let claimed = self.claimed()?;
        let path = self.path(&plan.id);
        let mut open = private();
        let file = open.create_new(true).read(true).append(true).open(&path);
        let file = file.map_err(|error| JournalError::file(&path, "made", error))?;
        lock(&file, &path, &plan.id)?;
        sync_dir(&self.dir);
        Ok((self.journal(file, path, plan.clone(), 0), claimed))
    }

    /// Takes a plan up again. What a crash left of a last line is cut off.
    ///
    /// # Errors
    /// [`JournalError`]: there is no such plan, another process has it, or its file is damaged.
    pub fn take_up(&self, id: &PlanId) -> Result<(Past, FileJournal, HashSet<String>), JournalError> {
        let path = self.path(id);
        if !path.exists() {
            return Err(JournalError::Missing { plan: id.to_string() });
        }
        let _turn = self.turn()?;
        let claimed = self.claimed()?;
        let file = private().read(true).append(true).open(&path);
        let mut file = file.map_err(|error| JournalError::file(&path, "opened", error))?;
        lock(&file, &path, id)?;
        let (records, sound) = records(&mut file, &path)?;
        file.set_len(sound).map_err(|error| JournalError::file(&path, "mended", error))?;
        let past = Past::of(records).ok_or_else(|| JournalError::NoPlan { path: path.clone() })?;
        let journal = self.journal(file, path, past.plan.clone(), sound);
        Ok((past, journal, claimed))
    }

    /// Reads a plan, beside whoever carries it out.
    ///
    /// # Errors
    /// [`JournalError`]: there is no such plan, or its file is damaged.
    pub fn read(&self, id: &PlanId) -> Result<Past, JournalError> {
        let path = self.path(id);
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::Missing { plan: id.to_string() },
            _ => JournalError::file(&path, "opened", error),
        })?;
        let (records, _) = records(&mut file, &path)?;
        Past::of(records).ok_or(JournalError::NoPlan { path })
    }

    /// All plans, the newest first. Files that cannot be read are left out and counted.
    ///
    /// # Errors
    /// [`JournalError::File`] when the directory cannot be read.
    pub fn list(&self) -> Result<(Vec<PlanSummary>, usize), JournalError> {
        let mut unreadable = 0;
        let mut plans = Vec::new();
        for id in self.ids()? {
            match self.summary(&id) {
                Ok(summary) => plans.push(summary),
                Err(_damaged) => unreadable += 1,
            }
        }
        plans.sort_by(|a, b| b.made_at.cmp(&a.made_at).then_with(|| b.id.cmp(&a.id)));
        Ok((plans, unreadable))
    }

    fn summary(&self, id: &PlanId) -> Result<PlanSummary, JournalError> {
        let past = self.read(id)?;
        let (waiting, begun) = past.open();
        Ok(PlanSummary {
            id: id.clone(),
            made_at: past.plan.made_at,
            actor: past.actor.clone(),
            kind: past.plan.kind(),
            targets: past.plan.targets.len(),
            counts: past.counts(),
            open: waiting + begun,
            running: is_locked(&self.path(id)),
            stopped: past.ended.flatten(),
        })
    }

    fn ids(&self) -> Result<Vec<PlanId>, JournalError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::file(&self.dir, "read", error)),
        };
        let name =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(SUFFIX)?.parse::<PlanId>().ok();
        Ok(entries.filter_map(Result::ok).filter_map(name).collect())
    }

    /// What the plans of other processes have now.
    fn claimed(&self) -> Result<HashSet<String>, JournalError> {
        let running = self.ids()?.into_iter().filter(|id| is_locked(&self.path(id)));
        let mut claimed = HashSet::new();
        for id in running {
            // One that ends just now may be gone.
            if let Ok(past) = self.read(&id) {
                claimed.extend(past.plan.targets.iter().map(crate::claims::key));
            }
        }
        Ok(claimed)
    }

    /// One process at a time begins a plan, so that two do not overlook each other.
    fn turn(&self) -> Result<File, JournalError> {
        let path = self.dir.join(".turn");
        let file = private().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| JournalError::file(&path, "made", error))?;
        file.lock().map_err(|error| JournalError::file(&path, "locked", error))?;
        Ok(file)
    }

    fn path(&self, id: &PlanId) -> PathBuf {
        self.dir.join(format!("{id}{SUFFIX}"))
    }

    fn journal(&self, file: File, path: PathBuf, plan: Plan, sound: u64) -> FileJournal {
        let (orders, inbox) = mpsc::channel();
        let audit = AuditLog::in_dir(&self.audit);
        let keeper = Keeper { file, path, audit, plan, sound, actor: String::new() };
        let thread = std::thread::spawn(move || keeper.run(&inbox));
        FileJournal { orders: Some(orders), thread: Some(thread) }
    }
}

const SUFFIX: &str = ".ndjson";

/// A journal that is a file, and writes the audit log beside it.
#[derive(Debug)]
pub struct FileJournal {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Order {
    record: Record,
    done: oneshot::Sender<Result<(), JournalError>>,
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, record: Record) -> Result<(), JournalError> {
        let (done, kept) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or(JournalError::Closed)?;
        orders.send(Order { record, done }).map_err(|_gone| JournalError::Closed)?;
        kept.await.map_err(|_gone| JournalError::Closed)?
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // What was handed over is kept before the lock is given up.
            let _ = thread.join();
        }
    }
}

/// The thread that owns the file.
struct Keeper {
    file: File,
    path: PathBuf,
    audit: AuditLog,
    plan: Plan,
    /// The length of what is whole.
    sound: u64,
    actor: String,
}

impl Keeper {
    fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        while let Ok(first) = inbox.recv() {
            let mut orders = vec![first];
            while orders.len() < TOGETHER {
                match inbox.try_recv() {
                    Ok(order) => orders.push(order),
                    Err(_none) => break,
                }
            }
            let kept = self.keep(&orders.iter().map(|order| &order.record).collect::<Vec<_>>());
            for order in orders {
                // Nobody waits any more: nothing is lost.
                let _ = order.done.send(kept.clone());
            }
        }
    }

    fn keep(&mut self, records: &[&Record]) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)
                .map_err(|error| JournalError::file(&self.path, "written", error.into()))?;
            lines.push(b'\n');
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line must not be followed by another.
            let _ = self.file.set_len(self.sound);
            return Err(JournalError::file(&self.path, "written", error));
        }
        self.sound = self.sound.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        let mut events = Vec::new();
        for record in records {
            if let Record::Plan { actor, .. } | Record::Resumed { actor, .. } = *record {
                self.actor.clone_from(actor);
            }
            events.extend(Event::of(record, &self.plan).map(|(at, event)| (at, self.actor.clone(), event)));
        }
        self.audit.append(events).map_err(|error| JournalError::Audit(std::sync::Arc::new(error)))
    }
}

/// The records of a file, and where the whole ones end. A last line that is not whole is what a crash leaves.
fn records(file: &mut File, path: &Path) -> Result<(Vec<Record>, u64), JournalError> {
    let unreadable = |error| JournalError::file(path, "read", error);
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut reader = BufReader::new(file);
    let (mut records, mut sound, mut line) = (Vec::new(), 0_u64, Vec::new());
    for number in 1.. {
        line.clear();
        let read =
            Read::by_ref(&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(record),
            Err(_damage) => {
                return Err(JournalError::Damaged { path: path.to_path_buf(), line: number });
            }
        }
        sound = sound.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok((records, sound))
}

fn lock(file: &File, path: &Path, id: &PlanId) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Running { plan: id.to_string() }),
        Err(TryLockError::Error(error)) => Err(JournalError::file(path, "locked", error)),
    }
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Files that nobody else can read.
pub(crate) fn private() -> OpenOptions {
    let mut open = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    // Left as it is where the system has no modes.
    open.read(false);
    open
}

/// Makes a directory that nobody else can read.
pub(crate) fn make(dir: &Path) -> Result<(), JournalError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| JournalError::file(dir, "made", error))
}

/// Makes the name of a new file safe, where the system can.
fn sync_dir(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        // Not every system can; the file itself is safe.
        let _ = dir.sync_all();
    }
}
