//! What is kept of a fleet on this machine: where that is, how it is opened, and what goes wrong with it in words. No rules of the
//! business in here.

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::text::{clean, so_many};
use bitlink_miner_manager::store::StoreError;
use bitlink_miner_manager::{Change, Conflict, FleetRegistry, Miner, RegistryFailure, Sweep};
use clap::Args;
use etcetera::BaseStrategy;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where data is kept.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Where the fleet's data is kept [default: `bitlink` in the user's data directory, as `~/.local/share`]
    #[arg(long, value_name = "DIR", env = "BITLINK_DATA", global = true)]
    data: Option<PathBuf>,
}

impl Data {
    pub(crate) fn dir(&self) -> Result<PathBuf, Failure> {
        self.dir_or(None)
    }

    /// The same, where a configuration may name one; the command line goes before it.
    pub(crate) fn dir_or(&self, configured: Option<&Path>) -> Result<PathBuf, Failure> {
        match self.data.as_deref().or(configured) {
            Some(dir) => Ok(dir.to_path_buf()),
            None => match etcetera::choose_base_strategy() {
                Ok(strategy) => Ok(strategy.data_dir().join("bitlink")),
                Err(error) => Err(Failure::usage("this user has no home directory")
                    .because(&error)
                    .hint("say where data is to be kept with --data DIR or BITLINK_DATA")),
            },
        }
    }

    /// Opens it to be changed.
    pub(crate) fn open(&self, console: Console) -> Result<FleetRegistry, Failure> {
        Ok(told(FleetRegistry::open(&self.dir()?)?, console))
    }

    /// Opens it for what people change, which a running service takes in.
    pub(crate) fn open_for_edits(&self, console: Console) -> Result<FleetRegistry, Failure> {
        Ok(told(FleetRegistry::open_for_edits(&self.dir()?)?, console))
    }

    /// Opens it to be read, beside whoever writes.
    pub(crate) fn read(&self, console: Console) -> Result<FleetRegistry, Failure> {
        Ok(told(FleetRegistry::read(&self.dir()?)?, console))
    }
}

const REPAIR: &str =
    "`bitlink fleet repair` makes a new database of what can be read, and keeps the damaged one";

/// Says what is wrong with data that is damaged, and lets it be read.
fn told(registry: FleetRegistry, console: Console) -> FleetRegistry {
    if let Some(damage) = registry.damage() {
        console.note(&format!(
            "warning: {}; what can be read is shown, and nothing can be changed",
            clean(&damage.to_string())
        ));
        console.note(&format!("hint: {REPAIR}"));
    }
    registry
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (exit, hint) = match &error {
            StoreError::Missing { .. } => {
                (Exit::NothingFound, "`bitlink scan TARGET... --save` begins with it")
            }
            StoreError::InUse { .. } => {
                (Exit::SomeFailed, "end that process first; `bitlink fleet` works beside a service")
            }
            StoreError::Newer { .. } => {
                (Exit::SomeFailed, "install a newer version of bitlink; this one would lose data")
            }
            StoreError::Corrupt { .. } => (Exit::SomeFailed, REPAIR),
            StoreError::Full { .. } => {
                (Exit::SomeFailed, "make room and do it again; nothing that was kept is lost")
            }
            StoreError::Foreign { .. } => (Exit::Usage, "name another directory with --data"),
            _ => return Self::of(Exit::SomeFailed, &error),
        };
        Self::of(exit, &error).hint(hint)
    }
}

impl From<RegistryFailure> for Failure {
    fn from(error: RegistryFailure) -> Self {
        match error {
            RegistryFailure::Store(error) => error.into(),
            RegistryFailure::NotKnown { .. } => {
                Self::of(Exit::NothingFound, &error).hint("`bitlink fleet list` has all of them")
            }
            RegistryFailure::Ambiguous { .. } => Self::of(Exit::Usage, &error).hint("give the id"),
            RegistryFailure::Service(_) => Self::of(Exit::SomeFailed, &error),
            RegistryFailure::ReadOnly { .. } => Self::of(Exit::SomeFailed, &error).hint(REPAIR),
            RegistryFailure::Lines { ref lines, .. } => {
                const SHOWN: usize = 20;
                let failure = lines
                    .iter()
                    .take(SHOWN)
                    .fold(Self::of(Exit::Usage, &error), |failure, line| failure.because(line));
                failure.hint("--partial takes the other lines in all the same")
            }
            error => Self::of(Exit::Usage, &error),
        }
    }
}

/// A scan whose miners are taken up into the registry.
#[derive(Debug)]
pub(crate) struct Saving {
    registry: FleetRegistry,
    sweep: Sweep,
    counts: Counts,
    conflicts: Vec<String>,
}

#[derive(Debug, Default)]
struct Counts {
    met: u64,
    new: u64,
    back: u64,
    moved: u64,
    swapped: u64,
}

impl Saving {
    pub(crate) fn open(data: &Data, console: Console) -> Result<Self, Failure> {
        let mut registry = data.open(console)?;
        // Before the scan and not after it: nothing may be in the way.
        registry.save()?;
        let sweep = registry.begin_sweep();
        Ok(Self { registry, sweep, counts: Counts::default(), conflicts: Vec::new() })
    }

    /// Takes a miner up, and gives it the id by which it is known.
    pub(crate) fn met(&mut self, miner: &mut Miner) {
        let Some(met) = self.registry.observe(miner, Some(self.sweep)) else { return };
        miner.id = met.id;
        self.counts.met += 1;
        match met.change {
            Change::New => self.counts.new += 1,
            Change::Back => self.counts.back += 1,
            Change::Moved { .. } => self.counts.moved += 1,
            Change::BoardSwapped { .. } => self.counts.swapped += 1,
            _ => {}
        }
        self.conflicts.extend(met.conflicts.iter().map(|conflict| in_words(miner, conflict)));
    }

    /// Keeps what was met, and says what that was.
    pub(crate) fn keep(&mut self) -> Result<Value, Failure> {
        self.registry.save()?;
        let Counts { met, new, back, moved, swapped } = self.counts;
        Ok(json!({
            "data": self.registry.dir(), "known": self.registry.registry().len(), "met": met, "new": new, "back": back,
            "moved": moved, "control_boards_swapped": swapped, "conflicts": self.conflicts,
        }))
    }

    /// The same for people.
    pub(crate) fn notes(&self) -> Vec<String> {
        let Counts { met, new, back, moved, swapped } = self.counts;
        let parts: Vec<String> = [
            (new, "new"),
            (back, "back after being forgotten"),
            (moved, "moved"),
            (swapped, "with another control board"),
        ]
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", crate::text::count(*n)))
        .collect();
        let parts = if parts.is_empty() { "all as before".to_owned() } else { parts.join(", ") };
        let saved = format!(
            "saved {} in {}: {parts}",
            so_many(met, "miner", "miners"),
            clean(&self.registry.dir().to_string_lossy())
        );
        self.conflicts.iter().map(|conflict| format!("warning: {}", clean(conflict))).chain([saved]).collect()
    }
}

fn in_words(miner: &Miner, conflict: &Conflict) -> String {
    let place = |place: std::net::SocketAddr| crate::columns::address(place.ip(), place.port());
    let other = conflict.elsewhere.map(|at| format!(" at {}", place(at))).unwrap_or_default();
    format!(
        "{} is also that of {}{other}: met at {}",
        conflict.evidence,
        conflict.with,
        crate::columns::address(miner.ip, miner.port)
    )
}
