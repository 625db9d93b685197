//! Candidates beside the sweep: visited once, whoever comes first, and accounted for.

use super::*;
use crate::{Candidate, CandidateSource, Candidates, ScanPlan, SourceCounts, SourceError};
use bitlink_model::{Mac, Source};
use futures::stream;

/// Names these, each after so many milliseconds.
#[derive(Debug, Clone)]
struct Names(&'static str, Vec<(u64, Candidate)>);

impl CandidateSource for Names {
    fn name(&self) -> &'static str {
        self.0
    }

    fn open(&self, _: &ScanPlan) -> Result<Candidates, SourceError> {
        let named = stream::iter(self.1.clone()).then(|(ms, candidate)| async move {
            sleep(Duration::from_millis(ms)).await;
            candidate
        });
        Ok(Candidates::new(named.boxed()))
    }
}

#[derive(Debug)]
struct Broken;

impl CandidateSource for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn open(&self, _: &ScanPlan) -> Result<Candidates, SourceError> {
        Err(SourceError::NotHere)
    }
}

fn at(number: u32) -> Candidate {
    Candidate::new(endpoint(number).ip())
}

fn names(name: &'static str, candidates: &[Candidate]) -> Arc<dyn CandidateSource> {
    Arc::new(Names(name, candidates.iter().map(|candidate| (0, *candidate)).collect()))
}

async fn scan_with(
    world: &Arc<World>,
    targets: ScanTargets,
    config: ScanConfig,
    sources: Vec<Arc<dyn CandidateSource>>,
) -> Told {
    let scanner = scanner(world).with_sources(sources);
    listen(scanner.scan(targets, config.with_report_all(true)).unwrap()).await
}

fn counts(told: &Told) -> Vec<(&'static str, u64, u64, u64, u64)> {
    let row = |counts: &SourceCounts| (counts.name, counts.seen, counts.beyond, counts.found, counts.only);
    told.report().sources.iter().map(row).collect()
}

