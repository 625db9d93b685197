//! The power goes: of what was not on the disk yet, anything may be missing or wrong. What was acknowledged was on the disk.

use crate::support::{Place, put, record};
use bitlink_store::{Reader, Store, database_in};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Records of one write, which belong together.
const BATCH: u64 = 5;
const BATCHES: u64 = 40;

fn log_of(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A log as it was after each acknowledged write: how long it was then, and the bytes that it had in the end.
fn written(place: &Place) -> (Vec<u64>, Vec<u8>, Vec<u8>) {
    let store = Store::open(place.path()).unwrap();
    let path = database_in(place.path());
    let mut ends = Vec::new();
    for n in 0..BATCHES {
        store.write((n * BATCH..(n + 1) * BATCH).map(|n| put(n, 300)).collect()).unwrap();
        ends.push(fs::metadata(log_of(&path)).unwrap().len());
    }
    let files = (fs::read(&path).unwrap(), fs::read(log_of(&path)).unwrap());
    drop(store);
    (ends, files.0, files.1)
}

/// How many whole writes a database gives that was left so.
fn found(name: &str, database: &[u8], log: &[u8]) -> u64 {
    let place = Place::new(name);
    fs::create_dir_all(place.path()).unwrap();
    let path = database_in(place.path());
    fs::write(&path, database).unwrap();
    fs::write(log_of(&path), log).unwrap();
    let store = Store::open(place.path()).unwrap();
    let records = store.reader().unwrap().records().unwrap();
    let number = u64::try_from(records.len()).unwrap();
    assert_eq!(number % BATCH, 0, "a write is there as a whole or not at all");
    for n in 0..number {
        assert!(records.contains(&record(n, 300)), "{n} of {number}");
    }
    // And it goes on.
    store.write(vec![put(10_000, 10)]).unwrap();
    drop(store);
    assert!(Reader::open(place.path()).unwrap().records().unwrap().contains(&record(10_000, 10)));
    number / BATCH
}

#[test]
fn what_was_acknowledged_before_the_power_went_is_there_and_nothing_half() {
    let place = Place::new("power");
    let (ends, database, log) = written(&place);
    assert!(ends.is_sorted() && ends[0] > 0, "it was not copied into the database meanwhile: {ends:?}");
    // Where the log ends that reached the disk: anywhere, and just before and behind each acknowledgement.
    let anywhere = (0..60).map(|n: u64| n * 7_919_777 % (log.len() as u64));
    let edges = ends.iter().step_by(7).flat_map(|end| [end - 1, *end, end + 1]);
    for (round, cut) in anywhere.chain(edges).enumerate() {
        let cut = usize::try_from(cut).unwrap().min(log.len());
        let acknowledged = ends.iter().filter(|end| **end <= cut as u64).count() as u64;
        let short = found(&format!("power-{round}-short"), &database, &log[..cut]);
        assert!(short >= acknowledged, "cut at {cut}: {short} of {acknowledged}");
        // A file may have its length and not its content: zeros, or what the disk had there before.
        let mut rest = log[..cut].to_vec();
        rest.resize(log.len(), 0);
        assert!(found(&format!("power-{round}-zeros"), &database, &rest) >= acknowledged);
        let seed = u64::try_from(round).unwrap();
        for (n, byte) in rest[cut..].iter_mut().enumerate() {
            *byte = (seed.wrapping_add(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
        assert!(found(&format!("power-{round}-rubbish"), &database, &rest) >= acknowledged);
    }
}
