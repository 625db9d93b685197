//! Scans of networks in memory, in virtual time: every endpoint one outcome, bounds kept, nothing lost.

mod doors;
mod recall;
mod sources;
mod turns;
mod world;

use crate::event::ScanStream;
use crate::outcome::{Outcome, OutcomeKind, ScanFailure};
use crate::report::ScanReport;
use crate::story::ScanStep;
use crate::{ScanConfig, ScanEvent, ScanOrder, ScanTargets, Scanner};
use bitlink_model::{Miner, MinerStatus};
use bitlink_transport::{ConverseError, Endpoint, Neighbours, TransportError};
use futures::StreamExt;
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep};
use world::{Fate, NoSockets, World};

fn endpoint(number: u32) -> Endpoint {
    (IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 4028).into()
}

/// One door to each machine; what more of them change is in `doors`.
fn config() -> ScanConfig {
    ScanConfig::default().with_doors(Vec::new())
}

fn scanner(world: &Arc<World>) -> Scanner {
    Scanner::new(world.clone()).with_identifier(world.clone())
}

fn targets(count: u32) -> ScanTargets {
    (0..count).map(endpoint).collect()
}

/// All that a scan told.
#[derive(Default)]
struct Told {
    found: Vec<Miner>,
    outcomes: HashMap<Endpoint, Outcome>,
    progress: Vec<(u64, u64)>,
    steps: Vec<(Endpoint, ScanStep)>,
    sighted: Vec<(&'static str, IpAddr)>,
    trouble: Vec<(&'static str, String)>,
    report: Option<ScanReport>,
}

impl Told {
    fn report(&self) -> &ScanReport {
        self.report.as_ref().unwrap()
    }

    fn count(&self, kind: OutcomeKind) -> u64 {
        self.report().counts.of(kind)
    }
}

async fn listen(mut events: ScanStream) -> Told {
    let mut told = Told::default();
    while let Some(event) = events.recv().await {
        assert!(told.report.is_none(), "nothing comes after the end");
        match event {
            ScanEvent::Started { .. } | ScanEvent::FlatNetwork { .. } | ScanEvent::NameUnknown { .. } => {}
            ScanEvent::Sighted { source, ip, .. } => told.sighted.push((source, ip)),
            ScanEvent::SourceTrouble { source, error, .. } => told.trouble.push((source, error.to_string())),
            ScanEvent::Found(miner) => told.found.push(*miner),
            ScanEvent::Outcome { endpoint, outcome } => {
                assert!(told.outcomes.insert(endpoint, outcome).is_none(), "{endpoint} has two outcomes");
            }
            ScanEvent::Step { endpoint, step, .. } => told.steps.push((endpoint, *step)),
            ScanEvent::Progress { done, total, .. } => told.progress.push((done, total)),
            ScanEvent::Complete { found, failed, report } => {
                assert_eq!(found, report.counts.of(OutcomeKind::Found));
                assert_eq!(failed, report.counts.of(OutcomeKind::Failed));
                told.report = Some(*report);
            }
        }
    }
    let report = told.report();
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(told.found.len() as u64, report.counts.of(OutcomeKind::Found));
    told
}

async fn scan_world(world: &Arc<World>, count: u32, config: ScanConfig) -> Told {
    listen(scanner(world).scan(targets(count), config).unwrap()).await
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Silent),
        4 => Just(Fate::Refused),
        4 => Just(Fate::Miner),
        1 => Just(Fate::Unreachable),
        1 => Just(Fate::Denied),
        1 => Just(Fate::LossyMiner),
        1 => (0_u64..20_000).prop_map(Fate::SlowMiner),
        1 => Just(Fate::BusyMiner),
        1 => Just(Fate::Unknown),
        1 => Just(Fate::WebServer),
        1 => Just(Fate::Closed),
        1 => Just(Fate::Malformed),
        1 => Just(Fate::Mute),
    ]
}

