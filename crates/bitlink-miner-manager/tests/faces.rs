//! Every simulated firmware on every machine it runs on, read in full: what is said of it is true of it.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use bitlink_miner_manager::Fleet;
use bitlink_miner_manager::model::{MinerSnapshot, MiningState};
use bitlink_miner_manager::transport::MemoryTransport;
use bitlink_simulator::{FaceName, Fault, FaultKind, MinerSpec, SimClock, SimHost, SimMiner, Truth};
use std::sync::Arc;
use std::time::Duration;

/// A machine's reading and what is true of it.
async fn read(spec: MinerSpec) -> (MinerSnapshot, Truth) {
    let host = Arc::new(SimHost::new(SimMiner::new(spec), SimClock::runtime()));
    let network = MemoryTransport::new();
    network.insert("127.0.10.1".parse().unwrap(), host.clone());
    let miner = Fleet::over(Arc::new(network)).get("127.0.10.1").await.unwrap();
    (miner.snapshot.as_deref().unwrap().clone(), host.truth())
}

/// All machines, in full swing.
fn machines() -> impl Iterator<Item = MinerSpec> {
    let each = |face: FaceName| {
        face.models().iter().map(move |model| {
            MinerSpec::with_model_name(face, model.printed, 7)
                .unwrap()
                .with_uptime(Duration::from_secs(200_000))
        })
    };
    FaceName::ALL.iter().copied().flat_map(each)
}

fn close(said: f64, truth: f64, part: f64) -> bool {
    (said / truth - 1.0).abs() < part
}

#[tokio::test(start_paused = true)]
async fn a_healthy_machine_is_read_as_it_is() {
    for spec in machines() {
        let name = format!("{} {}", spec.face, spec.model.printed);
        let (said, truth) = read(spec).await;
        let identity = &said.identity;
        assert_eq!(
            (&identity.make, identity.model.as_deref()),
            (&truth.make, truth.model.as_deref()),
            "{name}"
        );
        assert_eq!(identity.firmware.as_ref().unwrap().family, truth.family, "{name}");
        assert!(identity.mac.is_none_or(|mac| mac == truth.mac), "{name}");
        assert!(identity.serial.as_ref().is_none_or(|serial| *serial == truth.serial), "{name}");
        assert!(identity.hostname.as_ref().is_none_or(|host| *host == truth.hostname), "{name}");

        let nominal = truth.nominal_hashrate.unwrap().as_hs();
        for rate in [said.hashrate.current(), said.hashrate.average, said.hashrate.five_minutes] {
            assert!(rate.is_none_or(|rate| close(rate.as_hs(), nominal, 0.05)), "{name}: {rate:?}");
        }
        assert!(said.hashrate.current().is_some(), "{name}");
        let expected = said.hashrate.expected;
        assert!(expected.is_none_or(|rate| close(rate.as_hs(), nominal, 0.02)), "{name}: {expected:?}");
        let power = said.power;
        let drawn = truth.nominal_power.unwrap().as_watts();
        // Some tell what the supply puts out, not what it draws; and a control board draws some watts of its own.
        let right = |watts: f64| (watts - drawn).abs() < 40.0 + drawn * 0.1;
        assert!(power.is_none_or(|power| right(power.as_watts())), "{name}: {power:?}");
        assert_eq!(said.mining_state, Some(MiningState::Mining), "{name}");

        let boards = said.boards.len();
        assert!(boards == 0 || boards == usize::from(truth.boards), "{name}: {boards} boards");
        for board in &said.boards {
            assert_eq!(board.present, Some(true), "{name}");
            assert!(board.chips.is_none_or(|chips| chips == u32::from(truth.chips_per_board)), "{name}");
        }
        let fans = said.fans.iter().filter(|fan| fan.location.is_none()).count();
        // The iPollo tells the one that its owner wants to see.
        let told = if truth.face == FaceName::IPollo { 1 } else { usize::from(truth.fans) };
        assert!(fans == 0 || fans == told, "{name}: {fans} fans");
        // Some tell the pool in use and no other.
        let tells_one = matches!(truth.face, FaceName::FutureBit | FaceName::Ccminer);
        let pools = if tells_one { 1 } else { 2 };
        assert_eq!(said.pools.len(), pools, "{name}: {:?}", said.pools);
        assert!(said.errors.is_empty(), "{name}: {:?}", said.errors);
        let usual = ["missing comma", "an object or a list in quotation marks"];
        let repaired = |detail: &str| usual.contains(&detail);
        assert!(said.anomalies.iter().all(|a| repaired(&a.detail)), "{name}: {:?}", said.anomalies);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sick_machine_is_still_read_under_its_name() {
    let faults = [
        Fault::BoardMissing { board: 0 },
        Fault::ChipsLost { board: 0, chips: 2 },
        Fault::Overheating,
        Fault::FanFailed { fan: 0 },
        Fault::PsuFault,
        Fault::AllPoolsDead,
        Fault::Asleep,
        Fault::Booting,
    ];
    for spec in machines() {
        for fault in faults {
            let name = format!("{} {} {:?}", spec.face, spec.model.printed, fault);
            let (said, truth) = read(spec.clone().with_fault(fault)).await;
            assert_eq!(said.identity.model.as_deref(), truth.model.as_deref(), "{name}");
            let hidden = !truth.hidden_faults.is_empty();
            match fault.kind() {
                FaultKind::Asleep if !hidden => {
                    assert_eq!(said.mining_state, Some(MiningState::Stopped), "{name}");
                }
                FaultKind::FanFailed if !hidden => {
                    let still = said.fans.iter().filter(|fan| fan.speed.is_some_and(|s| s.as_rpm() == 0.0));
                    assert_eq!(still.count(), 1, "{name}: {:?}", said.fans);
                }
                FaultKind::Booting => {
                    assert_ne!(said.mining_state, Some(MiningState::Stopped), "{name}");
                }
                _ => {}
            }
        }
    }
}
