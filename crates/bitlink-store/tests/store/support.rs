//! Directories of a test's own, and records.

use bitlink_model::{Identity, Metric, MinerId, MinerRecord, Timestamp};
use bitlink_store::history::{HistoryWriter, Tick};
use bitlink_store::{RecordChange, Store};
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
    identity.model = Some(format!("S{n}").into());
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

/// The id of a machine of a number.
pub(crate) fn miner(n: u64) -> MinerId {
    MinerId::from_u64((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Records a tick and waits until it is on the disk.
pub(crate) fn record_tick(store: &Store, tick: Tick) {
    let (told, kept) = std::sync::mpsc::channel();
    store.record(tick, Box::new(move |outcome| told.send(outcome).unwrap())).unwrap();
    kept.recv().unwrap().unwrap();
}

/// What a machine says at a tick, and when it was read: the same whenever it is asked. `None`: it says nothing then.
pub(crate) fn reference_tick(machine: u64, tick: i64, now: i64) -> Option<(i64, Vec<(Metric, i64)>)> {
    let stir = |n: i64| {
        let n = n.cast_unsigned().wrapping_add(machine << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((n ^ n >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33).cast_signed()
    };
    if stir(tick) % 17 == 0 || (machine == 3 && tick < 200) {
        return None;
    }
    let mut values = vec![
        (Metric::HASHRATE, 95_000_000 + stir(tick * 3) % 2_000_000),
        (Metric::TEMP_CHIP_MAX, 7_000 + stir(tick / 40) % 12 * 100),
        (Metric::UPTIME, 1_000 + tick * 10),
        (Metric::POWER, 325_000),
    ];
    if stir(tick / 7) % 5 != 0 {
        values.push((Metric::FAN_SPEED.of(machine as u32 % 4).unwrap(), 5_000 + stir(tick) % 6 * 60));
    }
    if stir(tick) % 101 == 0 {
        values.push((Metric::BEST_SHARE, i64::MAX - stir(tick)));
    }
    Some((now - stir(tick + 5) % 9_000, values))
}
