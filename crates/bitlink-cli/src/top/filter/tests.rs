//! What passes a filter, what does not, and what is none.

use super::*;
use bitlink_miner_manager::model::{HashRate, Identity, MinerSnapshot, Pool, Power, Span, Temperature};
use bitlink_miner_manager::{Finding, MinerStatus, Rule, Severity};

const NOW: Timestamp = Timestamp::from_unix_millis(1_000_000);

fn miner() -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity = Identity::default();
    snapshot.identity.make = Some("Antminer".to_owned().into());
    snapshot.identity.model = Some("S19 Pro".to_owned());
    snapshot.identity.hostname = Some("Шахта-7".to_owned());
    snapshot.identity.mac = "02:00:00:00:00:1a".parse().ok();
    snapshot.hashrate.realtime = HashRate::from_ths(88.0).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.temperatures.chip_max = Temperature::from_celsius(91.0).ok();
    snapshot.power = Power::from_watts(3_250.0).ok();
    snapshot.uptime = Some(Span::from_seconds(7_200));
    snapshot.light = Some(true);
    snapshot.observed_at = Some(Timestamp::from_unix_millis(985_000));
    let mut pool = Pool::default();
    pool.url = Some("stratum+tcp://pool.example:3333".to_owned());
    pool.user = Some("farm.12".to_owned());
    snapshot.pools = vec![pool];
    Miner::from_snapshot([10, 0, 3, 7].into(), 4028, MinerStatus::Warning, snapshot).with_findings(vec![
        Finding::new(Rule::new("chip_hot"), Severity::Critical, "hottest chip 91 °C, limit 85 °C"),
    ])
}

#[track_caller]
fn check(filter: &str, passes: bool) {
    let read = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    assert_eq!(read.wants(&miner(), NOW), passes, "{filter}");
}

#[test]
fn filters_say_what_they_mean() {
    for passes in [
        "",
        "s19",
        "hottest",
        "status:warning model:S19 chip_temp>85",
        "status=warning",
        "\"s19 pro\"",
        "model:\"s19 pro\"",
        "-status:dead",
        "!model:whatsminer",
        "ip:10.0.3.0/24",
        "ip:10.0.3.7",
        "10.0.3",
        "host:шахта",
        "mac:02:00:00:00:00:1A",
        "02:00:00",
        "pool:pool.example:3333 worker:farm",
        "stratum+tcp://pool.example",
        "rule:chip_hot reason:limit",
        "power>3k power<=3.25k",
        "hashrate>=88 hashrate<89 hashrate!=90",
        "exp:80 exp<81%",
        "uptime>1h uptime<3h",
        "age<20 age>10s",
        "light:on",
        "efficiency:unknown fan:unknown serial:unknown",
        "chip_temp>85 -chip_temp>95",
    ] {
        check(passes, true);
    }
    for fails in [
        "s21",
        "status:dead",
        "chip_temp>91",
        "chip_temp:unknown",
        "ip:10.0.4.0/24",
        "light:off",
        "-s19",
        "model:s19 model:s21",
        "power:unknown",
    ] {
        check(fails, false);
    }
}

#[test]
fn what_is_unknown_is_neither_above_nor_below_nor_not_above() {
    for filter in ["fan>0", "fan<1000000", "-fan>0", "!fan<1000000", "efficiency!=7", "serial:x", "-serial:x"]
    {
        check(filter, false);
    }
    let unheard = Miner::unheard([10, 0, 0, 1].into(), 4028);
    let wants = |filter: &str| Filter::parse(filter).unwrap().wants(&unheard, NOW);
    assert!(wants("model:unknown age:unknown light:unknown status:scanning"));
    assert!(!wants("age>0") && !wants("-age>0") && !wants("light:off"));
}

#[test]
fn what_is_no_filter_says_why() {
    for (text, why) in [
        ("colour>5", "there is no \"colour\"; the keys are in the help"),
        ("power>much", "\"much\" is no number"),
        ("power>", "a number is missing"),
        ("power>inf", "\"inf\" is no number"),
        ("model>5", "model is compared with `:`"),
        ("ip:10.0.0.0/99", "\"10.0.0.0/99\" is no network"),
        ("light:blue", "a light is on, off or unknown"),
        ("power!5", "what is \"!\"?"),
    ] {
        assert_eq!(Filter::parse(text).map_err(|error| error.to_string()), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn quotes_make_signs_letters() {
    check("\"a>b\"", false);
    check("reason:\"chip 91\"", true);
    check("\"-s19\"", false);
}
