//! A line that is slow and loses packets, for kernels without netem: frames that arrive at one interface leave by the other
//! one a while later, or never. The two ends believe that they are on one wire.
//!
//! Both ends must send no more than one segment at a time (`gso_max_segs 1`). A kernel leaves the checksum of what it sends
//! over a virtual line to a card that is not there, so it is computed here.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{LinkAddr, bind, recvfrom, setsockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Every kind of frame (`if_ether.h`, `ETH_P_ALL`).
const ETHER_ALL: u16 = 0x0003;
/// A frame that this machine sends (`if_packet.h`, `PACKET_OUTGOING`).
const OUTGOING: u8 = 4;
/// Room for what arrives while the other thread runs.
const RECEIVE_BYTES: usize = 32 * 1024 * 1024;
/// The most frames that are on their way; more are lost, as in a router.
const QUEUE: usize = 200_000;
const ETHERNET: usize = 14;

/// Which interfaces, and how bad the line is.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// The two interfaces
    #[arg(num_args = 2, required = true, value_names = ["ONE", "OTHER"])]
    interfaces: Vec<String>,
    /// How long a frame is on its way, each way, in milliseconds
    #[arg(long, default_value_t = 10)]
    delay: u64,
    /// By how much that varies, evenly in both directions, in milliseconds
    #[arg(long, default_value_t = 5)]
    jitter: u64,
    /// How many of ten thousand frames are lost, each way
    #[arg(long, default_value_t = 100)]
    loss: u64,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Passes frames until the standard input ends, then says how many.
pub(crate) fn run(args: &RelayArgs) -> Result<()> {
    ensure!(args.jitter <= args.delay, "a frame cannot arrive before it was sent");
    let [one, other] = args.interfaces.as_slice() else { bail!("two interfaces") };
    let (one, other) = (Arc::new(open(one)?), Arc::new(open(other)?));
    let there = Arc::new(Line::new(args, args.seed));
    let back = Arc::new(Line::new(args, args.seed ^ 0x5eed));
    Line::start(&there, Arc::clone(&one), Arc::clone(&other));
    Line::start(&back, other, one);
    println!("ready");
    std::io::stdout().flush()?;
    // However it ends, it has ended.
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    for (way, line) in [("there", there), ("back", back)] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!("{way}: {} passed on, {} lost", read(&line.passed), read(&line.lost));
    }
    Ok(())
}

fn open(interface: &str) -> Result<Socket> {
    let link = getifaddrs()?
        .filter(|address| address.interface_name == interface)
        .find_map(|address| address.address?.as_link_addr().copied())
        .with_context(|| format!("there is no interface {interface}"))?;
    let protocol = Protocol::from(i32::from(ETHER_ALL.to_be()));
    let socket =
        Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("no right to a raw socket")?;
    setsockopt(&socket, RcvBufForce, &RECEIVE_BYTES)?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(socket)
}

/// What is on its way: when it arrives, its number, and the frame.
type Queue = BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>;

/// One direction.
struct Line {
    delay: Duration,
    jitter: Duration,
    loss: u64,
    seed: u64,
    queue: Mutex<Queue>,
    arrived: Condvar,
    passed: AtomicU64,
    lost: AtomicU64,
}

