//! Asking who has an address, by ARP (RFC 826) over a raw socket of one interface: the one place that speaks to the wire
//! below IP. It takes the right to have such sockets (`CAP_NET_RAW`), and the kernel's own table stays as it is.

use bitlink_protocol::model::Mac;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{MsgFlags, bind};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The kind of frame (`if_ether.h`, `ETH_P_ARP`).
const ETHER_ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// No buffer for it just now (`errno.h`).
const ENOBUFS: i32 = nix::errno::Errno::ENOBUFS as i32;
/// Ethernet's head, and ARP for IPv4 over Ethernet.
const FRAME: usize = 14 + 28;

/// One interface.
#[derive(Debug)]
pub(super) struct Arp {
    socket: Arc<Socket>,
    own: [u8; 6],
    own_ip: Ipv4Addr,
    waiting: Arc<Waiting>,
    over: Arc<AtomicBool>,
}

/// How often the listener looks whether it is over.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Who is asked for, and where the answer goes.
type Waiting = Mutex<HashMap<Ipv4Addr, watch::Sender<Option<[u8; 6]>>>>;

impl Arp {
    /// Opens the socket, and listens in a thread of its own until it is dropped.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        let mut link = None;
        let mut own_ip = None;
        for address in getifaddrs()?.filter(|address| address.interface_name == interface) {
            let Some(storage) = address.address else { continue };
            if let Some(found) = storage.as_link_addr() {
                link = Some(*found);
            } else if let Some(found) = storage.as_sockaddr_in() {
                own_ip.get_or_insert(found.ip());
            }
        }
        let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let (link, own_ip) = link.zip(own_ip).ok_or_else(missing)?;
        let own = link.addr().ok_or_else(missing)?;
        let protocol = Protocol::from(i32::from(ETHER_ARP.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        socket.set_read_timeout(Some(LOOK_UP))?;
        // Bound to the interface, for the protocol that the socket was made for.
        bind(socket.as_raw_fd(), &link)?;
        let arp =
            Self { socket: Arc::new(socket), own, own_ip, waiting: Arc::default(), over: Arc::default() };
        let (socket, waiting, over) =
            (Arc::clone(&arp.socket), Arc::clone(&arp.waiting), Arc::clone(&arp.over));
        std::thread::Builder::new()
            .name("bitlink-arp".to_owned())
            .spawn(move || listen(&socket, &waiting, &over))?;
        Ok(arp)
    }

    /// Asks once, and waits for the answer.
    pub(super) async fn ask(&self, ip: Ipv4Addr) -> Mac {
        let mut heard = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.entry(ip).or_insert_with(|| watch::channel(None).0).subscribe()
        };
        let _forget = Forget { waiting: &self.waiting, ip };
        let frame = frame(REQUEST, (self.own, self.own_ip), ([0xff; 6], ip));
        // A queue that is full empties itself; on any other trouble nobody will answer, and whoever waits in vain asks again.
        while let Err(error) = self.socket.send_with_flags(&frame, MsgFlags::MSG_DONTWAIT.bits()) {
            let is_full =
                matches!(error.kind(), io::ErrorKind::WouldBlock) || error.raw_os_error() == Some(ENOBUFS);
            if !is_full {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            if let Some(mac) = *heard.borrow_and_update() {
                return Mac::new(mac);
            }
            if heard.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl Drop for Arp {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Forgets who is asked for when the last one who waits is gone.
struct Forget<'a> {
    waiting: &'a Waiting,
    ip: Ipv4Addr,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.ip).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.ip);
        }
    }
}

fn listen(mut socket: &Socket, waiting: &Waiting, over: &AtomicBool) {
    let mut bytes = [0; 128];
    while !over.load(Ordering::Relaxed) {
        // Mostly because nothing came for a while.
        let Ok(length) = socket.read(&mut bytes) else { continue };
        let Some((ip, mac)) = bytes.get(..length).and_then(answer) else { continue };
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&ip) {
            sender.send_replace(Some(mac));
        }
    }
}

/// A frame from one to the other.
fn frame(operation: u16, (own, own_ip): ([u8; 6], Ipv4Addr), (to, ip): ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let asked = if operation == REQUEST { [0; 6] } else { to };
    let mut frame = Vec::with_capacity(FRAME);
    frame.extend(to);
    frame.extend(own);
    frame.extend(ETHER_ARP.to_be_bytes());
    // Ethernet, IPv4, the lengths of their addresses.
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(own);
    frame.extend(own_ip.octets());
    frame.extend(asked);
    frame.extend(ip.octets());
    frame
}

/// Who answers, and from where.
fn answer(frame: &[u8]) -> Option<(Ipv4Addr, [u8; 6])> {
    let head = frame.get(12..20)?;
    let is_arp = head == [0x08, 0x06, 0, 1, 8, 0, 6, 4];
    let is_reply = frame.get(20..22)? == REPLY.to_be_bytes();
    let mac: [u8; 6] = frame.get(22..28)?.try_into().ok()?;
    let ip: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    (is_arp && is_reply && mac != [0; 6]).then(|| (Ipv4Addr::from(ip), mac))
}

#[cfg(test)]
mod tests {
    //! Frames.
    use super::*;
    use proptest::prelude::*;

    const A: ([u8; 6], Ipv4Addr) = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(192, 0, 2, 1));
    const B: ([u8; 6], Ipv4Addr) = ([2, 0, 0, 0, 0, 2], Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_reply_tells_who_has_the_address_and_a_request_does_not() {
        assert_eq!(answer(&frame(REPLY, B, A)), Some((B.1, B.0)));
        assert_eq!(answer(&frame(REQUEST, B, ([0xff; 6], A.1))), None);
        assert_eq!(frame(REQUEST, A, ([0xff; 6], B.1)).len(), FRAME);
        assert_eq!(answer(&frame(REPLY, ([0; 6], B.1), A)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_any_harm(bytes: Vec<u8>, cut in 0..=FRAME) {
            let _ = answer(&bytes);
            let whole = frame(REPLY, B, A);
            let heard = answer(&whole[..cut]);
            prop_assert!(heard.is_none() || cut >= 32);
        }
    }
}
