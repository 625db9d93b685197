//! Damaged files: read as far as they go, refused for writing, repaired without throwing the damaged one away.

use crate::support::{Place, miner, put, record, record_tick, reference_tick};
use bitlink_model::{Metric, MinerId, MinerRecord, Timestamp};
use bitlink_store::history::{HistoryConfig, HistoryReader, Query, SeriesName, Step, Tick, Tier};
use bitlink_store::{Reader, Store, StoreError, database_in, repair};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const RECORDS: u64 = 400;

/// A database of many pages, closed in good order.
fn filled(name: &str) -> (Place, BTreeMap<MinerId, MinerRecord>) {
    let place = Place::new(name);
    let store = Store::open(place.path()).unwrap();
    store.write((0..RECORDS).map(|n| put(n, 300)).collect()).unwrap();
    drop(store);
    let records = (0..RECORDS).map(|n| record(n, 300)).map(|record| (record.id, record)).collect();
    (place, records)
}

fn spoil(place: &Place, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let path = database_in(place.path());
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    bytes
}

/// Repairs, and checks that no record has become another one.
#[track_caller]
fn repaired(place: &Place, truth: &BTreeMap<MinerId, MinerRecord>) -> BTreeSet<MinerId> {
    let spoiled = fs::read(database_in(place.path())).unwrap();
    let done = repair(place.path()).unwrap();
    assert_eq!(fs::read(&done.kept).unwrap(), spoiled, "the damaged file is kept as it was");
    let records = Store::open(place.path()).unwrap().reader().unwrap().records().unwrap();
    assert_eq!(records.len(), done.whole + done.carved);
    for record in &records {
        assert_eq!(truth.get(&record.id), Some(record));
    }
    records.into_iter().map(|record| record.id).collect()
}

#[test]
fn a_bit_that_fell_over_in_a_record_is_found_and_costs_that_record() {
    let (place, truth) = filled("bit");
    let hit = record(200, 300);
    spoil(&place, |bytes| {
        // Notes stand in the file as they are: they hold nothing that is escaped.
        let text = hit.notes.as_bytes();
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        bytes[at + text.len() - 30] ^= 1;
    });
    // It opens for reading and says what is wrong; the rest is there.
    let contents = Reader::open(place.path()).unwrap().contents();
    assert_eq!(contents.records.len() as u64, RECORDS - 1);
    assert_eq!(contents.damaged.len(), 1);
    assert_eq!(contents.damaged[0].0, hit.id);
    let damage = Reader::open(place.path()).unwrap().records().unwrap_err();
    assert!(damage.is_corrupt() && damage.to_string().contains(&hit.id.to_string()), "{damage}");
    assert_eq!(repaired(&place, &truth).len() as u64, RECORDS - 1);
}

/// Keeps texts as other layers do, and waits until they are on the disk.
fn keep_items(store: &Store, items: &BTreeMap<String, String>) {
    let (done, kept) = std::sync::mpsc::channel();
    let items = items.iter().map(|(key, text)| (key.clone(), Some(text.clone()))).collect();
    store.submit_items(items, move |outcome| drop(done.send(outcome))).unwrap();
    kept.recv().unwrap().unwrap();
}

#[test]
fn what_alerts_know_and_have_still_to_send_survives_a_repair() {
    let (place, truth) = filled("items");
    let items: BTreeMap<String, String> = (0..300)
        .map(|n| {
            (
                format!("state/miner/offline/{n:016x}"),
                format!("{{\"since_ms\":{n},\"filler\":\"{n:0>200}\"}}"),
            )
        })
        .chain([("outbox/1".to_owned(), "{\"to\":\"ops\"}".to_owned())])
        .collect();
    let store = Store::open(place.path()).unwrap();
    keep_items(&store, &items);
    drop(store);
    let hit = record(200, 300);
    spoil(&place, |bytes| {
        let text = hit.notes.as_bytes();
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        bytes[at + text.len() - 30] ^= 1;
    });
    let done = repair(place.path()).unwrap();
    assert_eq!((done.items, done.items_complete), (items.len(), true), "the damage was elsewhere");
    assert_eq!(Reader::open(place.path()).unwrap().items().unwrap(), items);
    // Now among the texts themselves: what lies before and behind is there, and that it is not all is told.
    spoil(&place, |bytes| {
        let text = format!("{:0>200}", 150);
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        let page = at / 4096 * 4096;
        bytes[page..page + 4096].fill(0);
    });
    let done = repair(place.path()).unwrap();
    assert!(!done.items_complete && done.items > 200 && done.items < items.len(), "{done:?}");
    let left = Reader::open(place.path()).unwrap().items().unwrap();
    assert_eq!(left.len(), done.items);
    assert!(left.iter().all(|(key, text)| items.get(key) == Some(text)));
    assert_eq!(Reader::open(place.path()).unwrap().records().unwrap().len(), truth.len() - 1);
}

