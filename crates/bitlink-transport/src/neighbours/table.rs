//! What Linux tells of its table of neighbours by netlink (`rtnetlink(7)`): how many places it has and how often
//! it was full. The table is one for all network namespaces, and this is told in each of them, where `/proc` tells
//! it in the first one only: so a scan in a container knows it too.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _};
use std::time::Duration;

/// `AF_NETLINK` and `NETLINK_ROUTE` (`linux/netlink.h`).
const NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
/// Messages and flags (`linux/rtnetlink.h`, `linux/netlink.h`).
const NEW_TABLE: u16 = 64;
const GET_TABLE: u16 = 66;
const REQUEST_ALL: u16 = 0x301;
const DONE: u16 = 3;
const FAILED: u16 = 2;
/// Attributes (`linux/neighbour.h`).
const NAME: u16 = 1;
const THRESHOLD_3: u16 = 4;
const STATS: u16 = 7;
/// The lengths of a message's head, and of what follows it before the attributes.
const HEAD: usize = 16;
const TABLE_HEAD: usize = 4;
const ATTRIBUTE_HEAD: usize = 4;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_millis(200);

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
        match Self::ask() {
            Ok(table) => table,
            Err(error) => {
                tracing::debug!(%error, "the table of neighbours is not told");
                None
            }
        }
    }

    fn ask() -> io::Result<Option<Self>> {
        let mut socket = Socket::new(Domain::from(NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(&request())?;
        let mut buffer = vec![0; 32 * 1024];
        // A dump is some messages for each table and interface; more of them than this is not the kernel.
        for _ in 0..64 {
            let len = socket.read(&mut buffer)?;
            let messages = buffer.get(..len).unwrap_or_default();
            match parse(messages) {
                Found::Table(table) => return Ok(Some(table)),
                Found::End => return Ok(None),
                Found::More => {}
            }
        }
        Ok(None)
    }
}

/// Asks for all tables.
fn request() -> [u8; HEAD + TABLE_HEAD] {
    let mut message = [0; HEAD + TABLE_HEAD];
    let len = (HEAD + TABLE_HEAD) as u32;
    for (place, byte) in message.iter_mut().zip(
        len.to_ne_bytes()
            .into_iter()
            .chain(GET_TABLE.to_ne_bytes())
            .chain(REQUEST_ALL.to_ne_bytes())
            .chain(1_u32.to_ne_bytes()),
    ) {
        *place = byte;
    }
    message
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Table(Table),
    /// Not among these messages; more are to come.
    More,
    End,
}

fn parse(mut messages: &[u8]) -> Found {
    while let Some((kind, body, rest)) = message(messages) {
        match kind {
            DONE | FAILED => return Found::End,
            NEW_TABLE => {
                if let Some(table) = body.get(TABLE_HEAD..).and_then(table) {
                    return Found::Table(table);
                }
            }
            _ => {}
        }
        messages = rest;
    }
    Found::More
}

/// The first of some messages: its kind, its body, and what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let body = bytes.get(HEAD..len)?;
    Some((u16_at(bytes, 4)?, body, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// The table, where these are the attributes of the table itself and not of its settings for an interface.
fn table(mut attributes: &[u8]) -> Option<Table> {
    let (mut is_arp, mut limit, mut times_full) = (false, None, None);
    while let Some((kind, value, rest)) = attribute(attributes) {
        match kind {
            NAME => is_arp = value.strip_suffix(b"\0").unwrap_or(value) == b"arp_cache",
            THRESHOLD_3 => limit = u32_at(value, 0),
            // `struct ndt_stats`: numbers of 64 bits, this one the eleventh.
            STATS => times_full = u64_at(value, 80),
            _ => {}
        }
        attributes = rest;
    }
    is_arp.then_some(())?;
    Some(Table { limit: limit?, times_full: times_full.unwrap_or(0) })
}

/// The first of some attributes: its kind, its value, and what follows.
fn attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = usize::from(u16_at(bytes, 0)?);
    let value = bytes.get(ATTRIBUTE_HEAD..len)?;
    // The two highest bits say how the value is to be taken.
    let kind = u16_at(bytes, 2)? & 0x3fff;
    Some((kind, value, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    //! What the kernel says, as its headers lay it out, whole and cut anywhere.
    use super::*;

    fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(ATTRIBUTE_HEAD + value.len()).unwrap();
        let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message_of(kind: u16, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(HEAD + body.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.resize(HEAD, 0);
        bytes.extend_from_slice(body);
        bytes
    }

    fn dump(name: &[u8]) -> Vec<u8> {
        let mut stats = [0; 88];
        stats[80..].copy_from_slice(&7_u64.to_ne_bytes());
        let mut body = vec![2, 0, 0, 0];
        body.extend(attribute_of(NAME, name));
        body.extend(attribute_of(THRESHOLD_3, &1_024_u32.to_ne_bytes()));
        body.extend(attribute_of(STATS, &stats));
        message_of(NEW_TABLE, &body)
    }

    #[test]
    fn the_table_of_ipv4_is_found_among_others() {
        let all = [dump(b"ndisc_cache\0"), dump(b"arp_cache\0"), message_of(DONE, &[0; 4])].concat();
        assert_eq!(parse(&all), Found::Table(Table { limit: 1_024, times_full: 7 }));
        assert_eq!(parse(&dump(b"ndisc_cache\0")), Found::More);
        assert_eq!(parse(&message_of(DONE, &[0; 4])), Found::End);
    }

    #[test]
    fn what_is_cut_off_is_no_table() {
        let whole = dump(b"arp_cache\0");
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Found::More, "{len}");
        }
    }

    #[test]
    fn this_system_tells_its_table_or_nothing() {
        // A sandbox may keep netlink from us.
        if let Some(table) = Table::read() {
            assert!(table.limit > 0);
        }
    }
}
