//! What passes a filter, what does not, and what is none; in which order miners are; what an export says.

use super::*;
use bitlink_model::{
    Finding, HashRate, Identity, MinerSnapshot, MinerStatus, Pool, Power, Rule, Severity, Span, Temperature,
};
use std::collections::HashSet;

const NOW: Timestamp = Timestamp::from_unix_millis(1_000_000);

fn miner() -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity = Identity::default();
    snapshot.identity.make = Some("Antminer".to_owned().into());
    snapshot.identity.model = Some("S19 Pro".into());
    snapshot.identity.hostname = Some("Шахта-7".into());
    snapshot.identity.mac = "02:00:00:00:00:1a".parse().ok();
    snapshot.hashrate.realtime = HashRate::from_ths(88.0).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.temperatures.chip_max = Temperature::from_celsius(91.0).ok();
    snapshot.power = Power::from_watts(3_250.0).ok();
    snapshot.uptime = Some(Span::from_seconds(7_200));
    snapshot.light = Some(true);
    snapshot.observed_at = Some(Timestamp::from_unix_millis(985_000));
    let mut pool = Pool::default();
    pool.url = Some("stratum+tcp://pool.example:3333".into());
    pool.user = Some("farm.12".into());
    snapshot.pools = vec![pool];
    Miner::from_snapshot([10, 0, 3, 7].into(), 4028, MinerStatus::Warning, snapshot).with_findings(vec![
        Finding::new(Rule::new("chip_hot"), Severity::Critical, "hottest chip 91 °C, limit 85 °C"),
    ])
}

fn record(miner: &Miner) -> MinerRecord {
    let at = std::net::SocketAddr::new(miner.ip, miner.port);
    let mut record = MinerRecord::new(miner.id, Identity::default(), at, NOW);
    record.position.rack = Some("R7".to_owned());
    record.labels.insert("spare parts".to_owned());
    record
}

#[track_caller]
fn check(filter: &str, passes: bool) {
    let (miner, read) = (miner(), Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")));
    let record = record(&miner);
    let subject = Subject::new(&miner, Some(&record), NOW);
    assert_eq!(read.matches(&subject), passes, "{filter}");
    let words = subject.words();
    assert_eq!(read.matches(&subject.with_words(&words)), passes, "{filter}, in {words:?}");
    assert_eq!(read.pass(&[subject, subject.with_words(&words)]), [passes, passes], "{filter}");
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
        "model=\"antminer s19 pro\"",
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
        "rule:chip_hot reason:limit worst:critical",
        "power>3k power<=3.25k power:3.25kW power_w:3250",
        "hashrate>=88 hashrate<89TH hashrate!=90 hashrate:88000GH/s hashrate_hs>1e0",
        "exp:80 exp<81% hashrate_ratio<0.81",
        "uptime>1h uptime<3h uptime_s:7200",
        "age<20 age>10s",
        "light:on live:yes",
        "efficiency:unknown fan:? serial:unknown site:?",
        "chip_temp>85 -chip_temp>95 chip_temp:90..92 chip_temp:..92 chip_temp:90..",
        "rack:r7 label:spare labels=\"spare parts\"",
    ] {
        check(passes, true);
    }
    for fails in [
        "s21",
        // Neither is a text one, nor does it end where the next one begins.
        "\"warning 10.0.3.7\"",
        "warning10.0.3.7",
        "\"warning\u{1f}10.0.3.7\"",
        "status:dead",
        "model=S19",
        "chip_temp>91",
        "chip_temp:unknown",
        "chip_temp:80..90",
        "ip:10.0.4.0/24",
        "ip:10.0.3.70",
        "light:off",
        "-s19",
        "model:s19 model:s21",
        "power:unknown",
        "rack:? ",
        "rack=R",
    ] {
        check(fails, false);
    }
}

#[test]
fn what_is_made_of_other_numbers_has_no_digits_that_nobody_measured() {
    let mut snapshot = MinerSnapshot::default();
    snapshot.hashrate.realtime = HashRate::from_ths(109.781_88).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.shares.accepted = Some(30_000_000);
    snapshot.shares.rejected = Some(1);
    let miner = Miner::from_snapshot([10, 0, 0, 1].into(), 4028, MinerStatus::Active, snapshot);
    let value = |name: &str| field(name).unwrap().value(&Subject::new(&miner, None, NOW));
    assert_eq!(value("hashrate_ratio"), Value::Number(0.998_017));
    assert_eq!(value("reject_ratio"), Value::Number(1.0 / 30_000_001.0), "one is not none");
}

