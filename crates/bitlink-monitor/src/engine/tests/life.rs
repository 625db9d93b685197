//! The life of a miner as a reader sees it.

use super::*;
use crate::rule;
use bitlink_model::{Identity, Mac};
use bitlink_simulator::{Fault, FaultKind};
use bitlink_transport::Links;

#[tokio::test(start_paused = true)]
async fn active_then_hot_then_dead_then_back() {
    let (farm, host, endpoint) = Farm::of_one(FaceName::Antminer);
    let mut rx = farm.watch(MonitorConfig::default());
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;
    assert!(after < Duration::from_secs(1), "a single miner is asked at once, not an interval later");
    assert!(miner.stats.hashrate_rt > 10.0 && miner.findings.is_empty());

    host.break_with(Fault::Overheating);
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert!(after <= INTERVAL + Duration::from_secs(1));
    assert!(miner.findings.iter().any(|finding| finding.rule == rule::CHIP_HOT), "{:?}", miner.findings);
    host.mend(FaultKind::Overheating);
    until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;

    host.break_with(Fault::Unresponsive);
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert!(after <= INTERVAL * 4 + Duration::from_secs(5), "three polls without an answer: {after:?}");
    assert_eq!(miner.findings[0].rule, rule::NO_ANSWER);
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Dead).await;
    assert!(after <= INTERVAL * 4, "and a minute in all: {after:?}");
    assert!(miner.stats.hashrate_rt.is_nan() && miner.stats.pools.is_empty(), "stale is not shown as live");
    let kept = miner.snapshot.as_ref().unwrap();
    assert_eq!(kept.observed_at, miner.last_updated, "the last reading is kept, with its date");
    assert!(kept.hashrate.realtime.is_some());

    host.mend(FaultKind::Unresponsive);
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert!(after <= Duration::from_secs(71), "asked at least once a minute: {after:?}");
    assert_eq!(miner.findings[0].rule, rule::RECOVERING);
    assert!(miner.stats.hashrate_rt > 10.0, "fresh numbers are shown at once");
    let (_, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;
    assert!(after <= INTERVAL * 3 / 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_address_without_a_miner_is_dead_after_three_polls_and_then_asked_less_often() {
    let mut farm = Farm::empty();
    let puppet = Arc::new(Puppet::default());
    puppet.set(|says| says.door = Some(Door::Silent));
    let endpoint = farm.put(address(9), Arc::clone(&puppet) as _);
    let mut rx = farm.watch(MonitorConfig::default());
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Dead).await;
    assert!(after <= INTERVAL * 3 + Duration::from_secs(6), "{after:?}");
    assert!(miner.last_updated.is_none() && miner.snapshot.is_none());
    let before = puppet.connects().len();
    listen(&mut rx, Duration::from_hours(1)).await;
    let asked = puppet.connects().len() - before;
    assert!((58..=66).contains(&asked), "about once a minute: {asked}");
}

#[tokio::test(start_paused = true)]
async fn something_that_is_no_miner_is_a_warning_that_says_so() {
    #[derive(Debug)]
    struct Web;
    impl Host for Web {
        fn connect(&self, _: u16) -> Door {
            Door::Open { after: Duration::ZERO }
        }
        fn respond(&self, _: u16, _: &[u8]) -> Script {
            Script::reply("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")
        }
    }
    let mut farm = Farm::empty();
    let endpoint = farm.put(address(9), Arc::new(Web));
    let mut rx = farm.watch(MonitorConfig::default());
    let (miner, _) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert_eq!(miner.findings[0].rule, rule::UNREADABLE);
    assert!(miner.findings[0].message.contains("not a miner"), "{}", miner.findings[0].message);
}

#[tokio::test(start_paused = true)]
async fn another_machine_at_an_address_is_told_and_judged_anew() {
    let mut farm = Farm::empty();
    let (first, second) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    first.set(|says| says.celsius = 85.0);
    second.set(|says| says.model = "Beta");
    let endpoint = farm.put(address(3), first);
    let mut rx = farm.watch(MonitorConfig::default());
    let (miner, _) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert_eq!(miner.model, "Alpha");

    // The machine is unplugged, another one gets its address.
    farm.network.remove(endpoint.ip());
    listen(&mut rx, INTERVAL * 2).await;
    farm.network.insert(endpoint.ip(), second);
    let events = listen(&mut rx, INTERVAL * 2).await;
    let told = events.iter().find_map(|event| match event {
        MonitorEvent::IdentityChanged { miner, .. } => Some(Arc::clone(miner)),
        _ => None,
    });
    let miner = told.expect("another machine answers");
    assert_eq!((miner.model.as_str(), miner.status), ("Beta", MinerStatus::Active));
}

#[tokio::test(start_paused = true)]
async fn a_miner_that_tells_no_address_of_its_own_is_known_by_the_one_at_which_it_is_met() {
    let (farm, _, endpoint) = Farm::of_one(FaceName::Cgminer);
    let links = Arc::new(Links::new(None));
    let mac = |n| Mac::new([2, 0, 0, 0, 0, n]);
    links.seen(endpoint.ip(), mac(1));
    let mut events = Monitor::new(Arc::new(farm.network.clone()))
        .with_config(MonitorConfig::default())
        .with_links(Some(Arc::clone(&links)))
        .start([endpoint]);
    let known_by = |n| {
        let mut identity = Identity::default();
        identity.mac = Some(mac(n));
        bitlink_model::MinerId::derived(&identity, endpoint.ip())
    };
    for _ in 0..3 {
        let fleet = loop {
            if let MonitorEvent::FullSnapshot(fleet) = events.recv().await.unwrap() {
                break fleet;
            }
        };
        let snapshot = fleet.miners[0].snapshot.as_ref().unwrap();
        assert_eq!(fleet.miners[0].id, known_by(1));
        assert_eq!(snapshot.provenance.of("identity.mac_address"), bitlink_model::Source::Observed);
        assert!(snapshot.anomalies.is_empty(), "{:?}", snapshot.anomalies);
    }
    links.seen(endpoint.ip(), mac(2));
    loop {
        if let MonitorEvent::IdentityChanged { miner, before } = events.recv().await.unwrap() {
            assert_eq!((before, miner.id), (known_by(1), known_by(2)));
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_machine_cannot_ask_is_no_fault_of_the_miners() {
    use bitlink_transport::{FaultPlan, FaultTransport};
    let (farm, _, endpoint) = Farm::of_one(FaceName::Whatsminer);
    let faulty = Arc::new(FaultTransport::new(Arc::new(farm.network.clone()), 1));
    let mut rx = farm.watch_through(Arc::clone(&faulty) as _, MonitorConfig::default());
    until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;
    faulty.set_plan(FaultPlan::default().with_exhaust(1.0));
    let (miner, after) = until_status(&mut rx, endpoint.ip(), MinerStatus::Warning).await;
    assert!(after >= Duration::from_mins(1) && after <= INTERVAL * 8, "{after:?}");
    assert_eq!(miner.findings[0].rule, rule::NOT_ASKED);
    assert!(miner.stats.hashrate_rt.is_nan(), "what was read before is too old to be shown as live");
    listen(&mut rx, Duration::from_mins(30)).await;
    let coverage = rx.state().coverage.clone();
    assert!(coverage.not_asked > 150, "it shows, and it is tried at every turn: {coverage:?}");
    assert_eq!((coverage.dead, coverage.live, coverage.polls_failed), (0, 0, 0));
    faulty.set_plan(FaultPlan::default());
    until_status(&mut rx, endpoint.ip(), MinerStatus::Active).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_mixed_fleet_is_judged_as_it_is() {
    let spec = FleetSpec::new(120).with_seed(11).with_sick(0.6);
    let (farm, fleet) = Farm::of(&spec);
    let mut rx = farm.watch(MonitorConfig::default().with_interval(Duration::from_mins(1)));
    listen(&mut rx, Duration::from_mins(40)).await;
    let state = rx.state();
    let mut wrong = Vec::new();
    for truth in fleet.truths() {
        let miner = state.get(Endpoint::new(truth.address, 4028)).unwrap();
        if miner.status != truth.expected_status() {
            wrong.push(format!(
                "{} {} {:?} {:?}: expected {}, judged {} {:?}",
                miner.ip,
                miner.model,
                truth.condition,
                truth.faults,
                truth.expected_status(),
                miner.status,
                miner.findings.iter().map(|f| f.message.as_str()).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} wrong", wrong.join("\n"), wrong.len());
}
