//! A process that is killed while it writes: everything that it was told is kept is there, and the directory is free again.

use crate::support::{Place, put, record};
use bitlink_model::MinerRecord;
use bitlink_store::{Reader, Store};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const PLACE: &str = "BITLINK_STORE_TEST_PLACE";
const FROM: &str = "BITLINK_STORE_TEST_FROM";
/// Batches that are under way at the same time.
const AT_ONCE: u64 = 4;

/// How many records a batch has, and how long the notes of a record are: some fill pages.
fn batch(n: u64) -> (u64, usize) {
    (n % 7 + 1, usize::try_from(n * 397 % 3_900).unwrap())
}

fn records_of(n: u64) -> impl Iterator<Item = (u64, usize)> {
    let (size, notes) = batch(n);
    (0..size).map(move |part| (n * 10 + part, notes))
}

#[test]
#[ignore = "the process that the other test starts and kills"]
fn a_process_that_writes_until_it_is_killed() {
    let dir = std::env::var(PLACE).unwrap();
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let store = Store::open(dir.as_ref()).unwrap();
    let out = Arc::new(Mutex::new(std::io::stdout()));
    let (slots, free) = std::sync::mpsc::sync_channel(usize::try_from(AT_ONCE).unwrap());
    (0..AT_ONCE).for_each(|_| slots.send(()).unwrap());
    for n in from.. {
        free.recv().unwrap();
        let (out, slots) = (Arc::clone(&out), slots.clone());
        let changes = records_of(n).map(|(n, notes)| put(n, notes)).collect();
        store
            .submit(changes, move |kept| {
                kept.unwrap();
                let mut out = out.lock().unwrap();
                writeln!(out, "kept {n}").unwrap();
                out.flush().unwrap();
                slots.send(()).unwrap();
            })
            .unwrap();
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let place = Place::new("kill");
    let mut acknowledged: BTreeMap<u64, usize> = BTreeMap::new();
    let mut next = 0;
    // How long each process lives, in batches: from its first to some hundred, with checkpoints in between.
    for lives in [1, 2, 3, 60, 5, 150, 7, 11, 400, 1, 23, 90] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::a_process_that_writes_until_it_is_killed", "--nocapture"])
            .env(PLACE, place.path())
            .env(FROM, next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        for line in &mut lines {
            // The test runner's own words may stand before ours on a line.
            let line = line.unwrap();
            let Some((_, n)) = line.split_once("kept ") else { continue };
            acknowledged.extend(records_of(n.parse().unwrap()));
            told += 1;
            if told == lives {
                child.kill().unwrap();
                break;
            }
        }
        assert_eq!(told, lives, "the process ended by itself");
        // What it said before it died counts as well; a line that was cut off does not.
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("kept ").and_then(|n| n.parse().ok()) {
                let size = batch(n).0;
                assert!(size > 0);
                acknowledged.extend(records_of(n));
            }
        }
        child.wait().unwrap();
        next = acknowledged.keys().max().unwrap() / 10 + 1 + AT_ONCE;

        // Read as it was left, then by the next one that writes, which finds the directory free.
        for _ in 0..2 {
            let kept: BTreeMap<_, MinerRecord> = Reader::open(place.path())
                .unwrap()
                .records()
                .unwrap()
                .into_iter()
                .map(|r| (r.id, r))
                .collect();
            for (n, notes) in &acknowledged {
                let expected = record(*n, *notes);
                assert_eq!(kept.get(&expected.id), Some(&expected), "record {n} after {lives} batches");
            }
            drop(Store::open(place.path()).unwrap());
        }
    }
}