#[test]
fn readings_over_time_survive_a_repair_as_far_as_they_can_be_read() {
    let place = Place::new("damage-history");
    let store = Store::open(place.path()).unwrap();
    store.write((0..3).map(|n| put(n, 300)).collect()).unwrap();
    store.keep_history_unattended();
    let start = 1_700_000_000_000;
    for n in 0..900 {
        let mut tick = Tick::new(Timestamp::from_unix_millis(start + n * 10_000));
        for machine in 0..3 {
            if let Some((read, values)) = reference_tick(machine, n, start + n * 10_000) {
                tick.values(miner(machine), Timestamp::from_unix_millis(read), values);
            }
        }
        record_tick(&store, tick);
        if n % 97 == 0 {
            store.maintain(&HistoryConfig::default()).unwrap();
        }
    }
    drop(store);
    let read = || -> Vec<Vec<(String, i64, f64)>> {
        let reader = Reader::open(place.path()).unwrap();
        let of = |n: u64| {
            let ends = (Timestamp::from_unix_millis(0), Timestamp::from_unix_millis(start * 2));
            let query =
                Query::new(SeriesName::Miner(miner(n)), ends.0, ends.1).with_step(Step::Tier(Tier::Raw));
            let mut found = Vec::new();
            // What a reader refuses as damaged is no value.
            for series in reader.series(&query).unwrap_or_default() {
                let name = series.metric.to_string();
                found.extend(series.samples.iter().map(|s| (name.clone(), s.at.as_unix_millis(), s.last)));
            }
            found
        };
        (0..3).map(of).collect()
    };
    let before = read();
    assert!(before.iter().all(|points| points.len() > 2_000));
    // A record is damaged, and readings are not.
    let hit = record(1, 300);
    spoil(&place, |bytes| {
        let text = hit.notes.as_bytes();
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        bytes[at + text.len() - 30] ^= 1;
    });
    let done = repair(place.path()).unwrap();
    assert!(done.history_complete && done.whole == 2, "{done:?}");
    assert_eq!(read(), before);
    // And it goes on being recorded into.
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let mut tick = Tick::new(Timestamp::from_unix_millis(start + 900 * 10_000));
    tick.values(miner(0), tick.at(), [(Metric::POWER, 1)]);
    record_tick(&store, tick);
    store.maintain(&HistoryConfig::default()).unwrap();
    drop(store);
    let after = read();
    assert_eq!((after[0].len(), &after[1..]), (before[0].len() + 1, &before[1..]));
    // Pages that are gone, each in its turn: less is there, and nothing else than before.
    let whole = fs::read(database_in(place.path())).unwrap();
    let pages = whole.len() / 4096;
    let mut carried = 0;
    for page in (1..pages).step_by(3) {
        fs::write(database_in(place.path()), &whole).unwrap();
        spoil(&place, |bytes| bytes[page * 4096..(page + 1) * 4096].fill(0));
        let Ok(done) = repair(place.path()) else { continue };
        let left = read();
        for (left, after) in left.iter().zip(&after) {
            assert!(left.iter().all(|value| after.contains(value)), "page {page}: {done:?}");
        }
        let is_whole = left.iter().zip(&after).all(|(left, after)| left.len() == after.len());
        assert!(is_whole || !done.history_complete, "page {page}: {done:?}");
        carried += usize::from(left.iter().map(Vec::len).sum::<usize>() > 0);
        fs::remove_file(&done.kept).unwrap();
    }
    assert!(carried > pages / 6, "{carried} of {pages} pages");
}

#[test]
fn a_page_that_is_gone_costs_what_was_on_it() {
    let (place, truth) = filled("page");
    spoil(&place, |bytes| {
        let pages = bytes.len() / 4_096;
        for page in [pages / 3, pages / 2, pages * 2 / 3] {
            bytes[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        }
    });
    let refused = Store::open(place.path()).unwrap_err();
    assert!(refused.is_corrupt(), "{refused}");
    let read = Reader::open(place.path()).unwrap().contents();
    assert!(!read.is_whole() && !read.records.is_empty());
    let left = repaired(&place, &truth);
    assert!(left.len() as u64 >= RECORDS - 3 * 12, "only {} of {RECORDS} were salvaged", left.len());
    assert!((left.len() as u64) < RECORDS);
}

#[test]
fn a_file_without_its_head_is_still_searched_for_records() {
    let (place, truth) = filled("head");
    spoil(&place, |bytes| bytes[..4_096].fill(0));
    let refused = Store::open(place.path()).unwrap_err();
    assert!(refused.is_corrupt(), "{refused}");
    assert!(matches!(Reader::open(place.path()), Err(StoreError::Corrupt { .. })));
    assert_eq!(repaired(&place, &truth).len() as u64, RECORDS);
}

#[test]
fn a_file_that_was_cut_short_gives_what_is_left() {
    let (place, truth) = filled("short");
    spoil(&place, |bytes| bytes.truncate(bytes.len() / 2));
    assert!(Store::open(place.path()).unwrap_err().is_corrupt());
    let left = repaired(&place, &truth).len() as u64;
    assert!(left > RECORDS / 4 && left < RECORDS, "{left}");
}

#[test]
fn bytes_anywhere_may_be_anything_and_nothing_panics_or_lies() {
    let (place, truth) = filled("anywhere");
    let whole = fs::read(database_in(place.path())).unwrap();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    for round in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..=round {
            let at = next(bytes.len());
            bytes[at] ^= 1 << next(8);
        }
        fs::remove_dir_all(place.path()).unwrap();
        fs::create_dir_all(place.path()).unwrap();
        fs::write(database_in(place.path()), &bytes).unwrap();
        if let Ok(reader) = Reader::open(place.path()) {
            for record in reader.contents().records {
                assert_eq!(truth.get(&record.id), Some(&record), "round {round}");
            }
        }
        match repair(place.path()) {
            Ok(done) => assert!(done.whole + done.carved > 0, "round {round}: {done:?}"),
            // The application's mark or the version's number was hit.
            Err(StoreError::Foreign { .. } | StoreError::Newer { .. }) => {}
            Err(error) => panic!("round {round}: {error:?}"),
        }
    }
}

#[test]
fn a_database_that_is_whole_loses_nothing_by_a_repair_and_what_was_dropped_stays_dropped() {
    let (place, mut truth) = filled("whole");
    let store = Store::open(place.path()).unwrap();
    let gone = record(7, 300).id;
    store.write(vec![bitlink_store::RecordChange::Drop(gone)]).unwrap();
    drop(store);
    truth.remove(&gone);
    assert_eq!(repaired(&place, &truth), truth.keys().copied().collect());
}
