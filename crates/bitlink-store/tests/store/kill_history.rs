//! A process that is killed while it records, makes chunks and removes what is old: every reading that it said is kept is there.

use crate::support::{Place, miner};
use bitlink_model::{Metric, Timestamp};
use bitlink_store::history::{
    HistoryConfig, HistoryReader, HistoryWriter, Query, RecordError, SeriesName, Step, Tick, Tier,
};
use bitlink_store::{Reader, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PLACE: &str = "BITLINK_STORE_TEST_HISTORY_PLACE";
const FROM: &str = "BITLINK_STORE_TEST_HISTORY_FROM";
const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;
const MINERS: u64 = 6;

/// Two minutes from one tick to the next, so that blocks come soon.
fn time(n: i64) -> i64 {
    START + n * 2 * MINUTE
}

fn value(miner: u64, n: i64) -> i64 {
    n * 1_000 + miner.cast_signed() * 7 + n * n % 13
}

fn config() -> HistoryConfig {
    HistoryConfig::default().with_raw(Duration::from_hours(2)).with_quarter(Duration::from_hours(48))
}

#[test]
#[ignore = "the process that the other test starts and kills"]
fn a_process_that_records_until_it_is_killed() {
    let dir = std::env::var(PLACE).unwrap();
    let from: i64 = std::env::var(FROM).unwrap().parse().unwrap();
    let store = Arc::new(Store::open(dir.as_ref()).unwrap());
    store.keep_history_unattended();
    let out = Arc::new(Mutex::new(std::io::stdout()));
    let tidying = Arc::clone(&store);
    std::thread::spawn(move || {
        loop {
            tidying.maintain(&config()).unwrap();
        }
    });
    for n in from.. {
        let mut tick = Tick::new(Timestamp::from_unix_millis(time(n)));
        for number in 0..MINERS {
            tick.values(miner(number), tick.at(), [(Metric::POWER, value(number, n)), (Metric::UPTIME, n)]);
        }
        tick.group("fleet", [(Metric::POWER, value(99, n))]);
        loop {
            let out = Arc::clone(&out);
            let told = move |kept: Result<(), _>| {
                kept.unwrap();
                let mut out = out.lock().unwrap();
                writeln!(out, "kept {n}").unwrap();
                out.flush().unwrap();
            };
            match store.record(tick.clone(), Box::new(told)) {
                Ok(()) => break,
                Err(RecordError::Behind { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn nothing_that_was_recorded_is_lost_when_the_process_is_killed() {
    let place = Place::new("kill-history");
    let mut acknowledged: BTreeSet<i64> = BTreeSet::new();
    let mut next = 0;
    let mut chunks = false;
    for lives in [1, 3, 41, 2, 97, 31, 150, 12, 200, 61, 1, 83] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "kill_history::a_process_that_records_until_it_is_killed",
                "--nocapture",
            ])
            .env(PLACE, place.path())
            .env(FROM, next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        for line in &mut lines {
            let line = line.unwrap();
            let Some((_, n)) = line.split_once("kept ") else { continue };
            acknowledged.insert(n.parse().unwrap());
            told += 1;
            if told == lives {
                child.kill().unwrap();
                break;
            }
        }
        assert_eq!(told, lives, "the process ended by itself");
        // What it said before it died counts as well; a line that was cut off does not.
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(line.strip_prefix("kept ").and_then(|n| n.parse::<i64>().ok()));
        }
        child.wait().unwrap();
        let newest = *acknowledged.last().unwrap();
        // What was under way may be there or not.
        next = newest + 10;
        chunks |= check(&place, &acknowledged, newest);
    }
    assert!(chunks, "it was killed among chunks, not before there were any");
}

/// Whether there is anything in summaries already.
fn check(place: &Place, acknowledged: &BTreeSet<i64>, newest: i64) -> bool {
    let reader = Reader::open(place.path()).unwrap();
    let (first, last) = (Timestamp::from_unix_millis(START), Timestamp::from_unix_millis(time(newest + 20)));
    let ask = |of: &SeriesName, tier| {
        let query =
            Query::new(of.clone(), first, last).with_metrics(vec![Metric::POWER]).with_step(Step::Tier(tier));
        reader.series(&query).unwrap().pop().unwrap().samples
    };
    let names = (0..MINERS)
        .map(|n| (SeriesName::Miner(miner(n)), n))
        .chain([(SeriesName::Group("fleet".to_owned()), 99)]);
    let mut removed = false;
    for (name, number) in names {
        let raw: BTreeMap<i64, f64> =
            ask(&name, Tier::Raw).iter().map(|sample| (sample.at.as_unix_millis(), sample.last)).collect();
        let young = time(newest) - 120 * MINUTE;
        for n in acknowledged.iter().filter(|n| time(**n) >= young) {
            let expected = Metric::POWER.value(value(number, *n));
            assert_eq!(raw.get(&time(*n)), Some(&expected), "{name:?}, tick {n} of {newest}");
        }
        // Each once in the summaries, though its raw reading is gone.
        let summaries: BTreeMap<i64, u32> = ask(&name, Tier::Quarter)
            .iter()
            .map(|sample| (sample.at.as_unix_millis(), sample.readings))
            .collect();
        let mut expected: BTreeMap<i64, u32> = BTreeMap::new();
        for n in acknowledged {
            *expected.entry(time(*n).div_euclid(15 * MINUTE) * 15 * MINUTE).or_default() += 1;
        }
        for (at, readings) in &expected {
            let found = summaries.get(at).copied().unwrap_or(0);
            // A tick that was kept and not told any more is no mistake; there are at most so many of a quarter of an hour.
            assert!((*readings..=8).contains(&found), "{name:?}: {found} of {readings} at {at}");
        }
        removed |= raw.len() < acknowledged.len();
    }
    removed
}