#[test]
fn only_a_word_without_a_name_looks_anywhere() {
    let looks = |filter: &str| Filter::parse(filter).unwrap().looks_anywhere();
    assert!(looks("s19") && looks("status:warning -\"s19 pro\""));
    assert!(!looks("") && !looks("status:warning chip_temp>85 model:s19"));
}

#[test]
fn what_is_unknown_is_neither_above_nor_below_nor_not_above() {
    for filter in ["fan>0", "fan<1000000", "-fan>0", "!fan<1000000", "efficiency!=7", "serial:x", "-serial:x"]
    {
        check(filter, false);
    }
    let unheard = Miner::unheard([10, 0, 0, 1].into(), 4028);
    let wants = |filter: &str| Filter::parse(filter).unwrap().matches(&Subject::new(&unheard, None, NOW));
    assert!(wants("model:unknown age:unknown light:unknown status:scanning"));
    assert!(!wants("age>0") && !wants("-age>0") && !wants("light:off"));
    // The reading of one that is silent now is no reading of now; who it is stays known.
    let mut silent = miner();
    silent.is_live = false;
    let wants = |filter: &str| Filter::parse(filter).unwrap().matches(&Subject::new(&silent, None, NOW));
    assert!(wants("power:? hashrate:? chip_temp:? model:s19 mac:02") && !wants("power>0"));
}

#[test]
fn what_is_no_filter_says_why_and_where() {
    for (text, why, at) in [
        ("colour>5", "there is no \"colour\"; the keys are in the help", 0),
        ("s19 power>much", "\"much\" is no number", 4),
        ("power>", "a number is missing", 0),
        ("power>inf", "\"inf\" is no number", 0),
        ("power>5TH", "\"5TH\" is no number", 0),
        ("model>5", "model is compared with `:`", 0),
        ("ip:10.0.0.0/99", "\"10.0.0.0/99\" is no network", 0),
        ("light:blue", "a light is on, off or unknown", 0),
        ("Шахта power!5", "what is \"!\"?", 6),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.at), (why, at), "{text}");
    }
}

#[test]
fn quotes_make_signs_letters() {
    check("\"a>b\"", false);
    check("reason:\"chip 91\"", true);
    check("\"-s19\"", false);
}

#[test]
fn every_name_is_of_one_field() {
    let mut names = HashSet::new();
    for field in FIELDS {
        for name in [&field.key].into_iter().chain(field.aliases) {
            assert!(names.insert(*name), "{name} is there twice");
            assert!(
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
        }
        assert!(!field.about.is_empty() && !field.title.is_empty(), "{}", field.key);
    }
}

#[test]
fn order_puts_what_is_unknown_last_either_way() {
    let at = |n: u8, watts: Option<f64>| {
        let mut miner = miner();
        miner.ip = [10, 0, 0, n].into();
        if let Some(snapshot) = &mut miner.snapshot {
            snapshot.power = watts.and_then(|watts| Power::from_watts(watts).ok());
            snapshot.identity.hostname = Some(format!("rig-{n}").into());
        }
        miner
    };
    let miners = [at(10, Some(1.0)), at(9, None), at(2, Some(5.0)), at(1, Some(1.0))];
    let order = |sort: &str| {
        let subjects = miners.iter().map(|miner| Subject::new(miner, None, NOW)).enumerate();
        Sort::parse(sort).unwrap().order(subjects)
    };
    assert_eq!(order(""), [3, 2, 1, 0], "by address");
    assert_eq!(order("-address"), [0, 1, 2, 3]);
    assert_eq!(order("power"), [3, 0, 2, 1]);
    assert_eq!(order("-power_w"), [2, 3, 0, 1]);
    assert_eq!(order("hostname"), [3, 2, 1, 0], "2 before 10");
    assert_eq!(Sort::parse("power,colour"), Err(SortError("colour".to_owned())));
}

#[test]
fn an_export_is_no_formula() {
    let mut row = String::new();
    let texts = ["=cmd|' /C calc'!A0", "a,\"b\"", " +1", "plain"].map(|text| Value::Text(text.into()));
    let others = [Value::Unknown, Value::Number(0.5), Value::Bool(true)];
    csv_row(&texts.into_iter().chain(others).collect::<Vec<_>>(), &mut row);
    assert_eq!(row, "'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\",' +1,plain,,0.5,true\r\n");
}
