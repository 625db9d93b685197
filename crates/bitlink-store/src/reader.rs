//! Reading, beside whoever writes. A reader sees the file as it was when it began, and waits for nobody.

use crate::error::StoreError;
use crate::history::{Event, HistoryReader, Query, Series, Trouble, event, values_at};
use crate::{database_in, items, schema, table};
use bitlink_model::{Metric, MinerId, MinerRecord, Timestamp};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    /// Whether the file is of a version that has history.
    has_history: bool,
    has_items: bool,
}

/// What could be read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Contents {
    /// The records, in the order of the table.
    pub records: Vec<MinerRecord>,
    /// Rows that hold no record, and why not.
    pub damaged: Vec<(MinerId, String)>,
    /// What ended it before the end of the table.
    pub broken: Option<StoreError>,
}

impl Contents {
    /// Whether everything was there.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.broken.is_none()
    }

    /// What is wrong, in words, for the file at a path.
    pub fn damage(&self, path: &Path) -> Option<StoreError> {
        let rows = || {
            let (id, why) = self.damaged.first()?;
            let detail = format!("of {} records, the first is {id}: {why}", self.damaged.len());
            Some(StoreError::Corrupt { path: path.to_path_buf(), detail })
        };
        self.broken.clone().or_else(rows)
    }
}

impl Reader {
    /// Opens the database of a data directory.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where nothing was ever kept, [`StoreError::Newer`], [`StoreError::Foreign`], and
    /// [`StoreError::Corrupt`] where not even the beginning can be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = database_in(dir);
        match fs::metadata(&path) {
            Ok(file) if file.is_file() => {}
            Ok(_) => return Err(StoreError::Foreign { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { dir: dir.to_path_buf() });
            }
            Err(error) => return Err(StoreError::file(&path, error)),
        }
        let mut reader = Self::connect(path)?;
        let found = schema::version(&reader.connection, &reader.path)?;
        let known = i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX);
        match found {
            0 => Err(StoreError::Missing { dir: dir.to_path_buf() }),
            found if found > known => Err(StoreError::Newer { path: reader.path, found, known }),
            found => {
                reader.has_history = found >= schema::HISTORY;
                reader.has_items = found >= schema::ALERTS;
                Ok(reader)
            }
        }
    }

    fn connect(path: PathBuf) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let probe = |connection: &Connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        };
        let opened = Connection::open_with_flags(&path, flags).and_then(|c| probe(&c).map(|()| c));
        let error = match opened {
            Ok(connection) => return Ok(Self { connection, path, has_history: false, has_items: false }),
            Err(error) => error,
        };
        // Where nothing may be written beside the file, its log cannot be read; without a log there is nothing to miss.
        let unwritable =
            matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        if !unwritable || fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            return Err(StoreError::of(&path, error));
        }
        let uri = format!("file:{}?immutable=1", escaped(&path));
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        let opened = Connection::open_with_flags(uri, flags).and_then(|c| probe(&c).map(|()| c));
        match opened {
            Ok(connection) => Ok(Self { connection, path, has_history: false, has_items: false }),
            Err(error) => Err(StoreError::of(&path, error)),
        }
    }

    /// Every record that can be read. What cannot is told in the result and ends nothing.
    pub fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        if let Err(error) = read_all(&self.connection, &mut contents) {
            contents.broken = Some(StoreError::of(&self.path, error));
        }
        contents
    }

    /// Every record, of a database that is whole.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where anything is missing.
    pub fn records(&self) -> Result<Vec<MinerRecord>, StoreError> {
        let contents = self.contents();
        match contents.damage(&self.path) {
            Some(damage) => Err(damage),
            None => Ok(contents.records),
        }
    }
}

impl Reader {
    /// Asks in one view of the file, so that what is being made into chunks meanwhile is seen once.
    fn ask<T>(
        &self,
        nothing: T,
        ask: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        if !self.has_history {
            return Ok(nothing);
        }
        let answer = || {
            let view = self.connection.unchecked_transaction()?;
            ask(&view)
        };
        answer().map_err(|trouble| match trouble {
            Trouble::Database(error) => StoreError::of(&self.path, error),
            Trouble::Damaged(what) => {
                StoreError::Corrupt { path: self.path.clone(), detail: what.to_owned() }
            }
        })
    }

    /// The texts that were kept under keys ([`Store::submit_items`](crate::Store::submit_items)).
    ///
    /// # Errors
    /// Those of the database.
    pub fn items(&self) -> Result<BTreeMap<String, String>, StoreError> {
        if !self.has_items {
            return Ok(BTreeMap::new());
        }
        items::all(&self.connection).map_err(|error| StoreError::of(&self.path, error))
    }

    /// Those of them whose keys begin so.
    ///
    /// # Errors
    /// Those of the database.
    pub fn items_under(&self, prefix: &str) -> Result<BTreeMap<String, String>, StoreError> {
        if !self.has_items {
            return Ok(BTreeMap::new());
        }
        items::under(&self.connection, prefix).map_err(|error| StoreError::of(&self.path, error))
    }

    /// What metrics of every machine came to in a time that ends at a time: of gauges the mean, of others the last.
    ///
    /// # Errors
    /// Those of the database.
    pub fn values_at(
        &self,
        metrics: &[Metric],
        at: Timestamp,
        within: Duration,
    ) -> Result<BTreeMap<MinerId, BTreeMap<Metric, f64>>, StoreError> {
        self.ask(BTreeMap::new(), |view| values_at(view, metrics, at.as_unix_millis(), within))
    }
}

impl HistoryReader for Reader {
    fn series(&self, query: &Query) -> Result<Vec<Series>, StoreError> {
        self.ask(Vec::new(), |view| crate::history::series(view, query))
    }

    fn events(
        &self,
        miner: Option<MinerId>,
        from: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.ask(Vec::new(), |view| {
            Ok(event::between(view, miner, from.as_unix_millis(), until.as_unix_millis(), most)?)
        })
    }

    fn last_events(
        &self,
        miner: Option<MinerId>,
        from: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.ask(Vec::new(), |view| {
            Ok(event::last_between(view, miner, from.as_unix_millis(), until.as_unix_millis(), most)?)
        })
    }

    fn states_at(&self, at: Timestamp) -> Result<Vec<(MinerId, Vec<Event>)>, StoreError> {
        self.ask(Vec::new(), |view| Ok(event::states_at(view, at.as_unix_millis())?))
    }

    fn groups(&self) -> Result<Vec<String>, StoreError> {
        self.ask(Vec::new(), |view| {
            let mut select = view
                .prepare("SELECT name FROM history_series WHERE name IS NOT NULL ORDER BY num")
                .map_err(Trouble::from)?;
            let found = select.query_map(params![], |row| row.get(0))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }
}

pub(crate) fn read_all(connection: &Connection, contents: &mut Contents) -> rusqlite::Result<()> {
    let columns = table::COLUMNS;
    let mut select = connection.prepare(&format!("SELECT {columns} FROM registry_miner ORDER BY id"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, record) = table::record(row)?;
        match record {
            Ok(record) => contents.records.push(record),
            Err(why) => contents.damaged.push((MinerId::from_u64(id.cast_unsigned()), why)),
        }
    }
    Ok(())
}

/// A path in a `file:` address.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '?' => out.push_str("%3f"),
            '#' => out.push_str("%23"),
            c => out.push(c),
        }
    }
    out
}