fn kind_of(fate: Fate) -> OutcomeKind {
    match fate {
        Fate::Silent => OutcomeKind::Silent,
        Fate::Refused => OutcomeKind::Refused,
        Fate::Unreachable => OutcomeKind::Unreachable,
        Fate::Denied => OutcomeKind::Denied,
        Fate::Miner | Fate::LossyMiner | Fate::SlowMiner(_) | Fate::BusyMiner => OutcomeKind::Found,
        Fate::Unknown => OutcomeKind::NotIdentified,
        Fate::WebServer => OutcomeKind::NotAMiner,
        Fate::Closed => OutcomeKind::AccessDenied,
        Fate::Malformed | Fate::Mute | Fate::Poisonous => OutcomeKind::Failed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_endpoint_has_exactly_one_outcome_and_it_is_the_right_one(
        fates in proptest::collection::vec(fate(), 1..200),
        concurrency in 1_usize..64,
        identify_concurrency in 1_usize..16,
        event_queue in 1_usize..8,
        sockets in proptest::option::of(1_usize..64),
        rate in proptest::option::of(50_u32..5_000),
        report_all: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new((0_u32..).map(endpoint).zip(fates.iter().copied()));
            world.sockets = sockets;
            let world = Arc::new(world);
            let config = config()
                .with_concurrency(concurrency)
                .with_identify_concurrency(identify_concurrency)
                .with_event_queue(event_queue)
                .with_rate(rate)
                .with_exhausted_retries(1_000)
                .with_report_all(report_all);
            let told = scan_world(&world, u32::try_from(fates.len()).unwrap(), config).await;

            for (number, fate) in (0_u32..).zip(&fates) {
                let endpoint = endpoint(number);
                let found = told.found.iter().filter(|miner| miner.ip == endpoint.ip()).count();
                let kind = kind_of(*fate);
                assert_eq!(found, usize::from(kind == OutcomeKind::Found), "{fate:?}");
                let told_of = told.outcomes.get(&endpoint).map(Outcome::kind);
                let worth_telling = kind != OutcomeKind::Found && (report_all || kind.is_notable());
                assert_eq!(told_of, worth_telling.then_some(kind), "{fate:?}");
            }
            for (kind, count) in told.report().counts.iter() {
                assert_eq!(count, fates.iter().filter(|fate| kind_of(**fate) == kind).count() as u64, "{kind}");
            }
            assert!(world.most_probing.load(Ordering::SeqCst) <= concurrency.min(sockets.unwrap_or(usize::MAX)));
            assert!(world.most_identifying.load(Ordering::SeqCst) <= identify_concurrency);
            assert_eq!(world.probes.load(Ordering::SeqCst), told.report().probes);
            assert!(told.progress.is_sorted());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_found_miner_is_dated_and_judged() {
    let world = Arc::new(World::new([(endpoint(0), Fate::Miner)]));
    let (miners, report) = scanner(&world).scan_to_end(targets(1), config()).await.unwrap();
    assert_eq!((miners.len(), report.total, report.addresses), (1, 1, 1));
    assert_eq!((miners[0].ip, miners[0].port), (endpoint(0).ip(), 4028));
    assert_eq!(miners[0].status, MinerStatus::Active);
    assert_eq!(miners[0].stats.hashrate_avg, 5.0);
    assert!(miners[0].last_updated.is_some());

    let stern = scanner(&world).with_judge(|_| (MinerStatus::Warning, Vec::new()));
    let (miners, _) = stern.scan_to_end(targets(1), config()).await.unwrap();
    assert_eq!(miners[0].status, MinerStatus::Warning);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_stops_everything() {
    let fates =
        (0..10_000).map(|n| (endpoint(n), if n < 20 { Fate::SlowMiner(60_000) } else { Fate::Silent }));
    let world = Arc::new(World::new(fates));
    let config = config().with_concurrency(50).with_order(ScanOrder::Ascending);
    let mut events = scanner(&world).scan(targets(10_000), config).unwrap();
    while !matches!(events.recv().await, Some(ScanEvent::Progress { done: 50.., .. })) {}
    assert!(world.probing.load(Ordering::SeqCst) > 0 && world.identifying.load(Ordering::SeqCst) > 0);

    drop(events);
    // Aborted tasks let go when the runtime next turns to them: one round for the scan, one for its workers.
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
    let probes = world.probes.load(Ordering::SeqCst);
    assert_eq!(world.probing.load(Ordering::SeqCst), 0);
    assert_eq!(world.identifying.load(Ordering::SeqCst), 0);
    advance(Duration::from_mins(10)).await;
    assert_eq!(world.probes.load(Ordering::SeqCst), probes, "not one probe more");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_scan_reports_what_it_left() {
    let fates =
        (0..5_000).map(|n| (endpoint(n), if n % 7 == 0 { Fate::SlowMiner(100) } else { Fate::Silent }));
    let world = Arc::new(World::new(fates));
    let mut events = scanner(&world).scan(targets(5_000), config().with_concurrency(100)).unwrap();
    let mut found = 0;
    while !matches!(events.recv().await.unwrap(), ScanEvent::Found(_)) {}
    found += 1;
    events.stop();
    let rest = {
        let mut rest = Vec::new();
        while let Some(event) = events.next().await {
            rest.push(event);
        }
        rest
    };
    found += rest.iter().filter(|event| matches!(event, ScanEvent::Found(_))).count() as u64;
    let Some(ScanEvent::Complete { report, .. }) = rest.last() else { panic!("{:?}", rest.last()) };
    assert!(report.stopped && report.adds_up());
    assert_eq!(report.counts.of(OutcomeKind::Found), found);
    assert!(report.counts.of(OutcomeKind::NotProbed) > 4_000);
    assert_eq!(world.probing.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_loses_no_miner() {
    let world = Arc::new(World::new((0..300).map(|n| (endpoint(n), Fate::Miner))));
    let mut events = scanner(&world).scan(targets(300), config().with_event_queue(1)).unwrap();
    let (mut miners, mut complete) = (Vec::new(), 0);
    while let Some(event) = events.recv().await {
        match event {
            ScanEvent::Found(miner) => miners.push(miner.ip),
            ScanEvent::Complete { found, .. } => complete = found,
            _ => {}
        }
        sleep(Duration::from_secs(1)).await;
    }
    miners.sort_unstable();
    miners.dedup();
    assert_eq!((miners.len(), complete), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn want_of_sockets_narrows_the_scan_and_loses_nothing() {
    let mut world =
        World::new((0..2_000).map(|n| (endpoint(n), if n % 10 == 0 { Fate::Miner } else { Fate::Silent })));
    world.sockets = Some(100);
    let world = Arc::new(world);
    let told = scan_world(&world, 2_000, config().with_concurrency(1_000)).await;
    assert_eq!(told.count(OutcomeKind::Found), 200);
    assert_eq!(told.count(OutcomeKind::Silent), 1_800);
    let report = told.report();
    assert!(report.exhausted_retries >= 900 && report.narrowed_to <= Some(100), "{report:?}");
    // 1,800 silent addresses at 275 ms and two to three of 100 sockets each are some 12 s.
    assert!(report.elapsed < Duration::from_secs(20), "{:?}", report.elapsed);
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_any_socket_says_so() {
    let scanner = Scanner::new(Arc::new(NoSockets));
    let told = listen(scanner.scan(targets(20), config().with_exhausted_retries(5)).unwrap()).await;
    assert_eq!(told.count(OutcomeKind::Failed), 20);
    for outcome in told.outcomes.values() {
        assert!(matches!(outcome, Outcome::Failed(ScanFailure::Exhausted { tries: 6 })), "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_machines_hold_up_nobody_else() {
    let fates = (0..254).map(|n| (endpoint(n), if n % 3 == 0 { Fate::Mute } else { Fate::Miner }));
    let world = Arc::new(World::new(fates));
    let mut events = scanner(&world).scan(targets(254), config()).unwrap();
    let began = Instant::now();
    let mut last_found = began;
    while let Some(event) = events.recv().await {
        if matches!(event, ScanEvent::Found(_)) {
            last_found = Instant::now();
        }
    }
    assert!(last_found - began < Duration::from_millis(50), "{:?}", last_found - began);
    assert!(began.elapsed() < Duration::from_millis(5_050), "the hostile ones take their own time together");
}

#[tokio::test(start_paused = true)]
async fn more_hostile_machines_than_are_asked_at_once_do_not_hold_up_the_sweep() {
    let fates = (0..3_000).map(|n| (endpoint(n), if n < 1_000 { Fate::Mute } else { Fate::Refused }));
    let world = Arc::new(World::new(fates));
    let mut events = scanner(&world).scan(targets(3_000), config()).unwrap();
    let began = Instant::now();
    loop {
        let Some(ScanEvent::Progress { done, .. }) = events.recv().await else { continue };
        if done >= 2_000 {
            break;
        }
    }
    assert!(began.elapsed() <= config().progress_interval, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_defect_costs_one_endpoint() {
    let world = Arc::new(World::new([(endpoint(0), Fate::Poisonous), (endpoint(1), Fate::Miner)]));
    let told = scan_world(&world, 2, config().with_identify_concurrency(1)).await;
    assert_eq!((told.count(OutcomeKind::Found), told.count(OutcomeKind::Failed)), (1, 1));
    assert!(matches!(told.outcomes[&endpoint(0)], Outcome::Failed(ScanFailure::Defect)));
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_over_repeated_tries() {
    let world = Arc::new(World::new([]));
    let told = scan_world(&world, 500, config().with_rate(Some(250))).await;
    assert_eq!(told.report().probes, 1_500, "three tries each");
    assert_eq!(told.report().probe_retries, 1_000);
    // Half a second's worth may begin at once.
    assert!(told.report().elapsed >= Duration::from_millis(5_496), "{:?}", told.report().elapsed);
}

#[tokio::test(start_paused = true)]
async fn progress_tells_how_long_it_will_take() {
    let world = Arc::new(World::new([]));
    let mut events = scanner(&world).scan(targets(10_000), config().with_concurrency(100)).unwrap();
    let began = Instant::now();
    let mut etas = Vec::new();
    while let Some(event) = events.recv().await {
        if let ScanEvent::Progress { done, total, in_flight, rate, eta, .. } = event {
            assert!(done <= total && in_flight <= 100 && rate.is_finite());
            etas.extend(eta.map(|eta| began.elapsed() + eta));
        }
    }
    // 10,000 silent addresses at 275 ms and two to three connections each: known to a fifth after the first quarter.
    let whole = began.elapsed();
    assert!((60..80).contains(&whole.as_secs()), "{whole:?}");
    let known = &etas[etas.len() / 4..];
    assert!(known.iter().all(|eta| eta.abs_diff(whole) < whole / 5), "{known:?}");
}

/// Neighbours that are told of by the kernel only.
#[derive(Debug)]
struct Link {
    flat: bool,
    /// How often its table of a hundred places still runs over when somebody looks.
    runs_over: AtomicU64,
    ran_over: AtomicU64,
}

fn link(flat: bool, runs_over: u64) -> Arc<dyn Neighbours> {
    Arc::new(Link { flat, runs_over: runs_over.into(), ran_over: 0.into() })
}

#[async_trait::async_trait]
impl Neighbours for Link {
    fn is_on_link(&self, _: IpAddr) -> bool {
        self.flat
    }

    fn room(&self) -> usize {
        100
    }

    fn overflows(&self) -> u64 {
        let less = |left: u64| left.checked_sub(1);
        let again = self.runs_over.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        self.ran_over.fetch_add(u64::from(again), Ordering::SeqCst) + u64::from(again)
    }

    fn held(&self) -> std::collections::HashSet<Ipv4Addr> {
        std::collections::HashSet::new()
    }

    fn forget(&self, _: &[Ipv4Addr]) -> bool {
        false
    }

    fn knows(&self, _: Ipv4Addr) -> bool {
        false
    }

    fn mac_of(&self, _: Ipv4Addr) -> Option<bitlink_model::Mac> {
        None
    }

    fn table(&self) -> Vec<(Ipv4Addr, bitlink_model::Mac)> {
        Vec::new()
    }

    fn can_ask(&self) -> bool {
        false
    }

    async fn ask(&self, _: Ipv4Addr) -> bitlink_model::Mac {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_runs_over_costs_time_and_no_miner() {
    // Silent at first, as everybody is while the table is full.
    let world = Arc::new(World::new((0..500).map(|n| (endpoint(n), Fate::LossyMiner))));
    let scanner = scanner(&world).with_neighbours(Some(link(true, u64::MAX)));
    let (_, report) = scanner.scan_to_end(targets(500), config()).await.unwrap();
    assert_eq!(report.counts.of(OutcomeKind::Found), 500);
    assert_eq!(report.table_overflows, 500);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_always_runs_over_does_not_keep_a_scan_from_ending() {
    let world = Arc::new(World::new([]));
    let scanner = scanner(&world).with_neighbours(Some(link(true, u64::MAX)));
    let (_, report) = scanner.scan_to_end(targets(200), config()).await.unwrap();
    assert_eq!(report.counts.of(OutcomeKind::Silent), 200);
    assert_eq!(report.table_overflows, 200 * 8);
}

#[tokio::test(start_paused = true)]
async fn a_flat_network_is_told_of_where_there_is_one_and_misses_nobody() {
    let world = Arc::new(World::new((0..1_000).step_by(10).map(|n| (endpoint(n), Fate::Miner))));
    for (flat, told_of, least) in [(true, 1, 8), (false, 0, 0)] {
        let scanner = scanner(&world).with_neighbours(Some(link(flat, 0)));
        let mut events = scanner.scan(targets(1_000), config()).unwrap();
        let (mut flats, mut found) = (0, 0);
        let report = loop {
            match events.recv().await.unwrap() {
                ScanEvent::FlatNetwork { asks: false, places: 100 } => flats += 1,
                ScanEvent::Found(_) => found += 1,
                ScanEvent::Complete { report, .. } => break report,
                _ => {}
            }
        };
        assert_eq!((flats, found), (told_of, 100));
        // 900 addresses of nobody, 100 at a time, each connected to for almost a second.
        assert!(report.elapsed.as_secs() >= least && report.elapsed.as_secs() < 80, "{:?}", report.elapsed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_is_an_outcome() {
    #[derive(Debug)]
    struct NoNames;
    impl crate::Resolver for NoNames {
        fn resolve<'a>(
            &'a self,
            name: &'a str,
        ) -> futures::future::BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
            Box::pin(async move {
                if name == "miner.lan" {
                    Ok(vec![endpoint(0).ip()])
                } else {
                    Err(std::io::Error::from(std::io::ErrorKind::NotFound))
                }
            })
        }
    }
    let world = Arc::new(World::new([(endpoint(0), Fate::Miner)]));
    let scanner = scanner(&world).with_resolver(Arc::new(NoNames));

    let names = ScanTargets::parse("miner.lan nobody.lan 10.0.0.0").unwrap();
    let mut events = scanner.scan(names, config()).unwrap();
    let Some(ScanEvent::Started { total: 2, addresses: 1, .. }) = events.recv().await else { panic!() };
    let Some(ScanEvent::NameUnknown { name, .. }) = events.recv().await else { panic!() };
    assert_eq!(name, "nobody.lan");
    let told = listen(events).await;
    assert_eq!((told.count(OutcomeKind::Found), told.count(OutcomeKind::NameUnknown)), (1, 1));

    let nobody = ScanTargets::parse("nobody.lan").unwrap();
    let told = listen(scanner.scan(nobody, config()).unwrap()).await;
    assert_eq!((told.report().total, told.count(OutcomeKind::NameUnknown)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_scan_of_nothing_is_over_at_once() {
    let world = Arc::new(World::new([]));
    let nothing = targets(3).excluding(targets(3)).unwrap();
    let (miners, report) = scanner(&world).scan_to_end(nothing, config()).await.unwrap();
    assert_eq!((miners.len(), report.total, report.skipped.excluded), (0, 0, 3));
    assert!(report.adds_up());
}

#[test]
fn what_cannot_start_says_why() {
    let world = Arc::new(World::new([]));
    let refuse = |targets, config: ScanConfig| scanner(&world).scan(targets, config).unwrap_err().to_string();
    assert!(refuse(targets(1), config()).contains("tokio runtime"));
    assert!(refuse(ScanTargets::default(), config()).contains("no target"));
    assert!(refuse(targets(1), config().with_concurrency(0)).contains("concurrency"));
    assert!(refuse(targets(3), config().with_max_addresses(2)).contains("limit of 2"));
}

#[test]
fn errors_become_outcomes() {
    use std::io;
    let kind = |error| Outcome::of_conversation(error).kind();
    let transport = |error| ConverseError::Transport(error);
    let io = |kind: io::ErrorKind| Arc::new(io::Error::from(kind));
    assert_eq!(kind(world::closed()), OutcomeKind::AccessDenied);
    assert_eq!(kind(transport(TransportError::ClosedWithoutReply)), OutcomeKind::AccessDenied);
    assert_eq!(kind(transport(TransportError::Reset)), OutcomeKind::Failed);
    assert_eq!(kind(transport(TransportError::Refused)), OutcomeKind::Failed);
    assert_eq!(
        kind(transport(TransportError::Unreachable(io(io::ErrorKind::HostUnreachable)))),
        OutcomeKind::Unreachable
    );
    assert_eq!(
        kind(transport(TransportError::Denied(io(io::ErrorKind::PermissionDenied)))),
        OutcomeKind::Denied
    );

    let outcome = Outcome::of_conversation(transport(TransportError::TooLong { limit: 9 }));
    assert_eq!(outcome.to_string(), "the port is open, but no answer served: reply longer than 9 bytes");
}
