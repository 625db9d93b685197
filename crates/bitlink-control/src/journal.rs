//! What is written down while a plan runs, so that it survives the end of the program: the intent before a command goes out, the
//! outcome after it. And what those lines come to when they are read again.

use crate::outcome::{Counts, Outcome};
use crate::plan::Plan;
use async_trait::async_trait;
use bitlink_model::{MinerSnapshot, Text, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

mod file;

pub use file::{FileJournal, PlanStore, PlanSummary};
pub(crate) use file::{make, private};

/// A place that keeps records in order. What was acknowledged is kept, whatever happens to the process or the power.
#[async_trait]
pub trait Journal: Debug + Send + Sync + 'static {
    /// Keeps one more record, and returns when it is safe.
    async fn append(&self, record: Record) -> Result<(), JournalError>;
}

/// Why a record is not kept.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused.
    #[error("{}: cannot be {doing}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// No more room.
    #[error("{}: the disk is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A line that is not the last does not read.
    #[error("{}: line {line} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Another process carries this plan out.
    #[error("plan {plan} is being carried out by another process")]
    Running {
        /// Its name.
        plan: String,
    },
    /// There is no such plan.
    #[error("there is no plan {plan}")]
    Missing {
        /// Its name.
        plan: String,
    },
    /// The file does not begin with a plan.
    #[error("{}: holds no plan", path.display())]
    NoPlan {
        /// The file.
        path: PathBuf,
    },
    /// The audit log does not take a line.
    #[error("the audit log takes no more lines")]
    Audit(#[source] Arc<crate::audit::AuditError>),
    /// Whoever keeps records is gone.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    pub(crate) fn file(path: impl Into<PathBuf>, doing: &'static str, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source: Arc::new(source) }
            }
            _ => Self::File { path, doing, source: Arc::new(source) },
        }
    }
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// A plan begins.
    Plan {
        /// When.
        #[serde(rename = "at_ms")]
        at: Timestamp,
        /// On whose account.
        actor: String,
        /// What was planned.
        plan: Box<Plan>,
    },
    /// It is taken up again.
    Resumed {
        /// When.
        #[serde(rename = "at_ms")]
        at: Timestamp,
        /// On whose account.
        actor: String,
    },
    /// A command is about to go out.
    Intent {
        /// When.
        #[serde(rename = "at_ms")]
        at: Timestamp,
        /// To which of the plan's targets.
        target: u32,
        /// How the machine was before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Box<MinerSnapshot>>,
    },
    /// What became of a target.
    Outcome {
        /// When.
        #[serde(rename = "at_ms")]
        at: Timestamp,
        /// Of which.
        target: u32,
        /// What.
        #[serde(flatten)]
        outcome: Outcome,
        /// What the miner said to the command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
        /// How the machine was afterwards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Box<MinerSnapshot>>,
    },
    /// No more is done.
    Ended {
        /// When.
        #[serde(rename = "at_ms")]
        at: Timestamp,
        /// What it came to.
        counts: Counts,
        /// Why it stopped before its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stopped: Option<String>,
    },
}

/// How far a target had come.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Progress {
    /// Its turn had not come.
    #[default]
    Waiting,
    /// A command may have gone out, and nothing is known of it.
    Begun {
        /// How the machine was before.
        before: Option<Box<MinerSnapshot>>,
    },
    /// It had its outcome.
    Ended {
        /// Which.
        outcome: Outcome,
        /// How the machine was before, where a command went out.
        before: Option<Box<MinerSnapshot>>,
        /// How it was afterwards.
        after: Option<Box<MinerSnapshot>>,
    },
}

/// A plan that was begun before.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Past {
    /// The plan, without its secrets.
    pub plan: Plan,
    /// On whose account it was begun.
    pub actor: String,
    /// How far each target had come.
    pub progress: Vec<Progress>,
    /// Whether it was said that no more is done, and why it stopped, if it did before its end.
    pub ended: Option<Option<String>>,
}

