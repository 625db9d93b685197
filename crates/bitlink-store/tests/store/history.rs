//! Readings over time: what is recorded is what is found, in whatever form it lies, and nothing is kept beyond its time.

use crate::support::{Place, miner, record_tick, reference_tick};
use bitlink_model::{Metric, Timestamp};
use bitlink_store::history::{
    Event, EventKind, HistoryConfig, HistoryReader, HistoryWriter, Query, SeriesName, Step, Tick, Tier,
    write_csv, write_ndjson,
};
use bitlink_store::{Reader, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn all_time(of: SeriesName, step: Step) -> Query {
    Query::new(of, at(i64::MIN / 4), at(i64::MAX / 4)).with_step(step)
}

type Values = BTreeMap<(String, i64), f64>;

/// Every raw value of a machine that a reader finds.
fn found(dir: &Path, n: u64) -> Values {
    let query = all_time(SeriesName::Miner(miner(n)), Step::Tier(Tier::Raw));
    let series = Reader::open(dir).unwrap().series(&query).unwrap();
    let mut values = Values::new();
    for series in series {
        for sample in series.samples {
            let key = (series.metric.to_string(), sample.at.as_unix_millis());
            assert_eq!(values.insert(key, sample.last), None, "each time once");
        }
    }
    values
}

#[test]
fn a_past_that_is_written_at_once_is_found_like_one_that_was_recorded() {
    let (recorded, at_once) = (Place::new("history-recorded"), Place::new("history-at-once"));
    let ticks: Vec<Tick> = (0..400)
        .map(|n| {
            let now = START + n * 30_000;
            let mut tick = Tick::new(at(now));
            for number in 0..5 {
                if let Some((read, values)) = reference_tick(number, n, now) {
                    tick.values(miner(number), at(read), values);
                }
            }
            tick.event(Event::of(at(now), miner(1), EventKind::Started));
            tick
        })
        .collect();
    let store = Store::open(recorded.path()).unwrap();
    store.keep_history_unattended();
    for tick in &ticks {
        record_tick(&store, tick.clone());
    }
    let other = Store::open(at_once.path()).unwrap();
    other.write_past(ticks).unwrap();
    for n in 0..5 {
        let values = found(recorded.path(), n);
        assert!(!values.is_empty());
        assert_eq!(found(at_once.path(), n), values, "machine {n}");
    }
    let events = |store: &Store| {
        store.reader().unwrap().events(None, at(START), at(START + 400 * 30_000), 1_000).unwrap()
    };
    assert_eq!(events(&other).len(), 400);
    assert_eq!(events(&other), events(&store));
}

#[test]
fn every_value_is_found_as_it_was_before_and_after_it_becomes_a_chunk() {
    let place = Place::new("history-all");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let mut expected: Vec<Values> = vec![Values::new(); 9];
    // Two hours and a half, with machines that come and go and readings that miss this or that.
    for n in 0..900 {
        let now = START + n * 10_000;
        let mut tick = Tick::new(at(now));
        for (number, expected) in expected.iter_mut().enumerate() {
            let number = number as u64;
            let Some((read, values)) = reference_tick(number, n, now) else { continue };
            for (metric, value) in &values {
                expected.insert((metric.to_string(), read), metric.value(*value));
            }
            tick.values(miner(number), at(read), values);
        }
        record_tick(&store, tick);
        if n % 97 == 0 {
            store.maintain(&HistoryConfig::default()).unwrap();
        }
    }
    let made = store.maintain(&HistoryConfig::default()).unwrap().made;
    assert_eq!((made, store.maintain(&HistoryConfig::default()).unwrap().made), (0, 0));
    for (n, expected) in expected.iter().enumerate() {
        assert_eq!(&found(place.path(), n as u64), expected, "machine {n}");
    }
    drop(store);
    for (n, expected) in expected.iter().enumerate() {
        assert_eq!(&found(place.path(), n as u64), expected, "machine {n}, after a restart");
    }
}

#[test]
fn summaries_are_those_of_the_readings_in_whatever_form_these_lie() {
    let place = Place::new("history-summaries");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let mut quarters: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    // Three days and some minutes, a reading each minute.
    for n in 0..3 * 1440 + 23_i64 {
        let now = START + n * 60_000;
        let value = (n * n * 7919) % 100_003;
        quarters.entry(now.div_euclid(900_000) * 900_000).or_default().push(value);
        let mut tick = Tick::new(at(now));
        tick.values(miner(1), at(now), [(Metric::POWER, value), (Metric::ACCEPTED, n)]);
        tick.group("fleet", [(Metric::POWER, 2 * value)]);
        record_tick(&store, tick);
        if n % 31 == 0 {
            store.maintain(&HistoryConfig::default()).unwrap();
        }
    }
    let reader = store.reader().unwrap();
    for (of, factor) in [(SeriesName::Miner(miner(1)), 1.0), (SeriesName::Group("fleet".to_owned()), 2.0)] {
        let query = all_time(of.clone(), Step::Tier(Tier::Quarter)).with_metrics(vec![Metric::POWER]);
        let [series] = &reader.series(&query).unwrap()[..] else { panic!("one series") };
        assert_eq!(series.samples.len(), quarters.len());
        for (sample, (begins, values)) in series.samples.iter().zip(&quarters) {
            let value = |n: i64| factor * Metric::POWER.value(n);
            let mean = values.iter().sum::<i64>() as f64 / values.len() as f64;
            assert_eq!(sample.at.as_unix_millis(), *begins);
            assert_eq!(sample.readings as usize, values.len());
            assert_eq!(sample.min, value(*values.iter().min().unwrap()));
            assert_eq!(sample.max, value(*values.iter().max().unwrap()));
            assert_eq!(sample.last, value(*values.last().unwrap()));
            assert!((sample.mean - factor * mean / 100.0).abs() <= 0.011, "{sample:?} {mean}");
        }
        let query = all_time(of, Step::Tier(Tier::SixHours)).with_metrics(vec![Metric::POWER]);
        let [series] = &reader.series(&query).unwrap()[..] else { panic!("one series") };
        assert_eq!(series.samples.iter().map(|sample| sample.readings).sum::<u32>(), 3 * 1440 + 23);
    }
    let counters = all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::SixHours))
        .with_metrics(vec![Metric::ACCEPTED]);
    let last = reader.series(&counters).unwrap()[0].samples.last().unwrap().last;
    assert_eq!(last, f64::from(3 * 1440 + 22));
    assert_eq!(reader.groups().unwrap(), ["fleet"]);
}

