//! The fleet as metrics: names after <https://prometheus.io/docs/practices/naming/>, base units, nothing that a miner did not say, and
//! no text of a miner's in a label but in `asic_info`.
//!
//! The service and the sums of the fleet are one page ([`own`]); every device is in one of several shards ([`devices`]), which
//! [`discovery`] tells a collector of.

pub mod devices;
pub mod discovery;
pub mod own;
pub mod text;

pub use devices::{Level, Shard};
pub use text::Format;

use bitlink_model::{Miner, MinerId};
use std::collections::BTreeMap;

/// At which site each machine stands, as far as it was told.
#[derive(Debug, Clone, Default)]
pub struct Sites(BTreeMap<MinerId, String>);

impl Sites {
    /// From the sites of machines.
    pub fn new(sites: impl IntoIterator<Item = (MinerId, String)>) -> Self {
        Self(sites.into_iter().collect())
    }

    /// Where a machine stands.
    pub fn of(&self, miner: &Miner) -> Option<&str> {
        self.0.get(&miner.id).map(String::as_str)
    }

    /// All sites, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.values().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Every metric that a page may have, for those who check rules and dashboards against them.
pub fn families() -> impl Iterator<Item = &'static text::Family> {
    own::families().chain(devices::families())
}

#[cfg(test)]
mod tests;
