//! Targets made countable: every endpoint once, with a number, and no list of them anywhere. Addresses nothing and
//! decides no order; whoever walks the numbers does.

use super::error::TargetError;
use super::intervals::{Interval, IntervalSet};
use super::{Item, ScanTargets, What};
use crate::config::ScanConfig;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How many separate ranges all octet patterns of a scan may break into (about 50 MB).
pub(super) const MAX_PIECES: usize = 1 << 20;

/// The endpoints of a scan, numbered from 0 to [`len`](ScanPlan::len). Ordered by port as configured, then by address.
///
/// Takes memory by the number of ranges, not of addresses.
#[derive(Debug, Clone, Default)]
pub struct ScanPlan {
    layers: Vec<Layer>,
    len: u64,
    addresses: u64,
    skipped: SkippedTargets,
    /// Everything that is excluded, at whatever port.
    excluded: IntervalSet,
}

/// The addresses to be scanned at one port.
#[derive(Debug, Clone)]
struct Layer {
    port: u16,
    set: IntervalSet,
    before: u64,
}

/// Endpoints that were named and are not scanned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedTargets {
    /// Named by the targets and by the exclusions.
    pub excluded: u64,
    /// Network and broadcast addresses of IPv4 networks, see
    /// [`ScanConfig::include_network_broadcast`](crate::ScanConfig::include_network_broadcast).
    pub network_broadcast: u64,
}

impl ScanTargets {
    /// Numbers the endpoints of these targets. Host names have no endpoints before they are resolved and count as one
    /// address each towards the limit.
    ///
    /// # Errors
    /// [`TargetError::Empty`], [`TargetError::TooMany`] and [`TargetError::TooScattered`].
    pub fn plan(&self, config: &ScanConfig) -> Result<ScanPlan, TargetError> {
        self.plan_up_to(config, config.max_addresses)
    }

    pub(crate) fn plan_up_to(&self, config: &ScanConfig, limit: u64) -> Result<ScanPlan, TargetError> {
        if self.items.is_empty() {
            return Err(TargetError::Empty);
        }
        let mut pieces_left = MAX_PIECES;
        let included = Groups::of(&self.items, &mut pieces_left)?;
        let excluded = Groups::of(&self.excluded, &mut pieces_left)?;

        let mut sets = Vec::new();
        let mut counts = (0_u128, 0_u128);
        for port in included.ports(&config.ports) {
            let everywhere = config.ports.contains(&port);
            let (mut members, edges) = included.at(port, everywhere);
            let mut members_with_edges = members.clone();
            members_with_edges.extend(edges);
            if config.include_network_broadcast {
                members.clone_from(&members_with_edges);
            }
            let (mut holes, hole_edges) = excluded.at(port, true);
            holes.extend(hole_edges);

            let (members, holes) = (IntervalSet::of(members), IntervalSet::of(holes));
            let set = members.minus(&holes);
            let edges = IntervalSet::of(members_with_edges).minus(&members).minus(&holes);
            // The same wide IPv6 network at several ports is more than a u128 can count.
            counts.0 = counts.0.saturating_add(members.len() - set.len());
            counts.1 = counts.1.saturating_add(edges.len());
            sets.push((port, set));
        }

        let names = self.items.iter().filter(|item| matches!(item.what, What::Name(_))).count();
        let addresses = distinct(&sets);
        let total = addresses.saturating_add(names as u128);
        if total > u128::from(limit) {
            return Err(TargetError::TooMany { addresses: total, limit });
        }
        let skipped = SkippedTargets { excluded: narrow(counts.0), network_broadcast: narrow(counts.1) };
        let mut plan = ScanPlan::of(sets, addresses, skipped);
        plan.excluded = excluded.all();
        Ok(plan)
    }
}

impl ScanPlan {
    fn of(sets: Vec<(u16, IntervalSet)>, addresses: u128, skipped: SkippedTargets) -> Self {
        let mut len = 0_u64;
        let mut layers = Vec::with_capacity(sets.len());
        for (port, set) in sets {
            let before = len;
            len = len.saturating_add(narrow(set.len()));
            layers.push(Layer { port, set, before });
        }
        Self { layers, len, addresses: narrow(addresses), skipped, excluded: IntervalSet::default() }
    }

