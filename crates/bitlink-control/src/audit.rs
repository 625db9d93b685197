//! The audit log: who did what, when, to which machine, and what came of it. Lines are only ever added, and each carries the SHA-256
//! of itself and the one before, so that a line that was changed, taken out or moved breaks the chain from there on.
//!
//! What it cannot do: whoever may write both the log and its head can make a new chain of other lines. Where that matters, keep
//! the hash of the last line somewhere else (`bitlink audit verify` prints it).

use crate::journal::Record;
use crate::marks::Marks;
use crate::outcome::{Counts, Outcome};
use crate::plan::{Plan, PlanId};
use crate::policy::Policy;
use bitlink_model::{Action, MinerSnapshot, Power, Timestamp};
use bitlink_transport::Endpoint;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A plan began.
    PlanBegun {
        /// Which.
        plan: PlanId,
        /// What was to be done, without secrets.
        what: Action,
        /// The plan that it takes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<PlanId>,
        /// To how many machines.
        targets: usize,
        /// How many were left out.
        skipped: usize,
        /// Power that it switches.
        #[serde(rename = "power_w")]
        power: Power,
        /// How carefully.
        policy: Box<Policy>,
    },
    /// A plan was taken up again.
    PlanResumed {
        /// Which.
        plan: PlanId,
    },
    /// A command goes out.
    Command {
        /// Of which plan.
        plan: PlanId,
        /// To which of its targets.
        target: u32,
        /// Where that is.
        endpoint: Endpoint,
        /// Who that is.
        machine: Marks,
        /// What it is told, without secrets.
        what: Action,
        /// How it was before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Box<MinerSnapshot>>,
    },
    /// What became of a target.
    Outcome {
        /// Of which plan.
        plan: PlanId,
        /// Which of its targets.
        target: u32,
        /// Where that is.
        endpoint: Endpoint,
        /// Who that is.
        machine: Marks,
        /// What became of it.
        #[serde(flatten)]
        outcome: Outcome,
        /// What the miner said to the command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
        /// How it was afterwards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Box<MinerSnapshot>>,
    },
    /// No more is done for a plan.
    PlanEnded {
        /// Which.
        plan: PlanId,
        /// What it came to.
        counts: Counts,
        /// Why it stopped before its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stopped: Option<String>,
    },
    /// Somebody changed what passwords are kept.
    Credentials {
        /// For whom.
        scope: String,
        /// Whether they are kept now, or no more.
        kept: bool,
    },
}

impl Event {
    /// What a record of a journal means.
    pub(crate) fn of(record: &Record, plan: &Plan) -> Option<(Timestamp, Self)> {
        let id = || plan.id.clone();
        let target = |number: u32| usize::try_from(number).ok().and_then(|index| plan.targets.get(index));
        Some(match record {
            Record::Plan { at, plan: begun, .. } => (
                *at,
                Self::PlanBegun {
                    plan: id(),
                    what: begun.action.clone(),
                    undoes: begun.undoes.clone(),
                    targets: begun.targets.len(),
                    skipped: begun.skipped.len(),
                    power: begun.power,
                    policy: Box::new(begun.policy.clone()),
                },
            ),
            Record::Resumed { at, .. } => (*at, Self::PlanResumed { plan: id() }),
            Record::Intent { at, target: number, before } => {
                let target = target(*number)?;
                let event = Self::Command {
                    plan: id(),
                    target: *number,
                    endpoint: target.endpoint,
                    machine: target.marks.clone(),
                    what: plan.action_for(target),
                    before: before.clone(),
                };
                (*at, event)
            }
            Record::Outcome { at, target: number, outcome, said, after } => {
                let target = target(*number)?;
                let event = Self::Outcome {
                    plan: id(),
                    target: *number,
                    endpoint: target.endpoint,
                    machine: target.marks.clone(),
                    outcome: outcome.clone(),
                    said: said.clone(),
                    after: after.clone(),
                };
                (*at, event)
            }
            Record::Ended { at, counts, stopped } => {
                (*at, Self::PlanEnded { plan: id(), counts: *counts, stopped: stopped.clone() })
            }
        })
    }

    /// The plan that it is about.
    pub const fn plan(&self) -> Option<&PlanId> {
        match self {
            Self::PlanBegun { plan, .. }
            | Self::PlanResumed { plan }
            | Self::Command { plan, .. }
            | Self::Outcome { plan, .. }
            | Self::PlanEnded { plan, .. } => Some(plan),
            Self::Credentials { .. } => None,
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: String,
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// On whose account.
    pub actor: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
    /// Its own hash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// The log of a data directory.
#[derive(Debug, Clone)]
pub struct AuditLog {
    log: PathBuf,
    head: PathBuf,
    /// What the file came to when this last wrote it: its length, and the end of the chain.
    known: Option<(u64, Head)>,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    seq: u64,
    hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: "0".repeat(HASH) }
    }
}

/// Letters of a hash.
const HASH: usize = 64;
/// Faults that are named one by one.
const FAULTS: usize = 100;

/// What a check of the log found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// How many lines it has.
    pub lines: u64,
    /// The hash of the last one.
    pub last: Option<String>,
    /// What is wrong, the first hundred.
    pub faults: Vec<Fault>,
    /// How many more are wrong.
    pub more: u64,
}

