//! All doors of an address as one target: where is knocked, how often, and what is said in the end.

use super::world::{Fate, World};
use super::{endpoint, scan_world};
use crate::config::ScanConfig;
use crate::outcome::OutcomeKind;
use bitlink_transport::Endpoint;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WEB: u16 = 80;
const TLS: u16 = 443;

fn config() -> ScanConfig {
    ScanConfig::default().with_doors(vec![WEB, TLS])
}

fn at(port: u16) -> Endpoint {
    Endpoint::new(endpoint(0).ip(), port)
}

/// Scans one address whose doors are like this; its outcome, and how often anybody knocked.
fn scan(api: Fate, web: Fate, tls: Fate) -> (OutcomeKind, u64) {
    let world = Arc::new(World::new([(at(4028), api), (at(WEB), web), (at(TLS), tls)]));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let told = runtime.block_on(scan_world(&world, 1, config()));
    let report = told.report.unwrap();
    assert_eq!((report.counts.sum(), report.total), (1, 1), "one address, one outcome");
    let kind = OutcomeKind::ALL.iter().copied().find(|kind| report.counts.of(*kind) == 1).unwrap();
    (kind, world.probes.load(Ordering::SeqCst))
}

#[test]
fn every_state_of_the_doors_has_its_outcome_and_its_price() {
    use Fate::{Denied, Miner, Refused, Silent, Unreachable};
    assert_eq!(scan(Silent, Silent, Silent), (OutcomeKind::Silent, 3), "one, the next, then the first again");
    assert_eq!(
        scan(Refused, Refused, Refused),
        (OutcomeKind::Refused, 3),
        "whoever is there is asked at every door"
    );
    assert_eq!(
        scan(Miner, Refused, Refused),
        (OutcomeKind::Found, 2),
        "the API, and what tells most of the rest"
    );
    assert_eq!(scan(Miner, Miner, Miner), (OutcomeKind::Found, 2));
    assert_eq!(scan(Refused, Miner, Refused), (OutcomeKind::Found, 3));
    assert_eq!(scan(Refused, Refused, Miner), (OutcomeKind::Found, 3));
    assert_eq!(scan(Silent, Miner, Silent), (OutcomeKind::Found, 4), "a firewall swallows the first");
    assert_eq!(scan(Silent, Refused, Miner), (OutcomeKind::Found, 4));
    assert_eq!(scan(Miner, Silent, Silent), (OutcomeKind::Found, 2), "an open door ends the knocking");
    assert_eq!(
        scan(Unreachable, Miner, Miner),
        (OutcomeKind::Unreachable, 1),
        "there is no way to the address"
    );
    assert_eq!(scan(Denied, Miner, Miner), (OutcomeKind::Denied, 1));
}

#[test]
fn a_target_with_a_port_of_its_own_is_that_port_alone() {
    let other = Endpoint::new(endpoint(0).ip(), 4029);
    let doors = |endpoint| config().doors_at(endpoint).collect::<Vec<_>>();
    assert_eq!(doors(other), [4029]);
    assert_eq!(doors(at(4028)), [4028, WEB, TLS]);
    let families = [bitlink_model::Family::AXEOS];
    assert_eq!(ScanConfig::default().with_families(&families).doors, [WEB]);
    assert!(ScanConfig::default().doors.contains(&WEB));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn an_address_has_one_outcome_whatever_its_doors(api in 0..5_usize, web in 0..5_usize, tls in 0..5_usize) {
        let fates = [Fate::Silent, Fate::Refused, Fate::Unreachable, Fate::Miner, Fate::LossyMiner];
        let (kind, probes) = scan(fates[api], fates[web], fates[tls]);
        prop_assert!((1..=10).contains(&probes), "{probes}");
        // The first door open or refusing: somebody is there, and every open door is found.
        if matches!(api, 3 | 4) || (api == 1 && (web == 3 || tls == 3)) {
            prop_assert_eq!(kind, OutcomeKind::Found);
        }
    }
}
