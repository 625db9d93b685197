//! Names and numbers are stable, values survive, and every number of a snapshot is walked to.

use super::*;
use crate::snapshot::{Board, Fan, MinerSnapshot, Pool, Psu};
use crate::units::{FanSpeed, HashRate, Temperature};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn names_and_numbers_lead_back_to_the_metric_and_none_is_used_twice() {
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for kind in Metric::kinds() {
        for metric in [Some(kind), kind.of(3), kind.of(255), kind.of_sensor(2, 31)].into_iter().flatten() {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
            assert_eq!(Metric::from_code(metric.code()), Some(metric));
            names.insert(metric.to_string());
            codes.insert(metric.code());
        }
        assert_eq!(kind.info().code, u16::try_from(kind.code() >> 16).unwrap());
    }
    assert_eq!(names.len(), codes.len());
    assert!(
        names.contains("board.2.chip_sensor.31") && names.contains("fan.3.speed") && names.contains("power")
    );
    assert_eq!(
        Metric::BOARD_CHIP_TEMPERATURE.of(1).unwrap().code(),
        68 << 16 | 1,
        "what is kept is read for years"
    );
    for text in [
        "",
        "fan",
        "fan.x.speed",
        "fan.-1.speed",
        "fan.+1.speed",
        "fan.256.speed",
        "board.0.chip_sensor",
        "board.0.chip_sensor.32",
        "power.0",
        "fan.0.chips",
    ] {
        assert!(text.parse::<Metric>().is_err(), "{text}");
    }
    for code in [0, 57 << 16, 1 << 16 | 1, u32::MAX, 96 << 16 | 256] {
        assert_eq!(Metric::from_code(code), None, "{code}");
    }
}

#[test]
fn what_is_kept_is_what_was_printed() {
    assert_eq!(Metric::HASHRATE.keep(95_123.45e9), Some(95_123_450));
    assert_eq!(Metric::HASHRATE.value(95_123_450), 95_123.45e9);
    assert_eq!(Metric::TEMP_CHIP_MAX.value(Metric::TEMP_CHIP_MAX.keep(-12.25).unwrap()), -12.25);
    assert_eq!(Metric::POWER.value(Metric::POWER.keep(13.28).unwrap()), 13.28);
    for absurd in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
        assert_eq!(Metric::POWER.keep(absurd), None);
    }
}

fn walked(snapshot: &MinerSnapshot) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    walk(snapshot, |metric, kept| {
        assert_eq!(found.insert(metric.to_string(), metric.value(kept)), None, "{metric} twice");
    });
    found
}

#[test]
fn what_is_not_said_has_no_value_and_zero_is_one() {
    let found = walked(&MinerSnapshot::default());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("faults".to_owned(), 0.0)]);
    let mut idle = MinerSnapshot::default();
    idle.hashrate.realtime = Some(HashRate::ZERO);
    assert_eq!(walked(&idle)["hashrate"], 0.0);
}

/// Every field of the type that the JSON of a snapshot has as a number is walked to, but for those that are no readings.
#[test]
fn every_number_of_a_snapshot_has_a_metric() {
    let text = include_str!("full.json");
    let snapshot: MinerSnapshot = serde_json::from_str(text).unwrap();
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        serde_json::to_value(&snapshot).unwrap(),
        written,
        "the sample has every field as it is written"
    );
    let mut numbers = 0;
    count(&written, &mut numbers);
    // `observed_at`, the slot, three indexes and ids; `chip_temperature` of the board counts as the hottest; rates by window
    // and `realtime` are one more than `current`.
    let not_readings = ["observed_at_ms", "slot", "index", "index", "id"].len();
    // `last_share` and `last_share_age` are one metric; so are booleans counted below.
    let joined = 1;
    let found = walked(&snapshot);
    assert_eq!(found.len(), numbers - not_readings - joined + FAULTS, "{found:#?}");
}

/// The number of faults is counted, and stands in no field.
const FAULTS: usize = 1;

/// Numbers, and booleans of what is a state of something.
fn count(value: &serde_json::Value, numbers: &mut usize) {
    match value {
        serde_json::Value::Number(_) => *numbers += 1,
        serde_json::Value::Array(list) => list.iter().for_each(|value| count(value, numbers)),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let is_state =
                    ["present", "active", "connected", "light_on", "status"].contains(&name.as_str());
                let is_alive = name == "status" && value == "alive";
                *numbers += usize::from(is_state && (value.is_boolean() || is_alive));
                count(value, numbers);
            }
        }
        _ => {}
    }
}

#[test]
fn hostile_lists_cost_no_more_than_is_kept_apart() {
    let mut snapshot = MinerSnapshot::default();
    for n in [0, 0, 255, 256, u32::MAX] {
        let mut board = Board::in_slot(n);
        board.chip_sensors = vec![Temperature::from_celsius(50.0).unwrap(); 1000];
        snapshot.boards.push(board);
        snapshot.fans.push(Fan::new(n, FanSpeed::from_rpm(f64::from(n % 7)).unwrap()));
    }
    snapshot.pools = vec![Pool::default(); 9];
    snapshot.psus = vec![Psu::default(); 9];
    let found = walked(&snapshot);
    assert_eq!(found.keys().filter(|name| name.starts_with("board")).count(), 2 * 32);
    assert_eq!(found.keys().filter(|name| name.starts_with("fan")).count(), 2);
}
