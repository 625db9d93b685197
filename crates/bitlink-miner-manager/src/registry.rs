//! [`FleetRegistry`]: the machines of a data directory. Joins the monitor's registry, which says who is who, with the store, which
//! keeps it; decides nothing of its own.

mod import;
mod journal;

pub use import::{Imported, sheet_edits};
pub use journal::StoreJournal;

use crate::service::control::{self, Refusal};
use bitlink_model::{Mac, Miner, MinerId, MinerRecord, RecordEdit};
use bitlink_monitor::{Observed, Registry, RegistryChange, RegistryError, Sighting, Sweep};
use bitlink_store::history::Tick;
use bitlink_store::sheet::{self, LineError, SheetError};
use bitlink_store::{Reader, Store, StoreError};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Why something could not be done with what is kept of a fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryFailure {
    /// The directory or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// User: no such machine, or a text that cannot be kept.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Operator: the data was opened for reading only; the source says why, if it was not by wish.
    #[error("the data in {dir} is open for reading only")]
    ReadOnly {
        /// Which directory.
        dir: PathBuf,
        /// The damage that was met when it was opened.
        #[source]
        source: Option<StoreError>,
    },
    /// User: nothing is known by that.
    #[error("no miner is known by {text:?}")]
    NotKnown {
        /// What was given.
        text: String,
    },
    /// User: more machines than one are.
    #[error("{text:?} is more than one miner: {}", list(.ids))]
    Ambiguous {
        /// What was given.
        text: String,
        /// Which they are.
        ids: Vec<MinerId>,
    },
    /// Operator or user: the service that has the data did not take a change.
    #[error(transparent)]
    Service(#[from] Refusal),
    /// User: a sheet that cannot be read as a whole.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// User: lines of a sheet that cannot be used. Nothing was changed.
    #[error("{} of {total} lines cannot be used, and nothing was changed", .lines.len())]
    Lines {
        /// Which lines, and why.
        lines: Vec<LineError>,
        /// How many lines there are.
        total: usize,
    },
}

fn list(ids: &[MinerId]) -> String {
    ids.iter().take(8).map(MinerId::to_string).collect::<Vec<_>>().join(", ")
}

/// The machines of a data directory: who they are, where they stand, and what people wrote about them.
///
/// ```
/// use bitlink_miner_manager::{Fleet, FleetRegistry};
/// # use bitlink_miner_manager::transport::MemoryTransport;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = std::env::temp_dir().join(format!("bitlink-doc-{}", std::process::id()));
/// # let fleet = Fleet::over(std::sync::Arc::new(MemoryTransport::new()));
/// let mut registry = FleetRegistry::open(&dir)?;
/// let (miners, _report) = fleet.discover("10.0.0.0/29").await?;
/// let sweep = registry.begin_sweep();
/// for miner in &miners {
///     if let Some(met) = registry.observe(miner, Some(sweep)) {
///         println!("{} {:?}", met.id, met.change);
///     }
/// }
/// // On the disk once this returns, whatever happens to the process.
/// registry.save()?;
/// # drop(registry); std::fs::remove_dir_all(dir)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FleetRegistry {
    registry: Registry,
    dir: PathBuf,
    store: Option<Arc<Store>>,
    /// Another process has the data, and takes what people change.
    at_service: bool,
    damage: Option<StoreError>,
}

impl FleetRegistry {
    fn of(registry: Registry, dir: &Path, damage: Option<StoreError>) -> Self {
        Self { registry, dir: dir.to_path_buf(), store: None, at_service: false, damage }
    }

    /// Opens a data directory for [changes that people make](FleetRegistry::edit). Where a [`Service`](crate::Service) has it, they
    /// are handed to that one and kept by it; what is met cannot be taken up then.
    ///
    /// # Errors
    /// As [`FleetRegistry::open`].
    pub fn open_for_edits(dir: &Path) -> Result<Self, StoreError> {
        match Self::open(dir) {
            Err(StoreError::InUse { .. }) if control::is_open(dir) => {
                Ok(Self { at_service: true, ..Self::read(dir)? })
            }
            opened => opened,
        }
    }

