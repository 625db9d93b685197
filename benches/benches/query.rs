//! The fleet as a table: what it costs to filter all of it, to put it in order, and to make a page of it, as the cockpit does for
//! each question. One thread; throughput is in miners.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use bitlink_benches::{criterion, size};
use bitlink_miner_manager::model::{HashRate, Identity, Mac, MinerSnapshot, Pool, Power, Temperature};
use bitlink_miner_manager::query::{FIELDS, Filter, Sort, Subject, Value};
use bitlink_miner_manager::{Finding, Miner, MinerRecord, MinerStatus, Rule, Severity, Timestamp};
use criterion::Throughput;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn miner(n: u32) -> (Miner, MinerRecord) {
    let ip = Ipv4Addr::from(0x0a00_0000 + n);
    let [_, high, middle, low] = n.to_be_bytes();
    let part = |of: u32| f64::from(n.wrapping_mul(2_654_435_761) % of);
    let mut identity = Identity::default();
    identity.make = Some("Antminer".to_owned().into());
    identity.model = Some(format!("S{} Pro", 17 + n % 5).into());
    identity.mac = Some(Mac::new([2, 0xdb, 1, high, middle, low]));
    identity.serial = Some(format!("SIM{:010}", u64::from(n) + 7_000_000).into());
    identity.hostname = Some(format!("miner-{n}").into());
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity = identity.clone();
    snapshot.hashrate.realtime = HashRate::from_ths(80.0 + part(40)).ok();
    snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
    snapshot.temperatures.chip_max = Temperature::from_celsius(60.0 + part(30)).ok();
    snapshot.power = Power::from_watts(3_000.0 + part(400)).ok();
    snapshot.observed_at = Some(NOW);
    let mut pool = Pool::default();
    pool.url = Some("stratum+tcp://pool.example:3333".into());
    pool.user = Some(format!("farm.{n}").into());
    pool.active = Some(true);
    snapshot.pools = vec![pool];
    let (status, findings) = if n.is_multiple_of(50) {
        let words = "hottest chip 89 °C, limit 85 °C";
        (MinerStatus::Warning, vec![Finding::new(Rule::new("chip_hot"), Severity::Critical, words)])
    } else {
        (MinerStatus::Active, Vec::new())
    };
    let miner = Miner::from_snapshot(ip.into(), 4028, status, snapshot).with_findings(findings);
    let mut record = MinerRecord::new(miner.id, identity, SocketAddr::new(ip.into(), 4028), NOW);
    record.position.rack = Some(format!("R{}", n % 500));
    record.labels.insert("farm".to_owned());
    (miner, record)
}

/// A page as it is answered: who passes, in order, and a thousand rows of every field.
fn page(fleet: &[(Miner, MinerRecord)], filter: &Filter, sort: &Sort) -> usize {
    let subject = |(miner, record): &'_ (Miner, MinerRecord)| -> bool {
        filter.matches(&Subject::new(miner, Some(record), NOW))
    };
    let passing = fleet.iter().enumerate().filter(|(_, both)| subject(both));
    let order =
        sort.order(passing.map(|(place, (miner, record))| (place, Subject::new(miner, Some(record), NOW))));
    let rows = order.iter().take(1_000).filter_map(|place| fleet.get(*place));
    let cells = rows.flat_map(|(miner, record)| {
        let subject = Subject::new(miner, Some(record), NOW);
        FIELDS.iter().map(move |field| matches!(black_box(field.value(&subject)), Value::Unknown))
    });
    black_box(cells.filter(|unknown| !unknown).count());
    order.len()
}

fn main() {
    let mut criterion = criterion().sample_size(10);
    let fleet: Vec<_> = (0..size(50_000, 500)).map(miner).collect();
    let mut group = criterion.benchmark_group("query");
    group.throughput(Throughput::Elements(fleet.len() as u64));
    for (name, filter, sort) in [
        ("all_by_address", "", ""),
        ("warning_by_temp", "status:warning", "-chip_temp"),
        ("range_by_text", "chip_temp:70..85 -model:S19", "worker,-hashrate"),
        ("word_anywhere", "farm.77", "-hashrate,address"),
        ("nobody_anywhere", "nothing-has-this", ""),
    ] {
        let filter = Filter::parse(filter).expect("a filter");
        let sort = Sort::parse(sort).expect("an order");
        group.bench_function(name, |bencher| bencher.iter(|| page(&fleet, &filter, &sort)));
    }
    group.finish();
    criterion.final_summary();
}
