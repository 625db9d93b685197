//! Messages to and from the kernel about networks (`rtnetlink(7)`): one question, its answer in parts, each a head and attributes.
//! What they mean is told elsewhere.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _};
use std::time::Duration;

/// `AF_NETLINK` and `NETLINK_ROUTE` (`linux/netlink.h`).
const NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
/// Kinds of message (`linux/netlink.h`).
const FAILED: u16 = 2;
const DONE: u16 = 3;
/// Flags (`linux/netlink.h`).
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const ALL: u16 = 0x300;
/// The lengths of a message's head and of an attribute's.
const HEAD: usize = 16;
const ATTRIBUTE_HEAD: usize = 4;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_millis(200);
/// An answer of more parts than this is not the kernel's.
const MOST_PARTS: usize = 4_096;

/// Asks for everything of a kind, and hands over the kind and body of each message until `told` says that it is enough.
pub(super) fn ask(kind: u16, body: &[u8], mut told: impl FnMut(u16, &[u8]) -> bool) -> io::Result<()> {
    let mut socket = open()?;
    socket.send(&message_of(kind, REQUEST | ALL, body))?;
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..MOST_PARTS {
        let len = socket.read(&mut buffer)?;
        let mut messages = buffer.get(..len).unwrap_or_default();
        while let Some((kind, body, rest)) = message(messages) {
            match kind {
                DONE => return Ok(()),
                FAILED => return failure(body),
                kind if told(kind, body) => return Ok(()),
                _ => {}
            }
            messages = rest;
        }
    }
    Ok(())
}

/// Has some things done, each a message of this kind; the first that fails ends it. That there is no such thing is no failure.
pub(super) fn order(kind: u16, bodies: &[Vec<u8>]) -> io::Result<()> {
    let mut socket = open()?;
    let mut buffer = vec![0; 4 * 1024];
    for body in bodies {
        socket.send(&message_of(kind, REQUEST | ACKNOWLEDGE, body))?;
        let len = socket.read(&mut buffer)?;
        if let Some((FAILED, body, _)) = message(buffer.get(..len).unwrap_or_default()) {
            failure(body).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
    }
    Ok(())
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// What went wrong; an acknowledgement is a failure by nothing.
fn failure(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

fn message_of(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEAD + body.len()).unwrap_or(u32::MAX);
    let mut message = len.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    // Its number, and that it is for the kernel.
    message.resize(HEAD, 0);
    message.extend_from_slice(body);
    message
}

/// The first of some messages: its kind, its body, and what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let body = bytes.get(HEAD..len)?;
    Some((u16_at(bytes, 4)?, body, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// The attributes that follow the head of a body: kind and value of each.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let value = bytes.get(ATTRIBUTE_HEAD..len)?;
        // The two highest bits say how the value is to be taken.
        let kind = u16_at(bytes, 2)? & 0x3fff;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// An attribute, filled up to a multiple of four.
pub(super) fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(ATTRIBUTE_HEAD + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    //! Messages and attributes, whole and cut anywhere.
    use super::*;

    #[test]
    fn messages_follow_each_other_and_what_is_cut_off_is_none() {
        let both = [message_of(7, 0, b"odd"), vec![0], message_of(8, 0, b"")].concat();
        let (kind, body, rest) = message(&both).unwrap();
        assert_eq!((kind, body), (7, b"odd".as_slice()));
        assert_eq!(message(rest), Some((8, b"".as_slice(), b"".as_slice())));
        for len in 0..HEAD + 3 {
            assert_eq!(message(&both[..len]), None);
        }
    }

    #[test]
    fn attributes_follow_each_other_until_one_is_cut_off() {
        let both = [attribute_of(1, b"arp\0x"), attribute_of(0x8002, b"four")].concat();
        let all: Vec<_> = attributes(&both).collect();
        assert_eq!(all, [(1, b"arp\0x".as_slice()), (2, b"four".as_slice())]);
        assert_eq!(attributes(&both[..both.len() - 1]).count(), 1);
        assert_eq!(attributes(&[0; 8]).count(), 0, "no length is too short for a head");
    }

    #[test]
    fn a_failure_by_nothing_is_an_acknowledgement() {
        assert!(failure(&0_u32.to_ne_bytes()).is_ok());
        let denied = failure(&(-1_i32).to_ne_bytes()).unwrap_err();
        assert_eq!(denied.raw_os_error(), Some(1));
        assert!(failure(b"").is_err());
    }
}