impl Line {
    fn new(args: &RelayArgs, seed: u64) -> Self {
        Self {
            delay: Duration::from_millis(args.delay - args.jitter),
            jitter: Duration::from_millis(2 * args.jitter),
            loss: args.loss,
            seed,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            passed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    fn start(line: &Arc<Self>, from: Arc<Socket>, to: Arc<Socket>) {
        let (receiving, sending) = (Arc::clone(line), Arc::clone(line));
        std::thread::spawn(move || receiving.receive(&from));
        std::thread::spawn(move || sending.send(&to));
    }

    fn receive(&self, from: &Socket) {
        let mut bytes = vec![0; 65_536];
        let mut chance = self.seed;
        for number in 0.. {
            let Ok((length, Some(sender))) = recvfrom::<LinkAddr>(from.as_raw_fd(), &mut bytes) else {
                continue;
            };
            if sender.pkttype() == OUTGOING {
                continue;
            }
            let Some(frame) = bytes.get(..length) else { continue };
            if next(&mut chance) % 10_000 < self.loss {
                self.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(0);
            let late = self.delay + Duration::from_micros(next(&mut chance) % (jitter + 1));
            let mut frame = frame.to_vec();
            finish(&mut frame);
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.len() < QUEUE {
                queue.push(Reverse((Instant::now() + late, number, frame)));
                self.arrived.notify_one();
            } else {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn send(&self, to: &Socket) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            match queue.peek() {
                Some(Reverse((due, ..))) if *due <= now => {
                    let Some(Reverse((_, _, frame))) = queue.pop() else { continue };
                    drop(queue);
                    let passed = if to.send(&frame).is_ok() { &self.passed } else { &self.lost };
                    passed.fetch_add(1, Ordering::Relaxed);
                    queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                }
                Some(Reverse((due, ..))) => {
                    let wait = due.saturating_duration_since(now);
                    let woken = self.arrived.wait_timeout(queue, wait);
                    queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The next number of a sequence without a pattern (SplitMix64, by Sebastiano Vigna, in the public domain).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes the checksum of TCP over IPv4 into a frame; any other is left as it is.
fn finish(frame: &mut [u8]) -> Option<()> {
    if frame.get(12..14)? != [0x08, 0x00] {
        return None;
    }
    let ip = frame.get_mut(ETHERNET..)?;
    let head = usize::from(*ip.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes(ip.get(2..4)?.try_into().ok()?));
    let is_fragment = u16::from_be_bytes(ip.get(6..8)?.try_into().ok()?) & 0x3fff != 0;
    if *ip.get(9)? != 6 || is_fragment {
        return None;
    }
    let addresses = sum(ip.get(12..20)?);
    let tcp = ip.get_mut(head..total)?;
    tcp.get_mut(16..18)?.fill(0);
    let length = u32::try_from(tcp.len()).ok()?;
    let mut all = addresses + 6 + length + sum(tcp);
    while all > 0xffff {
        all = (all & 0xffff) + (all >> 16);
    }
    let checksum = !u16::try_from(all).ok()?;
    tcp.get_mut(16..18)?.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// The sum of 16-bit words (RFC 1071); no frame is long enough for it to overflow.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    words.sum()
}

#[cfg(test)]
mod tests {
    //! Checksums, and chance.
    use super::*;

    /// A SYN as it was sent from 192.0.2.1 to 192.0.2.2, with the checksum that it should have.
    fn syn() -> Vec<u8> {
        let mut frame = vec![0x02; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend([0x9c, 0x40, 0x0f, 0xbc, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0]);
        frame
    }

    #[test]
    fn a_finished_segment_sums_up_to_nothing() {
        let mut frame = syn();
        frame[ETHERNET + 36] = 0xab;
        finish(&mut frame).unwrap();
        let tcp = &frame[ETHERNET + 20..];
        let mut all = sum(&frame[ETHERNET + 12..ETHERNET + 20]) + 6 + 20 + sum(tcp);
        while all > 0xffff {
            all = (all & 0xffff) + (all >> 16);
        }
        assert_eq!(all, 0xffff);
        assert_ne!(frame[ETHERNET + 36..ETHERNET + 38], [0, 0]);
    }

    #[test]
    fn what_is_no_tcp_stays_as_it_is() {
        for (place, byte) in [(13, 6), (ETHERNET + 9, 17), (ETHERNET + 7, 1)] {
            let mut frame = syn();
            frame[place] = byte;
            let before = frame.clone();
            assert_eq!(finish(&mut frame), None);
            assert_eq!(frame, before);
        }
        for length in 0..syn().len() {
            finish(&mut syn()[..length]);
        }
    }

    #[test]
    fn one_frame_in_a_hundred_is_lost() {
        let mut state = 7;
        let lost = (0..100_000).filter(|_| next(&mut state) % 10_000 < 100).count();
        assert!((900..1_100).contains(&lost), "{lost}");
    }
}