impl Past {
    /// What records come to. Those for targets that the plan does not have are left out.
    pub fn of(records: impl IntoIterator<Item = Record>) -> Option<Self> {
        let mut records = records.into_iter();
        let Record::Plan { actor, plan, .. } = records.next()? else { return None };
        let progress = vec![Progress::Waiting; plan.targets.len()];
        let mut past = Self { plan: *plan, actor, progress, ended: None };
        for record in records {
            past.take(record);
        }
        Some(past)
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Plan { .. } => {}
            Record::Resumed { .. } => self.ended = None,
            Record::Intent { target, before, .. } => {
                if let Some(slot) = at(&mut self.progress, target) {
                    *slot = Progress::Begun { before };
                }
            }
            Record::Outcome { target, outcome, after, .. } => {
                if let Some(slot) = at(&mut self.progress, target) {
                    let before = match std::mem::take(slot) {
                        Progress::Begun { before } | Progress::Ended { before, .. } => before,
                        Progress::Waiting => None,
                    };
                    // Nothing went out, and its turn is still to come.
                    *slot = if outcome.is_postponed() {
                        Progress::Waiting
                    } else {
                        Progress::Ended { outcome, before, after }
                    };
                }
            }
            Record::Ended { stopped, .. } => self.ended = Some(stopped),
        }
    }

    /// What it had come to.
    pub fn counts(&self) -> Counts {
        Counts::of(self.progress.iter().filter_map(|progress| match progress {
            Progress::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }))
    }

    /// How many targets are without an outcome: those whose turn had not come, and those of which nothing is known.
    pub fn open(&self) -> (usize, usize) {
        let waiting = self.progress.iter().filter(|progress| matches!(progress, Progress::Waiting)).count();
        let begun =
            self.progress.iter().filter(|progress| matches!(progress, Progress::Begun { .. })).count();
        (waiting, begun)
    }
}

fn at(progress: &mut [Progress], target: u32) -> Option<&mut Progress> {
    usize::try_from(target).ok().and_then(|index| progress.get_mut(index))
}

/// A journal in memory, for programs that do not want their plans to survive them.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    records: Mutex<Vec<Record>>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it has.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, record: Record) -> Result<(), JournalError> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        Ok(())
    }
}

/// What of a reading is kept with a plan: who it was, and what commands change. Passwords in the addresses of pools are left
/// out.
pub(crate) fn kept(snapshot: &MinerSnapshot) -> Box<MinerSnapshot> {
    let mut kept = MinerSnapshot::default();
    kept.observed_at = snapshot.observed_at;
    kept.identity = snapshot.identity.clone();
    kept.mining_state = snapshot.mining_state;
    kept.hashrate.realtime = snapshot.hashrate.current();
    kept.power = snapshot.power;
    kept.power_limit = snapshot.power_limit;
    kept.fans.clone_from(&snapshot.fans);
    kept.pools = snapshot.pools.iter().map(kept_pool).collect();
    kept.tuning = snapshot.tuning.clone();
    kept.uptime = snapshot.uptime;
    kept.elapsed = snapshot.elapsed;
    kept.light = snapshot.light;
    kept.errors.clone_from(&snapshot.errors);
    Box::new(kept)
}

fn kept_pool(pool: &bitlink_model::Pool) -> bitlink_model::Pool {
    let mut kept = bitlink_model::Pool::default();
    kept.id = pool.id;
    kept.url = pool.url.as_deref().map(without_password).map(Text::from);
    kept.user.clone_from(&pool.user);
    kept.priority = pool.priority;
    kept.status = pool.status;
    kept.connected = pool.connected;
    kept.active = pool.active;
    kept
}

/// `scheme://user:password@host` without the password.
pub(crate) fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let Some((login, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = login.split(':').next().unwrap_or_default();
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{user}:…@{host}")
}
