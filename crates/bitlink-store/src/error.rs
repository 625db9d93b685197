//! What can go wrong between us and the disk, named by what somebody can do about it.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why something could not be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Operator: another process has the directory.
    #[error("the data directory {dir} is in use by {}", process(*.pid))]
    InUse {
        /// Which directory.
        dir: PathBuf,
        /// The process, where it can be told.
        pid: Option<u32>,
    },
    /// Operator: the directory can be read and not be written.
    #[error("the data directory {dir} cannot be written")]
    ReadOnly {
        /// Which directory.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// Operator: there is no such directory, and none can be made; or it cannot be entered.
    #[error("the data directory {dir} cannot be used")]
    Directory {
        /// Which directory.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// Nothing has ever been kept there.
    #[error("there is no database in {dir}")]
    Missing {
        /// Which directory.
        dir: PathBuf,
    },
    /// Operator: it was written by a later version of this program, which is needed to read it.
    #[error("{path} has the format {found}, and this version knows up to {known}")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest format that is known.
        known: i64,
    },
    /// Operator: a database, but not one of ours.
    #[error("{path} is a database of another program")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// This machine: the file is damaged. It can still be read as far as it goes, and be repaired.
    #[error("{path} is damaged: {detail}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// This machine: no room. Nothing that was acknowledged is lost, and what was to be written can be tried again.
    #[error("no room to write {path}")]
    Full {
        /// Which file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// This machine: a file beside the database could not be written or read.
    #[error("{path} cannot be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// This machine: anything else that the database says.
    #[error("{path} cannot be used")]
    Database {
        /// Which file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The store has been closed, or its thread could not be started.
    #[error("the store is closed")]
    Closed,
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// What the shared memory of the write-ahead log says when it cannot grow.
const IOERR_SHMSIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

impl StoreError {
    /// What an error of the database means for whoever uses the file.
    pub(crate) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let code = error.sqlite_error();
        match code.map(|error| error.code) {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path, source: Arc::new(error) },
            _ if code.is_some_and(|error| error.extended_code == IOERR_SHMSIZE) => {
                Self::Full { path, source: Arc::new(error) }
            }
            _ => Self::Database { path, source: Arc::new(error) },
        }
    }

    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_path_buf(), source: Arc::new(source) }
    }

    /// Whether the file is damaged, so that [`repair`](crate::repair()) may help.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}
