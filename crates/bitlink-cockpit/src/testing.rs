//! What tests of several modules need: a service over simulated miners in memory.

use bitlink_miner_manager::transport::MemoryTransport;
use bitlink_miner_manager::{
    Fleet, FleetRegistry, MonitorEvent, ScanConfig, ScanTargets, Service, ServiceConfig, ServiceEvent,
    ServiceStream,
};
use bitlink_simulator::{FaceName, FleetSpec, Mix, SimClock};
use std::path::Path;
use std::sync::Arc;

/// A service that has read so many miners, and by what it reaches them.
pub(crate) async fn watched(folder: &Path, miners: usize) -> (Fleet, ServiceStream) {
    let spec = FleetSpec::new(miners).with_mix(Mix::only(FaceName::Antminer)).with_sick(0.0);
    let simulated = spec.with_first([10, 0, 0, 1].into()).build(&SimClock::runtime()).unwrap();
    let network = MemoryTransport::new();
    for (ip, host) in simulated.hosts() {
        network.insert(ip, Arc::clone(host) as _);
    }
    let fleet = Fleet::over(Arc::new(network)).with_scan(ScanConfig::default().with_ports(vec![4028]));
    let config = ServiceConfig::default().with_networks(ScanTargets::from_args(["10.0.0.0/28"]).unwrap());
    let registry = FleetRegistry::open(folder).unwrap();
    let mut service = Service::new(fleet.clone()).with_config(config).start(registry).unwrap();
    let mut read = 0;
    while read < miners {
        if let ServiceEvent::Monitor(MonitorEvent::StatusChanged { .. }) = service.recv().await.unwrap() {
            read += 1;
        }
    }
    (fleet, service)
}