#[test]
fn what_is_old_goes_and_its_summaries_stay() {
    let place = Place::new("history-old");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let config =
        HistoryConfig::default().with_raw(Duration::from_hours(2)).with_quarter(Duration::from_hours(48));
    for n in 0..5 * 24 * 12_i64 {
        let now = START + n * 300_000;
        let mut tick = Tick::new(at(now));
        tick.values(miner(1), at(now), [(Metric::POWER, n)]);
        record_tick(&store, tick);
        store.maintain(&config).unwrap();
    }
    let end = START + 5 * 24 * HOUR;
    let reader = store.reader().unwrap();
    let oldest = |tier| {
        let query = all_time(SeriesName::Miner(miner(1)), Step::Tier(tier));
        end - reader.series(&query).unwrap()[0].samples[0].at.as_unix_millis()
    };
    let raw = oldest(Tier::Raw);
    assert!((2 * HOUR..=4 * HOUR).contains(&raw), "{raw}");
    let quarter = oldest(Tier::Quarter);
    assert!((48 * HOUR..=80 * HOUR).contains(&quarter), "{quarter}");
    assert!(oldest(Tier::SixHours) >= 5 * 24 * HOUR);

    // Without a wish, the finest that reaches back so far.
    let auto = |from: i64, until: i64| {
        let query = Query::new(SeriesName::Miner(miner(1)), at(end - from), at(end - until));
        reader.series(&query).unwrap()[0].tier
    };
    assert_eq!(auto(HOUR, 0), Tier::Raw);
    assert_eq!(auto(20 * HOUR, 0), Tier::Quarter);
    assert_eq!(auto(5 * 24 * HOUR, 4 * 24 * HOUR), Tier::SixHours);
    assert_eq!(auto(100 * 24 * HOUR, 0), Tier::SixHours);
}

#[test]
fn a_clock_that_goes_back_or_stands_still_corrupts_nothing() {
    let place = Place::new("history-clock");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let mut expected = BTreeMap::new();
    // Forward, two hours back over what there is, twice the same, a year ahead, and back for good.
    let times = (0..900)
        .map(|n| START + n * 10_000)
        .chain((0..800).map(|n| START + n * 10_000 - 7_200_000))
        .chain([START, START, START])
        .chain((0..20).map(|n| START + 365 * 24 * HOUR + n * 10_000))
        .chain((0..1500).map(|n| START + 3 * HOUR + n * 10_000));
    for (value, now) in times.enumerate() {
        let value = value as i64;
        let mut tick = Tick::new(at(now));
        tick.values(miner(1), at(now), [(Metric::POWER, value)]);
        record_tick(&store, tick);
        // Of two readings of one time the later one counts.
        expected.insert(("power".to_owned(), now), Metric::POWER.value(value));
        if value % 50 == 0 {
            // As long as the clock is not believed nothing is removed; here nothing ever is.
            store.maintain(&HistoryConfig::default().with_raw(Duration::from_hours(24 * 3000))).unwrap();
        }
    }
    assert_eq!(found(place.path(), 1), expected);
    let query = all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::Quarter));
    let readings: u32 =
        store.reader().unwrap().series(&query).unwrap()[0].samples.iter().map(|s| s.readings).sum();
    assert_eq!(readings, 900 + 800 + 3 + 20 + 1500, "each counts once");
}