#[tokio::test(start_paused = true)]
async fn a_candidate_among_the_targets_is_visited_once_and_first() {
    let world = Arc::new(World::new([(endpoint(900), Fate::Miner)]));
    let config = config().with_order(ScanOrder::Ascending).with_concurrency(10).with_rate(Some(10));
    let sources = vec![names("listen", &[at(900), at(900)]), names("arp", &[at(900), at(3)])];
    let scanner = scanner(&world).with_sources(sources.clone());
    let mut events = scanner.scan(targets(1_000), config.clone()).unwrap();
    let began = Instant::now();
    while !matches!(events.recv().await.unwrap(), ScanEvent::Found(_)) {}
    assert!(began.elapsed() < Duration::from_secs(1), "long before the sweep comes there");

    let told = scan_with(&world, targets(1_000), config.with_rate(None), sources).await;
    assert_eq!(told.report().total, 1_000);
    assert_eq!(told.count(OutcomeKind::Found), 1);
    assert_eq!(counts(&told), [("listen", 1, 0, 1, 0), ("arp", 2, 0, 1, 0)]);
    let mut sighted = told.sighted.clone();
    sighted.sort_unstable();
    let ip = |n| endpoint(n).ip();
    assert_eq!(sighted, [("arp", ip(3)), ("arp", ip(900)), ("listen", ip(900))]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_beyond_the_targets_is_visited_and_counted() {
    let far = Endpoint::new([8, 8, 8, 8].into(), 4028);
    let other_port = Endpoint::new(endpoint(5).ip(), 4029);
    let world = Arc::new(World::new([
        (endpoint(70), Fate::Miner),
        (endpoint(71), Fate::Miner),
        (endpoint(72), Fate::Refused),
        (far, Fate::Miner),
        (other_port, Fate::Miner),
    ]));
    let targets = targets(10).excluding([endpoint(9), endpoint(71)].into_iter().collect()).unwrap();
    let listen = names(
        "listen",
        &[at(70), at(71), at(72), at(9), Candidate::new(far.ip()), Candidate::new([0, 0, 0, 0].into())],
    );
    let mcast = names("mcast", &[at(5).with_port(Some(4029)), at(72)]);
    let told = scan_with(&world, targets, config(), vec![listen, mcast]).await;
    let mut found: Vec<Endpoint> = told.found.iter().map(|m| Endpoint::new(m.ip, m.port)).collect();
    found.sort_unstable();
    assert_eq!(found, [other_port, endpoint(70)], "neither what is excluded nor what is out in the world");
    // Nine targets, 70, 72, and another port of a target.
    assert_eq!((told.report().total, told.report().addresses), (12, 11));
    assert_eq!((told.count(OutcomeKind::Refused), told.count(OutcomeKind::Silent)), (1, 9));
    assert_eq!(counts(&told), [("listen", 2, 2, 1, 1), ("mcast", 2, 1, 1, 0)]);
    assert!(told.progress.iter().all(|(done, total)| done <= total));
}

#[tokio::test(start_paused = true)]
async fn a_scan_waits_for_its_sources_and_stops_without_them() {
    let world = Arc::new(World::new([(endpoint(50), Fate::Miner)]));
    let late: Arc<dyn CandidateSource> =
        Arc::new(Names("listen", vec![(9_000, at(50)), (3_600_000, at(51))]));
    let scanner = scanner(&world).with_sources(vec![late, Arc::new(Broken)]);
    let mut events = scanner.scan(targets(3), config()).unwrap();
    let began = Instant::now();
    let mut trouble = Vec::new();
    loop {
        match events.recv().await.unwrap() {
            ScanEvent::SourceTrouble { source, .. } => trouble.push(source),
            ScanEvent::Found(miner) => {
                assert_eq!(miner.ip, endpoint(50).ip());
                break;
            }
            _ => {}
        }
    }
    assert_eq!(began.elapsed().as_secs(), 9);
    assert_eq!(trouble, ["broken"]);
    events.stop();
    let told = loop {
        if let ScanEvent::Complete { report, .. } = events.recv().await.unwrap() {
            break report;
        }
    };
    assert!(told.adds_up() && told.stopped);
    assert_eq!((told.total, told.counts.of(OutcomeKind::Found)), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_scan_of_nothing_but_candidates_finds_them() {
    let world = Arc::new(World::new([(endpoint(1), Fate::Miner)]));
    let nothing = targets(1).excluding(targets(1)).unwrap();
    let told = scan_with(&world, nothing, config(), vec![names("mcast", &[at(1)])]).await;
    assert_eq!((told.report().total, told.count(OutcomeKind::Found)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_machine_said_of_its_address_is_evidence_of_who_it_is() {
    let mac = Mac::new([2, 0, 0, 0, 0, 7]);
    let world = Arc::new(World::new([(endpoint(1), Fate::Miner), (endpoint(2), Fate::Miner)]));
    let told =
        scan_with(&world, targets(3), config(), vec![names("listen", &[at(1).with_mac(Some(mac))])]).await;
    let miner = |n| told.found.iter().find(|miner| miner.ip == endpoint(n).ip()).unwrap();
    let snapshot = miner(1).snapshot.as_ref().unwrap();
    assert_eq!(snapshot.identity.mac, Some(mac));
    assert_eq!(snapshot.provenance.of("identity.mac_address"), Source::Observed);
    assert_eq!(
        miner(1).id,
        bitlink_model::MinerId::derived(&snapshot.identity, [1, 1, 1, 1].into()),
        "wherever it is"
    );
    assert_eq!(miner(2).snapshot.as_ref().unwrap().identity.mac, None);
}

proptest! {
    /// Whenever candidates come, every endpoint has one outcome.
    #[test]
    fn whoever_comes_first_every_endpoint_has_one_outcome(
        count in 1_u32..60,
        candidates in proptest::collection::vec((0_u64..40, 0_u32..90), 0..40),
        miners in proptest::collection::vec(0_u32..90, 0..20),
        concurrency in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Arc::new(World::new(miners.iter().map(|n| (endpoint(*n), Fate::Miner))));
            let named = candidates.iter().map(|(ms, n)| (*ms, at(*n))).collect();
            let source: Arc<dyn CandidateSource> = Arc::new(Names("listen", named));
            let told = scan_with(&world, targets(count), config().with_concurrency(concurrency), vec![source]).await;
            // `listen` has seen that no endpoint has two, and that the counts add up.
            let visited: std::collections::BTreeSet<u32> =
                (0..count).chain(candidates.iter().map(|(_, n)| *n)).collect();
            assert_eq!(told.report().total, visited.len() as u64);
            assert_eq!(told.found.len() + told.outcomes.len(), visited.len());
            let expected = miners.iter().filter(|n| visited.contains(n)).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(told.found.len(), expected.len());
        });
    }
}
