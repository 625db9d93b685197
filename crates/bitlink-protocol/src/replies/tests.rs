//! Fields as firmware really prints them.

use super::*;
use bitlink_model::Anomaly;
use serde_json::json;

fn with<T>(record: &Value, read: impl Fn(Record<'_>) -> T) -> (T, Vec<Anomaly>) {
    let oddities = Oddities::default();
    let value = read(Record::new(record.as_object().unwrap(), "test", &oddities));
    (value, oddities.take())
}

#[test]
fn hash_rate_windows_of_every_log_interval() {
    let (rates, odd) =
        with(&json!({"MHS 30s": 3.0, "MHS av": "4.5", "GHS 5m": 2, "MHS 24h": 1.0, "MHS x": 9}), hash_rates);
    assert_eq!(rates.realtime.unwrap().as_mhs(), 3.0);
    assert_eq!(rates.average.unwrap().as_mhs(), 4.5);
    assert_eq!(rates.five_minutes.unwrap().as_ghs(), 2.0);
    assert_eq!(rates.one_day.unwrap().as_mhs(), 1.0);
    assert_eq!(odd, []);
}

#[test]
fn numbers_in_every_dress() {
    let check = |value: Value, expected: Option<f64>, odd: usize| {
        let (number, anomalies) = with(&json!({ "k": value.clone() }), |r| r.number("k"));
        assert_eq!((number, anomalies.len()), (expected, odd), "{value}");
    };
    check(json!(5), Some(5.0), 0);
    check(json!("  6.0000"), Some(6.0), 0);
    check(json!("18,500.5"), Some(18500.5), 0);
    check(json!(""), None, 0);
    check(json!("nan"), None, 0);
    check(json!(null), None, 0);
    check(json!("11500 M"), None, 1);
    check(json!([1]), None, 1);
    assert_eq!(with(&json!({"k": "3250 W"}), |r| r.leading_number("k")).0, Some(3250.0));
    assert_eq!(with(&json!({"k": "32.8K"}), |r| r.scaled_number("k")).0, Some(32_800.0));
    assert_eq!(with(&json!({"k": "é"}), |r| (r.leading_number("k"), r.scaled_number("k"))).0, (None, None));
}

#[test]
fn absurd_values_cost_themselves_only() {
    let record = json!({"t": 3000, "absent": -273.0, "cold": -12, "chips": 48000, "elapsed": -1, "fan": 99999, "rate": -1});
    let (read, odd) = with(&record, |r| {
        (
            r.celsius("t"),
            r.celsius("absent"),
            r.celsius("cold").map(Temperature::as_celsius),
            r.small("chips", MAX_CHIPS),
            r.seconds("elapsed"),
            r.rpm("fan"),
            r.mhs("rate"),
        )
    });
    assert_eq!(read, (None, None, Some(-12.0), None, None, None, None));
    assert_eq!(odd.len(), 5, "{odd:?}");
    assert!(odd.iter().all(|a| a.kind == AnomalyKind::OutOfRange && a.place.starts_with("test.")));
}

#[test]
fn dash_lists_with_negative_values() {
    let check = |text: &str, expected: &[f64], odd: usize| {
        let (list, anomalies) = with(&json!({ "k": text }), |r| dash_list(r, "k"));
        assert_eq!((list.as_slice(), anomalies.len()), (expected, odd), "{text}");
    };
    check("70-45-62-63", &[70.0, 45.0, 62.0, 63.0], 0);
    check("3--2-21-23", &[3.0, -2.0, 21.0, 23.0], 0);
    check("-7--10--11-13", &[-7.0, -10.0, -11.0, 13.0], 0);
    check("-", &[], 0);
    check("", &[], 0);
    check("1-x-2", &[], 1);
    check("1 2", &[], 1);
}

#[test]
fn last_share_in_every_form() {
    let pool_with = |time: Value| with(&json!({"POOL": 0, "URL": "x", "Last Share Time": time}), pool).0;
    assert_eq!(pool_with(json!(1_700_000_000)).last_share, Timestamp::from_unix_seconds(1_700_000_000));
    assert_eq!(pool_with(json!("70:05:09")).last_share_age, Some(Span::from_seconds(252_309)));
    for unknown in [json!("0"), json!(0), json!(5231), json!("Tue Jun 16 10:16:42 2020"), json!("1:75:00")] {
        let pool = pool_with(unknown.clone());
        assert_eq!((pool.last_share, pool.last_share_age), (None, None), "{unknown}");
    }
}

#[test]
fn flags_as_firmware_writes_them() {
    let record = json!({"a": "Y", "b": "false", "c": 1, "d": true, "e": "", "f": "perhaps"});
    let (flags, odd) = with(&record, |r| ["a", "b", "c", "d", "e", "f", "g"].map(|key| r.flag(key)));
    assert_eq!(flags, [Some(true), Some(false), Some(true), Some(true), None, None, None]);
    assert_eq!(odd.len(), 1);
}

#[test]
fn config_and_coin() {
    let oddities = Oddities::default();
    let document = |text: &str| crate::decode("config", &crate::ApiReply::terminated(text)).unwrap().value;
    let config = Config::of(
        &document(r#"{"CONFIG":[{"ASC Count":3,"PGA Count":0,"Pool Count":2,"Strategy":"Failover","Log Interval":5,"Device Code":"AVA ","OS":"Linux"}]}"#),
        &oddities,
    )
    .unwrap();
    assert_eq!((config.asc_count, config.log_interval), (Some(3), Some(Span::from_seconds(5))));
    assert_eq!(config.device_code.as_deref(), Some("AVA"));
    let coin = Coin::of(
        &document(r#"{"COIN":[{"Hash Method":"sha256","Current Block Time":1700000000.5,"LP":true,"Network Difficulty":62463471666732.0}]}"#),
        &oddities,
    )
    .unwrap();
    assert_eq!(coin.long_poll, Some(true));
    assert_eq!(Coin::of(&document("{\"id\":1}"), &oddities), None);
}
