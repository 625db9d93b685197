//! What to scan: addresses, networks, ranges, patterns and names, as the user gave them. Nothing is expanded here; a
//! /8 takes as much memory as one address. [`ScanPlan`] turns targets into numbered endpoints.

mod error;
mod intervals;
mod parse;
mod plan;

pub use error::{Quoted, TargetError};
pub use plan::{ScanPlan, SkippedTargets};

use intervals::Interval;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What to scan, and what to leave out.
///
/// Read from text, in any of these forms, several separated by commas or blanks:
///
/// | form | means |
/// |---|---|
/// | `10.0.0.7`, `fd00::7`, `[fd00::7]` | one address |
/// | `miner-7.lan` | a host name, resolved when the scan starts |
/// | `10.0.0.0/24`, `fd00::/120` | a network; an IPv4 network of /30 or larger without its first and last address |
/// | `10.0.0.1-10.0.3.9`, `fd00::1-fd00::ff` | a range, both ends included |
/// | `10.0.0.1-99`, `10.0-3.*.5` | IPv4 octet by octet: a number, a range, or any |
/// | `@farm.txt` | the targets in a file, one or more a line, `#` begins a comment |
///
/// Any form but the last may be followed by `:port` (an IPv6 one in brackets: `[fd00::/120]:4029`); it is then scanned
/// at that port instead of [`ScanConfig::ports`](crate::ScanConfig::ports). What is named twice is scanned once.
///
/// ```
/// use bitlink_scanner::{ScanConfig, ScanTargets};
///
/// let targets: ScanTargets = "192.168.1.0/24, 10.0.0.1-9:4029".parse()?;
/// assert_eq!(targets.plan(&ScanConfig::default())?.len(), 254 + 9);
/// # Ok::<(), bitlink_scanner::TargetError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanTargets {
    items: Vec<Item>,
    excluded: Vec<Item>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    what: What,
    /// The port given with it; without one, the ports of the configuration.
    port: Option<u16>,
}

/// What one target names. In canonical form: two texts that mean the same by the same form are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Address(IpAddr),
    Network(IpNet),
    Range(IpAddr, IpAddr),
    Octets([(u8, u8); 4]),
    Name(String),
}

impl ScanTargets {
    /// Reads targets from text. Files named with `@` are read from disk.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let mut items = Vec::new();
        parse::list(text, &mut parse::read_from_disk, &mut items)?;
        Self::of(items)
    }

    /// Reads the arguments of a command line. Each is read as by [`ScanTargets::parse`], but the name in an argument
    /// that begins with `@` extends to its end and may hold blanks.
    pub fn from_args<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Result<Self, TargetError> {
        let mut items = Vec::new();
        for arg in args {
            parse::argument(arg.as_ref(), &mut parse::read_from_disk, &mut items)?;
        }
        Self::of(items)
    }

    fn of(items: Vec<Item>) -> Result<Self, TargetError> {
        if items.is_empty() { Err(TargetError::Empty) } else { Ok(Self { items, excluded: Vec::new() }) }
    }

    /// The same targets without these. A port given with an exclusion restricts it to that port. A network is excluded
    /// with its first and last address.
    ///
    /// # Errors
    /// [`TargetError::NameExcluded`]: names are not resolved for exclusion, because a scan must not touch what a
    /// failing name server cannot name.
    pub fn excluding(mut self, excluded: Self) -> Result<Self, TargetError> {
        for item in &excluded.items {
            if let What::Name(name) = &item.what {
                return Err(TargetError::NameExcluded { name: name.clone() });
            }
        }
        self.excluded.extend(excluded.items);
        Ok(self)
    }

    /// These targets and the others; what either excludes is excluded from both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self.excluded.extend(other.excluded);
        self
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The host names among the targets, each once, in the order given.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for item in &self.items {
            if let What::Name(name) = &item.what
                && seen.insert(name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// The same targets with every host name replaced by its addresses; names for which none are given are dropped.
    pub(crate) fn with_names(&self, mut addresses_of: impl FnMut(&str) -> Vec<IpAddr>) -> Self {
        let mut items = Vec::with_capacity(self.items.len());
        for item in &self.items {
            match &item.what {
                What::Name(name) => items.extend(
                    addresses_of(name)
                        .into_iter()
                        .map(|address| Item { what: What::one(address), port: item.port }),
                ),
                _ => items.push(item.clone()),
            }
        }
        Self { items, excluded: self.excluded.clone() }
    }
}

impl FromStr for ScanTargets {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text)
    }
}

impl From<IpAddr> for ScanTargets {
    fn from(address: IpAddr) -> Self {
        std::iter::once(address).collect()
    }
}

