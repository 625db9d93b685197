//! The scanner by itself, over networks in memory and in virtual time, and over the refused addresses of the loopback
//! network. One thread; throughput is in addresses.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use bitlink_benches::{
    CannedMiner, InstantTransport, criterion, drive, network_of, real_time, size, virtual_time,
};
use bitlink_protocol::model::MinerSnapshot;
use bitlink_protocol::{Doors, ReadMiner};
use bitlink_scanner::{Identifier, OutcomeKind, ScanConfig, ScanEvent, ScanReport, ScanTargets, Scanner};
use bitlink_transport::{
    ConverseError, Door, Endpoint, MemoryTransport, ProbeOutcome, TcpTransport, Transport,
};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::hint::black_box;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Where the network in memory begins.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

fn main() {
    let mut criterion = criterion().sample_size(10);
    let addresses = size(65_536, 512);
    probes(&mut criterion, addresses);
    dead(&mut criterion, addresses);
    alive(&mut criterion, addresses);
    loopback(&mut criterion, size(4_096, 256));
    criterion.final_summary();
}

/// One scan to its end. Miners are dropped as they are found, as a program does that writes them somewhere.
async fn scan(scanner: &Scanner, targets: &ScanTargets, config: &ScanConfig) -> ScanReport {
    let mut events = scanner.scan(targets.clone(), config.clone()).expect("legal targets and settings");
    loop {
        if let ScanEvent::Complete { report, .. } = events.recv().await.expect("a last event") {
            return *report;
        }
    }
}

fn targets(first: Ipv4Addr, addresses: u32) -> ScanTargets {
    let last = Ipv4Addr::from(u32::from(first) + addresses - 1);
    format!("{first}-{last}").parse().expect("a range")
}

/// Measures scans that must come to so many outcomes of a kind.
fn measure(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    (scanner, targets): (&Scanner, &ScanTargets),
    (kind, count): (OutcomeKind, u32),
) {
    // The machine's own speed, and not what a network may be asked.
    let config = ScanConfig::default().with_rate(None);
    let addresses = targets.plan(&config).expect("legal targets").len();
    let report = runtime.block_on(scan(scanner, targets, &config));
    assert!(report.adds_up() && report.counts.of(kind) == u64::from(count), "{name}: {report:?}");
    let mut group = criterion.benchmark_group("scan");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(addresses));
    group.bench_function(BenchmarkId::new(name, addresses), |b| {
        b.iter(|| runtime.block_on(scan(scanner, targets, &config)));
    });
    group.finish();
}

/// The floor: the same number of probes, one after another, without a scanner.
fn probes(criterion: &mut Criterion, addresses: u32) {
    let runtime = virtual_time();
    let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::new());
    let mut group = criterion.benchmark_group("scan");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(addresses.into()));
    group.bench_function(BenchmarkId::new("floor_probes_without_a_scanner", addresses), |b| {
        b.iter(|| {
            runtime.block_on(async {
                let deadline = Instant::now() + Duration::from_secs(1);
                for address in 0..addresses {
                    let ip = Ipv4Addr::from(u32::from(FIRST) + address);
                    black_box(transport.probe(Endpoint::new(ip.into(), 4028), deadline).await);
                }
            });
        });
    });
    group.finish();
}

/// Nothing is there.
fn dead(criterion: &mut Criterion, addresses: u32) {
    let runtime = virtual_time();
    let targets = targets(FIRST, addresses);
    let networks: [(&str, Arc<dyn Transport>, OutcomeKind); 3] = [
        ("refused", Arc::new(MemoryTransport::new()), OutcomeKind::Refused),
        // Three tries each, every one with timers that run out in virtual time.
        ("silent", Arc::new(MemoryTransport::new().with_elsewhere(Door::Silent)), OutcomeKind::Silent),
        // Three tries each, without a timer.
        ("silent_at_once", Arc::new(InstantTransport(ProbeOutcome::Silent)), OutcomeKind::Silent),
    ];
    for (name, transport, kind) in networks {
        let scanner = Scanner::new(transport);
        measure(criterion, &runtime, name, (&scanner, &targets), (kind, addresses));
    }
}

/// Miners at some or all addresses, every one read in full: an Antminer S19 Pro, four questions.
fn alive(criterion: &mut Criterion, addresses: u32) {
    let runtime = virtual_time();
    let targets = targets(FIRST, addresses);
    let miner = CannedMiner::load("antminer-s19-pro");
    for (name, every) in [("alive_1_percent", 100_u8), ("alive_100_percent", 1)] {
        let network = network_of(&miner, FIRST, addresses, every.into());
        let scanner = Scanner::new(Arc::new(network));
        let found = addresses.div_ceil(every.into());
        measure(criterion, &runtime, name, (&scanner, &targets), (OutcomeKind::Found, found));
    }

    // The same, where the reading is known beforehand: what is left is the scanner's own work.
    let reading = drive(ReadMiner::new(), miner.first_reading()).expect("a fixture that can be read");
    let scanner = Scanner::new(Arc::new(InstantTransport(ProbeOutcome::Open)))
        .with_identifier(Arc::new(Known(reading.snapshot)));
    let expected = (OutcomeKind::Found, addresses);
    measure(criterion, &runtime, "alive_100_percent_read_before", (&scanner, &targets), expected);
}

/// Finds the same miner everywhere.
#[derive(Debug)]
struct Known(MinerSnapshot);

impl Identifier for Known {
    fn identify(&self, _: Endpoint, _: &Doors) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>> {
        futures::future::ready(Ok(self.0.clone())).boxed()
    }
}

/// Real sockets: addresses of 127/8 that refuse.
fn loopback(criterion: &mut Criterion, addresses: u32) {
    let runtime = real_time();
    // A port that was free a moment ago, on every address.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    drop(listener);
    let first = Ipv4Addr::new(127, 8, 0, 0);
    let last = Ipv4Addr::from(u32::from(first) + addresses - 1);
    let targets: ScanTargets = format!("{first}-{last}:{port}").parse().expect("a range");
    let scanner = Scanner::new(Arc::new(TcpTransport::new()));
    let expected = (OutcomeKind::Refused, addresses);
    measure(criterion, &runtime, "loopback_refused", (&scanner, &targets), expected);
}
