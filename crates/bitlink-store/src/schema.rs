//! The format of the file and how an older one becomes it. Each step forward is one entry of a list; the number of steps is the
//! version that SQLite's `user_version` holds. Nothing goes backward: before the first step a copy of the file is kept.

use crate::error::StoreError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::fs;
use std::path::{Path, PathBuf};

/// "BLMM", by which the file is known as ours.
pub(crate) const APPLICATION: i64 = 0x424c_4d4d;

/// The steps, from an empty file on. A step that was released is never changed.
///
/// Names of tables begin with what they belong to. Of the registry: one row for each machine, with the whole record as JSON,
/// what is needed to look for it in columns of its own, and the checksum of the text, which finds what SQLite does not look
/// for. `id` is the record's id as a signed number, to be joined with readings over time.
///
/// Of history: `num` is the number under which a machine or group is kept, of which 1,024 are a slab; `history_row` has what is not in
/// chunks yet, in the order in which it was written, since a clock may go back; a block is of one slab and some time, and its chunks are
/// those from 256 times its number on. Nothing is looked for in chunks but by their number, so all of them are written at the end.
pub(crate) const STEPS: &[&str] = &[
    "
    CREATE TABLE registry_miner (
        id INTEGER PRIMARY KEY,
        record TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        last_seen_ms INTEGER NOT NULL,
        forgotten_ms INTEGER
    ) STRICT;
",
    "
    CREATE TABLE history_series (num INTEGER PRIMARY KEY, miner INTEGER, name TEXT) STRICT;
    CREATE INDEX history_series_miner ON history_series (miner);
    CREATE TABLE history_row (
        seq INTEGER PRIMARY KEY,
        tier INTEGER NOT NULL,
        slab INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX history_row_slab ON history_row (tier, slab, at_ms);
    CREATE TABLE history_block (
        id INTEGER PRIMARY KEY,
        tier INTEGER NOT NULL,
        slab INTEGER NOT NULL,
        from_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX history_block_slab ON history_block (tier, slab, until_ms);
    CREATE TABLE history_chunk (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    CREATE TABLE history_event (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        miner INTEGER,
        kind INTEGER NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    CREATE INDEX history_event_at ON history_event (at_ms);
    CREATE INDEX history_event_miner ON history_event (miner, kind, at_ms);
",
    "CREATE TABLE alerts_item (key TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;",
];

/// The step that brought history.
pub(crate) const HISTORY: i64 = 2;
/// The step that brought alerts.
pub(crate) const ALERTS: i64 = 3;

/// Which format a file has. Zero is a file in which nothing was ever kept.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let of = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = of("application_id")
        .and_then(|id| Ok((id, of("user_version")?)))
        .map_err(|e| StoreError::of(path, e))?;
    let first = "SELECT name FROM sqlite_schema LIMIT 1";
    let first = connection.query_row(first, [], |row| row.get::<_, String>(0)).optional();
    let is_empty = first.map_err(|error| StoreError::of(path, error))?.is_none();
    if application == APPLICATION || (is_empty && application == 0 && version == 0) {
        Ok(version)
    } else {
        Err(StoreError::Foreign { path: path.to_path_buf() })
    }
}

/// Brings a file to the latest format. Returns where the copy of the older one is, if it was older.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error| StoreError::of(path, error);
    let found = version(connection, path)?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    if found == known {
        return Ok(None);
    }
    let copy = if found > 0 { Some(keep_copy(connection, path, found)?) } else { None };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    tracing::info!(path = %path.display(), from = found, to = known, "the format of the database is new");
    Ok(copy)
}

/// A copy of the file as it is, beside it. A copy that an earlier attempt left is replaced: the file has not changed since.
fn keep_copy(connection: &Connection, path: &Path, version: i64) -> Result<PathBuf, StoreError> {
    let copy = beside(path, &format!("format-{version}"));
    let unfinished = beside(path, "unfinished");
    let trouble = |source| StoreError::file(&unfinished, source);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(trouble(error)),
        _ => {}
    }
    let into = unfinished.to_string_lossy();
    connection.execute("VACUUM INTO ?1", [&*into]).map_err(|error| StoreError::of(path, error))?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(trouble)?;
    fs::rename(&unfinished, &copy).map_err(trouble)?;
    Ok(copy)
}

/// A file of that name beside the database: `bitlink.db.format-1`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