    /// How many endpoints.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no endpoint: everything was excluded, or only names were given.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many different addresses.
    pub fn addresses(&self) -> u64 {
        self.addresses
    }

    /// What was named and is not scanned.
    pub fn skipped(&self) -> SkippedTargets {
        self.skipped
    }

    /// The endpoint with a number. O(log n) in the number of ranges.
    pub fn nth(&self, index: u64) -> Option<SocketAddr> {
        let after = self.layers.partition_point(|layer| layer.before <= index);
        // Empty layers share their number with the next one; the last that begins at or before the index holds it.
        let layer = self.layers.get(after.checked_sub(1)?)?;
        let address = layer.set.nth(u128::from(index - layer.before))?;
        Some(SocketAddr::new(address, layer.port))
    }

    /// Whether an endpoint is among them.
    pub fn contains(&self, endpoint: SocketAddr) -> bool {
        self.layers.iter().any(|layer| layer.port == endpoint.port() && layer.set.contains(endpoint.ip()))
    }

    /// Whether an address is part of it, at whatever port.
    pub fn contains_address(&self, ip: IpAddr) -> bool {
        self.layers.iter().any(|layer| layer.set.contains(ip))
    }

    /// Whether an address was excluded, at whatever port.
    pub fn is_excluded(&self, ip: IpAddr) -> bool {
        self.excluded.contains(ip)
    }

    /// Whether any address from one to another is among them.
    pub fn names_any(&self, first: IpAddr, last: IpAddr) -> bool {
        self.layers.iter().any(|layer| layer.set.touches(Interval::new(first, last)))
    }

    /// The number of an endpoint: what [`nth`](Self::nth) leads to it.
    pub fn place_of(&self, endpoint: SocketAddr) -> Option<u64> {
        let layer = self.layers.iter().find(|layer| layer.port == endpoint.port())?;
        let index = layer.set.index_of(endpoint.ip())?;
        Some(layer.before.saturating_add(narrow(index)))
    }

    /// All endpoints, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        (0..self.len).filter_map(|index| self.nth(index))
    }
}

/// Intervals by the port they were given with.
struct Groups(BTreeMap<Option<u16>, (Vec<Interval>, Vec<Interval>)>);

impl Groups {
    fn of(items: &[Item], pieces_left: &mut usize) -> Result<Self, TargetError> {
        let mut groups: BTreeMap<Option<u16>, (Vec<Interval>, Vec<Interval>)> = BTreeMap::new();
        for item in items {
            let (members, edges) = groups.entry(item.port).or_default();
            item.what.intervals(members, edges, pieces_left)?;
        }
        Ok(Self(groups))
    }

    /// The configured ports in their order, each once, then the others.
    fn ports(&self, configured: &[u16]) -> Vec<u16> {
        let mut ports: Vec<u16> = Vec::new();
        for port in configured {
            if !ports.contains(port) {
                ports.push(*port);
            }
        }
        ports.extend(self.0.keys().flatten().filter(|port| !configured.contains(port)));
        ports
    }

    /// Everything, at whatever port.
    fn all(&self) -> IntervalSet {
        IntervalSet::of(
            self.0.values().flat_map(|(members, edges)| members.iter().chain(edges)).copied().collect(),
        )
    }

    /// What was given with a port, and what was given without one.
    fn at(&self, port: u16, and_without: bool) -> (Vec<Interval>, Vec<Interval>) {
        let mut found = self.0.get(&Some(port)).cloned().unwrap_or_default();
        if let Some((members, edges)) = self.0.get(&None).filter(|_| and_without) {
            found.0.extend_from_slice(members);
            found.1.extend_from_slice(edges);
        }
        found
    }
}

fn distinct(sets: &[(u16, IntervalSet)]) -> u128 {
    match sets {
        [(_, only)] => only.len(),
        sets => IntervalSet::of(sets.iter().flat_map(|(_, set)| set.intervals()).collect()).len(),
    }
}

/// Counts that passed the limit fit; the others are only ever shown.
fn narrow(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