#[test]
fn a_full_disk_is_told_costs_nothing_that_was_kept_and_recording_resumes() {
    let place = Place::new("history-full");
    let options = bitlink_store::StoreOptions::default().with_most_bytes(4_000_000);
    let store = Store::open_with(place.path(), &options).unwrap();
    store.keep_history_unattended();
    let mut kept: Values = Values::new();
    let mut n = 0;
    let error = loop {
        n += 1;
        assert!(n < 20_000);
        let (outcome, expected) = try_tick(&store, n);
        match outcome {
            Ok(()) => kept.extend(expected),
            Err(error) => break error,
        }
        // As the thread does; when there is no room any more it says so, and that is all.
        let _ = store.maintain(&HistoryConfig::default());
    };
    assert!(matches!(error, bitlink_store::StoreError::Full { .. }), "{error:?}");
    let status = store.history_status();
    assert!(status.failing.is_some() && status.dropped == 1, "{status:?}");
    assert_eq!(found(place.path(), 1), kept);
    // What is old goes, also where there is no room to make chunks; then there is some.
    let config = HistoryConfig::default().with_raw(Duration::from_hours(2));
    let mut resumed = 0;
    for more in 1..100 {
        let _ = store.maintain(&config);
        let (outcome, expected) = try_tick(&store, n + more);
        if outcome.is_ok() {
            kept.extend(expected);
            resumed += 1;
        }
    }
    assert!(resumed > 50 && store.history_status().failing.is_none(), "{resumed}");
    let found = found(place.path(), 1);
    assert!(found.iter().all(|(key, value)| kept.get(key) == Some(value)));
    let newest = kept.keys().map(|(_, at)| *at).max().unwrap();
    let young = kept.iter().filter(|((_, at), _)| *at >= newest - 2 * HOUR);
    assert!(young.clone().count() > 20 && young.clone().all(|(key, value)| found.get(key) == Some(value)));
}