/// One thing that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// In which line of the file, from 1.
    pub line: u64,
    /// What.
    pub what: String,
}

/// A check that went well has no faults.
pub type Audited = Result<Verdict, AuditError>;

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
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
    /// A line does not read.
    #[error("{}: line {line} does not read; `bitlink audit verify` says more", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
    },
}

impl Verdict {
    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, line: u64, what: impl Into<String>) {
        if self.faults.len() < FAULTS {
            self.faults.push(Fault { line, what: what.into() });
        } else {
            self.more += 1;
        }
    }
}

impl AuditLog {
    /// The log of a data directory. Nothing is made until a line is added.
    pub fn in_dir(data: &Path) -> Self {
        Self { log: data.join("audit.ndjson"), head: data.join("audit.head"), known: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.log
    }

    /// Adds lines, and returns when they are safe. Processes take turns.
    ///
    /// # Errors
    /// [`AuditError::File`]: then none of them counts as written.
    pub fn append(
        &mut self,
        events: impl IntoIterator<Item = (Timestamp, String, Event)>,
    ) -> Result<(), AuditError> {
        let mut events = events.into_iter().peekable();
        if events.peek().is_none() {
            return Ok(());
        }
        let file = crate::journal::private().create(true).read(true).append(true).open(&self.log);
        let mut file = file.map_err(|error| self.failed("opened", error))?;
        file.lock().map_err(|error| self.failed("locked", error))?;
        let (sound, mut head) = self.end(&mut file)?;
        let mut lines = Vec::new();
        for (at, actor, event) in events {
            let seq = head.seq.saturating_add(1);
            let line = Line { seq, prev: head.hash, at, actor, event, hash: String::new() };
            let mut body =
                serde_json::to_string(&line).map_err(|error| self.failed("written", error.into()))?;
            let hash = hash(&body);
            body.pop();
            // Writing to a String cannot fail.
            let _ = writeln!(body, ",\"hash\":\"{hash}\"}}");
            lines.extend_from_slice(body.as_bytes());
            head = Head { seq, hash };
        }
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            // Half a line must not be followed by another.
            let _ = file.set_len(sound);
            return Err(self.failed("written", error));
        }
        let length = sound.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.keep_head(&head).map_err(|error| self.failed("written", error))?;
        self.known = Some((length, head));
        Ok(())
    }

    /// Where the whole lines end, and the end of their chain. What a crash left of a line is cut off.
    fn end(&self, file: &mut File) -> Result<(u64, Head), AuditError> {
        let read = |error| self.failed("read", error);
        let length = file.metadata().map_err(read)?.len();
        if let Some((known, head)) = &self.known
            && *known == length
        {
            return Ok((length, head.clone()));
        }
        let (mut from, mut tail) = (length, Vec::new());
        let found = loop {
            let until = tail.iter().rposition(|byte| *byte == b'\n');
            // The line before that end begins after the end before.
            let begin = until.and_then(|until| tail.get(..until)?.iter().rposition(|byte| *byte == b'\n'));
            match (begin, until) {
                (Some(begin), Some(until)) => break Some((begin + 1, until)),
                (None, Some(until)) if from == 0 => break Some((0, until)),
                (None, None) if from == 0 => break None,
                _ => {}
            }
            let step = from.min(64 << 10);
            from -= step;
            file.seek(SeekFrom::Start(from)).map_err(read)?;
            let mut piece = vec![0; usize::try_from(step).unwrap_or(0)];
            file.read_exact(&mut piece).map_err(read)?;
            piece.extend_from_slice(&tail);
            tail = piece;
        };
        let Some((begin, until)) = found else {
            file.set_len(0).map_err(read)?;
            return Ok((0, Head::default()));
        };
        let sound = from.saturating_add(u64::try_from(until).unwrap_or(0)).saturating_add(1);
        if sound < length {
            file.set_len(sound).map_err(read)?;
        }
        let line = tail.get(begin..until).unwrap_or_default();
        // A last line that somebody damaged is told by the check; the chain goes on from what it is now.
        let head = serde_json::from_slice::<Head>(line).unwrap_or_default();
        Ok((sound, head))
    }

    fn keep_head(&self, head: &Head) -> io::Result<()> {
        let draft = self.head.with_extension("head.new");
        let mut file = crate::journal::private().create(true).truncate(true).write(true).open(&draft)?;
        serde_json::to_writer(&mut file, head)?;
        file.write_all(b"\n")?;
        fs::rename(&draft, &self.head)
    }

