//! Directories of a test's own, and records.

use bitlink_model::{Identity, MinerId, MinerRecord, Timestamp};
use bitlink_store::RecordChange;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory that is gone with the test.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The record of a number, whose notes are so long.
pub(crate) fn record(n: u64, notes: usize) -> MinerRecord {
    let at = Timestamp::from_unix_millis(1_700_000_000_000 + i64::try_from(n).unwrap());
    let mut identity = Identity::default();
    identity.model = Some(format!("S{n}"));
    // Spread as ids are that come from evidence.
    let id = MinerId::from_u64((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let place = format!("10.{}.{}.{}:4028", n >> 16 & 255, n >> 8 & 255, n & 255);
    let mut record = MinerRecord::new(id, identity, place.parse().unwrap(), at);
    record.notes = format!("{n:>notes$}");
    record
}

pub(crate) fn put(n: u64, notes: usize) -> RecordChange {
    RecordChange::Put(Arc::new(record(n, notes)))
}

/// In the order of the table.
pub(crate) fn sorted(mut records: Vec<MinerRecord>) -> Vec<MinerRecord> {
    records.sort_by_key(|record| record.id.as_u64().cast_signed());
    records
}
