//! Repairing: a new file of everything that can be read of a damaged one. The damaged one is kept.

mod history;

use crate::carve::carve;
use crate::error::StoreError;
use crate::lock::Lock;
use crate::reader::{Contents, read_all};
use crate::schema::{self, beside};
use crate::{database_in, items, table};
use bitlink_model::{MinerId, MinerRecord};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// Records that were read as they were kept.
    pub whole: usize,
    /// Records that were found among the bytes of the file only. What people wrote about these machines may be older than
    /// what was kept last, and machines that were forgotten may be among them.
    pub carved: usize,
    /// Rows that were there and could not be read in any way.
    pub lost: usize,
    /// Texts that other layers keep (what alerts know and have still to send, what rules remember) and that could be read.
    pub items: usize,
    /// Whether those are all that there were.
    pub items_complete: bool,
    /// Whether all readings over time and all that has happened are there, or were never.
    pub history_complete: bool,
    /// Where the damaged file is.
    pub kept: PathBuf,
}

/// Makes a new database of what can be read of that of a directory.
///
/// # Errors
/// [`StoreError::InUse`] and others; then the database is as it was. [`StoreError::Newer`] and [`StoreError::Foreign`] are
/// not damage.
pub fn repair(dir: &Path) -> Result<Repaired, StoreError> {
    let lock = Lock::take(dir)?;
    let path = database_in(dir);
    if !fs::exists(&path).map_err(|error| StoreError::file(&path, error))? {
        return Err(StoreError::Missing { dir: dir.to_path_buf() });
    }
    let copy = beside(&path, "copy");
    let fresh = beside(&path, "repaired");
    for leftover in [&copy, &fresh] {
        remove_database(leftover)?;
    }
    // A copy is what is opened, with its log: the original stays as it is to the last byte.
    for (from, to) in files(&path).into_iter().zip(files(&copy)).take(2) {
        copy_if_there(&from, &to)?;
    }
    let mut result = match salvage(&copy, &path).and_then(|found| write(&fresh, &copy, found)) {
        Ok(result) => result,
        Err(error) => {
            remove_database(&copy)?;
            return Err(error);
        }
    };
    remove_database(&copy)?;

    let kept = (1..u32::MAX).map(|n| beside(&path, &format!("damaged-{n}")));
    result.kept = kept.into_iter().find(|kept| !kept.exists()).unwrap_or_else(|| beside(&path, "damaged"));
    for (from, to) in files(&path).into_iter().zip(files(&result.kept)) {
        rename_if_there(&from, &to)?;
    }
    rename_if_there(&fresh, &path)?;
    // The names are on the disk when the directory is.
    #[cfg(unix)]
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| StoreError::file(dir, error))?;
    drop(lock);
    Ok(result)
}

/// The file, its log and the log's shared memory.
fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}

fn unless_missing<T>(path: &Path, done: io::Result<T>) -> Result<(), StoreError> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file(path, error)),
        _ => Ok(()),
    }
}

fn remove_database(path: &Path) -> Result<(), StoreError> {
    files(path).iter().try_for_each(|path| unless_missing(path, fs::remove_file(path)))
}

fn copy_if_there(from: &Path, to: &Path) -> Result<(), StoreError> {
    unless_missing(from, fs::copy(from, to))
}

fn rename_if_there(from: &Path, to: &Path) -> Result<(), StoreError> {
    unless_missing(from, fs::rename(from, to))
}

/// What is left of a database, and what that comes to.
struct Salvaged {
    records: BTreeMap<MinerId, MinerRecord>,
    items: BTreeMap<String, Option<String>>,
    result: Repaired,
}

