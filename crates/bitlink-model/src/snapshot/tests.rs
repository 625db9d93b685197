//! Snapshots: unknown stays out of the output, derived values say so, reported ones are never overwritten.

use super::*;

fn celsius(value: f64) -> Option<Temperature> {
    Temperature::from_celsius(value).ok()
}

fn ths(value: f64) -> Option<HashRate> {
    HashRate::from_ths(value).ok()
}

#[test]
fn an_empty_snapshot_claims_nothing() {
    let mut snapshot = MinerSnapshot::default();
    snapshot.derive();
    let json = serde_json::to_value(&snapshot).unwrap();
    assert_eq!(json, serde_json::json!({}), "no zero, no false, no empty list that the miner did not say");
}

#[test]
fn derived_values_are_marked_and_reported_ones_kept() {
    let board = |slot, chip, rate| Board {
        chip_temperature: celsius(chip),
        hashrate: ths(rate),
        ..Board::in_slot(slot)
    };
    let mut snapshot = MinerSnapshot {
        boards: vec![board(0, 70.0, 36.0), board(1, 74.0, 37.0)],
        power: Power::from_watts(2190.0).ok(),
        ..MinerSnapshot::default()
    };
    snapshot.derive();
    assert_eq!(snapshot.temperatures.chip_max, celsius(74.0));
    assert_eq!(snapshot.hashrate.realtime, ths(73.0));
    assert_eq!(snapshot.efficiency, Efficiency::from_joules_per_terahash(30.0).ok());
    assert_eq!(snapshot.provenance.of("hashrate.realtime_hs"), Source::Derived);
    assert_eq!(snapshot.provenance.of("power_w"), Source::Reported);

    let mut reported = MinerSnapshot { boards: vec![board(0, 70.0, 36.0)], ..MinerSnapshot::default() };
    reported.temperatures.chip_max = celsius(99.0);
    reported.hashrate.average = ths(35.0);
    reported.derive();
    assert_eq!(reported.temperatures.chip_max, celsius(99.0));
    assert_eq!(
        reported.hashrate.realtime, None,
        "a rate was reported; the sum of boards must not compete with it"
    );
}

#[test]
fn expected_is_not_summed_over_boards_that_do_not_all_say() {
    let mut snapshot = MinerSnapshot {
        boards: vec![Board { hashrate_expected: ths(36.0), ..Board::in_slot(0) }, Board::in_slot(1)],
        ..MinerSnapshot::default()
    };
    snapshot.derive();
    assert_eq!(snapshot.hashrate.expected, None);
}

#[test]
fn the_pool_in_use_is_the_living_connected_one_of_lowest_priority() {
    let pool = |id, priority, status, connected| Pool {
        id,
        priority: Some(priority),
        status: Some(status),
        connected: Some(connected),
        ..Pool::default()
    };
    let mut snapshot = MinerSnapshot {
        pools: vec![
            pool(0, 0, PoolStatus::Dead, true),
            pool(1, 1, PoolStatus::Alive, true),
            pool(2, 2, PoolStatus::Alive, true),
        ],
        ..MinerSnapshot::default()
    };
    snapshot.derive();
    let active: Vec<_> = snapshot.pools.iter().map(|p| p.active).collect();
    assert_eq!(active, [Some(false), Some(true), Some(false)]);
}

#[test]
fn names_carry_the_unit_and_survive_the_round_trip() {
    let mut snapshot = MinerSnapshot { power: Power::from_watts(3250.0).ok(), ..MinerSnapshot::default() };
    snapshot.hashrate.average = ths(110.0);
    snapshot.uptime = Some(Span::from_seconds(77));
    let json = serde_json::to_value(&snapshot).unwrap();
    assert_eq!(json["power_w"], 3250.0);
    assert_eq!(json["hashrate"]["average_hs"], 1.1e14);
    assert_eq!(json["uptime_s"], 77);
    assert_eq!(serde_json::from_value::<MinerSnapshot>(json).unwrap(), snapshot);
}

#[test]
fn an_address_seen_on_the_network_fills_the_place_of_one_that_was_not_told() {
    let (seen, told) = (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2]));
    let met = |told: Option<Mac>, seen| {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity.mac = told;
        snapshot.observe_mac(seen);
        snapshot
    };
    let silent = met(None, seen);
    assert_eq!(silent.identity.mac, Some(seen));
    assert_eq!(silent.provenance.of("identity.mac_address"), Source::Observed);
    assert!(silent.anomalies.is_empty());

    assert_eq!(met(Some(Mac::new([0; 6])), seen).identity.mac, Some(seen), "zeros tell nothing");
    assert_eq!(met(None, Mac::new([0xff; 6])), MinerSnapshot::default(), "nobody has a broadcast address");
    let agreed = met(Some(seen), seen);
    assert_eq!(agreed.provenance.of("identity.mac_address"), Source::Reported);
    assert!(agreed.anomalies.is_empty());

    let other = met(Some(told), seen);
    assert_eq!(other.identity.mac, Some(told));
    assert_eq!(other.provenance.of("identity.mac_address"), Source::Reported);
    assert_eq!(other.anomalies.iter().map(|a| a.kind).collect::<Vec<_>>(), [AnomalyKind::Contradiction]);
}
