//! The facade over a simulated fleet in memory: what is found is what is there, and what cannot be asked is said.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use bitlink_miner_manager::model::MiningState;
use bitlink_miner_manager::transport::{Door, MemoryTransport};
use bitlink_miner_manager::{
    Credentials, Error, Fleet, MinerStatus, MonitorConfig, MonitorEvent, OutcomeKind, ScanConfig, TargetError,
};
use bitlink_simulator::{FaceName, FaultKind, FleetSpec, Mix, SimClock, SimFleet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

fn network(fleet: &SimFleet) -> MemoryTransport {
    let network = MemoryTransport::new().with_elsewhere(Door::Refused);
    for (address, host) in fleet.hosts() {
        network.insert(address, host.clone());
    }
    network
}

fn simulated(miners: usize) -> (SimFleet, Fleet) {
    let spec = FleetSpec::new(miners).with_mix(Mix::everything()).with_seed(7).with_sick(0.2);
    let fleet = spec.build(&SimClock::runtime()).unwrap();
    let over = Fleet::over(Arc::new(network(&fleet)));
    (fleet, over)
}

#[tokio::test(start_paused = true)]
async fn every_simulated_miner_is_found_under_its_true_name() {
    let (simulated, fleet) = simulated(200);
    let (miners, report) = fleet.discover("127.0.10.0/24").await.unwrap();

    assert!(report.adds_up());
    assert_eq!(report.total, 254);
    let silent: Vec<IpAddr> = simulated
        .truths()
        .iter()
        .filter(|t| !miners.iter().any(|m| m.ip == t.address))
        .map(|t| t.address)
        .collect();
    assert_eq!(miners.len() + silent.len(), 200);
    assert_eq!(report.counts.of(OutcomeKind::Refused), 254 - 200);
    for address in silent {
        let truth = simulated.truths().into_iter().find(|t| t.address == address).unwrap();
        assert!(!truth.faults.is_empty(), "{address} is healthy and was not found");
    }
    for miner in &miners {
        let truth = simulated.truths().into_iter().find(|t| t.address == miner.ip).unwrap();
        let identity = &miner.snapshot.as_ref().unwrap().identity;
        assert_eq!(
            (&identity.make, identity.model.as_deref()),
            (&truth.make, truth.model.as_deref()),
            "{}",
            miner.ip
        );
        assert_eq!(identity.firmware.as_ref().unwrap().family, truth.family);
    }
}

#[tokio::test(start_paused = true)]
async fn one_miner_in_full_and_in_its_own_words() {
    let (_simulated, fleet) = simulated(3);
    let miner = fleet.get("127.0.10.2").await.unwrap();
    assert!(miner.stats.hashrate_avg > 0.0);
    assert!(miner.last_updated.is_some(), "a reading is dated");

    let (again, transcript) = fleet.get_raw("127.0.10.2:4028").await.unwrap();
    assert_eq!(again.unwrap().model, miner.model);
    assert!(transcript.to_string().contains("\"command\":\"version\""), "{transcript}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_said() {
    let (_simulated, fleet) = simulated(1);
    assert!(matches!(fleet.get("127.0.10.0/30").await, Err(Error::NotOne { count: 2, .. })));
    assert!(matches!(
        fleet.get("127.0.10.1:0").await,
        Err(Error::Target(TargetError::PortOutOfBounds { .. }))
    ));
    assert!(matches!(fleet.get("127.0.10.99").await, Err(Error::Read { .. })));
    assert!(matches!(fleet.scan("127.0.10.9-127.0.10.1"), Err(Error::Target(TargetError::Reversed { .. }))));
    assert!(matches!(fleet.scan(""), Err(Error::Target(TargetError::Empty))));
    let unusable = fleet.with_scan(ScanConfig::default().with_concurrency(0));
    assert!(matches!(unusable.scan("127.0.10.1"), Err(Error::Config(_))));
}

#[tokio::test(start_paused = true)]
async fn a_watched_fleet_is_judged_and_bad_targets_come_back() {
    let (simulated, fleet) = simulated(10);
    let fleet = fleet.with_monitor(MonitorConfig::default().with_interval(Duration::from_secs(10)));
    let mut events = fleet.watch(["127.0.10.1-8", "127.0.10.300", "127.0.10.9"]).await;

    let mut rejected = Vec::new();
    let miners = loop {
        match events.recv().await.unwrap() {
            MonitorEvent::Rejected { target, .. } => rejected.push(target),
            MonitorEvent::FullSnapshot(miners) if miners.coverage.scanning == 0 => break miners,
            _ => {}
        }
    };
    assert_eq!(rejected, ["127.0.10.300"]);
    assert_eq!(miners.len(), 9);
    for miner in miners.iter() {
        let truth = simulated.truths().into_iter().find(|t| t.address == miner.ip).unwrap();
        if truth.faults.is_empty() {
            assert_eq!(miner.status, MinerStatus::Active, "{}: {:?}", miner.ip, miner.findings);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_antminer_tells_over_http_what_its_api_does_not() {
    let spec = FleetSpec::new(1).with_mix(Mix::only(FaceName::Antminer)).with_sick(0.0);
    let simulated = spec.build(&SimClock::runtime()).unwrap();
    let truth = simulated.truths().remove(0);
    let fleet = Fleet::over(Arc::new(network(&simulated)));

    let config = ScanConfig::default().with_credentials(vec![Credentials::new("root", "not this one")]);
    let miner = fleet.with_scan(config).get(&truth.address.to_string()).await.unwrap();
    let snapshot = miner.snapshot.unwrap();
    assert_eq!(snapshot.identity.mac, Some(truth.mac));
    assert_eq!(snapshot.identity.hostname.as_deref(), Some(truth.hostname.as_str()));
    assert_eq!(
        snapshot.default_password,
        Some(true),
        "the operator's failed, the one it was delivered with opens it"
    );
    assert_eq!(snapshot.anomalies, []);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_sleeps_by_wish_is_not_taken_for_a_broken_one() {
    let spec = FleetSpec::new(1)
        .with_mix(Mix::only(FaceName::Antminer))
        .with_faults(vec![FaultKind::Asleep])
        .with_sick(1.0);
    let simulated = spec.build(&SimClock::runtime()).unwrap();
    let miner = Fleet::over(Arc::new(network(&simulated))).get("127.0.10.1").await.unwrap();
    assert_eq!(miner.snapshot.unwrap().mining_state, Some(MiningState::Stopped));
    assert_eq!(miner.status, MinerStatus::Paused);
}
