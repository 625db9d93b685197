//! What holds for every rule: missing data, order, names, rules by model.

use super::*;
use bitlink_model::{DeviceError, Ratio};
use proptest::prelude::*;
use std::collections::BTreeSet;

type Change = fn(&mut MinerSnapshot);

/// Ways to be ill, one or more for each rule that judges readings.
const ILLS: &[Change] = &[
    |r| r.temperatures.chip_max = celsius(87.0),
    |r| r.temperatures.chip_max = celsius(99.0),
    |r| r.temperatures.board_max = celsius(83.0),
    |r| r.fans[1] = fan(1, 0.0),
    |r| {
        r.boards.pop();
    },
    |r| r.boards[0].hashrate = ths(0.0),
    |r| r.boards[1].chips = Some(90),
    |r| r.pools = vec![pool(0, PoolStatus::Dead)],
    |r| {
        r.hashrate.realtime = ths(80.0);
        r.hashrate.five_minutes = ths(80.0);
    },
    |r| {
        r.hashrate.realtime = ths(0.0);
        r.hashrate.five_minutes = ths(0.0);
    },
    |r| r.shares.hardware_error_ratio = Ratio::from_percent(7.0).ok(),
    |r| r.errors = vec![DeviceError::new(Severity::Critical, "power supply")],
    |r| r.mining_state = Some(MiningState::Failed),
    |r| r.mining_state = Some(MiningState::Starting),
    |r| r.mining_state = Some(MiningState::Stopped),
    |r| r.pools[0].last_share_age = Some(Span::from_seconds(50_000)),
];

/// Ways to say less.
const GAPS: &[Change] = &[
    |r| r.temperatures = bitlink_model::Temperatures::default(),
    |r| r.fans.clear(),
    |r| r.fans.iter_mut().for_each(|fan| fan.speed = None),
    |r| r.boards.clear(),
    |r| r.boards_expected = None,
    |r| r.boards.iter_mut().for_each(|board| board.hashrate = None),
    |r| r.boards.iter_mut().for_each(|board| board.chips = None),
    |r| r.boards.iter_mut().for_each(|board| board.chips_expected = None),
    |r| r.pools.clear(),
    |r| r.pools.iter_mut().for_each(|pool| pool.status = None),
    |r| r.hashrate = bitlink_model::HashRates::default(),
    |r| r.hashrate.expected = None,
    |r| r.hashrate.realtime = None,
    |r| r.shares = bitlink_model::Shares::default(),
    |r| r.errors.clear(),
    |r| r.mining_state = None,
    |r| r.elapsed = None,
    |r| *r = MinerSnapshot::default(),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn missing_data_never_changes_the_verdict(
        ills in prop::collection::vec(prop::sample::select(ILLS), 0..5),
        gaps in prop::collection::vec(prop::sample::select(GAPS), 1..5),
        readings in 1..10_u64,
    ) {
        let mut patient = patient();
        for ill in ills {
            // A later ill may have taken away what an earlier one breaks.
            if patient.reading.boards.len() == 3 && patient.reading.pools.len() == 2 {
                patient.set(ill);
            }
        }
        patient.minutes(75);
        let before = (patient.status(), patient.names());
        let full = patient.reading.clone();
        patient.set(|r| gaps.iter().for_each(|gap| gap(r)));
        patient.run(STEP * readings);
        prop_assert_eq!(&before, &(patient.status(), patient.names()));
        let passed = STEP * readings;
        patient.set(|r| {
            let accepted = r.shares.accepted.or(full.shares.accepted);
            *r = full;
            r.shares.accepted = accepted;
            r.elapsed = r.elapsed.map(|span| Span::from_seconds(span.as_seconds() + passed));
        });
        patient.step();
        prop_assert_eq!(&before, &(patient.status(), patient.names()));
    }

    #[test]
    fn hotter_is_never_better(a in 20.0..130.0_f64, b in 20.0..130.0_f64) {
        let severity = |value: f64| {
            patient().set(|r| r.temperatures.chip_max = celsius(value)).step().severity(&rule::CHIP_HOT)
        };
        prop_assert!(severity(a.min(b)) <= severity(a.max(b)));
    }

    #[test]
    fn slower_is_never_better(a in 0.0..120.0_f64, b in 0.0..120.0_f64) {
        let worst = |value: f64| {
            let mut patient = patient();
            patient.set(|r| {
                r.hashrate.realtime = ths(value);
                r.hashrate.five_minutes = ths(value);
            });
            patient.minutes(20);
            patient.verdict().findings.iter().map(|f| f.severity).max()
        };
        prop_assert!(worst(a.max(b)) <= worst(a.min(b)));
    }

    #[test]
    fn status_and_findings_agree_whatever_happens(
        events in prop::collection::vec((0..6_u8, prop::sample::select(ILLS), -5_000_i64..600_000), 1..120),
    ) {
        let mut patient = patient();
        for (kind, ill, jump) in events {
            patient.now = Timestamp::from_unix_millis(patient.now.as_unix_millis() + jump);
            match kind {
                0 => patient.miss(&Miss::Unanswered { why: String::new() }),
                1 => patient.miss(&Miss::Unusable { why: String::new() }),
                2 => patient.miss(&Miss::NotAsked { why: String::new() }),
                3 => patient.set(|r| *r = healthy()).set(ill).step(),
                4 => patient.set(|r| *r = MinerSnapshot::default()).step(),
                _ => patient.set(|r| *r = healthy()).step(),
            };
            let Verdict { status, findings, live } = patient.verdict();
            let troubled = findings.iter().any(|f| f.severity >= Severity::Warning);
            match status {
                MinerStatus::Active | MinerStatus::Paused => prop_assert!(!troubled && *live),
                MinerStatus::Warning => prop_assert!(troubled),
                MinerStatus::Dead => {
                    prop_assert!(!live);
                    prop_assert_eq!(patient.names(), [("no_answer".to_owned(), Severity::Critical)]);
                }
                _ => prop_assert!(findings.is_empty() && !live),
            }
            let sorted = findings.windows(2).all(|w| w[0].severity >= w[1].severity);
            prop_assert!(sorted, "worst first");
            prop_assert!(findings.iter().all(|f| f.since.is_some() && !f.clears_when.is_empty()));
        }
    }
}

#[test]
fn every_rule_has_a_name_of_its_own_that_fits_a_label() {
    let names: BTreeSet<&str> = ALL_RULES.iter().map(Rule::as_str).collect();
    assert_eq!(names.len(), ALL_RULES.len());
    assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
}

#[test]
fn other_rules_take_hold_at_the_next_reading() {
    let mut patient = patient();
    patient.set(|r| r.temperatures.chip_max = celsius(90.0)).step();
    assert_eq!(patient.status(), MinerStatus::Warning);
    let tough = Rules::default()
        .with(|rules| rules.chip_celsius = Band::new(Limit::at_once(95.0), Limit::at_once(105.0), 3.0));
    patient.judge.set_rules(Arc::new(tough));
    assert_eq!(patient.step().status(), MinerStatus::Active);
}
