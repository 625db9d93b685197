//! The monitor by itself: whole intervals over a network in memory and in virtual time, and its pure parts, the schedule
//! and the judge. One thread; throughput is in polls.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use bitlink_benches::{CannedMiner, DIALECTS, criterion, drive, network_of, size, virtual_time};
use bitlink_monitor::{
    FleetSnapshot, Judge, Monitor, MonitorConfig, MonitorEvent, MonitorStream, Pace, Rules, Schedule,
    VirtualClock,
};
use bitlink_protocol::ReadMiner;
use bitlink_protocol::model::{Temperature, Timestamp};
use bitlink_transport::Endpoint;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

fn main() {
    let mut criterion = criterion().sample_size(10);
    let miners = size(10_000, 200);
    // What the monitor itself costs, and what it costs with replies of a usual length.
    interval(&mut criterion, "interval_terse_replies", &CannedMiner::terse(), miners);
    interval(&mut criterion, "interval_antminer_replies", &CannedMiner::load("antminer-s19-pro"), miners);
    schedule(&mut criterion, size(50_000, 500));
    judge(&mut criterion);
    criterion.final_summary();
}

fn endpoints(count: u32) -> impl Iterator<Item = Endpoint> {
    (0..count).map(|n| Endpoint::new(Ipv4Addr::from(u32::from(FIRST) + n).into(), 4028))
}

async fn next_snapshot(stream: &mut MonitorStream) -> Arc<FleetSnapshot> {
    loop {
        if let MonitorEvent::FullSnapshot(fleet) = stream.recv().await.expect("a running monitor") {
            return fleet;
        }
    }
}

/// One interval: every miner polled once and judged, every change told, the state published as often as it is, and one
/// snapshot of the fleet.
fn interval(criterion: &mut Criterion, name: &str, miner: &CannedMiner, miners: u32) {
    let runtime = virtual_time();
    let network = Arc::new(network_of(miner, FIRST, miners, 1));
    let mut stream = runtime.block_on(async {
        let clock = VirtualClock::starting_at(Timestamp::from_unix_millis(1_700_000_000_000));
        let monitor = Monitor::new(network).with_config(MonitorConfig::default());
        let mut stream = monitor.with_clock(Arc::new(clock)).start(endpoints(miners));
        // In the first interval everything is identified, and in the second every miner goes over to its own beat.
        next_snapshot(&mut stream).await;
        let before = next_snapshot(&mut stream).await.coverage.polls_answered;
        let coverage = next_snapshot(&mut stream).await.coverage.clone();
        let polls = coverage.polls_answered - before;
        assert!(polls.abs_diff(u64::from(miners)) <= 1, "{polls} polls of {miners} miners in an interval");
        assert_eq!((coverage.live, coverage.polls_failed), (coverage.miners, 0));
        stream
    });
    let mut group = criterion.benchmark_group("monitor");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(miners.into()));
    group.bench_function(BenchmarkId::new(name, miners), |b| {
        b.iter(|| runtime.block_on(next_snapshot(&mut stream)));
    });
    group.finish();
}

/// One round of turns: each taken when it is due, and done 5 ms later.
fn schedule(criterion: &mut Criterion, miners: u32) {
    let interval = Duration::from_secs(10);
    let mut schedule = Schedule::new(interval, 7);
    schedule.extend(endpoints(miners), Duration::ZERO);
    let mut group = criterion.benchmark_group("monitor");
    group.throughput(Throughput::Elements(miners.into()));
    group.bench_function(BenchmarkId::new("schedule", miners), |b| {
        b.iter(|| {
            for _ in 0..miners {
                let now = schedule.next_due().expect("a full schedule");
                let due = schedule.take_due(now).expect("somebody is due");
                schedule.done(&due.key, now + Duration::from_millis(5), Pace::Regular);
            }
        });
    });
    group.finish();
}

/// The verdict on one reading: of a healthy miner of each dialect, and of one that is too hot.
fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(1));
    for (label, fixture) in DIALECTS {
        let said = CannedMiner::load(fixture).first_reading();
        let healthy = drive(ReadMiner::new(), said).expect("a fixture that can be read").snapshot;
        let mut hot = healthy.clone();
        hot.temperatures.chip_max = Temperature::from_celsius(97.0).ok();
        for (state, snapshot) in [("", healthy), ("_hot", hot)] {
            let mut judge = Judge::new(Arc::new(Rules::default()));
            let mut now = Timestamp::from_unix_millis(1_700_000_000_000);
            group.bench_function(format!("{label}{state}"), |b| {
                b.iter(|| {
                    now = now.plus(Duration::from_secs(10));
                    judge.observe(now, black_box(&snapshot))
                });
            });
        }
    }
    group.finish();
}
