//! The engine against simulated miners in virtual time.

use crate::{Monitor, MonitorConfig, MonitorEvent, MonitorStream, VirtualClock};
use bitlink_model::{MinerStatus, Timestamp};
use bitlink_simulator::{FleetSpec, SimClock, SimFleet};
use bitlink_transport::{Endpoint, MemoryTransport};
use std::sync::Arc;

struct Farm {
    fleet: SimFleet,
    network: MemoryTransport,
}

impl Farm {
    fn of(spec: &FleetSpec) -> Self {
        let fleet = spec.build(&SimClock::runtime()).unwrap();
        let network = MemoryTransport::new();
        for (ip, host) in fleet.hosts() {
            network.insert(ip, Arc::clone(host) as _);
        }
        Self { fleet, network }
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.fleet.hosts().map(|(ip, _)| Endpoint::new(ip, 4028)).collect()
    }

    fn watch(&self, config: MonitorConfig) -> MonitorStream {
        let epoch =
            Timestamp::from_unix_seconds(i64::try_from(self.fleet.clock().epoch_s()).unwrap()).unwrap();
        Monitor::new(Arc::new(self.network.clone()))
            .with_config(config)
            .with_clock(Arc::new(VirtualClock::starting_at(epoch)))
            .start(self.endpoints())
    }
}

#[tokio::test(start_paused = true)]
async fn two_healthy_miners_are_active_at_once() {
    let farm = Farm::of(&FleetSpec::new(2).with_seed(1).with_sick(0.0));
    let mut rx = farm.watch(MonitorConfig::default());
    let mut active = 0;
    loop {
        match rx.recv().await.unwrap() {
            MonitorEvent::MinerUpdated(miner) => {
                println!("{} {} {:?} {:?}", miner.ip, miner.model, miner.status, miner.findings);
                active += u32::from(miner.status == MinerStatus::Active);
            }
            MonitorEvent::FullSnapshot(miners) => {
                println!("{:?}", miners.coverage);
                assert_eq!(miners.len(), 2);
                break;
            }
            other => println!("{other:?}"),
        }
    }
    assert!(active >= 2);
}
