//! Networks that delay and lose packets: what is promised is found, and within which time. In virtual time, from a seed.

use super::world::reading;
use super::{ScanConfig, targets};
use crate::identify::Identifier;
use crate::{NetworkProfile, OutcomeKind, ScanReport, Scanner};
use async_trait::async_trait;
use bitlink_model::MinerSnapshot;
use bitlink_protocol::{Doors, Reply, Request};
use bitlink_transport::{ConverseError, Endpoint, Limits, Probe, ProbeOutcome, Transport, TransportError};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const ADDRESSES: u32 = 16_384;
/// Every eighth address is a miner.
const EVERY: u32 = 8;

/// A network with round trips between two bounds, in ms, which loses so many in a thousand packets each way.
#[derive(Debug)]
struct Network {
    round_trip_ms: (u64, u64),
    lost_per_mille: u32,
    chance: Mutex<Pcg64Mcg>,
}

#[async_trait]
impl Transport for Network {
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        let started = Instant::now();
        let (arrives, lost) = {
            let mut chance = self.chance.lock().unwrap();
            let (least, most) = self.round_trip_ms;
            let lost = (0..2).any(|_| chance.random_range(0..1_000) < self.lost_per_mille);
            (started + Duration::from_millis(chance.random_range(least..=most)), lost)
        };
        let IpAddr::V4(ip) = endpoint.ip() else { panic!("not in this network") };
        let heard = u32::from(ip).is_multiple_of(EVERY) && !lost && arrives < deadline;
        sleep_until(if heard { arrives } else { deadline }).await;
        let outcome = match endpoint.port() {
            _ if !heard => ProbeOutcome::Silent,
            4028 => ProbeOutcome::Open,
            _ => ProbeOutcome::Refused,
        };
        Probe { outcome, elapsed: started.elapsed() }
    }

    async fn exchange(&self, _: Endpoint, _: &Request, _: &Limits) -> Result<Reply, TransportError> {
        Err(TransportError::Unsupported)
    }
}

impl Identifier for Network {
    fn identify(&self, _: Endpoint, _: &Doors) -> BoxFuture<'_, Result<MinerSnapshot, ConverseError>> {
        std::future::ready(Ok(reading(5))).boxed()
    }
}

/// A scan of such a network; how many miners it missed, and its report.
fn scan(round_trip_ms: (u64, u64), lost_per_mille: u32, config: ScanConfig) -> (u32, ScanReport) {
    let chance = Mutex::new(Pcg64Mcg::seed_from_u64(7));
    let network = Arc::new(Network { round_trip_ms, lost_per_mille, chance });
    let scanner = Scanner::new(network.clone()).with_identifier(network);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (miners, report) =
        runtime.block_on(scanner.scan_to_end(targets(ADDRESSES), config.with_concurrency(10_000))).unwrap();
    assert_eq!(report.counts.of(OutcomeKind::Found), miners.len() as u64);
    (ADDRESSES / EVERY - u32::try_from(miners.len()).unwrap(), report)
}

#[test]
fn what_is_promised_of_a_wired_network_is_found() {
    let default = ScanConfig::default;
    assert_eq!(scan((0, 5), 0, default()).0, 0);
    assert_eq!(scan((150, 199), 0, default()).0, 0, "slow, and nothing is lost");
    let (missed, report) = scan((20, 60), 10, default());
    assert!(missed <= 1, "{missed} of {}", ADDRESSES / EVERY);
    assert!(report.probe_retries > u64::from(ADDRESSES), "{report:?}");
    let (missed, _) = scan((150, 199), 10, default());
    assert!(missed <= 3, "{missed} of {}", ADDRESSES / EVERY);
}

#[test]
fn one_try_loses_what_the_network_loses() {
    let once = ScanConfig::default().with_probe_timeouts(NetworkProfile::Lan.waits(0));
    let (missed, _) = scan((20, 60), 10, once);
    assert!((20..=70).contains(&missed), "two in a hundred: {missed}");
}

#[test]
fn slower_networks_have_their_profile() {
    let of = |profile: NetworkProfile| ScanConfig::default().with_probe_timeouts(profile.waits(2));
    assert!(scan((300, 599), 10, of(NetworkProfile::Lan)).0 > 1_000, "not promised, and not found");
    assert!(scan((300, 599), 10, of(NetworkProfile::Wifi)).0 <= 3);
    assert!(scan((900, 1_499), 10, of(NetworkProfile::Vpn)).0 <= 3);
}

#[test]
fn waits_shrink_where_answers_are_fast_and_only_as_far_as_promised() {
    let fixed = ScanConfig::default().with_adaptive(false).with_rate(None);
    let (_, slow) = scan((1, 2), 0, fixed.clone());
    let (missed, fast) = scan((1, 2), 0, fixed.with_adaptive(true));
    assert_eq!(missed, 0);
    assert!(fast.elapsed < slow.elapsed, "{:?} and {:?}", fast.elapsed, slow.elapsed);
}
