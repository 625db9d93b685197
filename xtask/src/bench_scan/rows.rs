//! The networks that are scanned, each with what is to be shown on it.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

use crate::netns::world::{Network, Shape};

/// How long our own scans may take, in milliseconds.
pub(super) const OWN_LIMIT_MS: u64 = 300_000;

/// One network and what is asked of its scanners.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What it is called in short.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) says: String,
    pub(super) network: Network,
    /// Options of `bitlink scan` beside the defaults.
    pub(super) options: &'static [&'static str],
    /// Whether the right to open raw sockets is taken away.
    pub(super) without_raw: bool,
    /// When the scan is interrupted, in milliseconds; it is one of which only the beginning is of interest.
    pub(super) stopped_after_ms: Option<u64>,
}

/// What of a row depends on how large it is to be.
struct Size {
    net: (Ipv4Addr, u8),
    live: usize,
}

impl Row {
    /// Whether it was asked for: all are when nothing is named.
    pub(super) fn is_named(&self, names: &[String]) -> bool {
        names.is_empty() || names.iter().any(|name| self.name.contains(name.as_str()))
    }
}

/// The rows, or small ones of the same kind.
pub(super) fn all(quick: bool) -> Vec<Row> {
    // `{net}` and `{live}` in the words stand for the size that it has.
    let row = |name, says: &str, shape, whole: Size, small: Size| {
        let Size { net: (first, prefix), live } = if quick { small } else { whole };
        let net = Ipv4Net::new_assert(first, prefix);
        let live_said = super::table::grouped(live as u64);
        Row {
            name,
            says: says.replace("{net}", &format!("/{prefix}")).replace("{live}", &live_said),
            network: Network::new(shape, net, live),
            options: &[],
            without_raw: false,
            stopped_after_ms: None,
        }
    };
    let size = |prefix, live| Size { net: (Ipv4Addr::new(10, 18, 0, 0), prefix), live };
    let loopback = |prefix| Size { net: (Ipv4Addr::new(127, 50, 0, 0), prefix), live: 0 };
    let everything = |prefix| Size { net: (Ipv4Addr::new(10, 0, 0, 0), prefix), live: 0 };
    let with = |row: Row, options: &'static [&'static str]| Row { options, ..row };
    // The port of the API and no other; these families have no other doors.
    let one_port: &[&str] = &["--family", "bfgminer", "--rate", "off", "--include-network-broadcast"];
    let every_address: &[&str] = &["--include-network-broadcast"];
    vec![
        with(
            row(
                "refused-16",
                "{net} refused on loopback, one port",
                Shape::Loopback,
                loopback(16),
                loopback(22),
            ),
            one_port,
        ),
        with(
            row("live-20", "{net}, all {live} are miners", Shape::Routed, size(20, 4_096), size(24, 256)),
            every_address,
        ),
        with(
            row("live-16", "{net}, all {live} are miners", Shape::Routed, size(16, 65_536), size(23, 512)),
            every_address,
        ),
        row("silent-24", "{net} silent but for {live}", Shape::Routed, size(24, 16), size(24, 16)),
        row("silent-20", "{net} silent but for {live}", Shape::Routed, size(20, 256), size(23, 32)),
        with(
            row(
                "silent-16",
                "{net} silent but for {live}, no limit of rate",
                Shape::Routed,
                size(16, 1_024),
                size(22, 64),
            ),
            &["--rate", "off"],
        ),
        row(
            "flat-20",
            "{net} on one wire, nobody there but {live}",
            Shape::Flat,
            size(20, 256),
            size(21, 64),
        ),
        Row {
            without_raw: true,
            ..row(
                "flat-20-unasked",
                "{net} on one wire, nobody there but {live}, without the right to ask by ARP",
                Shape::Flat,
                size(20, 256),
                size(22, 32),
            )
        },
        row(
            "flat-16",
            "{net} on one wire, nobody there but {live}",
            Shape::Flat,
            size(16, 1_024),
            size(21, 64),
        ),
        row(
            "flat-22",
            "{net} on one wire, nobody there but {live}",
            Shape::Flat,
            size(22, 478),
            size(23, 64),
        ),
        row(
            "bad-20",
            "{net} silent but for {live}; 10 ± 5 ms and 1 % loss each way",
            Shape::Bad,
            size(20, 1_024),
            size(24, 32),
        ),
        Row {
            options: &["--max-addresses", "16777216"],
            stopped_after_ms: Some(if quick { 1_500 } else { 5_000 }),
            ..row(
                "start-8",
                "{net} silent, stopped in the middle",
                Shape::Routed,
                everything(8),
                everything(8),
            )
        },
    ]
}

#[cfg(test)]
mod tests {
    //! The rows as they stand.
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found_by_a_part_of_them() {
        for quick in [false, true] {
            let rows = all(quick);
            let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
            assert_eq!(names.len(), rows.len());
            let flat = rows.iter().filter(|row| row.is_named(&["flat".to_owned()])).count();
            assert_eq!(flat, 4);
            assert!(rows.iter().all(|row| row.is_named(&[])));
        }
    }

    #[test]
    fn the_small_ones_are_small() {
        for row in all(true).iter().filter(|row| row.stopped_after_ms.is_none()) {
            assert!(row.network.net.prefix_len() >= 21, "{}", row.name);
        }
    }
}
