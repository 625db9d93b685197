//! What a collector is told to scrape: the shards of the devices, in the form of Prometheus's HTTP service discovery
//! (<https://prometheus.io/docs/prometheus/latest/http_sd/>).

use super::Shard;
use serde::Serialize;
use std::collections::BTreeMap;

/// Devices of one scrape: some 3,000 samples a second on a small machine, and far below what a collector takes at a time.
pub const DEVICES_PER_SHARD: usize = 1_000;

/// One group of targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    targets: Vec<String>,
    labels: BTreeMap<&'static str, String>,
}

/// The shards of so many devices, at the address by which this was asked for. The number of shards doubles as the fleet
/// grows, so that devices seldom change theirs.
pub fn groups(target: &str, devices: usize) -> Vec<Group> {
    let shards = devices.div_ceil(DEVICES_PER_SHARD).next_power_of_two();
    let shards = u64::try_from(shards).unwrap_or(u64::MAX).min(Shard::MOST);
    let group = |number: u64| Group {
        targets: vec![target.to_owned()],
        labels: BTreeMap::from([
            ("__metrics_path__", "/metrics/devices".to_owned()),
            ("__param_shard", format!("{number}/{shards}")),
            ("shard", number.to_string()),
        ]),
    };
    (0..shards).map(group).collect()
}
