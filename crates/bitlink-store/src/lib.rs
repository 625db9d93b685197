//! What the product keeps: one directory with one database file, which is SQLite's, and a lock.
//!
//! * [`Store`] writes. It alone may have the directory; one thread of its own owns the connection, commits what waits
//!   together, and answers only when it is on the disk (write-ahead log, `synchronous=FULL`): what was acknowledged is there
//!   after the process was killed at any moment, and after the power went.
//! * [`Reader`] reads, beside a store of this or another process and without ever waiting for it.
//! * [`repair()`] makes a new file of what can be read of a damaged one, and keeps the damaged one.
//! * [`sheet`] is the form in which positions, labels and notes come from and go to spreadsheets.
//!
//! There is the fleet's registry in it, in tables whose names begin with `registry_`, and readings and events over time, in tables
//! whose names begin with `history_`: see [`history`]; what alerts know and have to send is in `alerts_item`. Nothing here knows networks, miners' protocols or polling.

mod carve;
mod error;
pub mod history;
mod items;
mod lock;
mod reader;
mod repair;
mod schema;
pub mod sheet;
mod table;
mod upkeep;
mod writer;

pub use error::StoreError;
pub use reader::{Contents, Reader};
pub use repair::{Repaired, repair};
pub use upkeep::Maintained;
pub use writer::{RecordChange, Store, StoreOptions};

use std::path::{Path, PathBuf};

/// The database file of a data directory.
pub fn database_in(dir: &Path) -> PathBuf {
    dir.join("bitlink.db")
}
