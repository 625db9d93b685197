//! What Linux tells of its table of neighbours: how many places it has, how often it was full, who is in it and who would not give
//! up a place. The table is one for all network namespaces, and this is told in each of them, so a scan in a container knows it too.

use super::netlink::{ask, attribute_of, attributes, order, u16_at, u32_at, u64_at};
use std::io;
use std::net::Ipv4Addr;

/// Messages (`linux/rtnetlink.h`).
const NEW_NEIGHBOUR: u16 = 28;
const DELETE_NEIGHBOUR: u16 = 29;
const GET_NEIGHBOUR: u16 = 30;
const NEW_TABLE: u16 = 64;
const GET_TABLE: u16 = 66;
/// IPv4 as a family.
const INET: u8 = 2;
/// The lengths of `struct ndtmsg` and `struct ndmsg` (`linux/neighbour.h`).
const TABLE_HEAD: usize = 4;
const NEIGHBOUR_HEAD: usize = 12;
/// Attributes of a table and of a neighbour (`linux/neighbour.h`).
const TABLE_NAME: u16 = 1;
const TABLE_THRESHOLD_3: u16 = 4;
const TABLE_STATS: u16 = 7;
const DESTINATION: u16 = 1;
const CACHE_INFO: u16 = 3;
/// States (`linux/neighbour.h`): being asked for, answered, about to be asked again, being asked again, given up.
const INCOMPLETE: u16 = 0x01;
const REACHABLE: u16 = 0x02;
const DELAY: u16 = 0x08;
const PROBE: u16 = 0x10;
const GIVEN_UP: u16 = 0x20;
/// Neighbours with a timer keep their places.
const TIMED: u16 = INCOMPLETE | REACHABLE | DELAY | PROBE;
/// And so do those that changed within these hundredths of a second (`neigh_forced_gc`, five seconds).
const YOUNG: u32 = 520;

/// The table that IPv4's neighbours are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// Places.
    pub(super) limit: u32,
    /// How often somebody wanted a place and there was none.
    pub(super) times_full: u64,
}

impl Table {
    /// As it is now; `None` where that is not told.
    pub(super) fn read() -> Option<Self> {
        let mut found = None;
        let asked = ask(GET_TABLE, &[0; TABLE_HEAD], |kind, body| {
            found = (kind == NEW_TABLE).then(|| table(body)).flatten();
            found.is_some()
        });
        if let Err(error) = asked {
            tracing::debug!(%error, "the table of neighbours is not told");
        }
        found
    }
}

/// Whose places would be given to nobody else, in this namespace.
pub(super) fn held() -> io::Result<Vec<Ipv4Addr>> {
    let mut all = Vec::new();
    let body = neighbour_head(0);
    ask(GET_NEIGHBOUR, &body, |kind, body| {
        if kind == NEW_NEIGHBOUR {
            all.extend(held_place(body));
        }
        false
    })?;
    Ok(all)
}

/// Makes the kernel forget neighbours, each at the interface of this number.
pub(super) fn forget(neighbours: &[(u32, Ipv4Addr)]) -> io::Result<()> {
    let bodies: Vec<Vec<u8>> = neighbours
        .iter()
        .map(|(interface, ip)| {
            let mut body = neighbour_head(*interface);
            body.extend(attribute_of(DESTINATION, &ip.octets()));
            body
        })
        .collect();
    order(DELETE_NEIGHBOUR, &bodies)
}

/// `struct ndmsg`: the family, the interface, and nothing else.
fn neighbour_head(interface: u32) -> Vec<u8> {
    let mut head = vec![INET, 0, 0, 0];
    head.extend(interface.to_ne_bytes());
    head.resize(NEIGHBOUR_HEAD, 0);
    head
}

/// The address of a neighbour that keeps its place.
fn held_place(body: &[u8]) -> Option<Ipv4Addr> {
    let state = u16_at(body, 8)?;
    let (mut ip, mut age) = (None, None);
    for (kind, value) in attributes(body.get(NEIGHBOUR_HEAD..)?) {
        match kind {
            DESTINATION => ip = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
            // `struct nda_cacheinfo`: since it was confirmed, used and changed, in hundredths of a second.
            CACHE_INFO => age = u32_at(value, 8),
            _ => {}
        }
    }
    let young = age.is_none_or(|age| age < YOUNG);
    let held = state & TIMED != 0 || state != GIVEN_UP && young;
    ip.filter(|_| held)
}

/// The table, where this is the table itself and not its settings for an interface.
fn table(body: &[u8]) -> Option<Table> {
    let (mut is_arp, mut limit, mut times_full) = (false, None, None);
    for (kind, value) in attributes(body.get(TABLE_HEAD..)?) {
        match kind {
            TABLE_NAME => is_arp = value.strip_suffix(b"\0").unwrap_or(value) == b"arp_cache",
            TABLE_THRESHOLD_3 => limit = u32_at(value, 0),
            // `struct ndt_stats`: numbers of 64 bits, this one the eleventh.
            TABLE_STATS => times_full = u64_at(value, 80),
            _ => {}
        }
    }
    is_arp.then_some(())?;
    Some(Table { limit: limit?, times_full: times_full.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    //! What the kernel says, as its headers lay it out.
    use super::*;

    fn body_of_table(name: &[u8]) -> Vec<u8> {
        let mut stats = [0; 88];
        stats[80..].copy_from_slice(&7_u64.to_ne_bytes());
        let mut body = vec![INET, 0, 0, 0];
        body.extend(attribute_of(TABLE_NAME, name));
        body.extend(attribute_of(TABLE_THRESHOLD_3, &1_024_u32.to_ne_bytes()));
        body.extend(attribute_of(TABLE_STATS, &stats));
        body
    }

    fn body_of_neighbour(state: u16, age: u32) -> Vec<u8> {
        let mut body = neighbour_head(3);
        body[8..10].copy_from_slice(&state.to_ne_bytes());
        body.extend(attribute_of(DESTINATION, &[192, 0, 2, 7]));
        let ages: Vec<u8> = [0, 0, age, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        body.extend(attribute_of(CACHE_INFO, &ages));
        body
    }

    #[test]
    fn the_table_of_ipv4_is_told_from_others() {
        assert_eq!(table(&body_of_table(b"arp_cache\0")), Some(Table { limit: 1_024, times_full: 7 }));
        assert_eq!(table(&body_of_table(b"ndisc_cache\0")), None);
        assert_eq!(table(&body_of_table(b"arp_cache\0")[..20]), None);
    }

    #[test]
    fn a_place_is_held_by_a_timer_and_by_youth() {
        const STALE: u16 = 0x04;
        let ip = Some(Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(held_place(&body_of_neighbour(REACHABLE, 9_000)), ip);
        assert_eq!(held_place(&body_of_neighbour(INCOMPLETE, 0)), ip);
        assert_eq!(held_place(&body_of_neighbour(STALE, 100)), ip);
        assert_eq!(held_place(&body_of_neighbour(STALE, 600)), None);
        assert_eq!(held_place(&body_of_neighbour(GIVEN_UP, 0)), None);
        assert_eq!(held_place(&[INET, 0]), None);
    }

    #[test]
    fn this_system_tells_its_table_or_nothing() {
        // A sandbox may keep netlink from us.
        if let Some(table) = Table::read() {
            assert!(table.limit > 0);
            assert!(held().unwrap().len() <= 4 * usize::try_from(table.limit).unwrap());
        }
    }
}