    /// The lines in order.
    ///
    /// # Errors
    /// [`AuditError::File`] when the log cannot be opened; each line that does not read is an error of its own. No log is no
    /// line.
    pub fn lines(&self) -> Result<impl Iterator<Item = Result<Line, AuditError>> + use<>, AuditError> {
        let file = match File::open(&self.log) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("opened", error)),
        };
        let path = self.log.clone();
        let lines = file.into_iter().flat_map(|file| BufReader::new(file).split(b'\n')).zip(1_u64..);
        Ok(lines.map(move |(text, line)| {
            let damaged = || AuditError::Damaged { path: path.clone(), line };
            match text {
                Ok(text) => serde_json::from_slice(&text).map_err(|_damage| damaged()),
                Err(error) => {
                    Err(AuditError::File { path: path.clone(), doing: "read", source: Arc::new(error) })
                }
            }
        }))
    }

    /// Checks the whole chain: lines that were changed, taken out, put in or moved, and an end that was cut off.
    ///
    /// # Errors
    /// [`AuditError::File`] when the log cannot be read. What is wrong with it is the verdict.
    pub fn verify(&self) -> Audited {
        let mut verdict = Verdict::default();
        let (mut head, mut marked) = (Head::default(), None);
        let kept = match fs::read(&self.head) {
            Ok(text) => match serde_json::from_slice::<Head>(&text) {
                Ok(kept) => Some(kept),
                Err(_damage) => {
                    verdict.fault(0, "its head does not read");
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("read", error)),
        };
        let file = match File::open(&self.log) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("opened", error)),
        };
        let had_log = file.is_some();
        for (line, number) in file.into_iter().flat_map(|file| Lines(BufReader::new(file))).zip(1_u64..) {
            let (text, is_whole) = line.map_err(|error| self.failed("read", error))?;
            if !is_whole {
                verdict.fault(number, "the last line is not whole, as a crash leaves it");
                break;
            }
            verdict.lines = number;
            head = check(&text, number, &head, &mut verdict);
            if kept.as_ref().is_some_and(|kept| kept.seq == head.seq) {
                marked = Some(head.hash.clone());
            }
        }
        match (&kept, marked) {
            (Some(kept), Some(hash)) if kept.hash != hash => {
                verdict.fault(kept.seq, "the line at which its head points is another");
            }
            (Some(kept), None) if kept.seq > 0 => {
                let what = format!("it was cut off: its head points at line {}", kept.seq);
                verdict.fault(verdict.lines + 1, what);
            }
            (None, _) if had_log && verdict.lines > 0 && verdict.faults.is_empty() => {
                verdict.fault(0, "its head is missing, so that nobody can tell whether it was cut off");
            }
            _ => {}
        }
        verdict.last = (head.seq > 0).then_some(head.hash);
        Ok(verdict)
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> AuditError {
        AuditError::File { path: self.log.clone(), doing, source: Arc::new(error) }
    }
}

/// Checks one line against the end of the chain before it; the end of the chain with it.
fn check(text: &[u8], number: u64, before: &Head, verdict: &mut Verdict) -> Head {
    let Some((body, hash_told)) = apart(text) else {
        verdict.fault(number, "is no line of this log");
        return before.clone();
    };
    let hash_is = hash(&body);
    if hash_is != hash_told {
        verdict.fault(number, "was changed: its hash is not that of what it says");
    }
    let Ok(Links { seq, prev }) = serde_json::from_str(&body) else {
        verdict.fault(number, "is no line of this log");
        return before.clone();
    };
    if seq != before.seq.saturating_add(1) {
        let what = format!("has number {seq} after {}: lines were taken out, put in or moved", before.seq);
        verdict.fault(number, what);
    } else if prev != before.hash {
        verdict.fault(number, "does not follow from the line before it");
    }
    Head { seq, hash: hash_told }
}

/// By what a line hangs on the one before.
#[derive(Deserialize)]
struct Links {
    seq: u64,
    prev: String,
}

/// A line without its hash, and the hash.
fn apart(text: &[u8]) -> Option<(String, String)> {
    const MARK: &str = ",\"hash\":\"";
    let text = std::str::from_utf8(text).ok()?;
    let rest = text.strip_suffix("\"}")?;
    let at = rest.len().checked_sub(HASH)?;
    let (body, hash) = (rest.get(..at)?, rest.get(at..)?);
    Some((format!("{}}}", body.strip_suffix(MARK)?), hash.to_owned()))
}

fn hash(body: &str) -> String {
    let mut out = String::with_capacity(HASH);
    for byte in Sha256::digest(body.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Lines, and whether each ends as one.
struct Lines<R>(R);

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<(Vec<u8>, bool)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
                Some(Ok((line, is_whole)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
