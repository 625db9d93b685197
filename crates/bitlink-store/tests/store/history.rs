//! Readings over time: what is recorded is what is found, in whatever form it lies, and nothing is kept beyond its time.

use crate::support::{Place, miner, record_tick, reference_tick};
use bitlink_model::{Metric, Timestamp};
use bitlink_store::history::{HistoryConfig, HistoryReader, Query, SeriesName, Step, Tick, Tier};
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
    let counters = all_time(SeriesName::Miner(miner(1)), Step::Tier(Tier::SixHours)).with_metrics(vec![Metric::ACCEPTED]);
    let last = reader.series(&counters).unwrap()[0].samples.last().unwrap().last;
    assert_eq!(last, f64::from(3 * 1440 + 22));
    assert_eq!(reader.groups().unwrap(), ["fleet"]);
}

#[test]
fn what_is_old_goes_and_its_summaries_stay() {
    let place = Place::new("history-old");
    let store = Store::open(place.path()).unwrap();
    store.keep_history_unattended();
    let config = HistoryConfig::default().with_raw(Duration::from_hours(2)).with_quarter(Duration::from_hours(48));
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
    let readings: u32 = store.reader().unwrap().series(&query).unwrap()[0].samples.iter().map(|s| s.readings).sum();
    assert_eq!(readings, 900 + 800 + 3 + 20 + 1500, "each counts once");
}
