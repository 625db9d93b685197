//! What is told of devices: the truth as long as it stands, nothing that was not said, and every device in one shard.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use super::*;
use bitlink_model::{
    Board, Fan, FanSpeed, Finding, HashRate, MinerSnapshot, MinerStatus, Pool, Power, Rule, Severity,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use text::Kind;

fn miner(last: u8, change: impl FnOnce(&mut MinerSnapshot)) -> Miner {
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.serial = Some(format!("serial-{last}").into());
    change(&mut snapshot);
    Miner::from_snapshot([10, 0, 0, last].into(), 4028, MinerStatus::Active, snapshot)
}

fn at_work(snapshot: &mut MinerSnapshot) {
    snapshot.hashrate.average = HashRate::from_ths(95.5).ok();
    snapshot.power = Power::from_watts(3_250.0).ok();
    snapshot.fans = vec![Fan::new(0, FanSpeed::from_rpm(5_880.0).unwrap())];
    let mut board = Board::in_slot(1);
    board.chips = Some(114);
    snapshot.boards = vec![board];
    let mut pool = Pool::default();
    (pool.id, pool.accepted, pool.url) = (0, Some(7), Some("stratum+tcp://pool.example:3333".into()));
    snapshot.pools = vec![pool];
}

fn page(miners: Vec<Miner>, shard: Shard, level: Level) -> String {
    let miners: Vec<Arc<Miner>> = miners.into_iter().map(Arc::new).collect();
    let chunks = devices::page(&miners, &Sites::default(), None, shard, level, Format::Prometheus);
    String::from_utf8(chunks.flat_map(|chunk| chunk.to_vec()).collect()).unwrap()
}

/// The samples of a page: whatever is no comment.
fn samples(page: &str) -> Vec<&str> {
    page.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn what_a_device_says_is_told_in_base_units() {
    let miner = miner(1, at_work);
    let device = format!("device=\"{}\"", miner.id);
    let page = page(vec![miner], Shard::WHOLE, Level::Board);
    for sample in [
        format!("asic_up{{{device}}} 1"),
        format!("asic_hashrate_hashes_per_second{{{device}}} 95500000000000"),
        format!("asic_power_watts{{{device}}} 3250"),
        format!("asic_fan_speed_rpm{{{device},fan=\"0\"}} 5880"),
        format!("asic_board_chips{{{device},board=\"1\"}} 114"),
        format!("asic_pool_shares_total{{{device},pool=\"0\",result=\"accepted\"}} 7"),
        format!("asic_status{{{device},status=\"dead\"}} 0"),
        format!("asic_info{{{device},ip=\"10.0.0.1\"}} 1"),
    ] {
        assert!(samples(&page).contains(&sample.as_str()), "{sample}\n{page}");
    }
    assert!(!page.contains("pool.example"), "no text of a miner's beyond asic_info");
}

#[test]
fn what_was_not_said_is_absent_and_has_no_heading() {
    let page = page(vec![miner(1, |_| ())], Shard::WHOLE, Level::Board);
    let names: BTreeSet<&str> =
        samples(&page).iter().map(|sample| sample.split(['{', ' ']).next().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["asic_up", "asic_info", "asic_status"]));
    assert_eq!(page.matches("# TYPE").count(), 3);
}

#[test]
fn a_device_that_is_silent_has_no_readings() {
    let mut miner = miner(1, at_work);
    miner.is_live = false;
    miner.status = MinerStatus::Dead;
    let page = page(vec![miner], Shard::WHOLE, Level::Board);
    assert!(page.contains("asic_up{") && page.contains("status=\"dead\"} 1"));
    assert!(!page.contains("asic_hashrate") && !page.contains("asic_fan"), "{page}");
    assert!(samples(&page).iter().any(|s| s.starts_with("asic_up{") && s.ends_with(" 0")));
}

#[test]
fn a_rule_that_has_found_several_parts_is_one_warning() {
    let found = |fan: &str| Finding::new(Rule::new("fan_stopped"), Severity::Critical, fan);
    let miner = miner(1, at_work).with_findings(vec![found("fan 1"), found("fan 2")]);
    let page = page(vec![miner], Shard::WHOLE, Level::Device);
    let warnings: Vec<_> = samples(&page).into_iter().filter(|s| s.starts_with("asic_warning")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn every_series_is_told_once_whatever_a_device_says() {
    let doubled = |snapshot: &mut MinerSnapshot| {
        at_work(snapshot);
        snapshot.boards.push(snapshot.boards[0].clone());
        snapshot.fans.push(snapshot.fans[0].clone());
        snapshot.pools.push(snapshot.pools[0].clone());
        let mut psu = bitlink_model::Psu::default();
        psu.input_power = Power::from_watts(3_300.0).ok();
        snapshot.psus = vec![psu.clone(), psu];
    };
    let mut gone = miner(1, doubled);
    (gone.ip, gone.is_live) = ([10, 0, 0, 99].into(), false);
    // One machine twice, of which one account stands.
    let page = page(vec![gone, miner(1, doubled), miner(2, doubled)], Shard::WHOLE, Level::Board);
    let all = samples(&page);
    let series: BTreeSet<&str> = all.iter().map(|sample| sample.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(series.len(), all.len(), "{page}");
    assert!(!page.contains("10.0.0.99") && page.matches("asic_up{").count() == 2, "{page}");
    assert_eq!(page.matches("asic_psu_input_watts{").count(), 2, "{page}");
}

#[test]
fn a_hostile_name_stays_within_its_label() {
    let evil = "x\"} 1\nasic_up{device=\"all\u{202e}";
    let miner = miner(1, |snapshot| snapshot.identity.hostname = Some(evil.into()));
    let page = page(vec![miner], Shard::WHOLE, Level::Device);
    assert_eq!(page.lines().filter(|line| line.starts_with("asic_up{")).count(), 1, "{page}");
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn every_device_is_in_one_shard_and_boards_can_be_left_out() {
    let fleet = || (1..=200).map(|last| miner(last, at_work)).collect::<Vec<_>>();
    let whole = page(fleet(), Shard::WHOLE, Level::Device);
    let mut all: Vec<String> = samples(&whole).into_iter().map(str::to_owned).collect();
    let mut parts: Vec<String> = (0..4)
        .map(|number| page(fleet(), Shard::new(number, 4).unwrap(), Level::Device))
        .inspect(|part| assert!(samples(part).len() < all.len() / 2, "spread over the shards"))
        .flat_map(|part| samples(&part).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    all.sort();
    parts.sort();
    assert_eq!(all, parts);
    assert!(!whole.contains("asic_board"));
    for text in ["", "1", "4/4", "0/0", "-1/4", "0/1001", "a/b"] {
        assert_eq!(Shard::parse(text), None, "{text}");
    }
}

#[test]
fn names_follow_the_conventions_and_are_given_once() {
    let mut names = BTreeSet::new();
    for family in families() {
        let name = family.name;
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("asic_") || name.starts_with("bitlink_"), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        assert!(family.stem().ends_with(family.unit), "{name} is in {}", family.unit);
        assert!(family.help.ends_with('.'), "{name}");
    }
}

#[test]
fn the_shards_of_discovery_cover_a_fleet_and_double() {
    for (devices, shards) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (10_000, 16), (50_000, 64)] {
        let groups = serde_json::to_value(discovery::groups("127.0.0.1:4080", devices)).unwrap();
        let groups = groups.as_array().unwrap();
        assert_eq!(groups.len(), shards, "{devices} devices");
        for (number, group) in groups.iter().enumerate() {
            let shard = group["labels"]["__param_shard"].as_str().unwrap();
            assert_eq!(shard, format!("{number}/{shards}"));
            assert!(Shard::parse(shard).is_some());
            assert_eq!(group["targets"][0], "127.0.0.1:4080");
        }
    }
}

/// Names of our metrics in an expression.
fn metrics_in(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| (word.starts_with("asic_") || word.starts_with("bitlink_")) && !word.contains(':'))
        .collect()
}

/// A dashboard that asks for what nobody tells shows nothing, and nobody knows why.
#[test]
fn the_dashboard_that_comes_with_it_asks_for_metrics_that_there_are() {
    let dashboard = include_str!("../../../../contrib/grafana/bitlink.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let known: BTreeSet<String> = families()
        .flat_map(|family| match family.kind {
            Kind::Histogram => vec![format!("{}_bucket", family.name), format!("{}_count", family.name)],
            _ => vec![family.name.to_owned()],
        })
        .collect();
    let (mut asked, mut ids, mut sources) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            asked.extend(metrics_in(target["expr"].as_str().unwrap()));
            sources.insert(target["datasource"]["uid"].as_str().unwrap());
        }
    }
    assert_eq!(sources, BTreeSet::from(["${datasource}"]), "whoever imports it chooses");
    assert!(asked.len() > 30, "{asked:?}");
    for name in asked {
        assert!(known.contains(name), "{name}");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        for name in metrics_in(variable["definition"].as_str().unwrap_or_default()) {
            assert!(known.contains(name), "{name}");
        }
    }
}

/// What a list in the documents leaves out is found by nobody.
#[test]
fn the_documents_name_every_metric_of_the_service() {
    let document = include_str!("../../../../docs/metrics.md");
    for family in own::families() {
        let is_named = document.contains(family.name)
            || ["bitlink_fleet_", "bitlink_registry_", "bitlink_history_", "bitlink_mqtt_"]
                .iter()
                .any(|group| family.name.starts_with(group) && document.contains(&format!("`{group}*")));
        assert!(is_named, "{}", family.name);
    }
}

/// Rules that ask for what nobody tells are silent for ever.
#[test]
fn the_rules_that_come_with_it_ask_for_metrics_that_there_are() {
    let rules = include_str!("../../../../contrib/prometheus/bitlink-rules.yml");
    let known: BTreeSet<&str> = families().map(|family| family.name).collect();
    let code: String = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with(['#', '-']) && !line.contains("summary:"))
        .fold(String::new(), |text, line| text + line + "\n");
    let asked = metrics_in(&code);
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        assert!(known.contains(name), "{name}");
    }
}
