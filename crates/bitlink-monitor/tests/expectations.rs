//! What a fleet is judged by, over simulated machines of every firmware and model: a healthy one raises nothing, and a
//! board that is gone is missed wherever it was, because the model says how many there should be.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use bitlink_model::{Mac, Miner, Timestamp};
use bitlink_monitor::{Monitor, MonitorConfig, MonitorEvent, VirtualClock};
use bitlink_protocol::catalogue;
use bitlink_simulator::{FaceName, Fault, MinerSpec, Model, SimClock, SimFleet, SimHost};
use bitlink_transport::{Door, MemoryTransport};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Watches machines for a while, each at an address of its own.
async fn watch(specs: Vec<MinerSpec>, minutes: u64) -> (SimFleet, BTreeMap<IpAddr, Arc<Miner>>) {
    let specs = (1_u32..).zip(specs).map(|(n, spec)| {
        let [.., high, low] = n.to_be_bytes();
        spec.with_address(IpAddr::V4(Ipv4Addr::new(127, 0, high + 10, low)))
            .with_mac(Mac::new([2, 0, 0, 0, high, low]))
    });
    let fleet = SimFleet::of(specs, &SimClock::runtime());
    let network = MemoryTransport::new().with_elsewhere(Door::Refused);
    for (address, host) in fleet.hosts() {
        network.insert(address, host.clone());
    }
    let epoch = Timestamp::from_unix_seconds(SimClock::EPOCH_S.try_into().unwrap()).unwrap();
    let endpoints = fleet.hosts().map(|(address, _)| SocketAddr::new(address, SimHost::API_PORT));
    let mut events = Monitor::new(Arc::new(network))
        .with_config(MonitorConfig::default().with_interval(Duration::from_secs(30)))
        .with_clock(Arc::new(VirtualClock::starting_at(epoch)))
        .start(endpoints.collect::<Vec<_>>());
    let end = Instant::now() + Duration::from_mins(minutes);
    let mut miners = BTreeMap::new();
    while let Ok(Some(event)) = timeout_at(end, events.recv()).await {
        if let MonitorEvent::FullSnapshot(fleet) = event {
            miners = fleet.iter().map(|miner| (miner.ip, Arc::clone(miner))).collect();
        }
    }
    assert_eq!(miners.len(), fleet.len());
    (fleet, miners)
}

/// A machine of every firmware and model that has run for some days.
fn every_model() -> impl Iterator<Item = MinerSpec> {
    FaceName::ALL.iter().flat_map(|face| {
        let model = |model: &'static Model| {
            MinerSpec::with_model_name(*face, model.printed, 7).unwrap().with_uptime(Duration::from_hours(72))
        };
        face.models().iter().map(model)
    })
}

#[tokio::test(start_paused = true)]
async fn a_healthy_machine_of_any_model_raises_nothing() {
    let (fleet, miners) = watch(every_model().collect(), 30).await;
    for miner in miners.values() {
        let truth = fleet.host(miner.ip).unwrap().truth();
        assert!(miner.findings.is_empty(), "{} {}: {:?}", truth.face, miner.model, miner.findings);
        let snapshot = miner.snapshot.as_ref().unwrap();
        if let Some(boards) = snapshot.boards_expected {
            assert_eq!(boards, u32::from(truth.boards), "{} {}", truth.face, miner.model);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_board_is_missed_wherever_it_was() {
    // Those whose name the firmware tells.
    let named: Vec<MinerSpec> = every_model().filter(|spec| spec.model.name.is_some()).collect();
    let with_hole = |spec: &MinerSpec| {
        let spec = spec.clone();
        (0..spec.model.boards).map(move |board| spec.clone().with_fault(Fault::BoardMissing { board }))
    };
    let specs: Vec<MinerSpec> =
        named.iter().filter(|spec| spec.model.boards > 1).flat_map(with_hole).collect();
    let (fleet, miners) = watch(specs, 10).await;
    for miner in miners.values() {
        let truth = fleet.host(miner.ip).unwrap().truth();
        if !truth.hidden_faults.is_empty() {
            // Its firmware speaks of no boards at all.
            continue;
        }
        let snapshot = miner.snapshot.as_ref().unwrap();
        let Some(expected) = snapshot.boards_expected else { continue };
        assert_eq!(expected, u32::from(truth.boards));
        // Where an empty slot cannot be told from a board that does nothing, it is one that does nothing.
        let found = snapshot.boards.iter().filter(|board| board.present != Some(false)).count();
        let rules: &[&str] =
            if found < expected as usize { &["boards_missing"] } else { &["board_idle", "device_error"] };
        let missed = miner.findings.iter().any(|finding| rules.contains(&finding.rule.as_str()));
        assert!(missed, "{} {} {:?}: {:?}", truth.face, miner.model, truth.faults, miner.findings);
    }
}

#[test]
fn simulated_machines_are_those_of_the_catalogue() {
    for spec in every_model() {
        let (Some(make), Some(model)) = (spec.model.make, spec.model.name) else { continue };
        let Some(sold) = catalogue::find(make, model) else { continue };
        assert!(sold.boards.is_none_or(|n| n == u32::from(spec.model.boards)), "{make} {model}");
        assert!(sold.chips_per_board.is_none_or(|n| n == u32::from(spec.model.chips)), "{make} {model}");
        assert!(sold.fans.is_none_or(|n| n == u32::from(spec.model.fans)), "{make} {model}");
    }
}