    /// Opens a data directory for writing, making it where there is none. No other process can meanwhile. A damaged database is
    /// opened for reading, as far as it goes: [`FleetRegistry::damage`] says so, and [`repair`](bitlink_store::repair()) helps.
    ///
    /// # Errors
    /// [`StoreError`], where nothing can be read at all or another process has the directory.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = match Store::open(dir) {
            Ok(store) => store,
            Err(damage) if damage.is_corrupt() => return Self::damaged(dir, damage),
            Err(error) => return Err(error),
        };
        let contents = store.reader()?.contents();
        let damage = contents.damage(&bitlink_store::database_in(dir));
        // What is damaged is not written over.
        let store = damage.is_none().then(|| Arc::new(store));
        let registry = Registry::from_records(contents.records);
        Ok(Self { store, ..Self::of(registry, dir, damage) })
    }

    /// Opens a data directory for reading, also while another process writes: as it is at this moment.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where nothing was ever kept, and others.
    pub fn read(dir: &Path) -> Result<Self, StoreError> {
        match Reader::open(dir) {
            Ok(reader) => {
                let contents = reader.contents();
                let damage = contents.damage(&bitlink_store::database_in(dir));
                let registry = Registry::from_records(contents.records);
                Ok(Self::of(registry, dir, damage))
            }
            Err(damage) if damage.is_corrupt() => Self::damaged(dir, damage),
            Err(error) => Err(error),
        }
    }

    fn damaged(dir: &Path, damage: StoreError) -> Result<Self, StoreError> {
        let contents = match Reader::open(dir) {
            Ok(reader) => reader.contents(),
            // Not even the beginning can be read.
            Err(error) if error.is_corrupt() => bitlink_store::Contents::default(),
            Err(error) => return Err(error),
        };
        let registry = Registry::from_records(contents.records);
        Ok(Self::of(registry, dir, Some(damage)))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is wrong with the database, if it is damaged. Then not everything may be here, and nothing can be changed.
    pub fn damage(&self) -> Option<&StoreError> {
        self.damage.as_ref()
    }

    /// Who is who.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The registry for a monitor, and where it is kept: `None` where it is open for reading only. What was not
    /// [saved](FleetRegistry::save) is told by the registry again.
    pub fn into_parts(self) -> (Registry, Option<StoreJournal>) {
        (self.registry, self.store.map(StoreJournal::new))
    }

    /// Begins a scan, which asks each address once.
    pub fn begin_sweep(&mut self) -> Sweep {
        self.registry.begin_sweep()
    }

    /// Takes up that a miner was read, and says which machine it is; `None` if it was not read. Kept by the next
    /// [`FleetRegistry::save`].
    pub fn observe(&mut self, miner: &Miner, sweep: Option<Sweep>) -> Option<Observed> {
        let sighting = Sighting::of(miner)?;
        Some(self.registry.observe(&match sweep {
            Some(sweep) => sighting.in_sweep(sweep),
            None => sighting,
        }))
    }

    /// Keeps everything that has changed, and returns when it is on the disk. Says how many records that were. Blocks.
    ///
    /// # Errors
    /// [`RegistryFailure::Store`] or [`RegistryFailure::ReadOnly`]; then it can be tried again.
    pub fn save(&mut self) -> Result<usize, RegistryFailure> {
        let store = Arc::clone(self.store()?);
        let mut changes = self.registry.take_changes();
        changes.extend(self.registry.take_touched());
        let kept = store.write(changes.iter().filter_map(journal::record_change).collect());
        match kept {
            Ok(()) => Ok(changes.len()),
            Err(error) => {
                self.registry.not_kept(&changes);
                Err(error.into())
            }
        }
    }

    /// Keeps readings and events of the past, in the order of their times, and returns when they are on the disk: for what was
    /// recorded elsewhere, or is made up. All of it or nothing. Blocks.
    ///
    /// # Errors
    /// [`RegistryFailure::Store`] or [`RegistryFailure::ReadOnly`]; then it can be tried again.
    pub fn keep_past(&self, ticks: Vec<Tick>) -> Result<(), RegistryFailure> {
        Ok(self.store()?.write_past(ticks)?)
    }

    /// The machine that a text names: its id or the beginning of it, a hardware address, an address with or without port, a
    /// serial number, a host name, or a label that it alone has.
    ///
    /// # Errors
    /// [`RegistryFailure::NotKnown`] or [`RegistryFailure::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<MinerId, RegistryFailure> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let is_id = lower.len() == 16;
        let is_beginning = lower.len() >= 4 && lower.bytes().all(|b| b.is_ascii_hexdigit());
        let mac: Option<Mac> = text.parse().ok();
        let ip: Option<IpAddr> = text.parse().ok();
        let endpoint: Option<SocketAddr> = text.parse().ok();
        let same = |a: &str| a.eq_ignore_ascii_case(text);
        let is_at = |at: Option<SocketAddr>| at.is_some_and(|at| Some(at.ip()) == ip || Some(at) == endpoint);
        // In this order: the first by which anything is known decides.
        let ways: [&dyn Fn(&MinerRecord) -> bool; 9] = [
            &|record| is_id && record.id.to_string() == lower,
            &|record| mac.is_some() && record.mac() == mac,
            &|record| is_at(record.endpoint),
            &|record| record.serial().is_some_and(same),
            &|record| record.control_board_serials.iter().any(|seen| seen.current && same(&seen.value)),
            &|record| record.identity.hostname.as_deref().is_some_and(same),
            &|record| is_beginning && record.id.to_string().starts_with(&lower),
            &|record| is_at(record.last_endpoint()),
            &|record| record.labels.iter().any(|label| same(label)),
        ];
        for way in ways {
            let found: Vec<MinerId> =
                self.registry.records().filter(|record| way(record)).map(|record| record.id).collect();
            match found.as_slice() {
                [] => {}
                [id] => return Ok(*id),
                _ => return Err(RegistryFailure::Ambiguous { text: text.to_owned(), ids: found }),
            }
        }
        Err(RegistryFailure::NotKnown { text: text.to_owned() })
    }

    /// Changes what is written about machines, and keeps it. Says how many are different now. All or none.
    ///
    /// # Errors
    /// [`RegistryFailure`].
    pub fn edit(&mut self, ids: &[MinerId], edit: &RecordEdit) -> Result<usize, RegistryFailure> {
        self.edit_each(&ids.iter().map(|id| (*id, edit)).collect::<Vec<_>>())
    }

    fn edit_each(&mut self, edits: &[(MinerId, &RecordEdit)]) -> Result<usize, RegistryFailure> {
        if self.at_service {
            let edits = edits.iter().map(|(id, edit)| (*id, RecordEdit::clone(edit))).collect();
            return Ok(control::amend(&self.dir, edits, Vec::new())?);
        }
        self.store()?;
        let changed = self.registry.amend(edits, &[], SystemTime::now().into())?;
        self.save()?;
        Ok(changed)
    }

    /// Forgets machines and what is written about them, and keeps that. All or none.
    ///
    /// # Errors
    /// [`RegistryFailure`].
    pub fn forget(&mut self, ids: &[MinerId]) -> Result<(), RegistryFailure> {
        if self.at_service {
            control::amend(&self.dir, Vec::new(), ids.to_vec())?;
            return Ok(());
        }
        self.store()?;
        self.registry.amend(&[], ids, SystemTime::now().into())?;
        self.save()?;
        Ok(())
    }

    /// Writes a sheet of all machines: [`sheet`].
    ///
    /// # Errors
    /// Those of the writer.
    pub fn export(&self, to: impl io::Write) -> io::Result<()> {
        sheet::write(to, self.by_place().into_iter().map(AsRef::<MinerRecord>::as_ref))
    }

    /// All machines in the order of where they stand, then of where they answer.
    pub fn by_place(&self) -> Vec<&Arc<MinerRecord>> {
        let mut records: Vec<&Arc<MinerRecord>> = self.registry.records().collect();
        records.sort_by_cached_key(|record| {
            let unplaced = record.position.is_unknown();
            (unplaced, record.position.clone(), record.last_endpoint(), record.id)
        });
        records
    }

    fn store(&self) -> Result<&Arc<Store>, RegistryFailure> {
        self.store
            .as_ref()
            .ok_or_else(|| RegistryFailure::ReadOnly { dir: self.dir.clone(), source: self.damage.clone() })
    }
}

#[cfg(test)]
pub(crate) mod tests;