/// Everything that the copy of a database gives.
fn salvage(copy: &Path, original: &Path) -> Result<Salvaged, StoreError> {
    let mut carved = BTreeMap::new();
    for path in files(original).iter().take(2) {
        unless_missing(path, File::open(path).and_then(|file| carve(file, &mut carved)))?;
    }
    let mut contents = Contents::default();
    let (mut complete, mut items, mut items_complete) = (false, BTreeMap::new(), false);
    if let Ok(connection) = Connection::open(copy) {
        match schema::version(&connection, original) {
            Err(error @ StoreError::Foreign { .. }) if carved.is_empty() => return Err(error),
            Ok(found) if found < schema::ALERTS => items_complete = true,
            Ok(found) if found > i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX) => {
                let known = i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX);
                return Err(StoreError::Newer { path: original.to_path_buf(), found, known });
            }
            _ => items_complete = items::salvage(&connection, &mut items),
        }
        complete = read_all(&connection, &mut contents).is_ok();
        if !complete {
            read_around(&connection, &mut contents);
        }
    }
    let mut records: BTreeMap<MinerId, MinerRecord> =
        contents.records.into_iter().map(|record| (record.id, record)).collect();
    let whole = records.len();
    let damaged: Vec<MinerId> = contents.damaged.iter().map(|(id, _)| *id).collect();
    for (id, record) in carved {
        // Where the table could be read to its end, what is not in it was dropped on purpose.
        if !complete || damaged.contains(&id) {
            records.entry(id).or_insert(record);
        }
    }
    let carved = records.len() - whole;
    let lost = damaged.iter().filter(|id| !records.contains_key(id)).count();
    let result = Repaired {
        whole,
        carved,
        lost,
        items: items.len(),
        items_complete,
        history_complete: false,
        kept: PathBuf::new(),
    };
    let items = items.into_iter().map(|(key, text)| (key, Some(text))).collect();
    Ok(Salvaged { records, items, result })
}

/// Most attempts to get at what lies between damaged pages.
const ATTEMPTS: usize = 2_000;

/// Reads a table of which some pages cannot be: forward to the damage, backward to the damage, and what is between in halves.
fn read_around(connection: &Connection, contents: &mut Contents) {
    let mut gaps = vec![(i64::MIN, i64::MAX)];
    let mut attempts = 0;
    while let Some((from, to)) = gaps.pop() {
        attempts += 1;
        if attempts > ATTEMPTS || from > to {
            continue;
        }
        let (first, broke) = read_range(connection, contents, from, to, "ASC");
        if !broke {
            continue;
        }
        let from = first.map_or(from, |id| id.saturating_add(1));
        let (last, _) = read_range(connection, contents, from, to, "DESC");
        let to = last.map_or(to, |id| id.saturating_sub(1));
        if from < to {
            // Ids are spread out, so sooner or later halves meet other pages.
            let middle = i64::try_from(i128::midpoint(from.into(), to.into())).unwrap_or(0);
            gaps.insert(0, (from, middle));
            gaps.insert(0, (middle.saturating_add(1), to));
        }
    }
}

/// Reads on until the end or the damage. Returns the last id that was read, and whether it was the damage.
fn read_range(
    connection: &Connection,
    contents: &mut Contents,
    from: i64,
    to: i64,
    order: &str,
) -> (Option<i64>, bool) {
    let mut last = None;
    let columns = table::COLUMNS;
    let text = format!("SELECT {columns} FROM registry_miner WHERE id BETWEEN ?1 AND ?2 ORDER BY id {order}");
    let mut read = || {
        let mut select = connection.prepare_cached(&text)?;
        let mut rows = select.query([from, to])?;
        while let Some(row) = rows.next()? {
            let (id, record) = table::record(row)?;
            last = Some(id);
            match record {
                Ok(record) => contents.records.push(record),
                Err(why) => contents.damaged.push((MinerId::from_u64(id.cast_unsigned()), why)),
            }
        }
        Ok::<(), rusqlite::Error>(())
    };
    let broke = read().is_err();
    (last, broke)
}

/// Writes what was found, and carries over what lies beside it in the copy.
fn write(path: &Path, copy: &Path, found: Salvaged) -> Result<Repaired, StoreError> {
    let Salvaged { records, items: kept, mut result } = found;
    let failed = |error| StoreError::of(path, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    schema::migrate(&mut connection, path, schema::STEPS)?;
    let transaction = connection.transaction().map_err(failed)?;
    for record in records.values() {
        table::put(&transaction, record).map_err(failed)?;
    }
    items::put(&transaction, &kept).map_err(failed)?;
    if let Ok(damaged) = Connection::open(copy) {
        let is_older = schema::version(&damaged, copy).is_ok_and(|found| found < schema::HISTORY);
        result.history_complete = is_older || history::carry(&damaged, &transaction).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    connection.close().map_err(|(_, error)| StoreError::of(path, error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| StoreError::file(path, error))?;
    Ok(result)
}