/// A tick that fills pages: many readings of some machines, every half minute.
fn try_tick(store: &Store, n: i64) -> (Result<(), bitlink_store::StoreError>, Values) {
    let now = START + n * 30_000;
    let mut tick = Tick::new(at(now));
    let mut expected = Values::new();
    for number in 0..20_u64 {
        let values = (0..60_u32).map(|fan| {
            let stirred =
                (n.cast_unsigned() << 20 | u64::from(fan) << 8 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let value = ((stirred ^ stirred >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 48).cast_signed();
            (Metric::FAN_SPEED.of(fan).unwrap(), value)
        });
        let values: Vec<_> = values.collect();
        if number == 1 {
            expected.extend(
                values.iter().map(|(metric, value)| ((metric.to_string(), now), metric.value(*value))),
            );
        }
        tick.values(miner(number), at(now), values);
    }
    let (told, outcome) = std::sync::mpsc::channel();
    store.record(tick, Box::new(move |result| told.send(result).unwrap())).unwrap();
    (outcome.recv().unwrap(), expected)
}

#[test]
fn a_limit_on_bytes_lets_the_oldest_go_and_keeps_what_happens() {
    const MOST: u64 = 2_000_000;
    let place = Place::new("history-limit");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let config =
        HistoryConfig::default().with_raw(Duration::from_hours(24 * 365)).with_most_bytes(Some(MOST));
    let mut first = Tick::new(at(START));
    first.event(Event::general(at(START), EventKind::Started));
    record_tick(&store, first);
    let mut removed = 0;
    for n in 0..1_000 {
        try_tick(&store, n).0.unwrap();
        if n % 50 == 0 {
            removed += store.maintain(&config).unwrap().removed;
        }
    }
    removed += store.maintain(&config).unwrap().removed;
    assert!(removed > 0 && removed < 8, "{removed}");
    let size = std::fs::metadata(bitlink_store::database_in(place.path())).unwrap().len();
    assert!(size < MOST + MOST / 2, "{size}");
    let reader = store.reader().unwrap();
    let first = |tier| {
        let query = all_time(SeriesName::Miner(miner(1)), Step::Tier(tier));
        reader.series(&query).unwrap()[0].samples[0].at
    };
    assert!(first(Tier::Raw) > at(START + HOUR));
    assert_eq!(first(Tier::Quarter), at(START.div_euclid(HOUR / 4) * HOUR / 4));
    assert_eq!(reader.events(None, at(0), at(i64::MAX / 2), 10).unwrap().len(), 1);
}

#[test]
fn a_machine_that_had_two_records_has_the_history_of_both() {
    let place = Place::new("history-absorbed");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let record = |n: i64, of: u64, event: Option<EventKind>| {
        let mut tick = Tick::new(at(START + n * 60_000));
        tick.values(miner(of), tick.at(), [(Metric::ACCEPTED, n)]);
        if let Some(kind) = event {
            tick.event(Event::of(tick.at(), miner(1), kind));
        }
        record_tick(&store, tick);
    };
    (0..5).for_each(|n| record(n, 1, None));
    (5..10).for_each(|n| record(n, 2, None));
    record(10, 2, Some(EventKind::Absorbed { into: miner(2) }));
    record(11, 2, None);
    assert_eq!(found(place.path(), 2).len(), 12);
    assert!(found(place.path(), 1).is_empty());
    assert!(
        store.reader().unwrap().states_at(at(i64::MAX / 2)).unwrap().is_empty(),
        "who is gone has no state"
    );
}

#[test]
fn a_reader_beside_the_writer_sees_every_tick_once_whatever_form_it_has() {
    let place = Place::new("history-beside");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let ticks = 700;
    let dir = place.path().to_path_buf();
    let reading = std::thread::spawn(move || {
        let (mut before, mut views) = (0, 0);
        while before < ticks {
            let Ok(reader) = Reader::open(&dir) else { continue };
            let query = all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::Raw));
            let series = reader.series(&query).unwrap();
            let Some(series) = series.first() else { continue };
            // None is missing, none is twice, and none disappears.
            let expected = (0..).take(series.samples.len()).map(|n: i64| (at(START + n * 60_000), n as f64));
            assert!(series.samples.iter().map(|sample| (sample.at, sample.last)).eq(expected));
            assert!(series.samples.len() >= before);
            before = series.samples.len();
            views += 1;
        }
        views
    });
    for n in 0..ticks as i64 {
        let mut tick = Tick::new(at(START + n * 60_000));
        tick.values(miner(1), tick.at(), [(Metric::ACCEPTED, n)]);
        record_tick(&store, tick);
        store.maintain(&HistoryConfig::default()).unwrap();
    }
    assert!(reading.join().unwrap() > 1);
}

#[test]
fn the_thread_beside_the_store_makes_chunks_by_itself_and_ends_with_it() {
    let place = Place::new("history-worker");
    let store = Store::open(place.path()).unwrap();
    store.keep_history(Some(HistoryConfig::default())).unwrap();
    for n in 0..70 {
        let mut tick = Tick::new(at(START + n * 60_000));
        tick.values(miner(1), tick.at(), [(Metric::ACCEPTED, n)]);
        record_tick(&store, tick);
    }
    // Taking other settings does not start another.
    store.keep_history(Some(HistoryConfig::default().with_raw(Duration::from_hours(3)))).unwrap();
    store.keep_history(None).unwrap();
    assert!(store.record(Tick::new(at(START)), Box::new(|_| {})).is_err());
    drop(store);
    assert_eq!(found(place.path(), 1).len(), 70);
}

#[test]
fn what_is_exported_can_be_read_by_others() {
    let place = Place::new("history-export");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    for n in 0..3 {
        let mut tick = Tick::new(at(START + n * 900_000));
        tick.values(miner(1), tick.at(), [(Metric::POWER, 100 * n), (Metric::TEMP_CHIP_MAX, 7_125)]);
        record_tick(&store, tick);
    }
    let reader = store.reader().unwrap();
    let raw = reader.series(&all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::Raw))).unwrap();
    let mut csv = Vec::new();
    write_csv(&mut csv, "a, miner", &raw).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().next(), Some("at_ms,of,metric,unit,step,last,min,mean,max,readings"));
    assert_eq!(csv.lines().nth(2), Some(&*format!("{},\"a, miner\",power,W,raw,1,,,,", START + 900_000)));
    let quarters = all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::Quarter))
        .with_metrics(vec![Metric::TEMP_CHIP_MAX]);
    let mut ndjson = Vec::new();
    write_ndjson(&mut ndjson, "m", &reader.series(&quarters).unwrap()).unwrap();
    let line: serde_json::Value =
        serde_json::from_slice(ndjson.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(
        (&line["metric"], &line["mean"], &line["readings"]),
        (&"temp_chip_max".into(), &71.25.into(), &1.into())
    );
}