impl From<SocketAddr> for ScanTargets {
    fn from(endpoint: SocketAddr) -> Self {
        std::iter::once(endpoint).collect()
    }
}

impl From<IpNet> for ScanTargets {
    fn from(net: IpNet) -> Self {
        Self { items: vec![Item { what: What::Network(net.trunc()), port: None }], excluded: Vec::new() }
    }
}

impl FromIterator<IpAddr> for ScanTargets {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let items = addresses.into_iter().map(|address| Item { what: What::one(address), port: None });
        Self { items: items.collect(), excluded: Vec::new() }
    }
}

impl FromIterator<SocketAddr> for ScanTargets {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(endpoints: I) -> Self {
        let items = endpoints.into_iter().map(|e| Item { what: What::one(e.ip()), port: Some(e.port()) });
        Self { items: items.collect(), excluded: Vec::new() }
    }
}

impl fmt::Display for ScanTargets {
    /// The targets, without the exclusions, in a form that reads back as the same targets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => write!(f, "{}", self.what),
            Some(port) if self.what.is_v6() => write!(f, "[{}]:{port}", self.what),
            Some(port) => write!(f, "{}:{port}", self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Network(net) => write!(f, "{net}"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Octets(pattern) => {
                for (index, (low, high)) in pattern.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "." })?;
                    match (low, high) {
                        (0, 255) => f.write_str("*")?,
                        (low, high) if low == high => write!(f, "{low}")?,
                        (low, high) => write!(f, "{low}-{high}")?,
                    }
                }
                Ok(())
            }
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl What {
    fn one(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    fn range(first: IpAddr, last: IpAddr) -> Self {
        if first == last { Self::one(first) } else { Self::Range(first, last) }
    }

    fn octets(pattern: [(u8, u8); 4]) -> Self {
        if pattern.iter().all(|(low, high)| low == high) {
            Self::one(std::net::Ipv4Addr::from(pattern.map(|(low, _)| low)).into())
        } else {
            Self::Octets(pattern)
        }
    }

    fn is_v6(&self) -> bool {
        match self {
            Self::Address(address) | Self::Range(address, _) => address.is_ipv6(),
            Self::Network(net) => matches!(net, IpNet::V6(_)),
            Self::Octets(_) | Self::Name(_) => false,
        }
    }

    /// Adds the addresses as intervals; the network and broadcast address of an IPv4 network go to `edges`. A name has
    /// none yet.
    fn intervals(
        &self,
        members: &mut Vec<Interval>,
        edges: &mut Vec<Interval>,
        pieces_left: &mut usize,
    ) -> Result<(), TargetError> {
        match self {
            Self::Address(address) => members.push(Interval::one(*address)),
            Self::Range(first, last) => members.push(Interval::new(*first, *last)),
            Self::Network(IpNet::V4(net)) if net.prefix_len() <= 30 => {
                let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
                members.push(Interval::v4(first + 1, last - 1));
                edges.extend([Interval::v4(first, first), Interval::v4(last, last)]);
            }
            Self::Network(net) => members.push(Interval::new(net.network(), net.broadcast())),
            Self::Octets(pattern) => octet_intervals(*pattern, members, pieces_left)?,
            Self::Name(_) => {}
        }
        Ok(())
    }
}

/// Breaks an octet pattern into intervals: full octets at the end cost nothing, the rest one interval for each
/// combination of the octets before the last that is not full.
fn octet_intervals(
    pattern: [(u8, u8); 4],
    members: &mut Vec<Interval>,
    pieces_left: &mut usize,
) -> Result<(), TargetError> {
    let full = pattern.iter().rev().take_while(|octet| **octet == (0, u8::MAX)).count();
    let width = |(low, high): (u8, u8)| usize::from(high - low) + 1;
    // The octets that are walked through one by one: all before the last that is not full.
    let walked = 3_usize.saturating_sub(full);
    let pieces: usize = pattern.iter().take(walked).map(|octet| width(*octet)).product();
    *pieces_left =
        pieces_left.checked_sub(pieces).ok_or(TargetError::TooScattered { limit: plan::MAX_PIECES })?;
    for piece in 0..pieces {
        let mut rest = piece;
        let mut first = pattern.map(|(low, _)| low);
        let mut last = pattern.map(|(_, high)| high);
        for index in (0..walked).rev() {
            if let (Some(octet), Some(from), Some(to)) =
                (pattern.get(index), first.get_mut(index), last.get_mut(index))
            {
                let width = width(*octet);
                // Smaller than the width of an octet, so it fits.
                *from = octet.0 + u8::try_from(rest % width).unwrap_or(0);
                *to = *from;
                rest /= width;
            }
        }
        members.push(Interval::v4(u32::from_be_bytes(first), u32::from_be_bytes(last)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
