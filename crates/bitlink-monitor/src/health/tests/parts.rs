//! Heat, fans, boards, chips, pools and what the firmware says itself.

use super::*;
use bitlink_model::{Component, DeviceError, FanLocation};

/// Takes a rule that judges one number at once through its whole band.
fn check_band(rule: &Rule, set: impl Fn(&mut MinerSnapshot, f64), steps: &[(f64, Option<Severity>)]) {
    let mut patient = patient();
    for (value, expected) in steps {
        patient.set(|r| set(r, *value)).step();
        assert_eq!(patient.severity(rule), *expected, "{rule} at {value}");
        let status = if expected.is_some() { MinerStatus::Warning } else { MinerStatus::Active };
        assert_eq!(patient.status(), status, "{rule} at {value}");
    }
}

/// Takes a rule that judges a condition: nothing before its time, raised at it, cleared at once.
fn check_condition(
    rule: &Rule,
    seconds: u64,
    severity: Severity,
    break_it: impl Fn(&mut MinerSnapshot),
) -> Finding {
    let mut patient = patient();
    patient.step().set(&break_it).step();
    if seconds > 0 {
        patient.run(seconds - STEP);
        assert_eq!(patient.severity(rule), None, "{rule} before {seconds} s");
        patient.step();
    }
    assert_eq!(patient.names(), [(rule.to_string(), severity)], "{rule} after {seconds} s");
    let finding = patient.finding(rule).clone();
    assert!(finding.since.is_some() && !finding.clears_when.is_empty() && !finding.message.is_empty());
    patient.set(|r| *r = healthy()).step();
    assert_eq!(patient.names(), [], "{rule} afterwards");
    finding
}

const W: Option<Severity> = Some(Severity::Warning);
const C: Option<Severity> = Some(Severity::Critical);

#[test]
fn a_hot_chip_is_told_at_once_and_cleared_three_degrees_below() {
    let steps =
        [(84.9, None), (85.0, W), (83.0, W), (82.0, W), (81.9, None), (84.9, None), (95.0, C), (92.5, C)];
    check_band(&rule::CHIP_HOT, |r, v| r.temperatures.chip_max = celsius(v), &steps);
    let steps = [(96.0, C), (91.9, W), (85.0, W), (81.0, None)];
    check_band(&rule::CHIP_HOT, |r, v| r.temperatures.chip_max = celsius(v), &steps);
}

#[test]
fn a_hot_board_is_told_at_once() {
    let steps = [(79.9, None), (80.0, W), (77.0, W), (76.9, None), (90.0, C), (88.0, C), (86.9, W)];
    check_band(&rule::BOARD_HOT, |r, v| r.temperatures.board_max = celsius(v), &steps);
}

#[test]
fn a_heat_limit_may_ask_for_time() {
    let rules = Rules::default().with(|rules| rules.chip_celsius.warning = Some(Limit::minutes(85.0, 5)));
    let mut patient = Patient::new(rules);
    patient.set(|r| r.temperatures.chip_max = celsius(90.0)).step().run(290);
    assert_eq!(patient.names(), []);
    assert_eq!(patient.step().severity(&rule::CHIP_HOT), W);
}

#[test]
fn a_limit_that_is_off_says_nothing() {
    let rules = Rules::default().with(|rules| rules.chip_celsius = Band::OFF);
    let mut patient = Patient::new(rules);
    patient.set(|r| r.temperatures.chip_max = celsius(150.0)).minutes(5);
    assert_eq!(patient.names(), []);
}

#[test]
fn a_fan_that_stands_still_is_critical_after_two_minutes() {
    let finding = check_condition(&rule::FAN_STOPPED, 120, Severity::Critical, |r| r.fans[2] = fan(2, 0.0));
    assert_eq!(finding.message, "fan 2 at 0 rpm, limit 1000 rpm");
    check_condition(&rule::FAN_STOPPED, 120, Severity::Critical, |r| r.fans[0] = fan(0, 999.0));
}

#[test]
fn every_fan_is_a_finding_of_its_own() {
    let mut patient = patient();
    patient.set(|r| r.fans[1] = fan(1, 0.0)).minutes(1).set(|r| r.fans[3] = fan(3, 0.0)).minutes(3);
    assert_eq!(patient.verdict().findings.len(), 2);
    patient.set(|r| r.fans[1] = fan(1, 5000.0)).step();
    assert_eq!(patient.finding(&rule::FAN_STOPPED).message, "fan 3 at 0 rpm, limit 1000 rpm");
}

#[test]
fn fans_are_not_judged_where_they_need_not_turn() {
    let excuses: [&dyn Fn(&mut MinerSnapshot); 4] = [
        &|r| r.tuning.liquid_cooled = Some(true),
        &|r| r.mining_state = Some(MiningState::Stopped),
        &|r| r.fans.iter_mut().for_each(|fan| fan.location = Some(FanLocation::Psu)),
        &|r| {
            r.mining_state = Some(MiningState::Starting);
        },
    ];
    for excuse in excuses {
        let mut patient = patient();
        patient.set(|r| r.fans = (0..4).map(|index| fan(index, 0.0)).collect()).set(excuse).minutes(10);
        assert_eq!(patient.severity(&rule::FAN_STOPPED), None);
    }
}

#[test]
fn missing_boards_are_told_after_two_minutes() {
    let finding = check_condition(&rule::BOARDS_MISSING, 120, Severity::Warning, |r| {
        r.boards.pop();
    });
    assert_eq!(finding.message, "2 of 3 boards found");
    check_condition(&rule::BOARDS_MISSING, 120, Severity::Warning, |r| {
        r.boards_expected = None;
        r.boards[1].present = Some(false);
    });
}

#[test]
fn a_miner_with_more_boards_than_expected_is_fine() {
    let mut patient = patient();
    patient.set(|r| r.boards_expected = Some(2)).minutes(10);
    assert_eq!(patient.names(), []);
}

#[test]
fn a_board_that_does_nothing_while_others_hash_is_told_after_five_minutes() {
    let finding =
        check_condition(&rule::BOARD_IDLE, 300, Severity::Warning, |r| r.boards[2].hashrate = ths(0.0));
    assert_eq!(finding.message, "board 2 does not hash while others do");
    let mut patient = patient();
    patient.set(|r| r.boards.iter_mut().for_each(|board| board.hashrate = ths(0.0))).minutes(10);
    assert_eq!(patient.severity(&rule::BOARD_IDLE), None, "not when none hashes");
}

#[test]
fn one_lost_chip_is_information_and_many_are_a_warning() {
    let mut patient = patient();
    patient.set(|r| r.boards[0].chips = Some(113)).minutes(6);
    assert_eq!(patient.names(), [("chips_lost".to_owned(), Severity::Info)]);
    assert_eq!(patient.status(), MinerStatus::Active);
    assert_eq!(patient.finding(&rule::CHIPS_LOST).message, "1 of 342 chips do not work");
    patient.set(|r| r.boards[0].chips = Some(100)).minutes(6);
    assert_eq!(patient.names(), [("chips_lost".to_owned(), Severity::Warning)]);
    assert_eq!(patient.finding(&rule::CHIPS_LOST).message, "14 of 342 chips do not work");
}

#[test]
fn chips_are_counted_by_map_by_bad_ones_and_by_the_whole() {
    let lost = |change: &dyn Fn(&mut MinerSnapshot)| {
        let mut patient = patient();
        patient.set(change).minutes(6);
        patient.verdict().findings.iter().find(|f| f.rule == rule::CHIPS_LOST).map(|f| f.message.clone())
    };
    let blank = |r: &mut MinerSnapshot| {
        for board in &mut r.boards {
            board.chips = None;
            board.chips_expected = None;
        }
    };
    let by_map = lost(&|r| {
        blank(r);
        r.boards[1].chip_map = Some("oooooxoo-ooo".into());
    });
    assert_eq!(by_map.as_deref(), Some("2 of 12 chips do not work"));
    let by_bad = lost(&|r| r.boards[1].chips_bad = Some(3));
    assert_eq!(by_bad.as_deref(), Some("3 of 342 chips do not work"));
    let by_whole = lost(&|r| {
        r.boards.iter_mut().for_each(|board| board.chips_expected = None);
        r.chips_expected = Some(350);
    });
    assert_eq!(by_whole.as_deref(), Some("8 of 350 chips do not work"));
    assert_eq!(lost(&blank), None, "nothing said, nothing judged");
}

#[test]
fn pools_that_are_all_dead_are_critical_after_five_minutes() {
    check_condition(&rule::POOLS_DEAD, 300, Severity::Critical, |r| {
        r.pools = vec![pool(0, PoolStatus::Dead), pool(1, PoolStatus::Dead), pool(2, PoolStatus::Disabled)];
    });
    for unknown in [Some(PoolStatus::Unknown), None, Some(PoolStatus::Alive)] {
        let mut patient = patient();
        patient.set(|r| r.pools[0].status = Some(PoolStatus::Dead)).set(|r| r.pools[1].status = unknown);
        assert_eq!(patient.minutes(10).names(), [], "one may be alive: {unknown:?}");
    }
}

#[test]
fn a_miner_that_mines_for_somebody_else_is_critical_at_once() {
    let rules = || {
        Rules::default().with(|rules| {
            rules.allowed_pools = vec!["pool0.example".to_owned(), "pool1.example:443".to_owned()];
        })
    };
    let mut patient = Patient::new(rules());
    assert_eq!(patient.step().names(), []);
    let verdict = |url: &str| {
        let mut patient = Patient::new(rules());
        patient.set(|r| r.pools[0].url = Some(url.into())).step();
        patient.severity(&rule::POOL_NOT_ALLOWED)
    };
    for fine in
        ["pool0.example", "POOL0.example:1", "stratum+ssl://pool1.example:443/x", "tcp://u@pool0.example:7"]
    {
        assert_eq!(verdict(fine), None, "{fine}");
    }
    for wrong in [
        "stratum+tcp://thief.example:3333",
        "pool1.example:3333",
        "pool0.example.thief.example",
        "x://pool0.example@thief.example",
    ] {
        assert_eq!(verdict(wrong), C, "{wrong}");
    }
}

#[test]
fn faults_that_the_firmware_lists_come_with_their_severity_and_stay_two_minutes() {
    let mut patient = patient();
    let fault =
        DeviceError::new(Severity::Critical, "fan lost\u{202e}").with_code("110").about(Component::Fan(None));
    let note = DeviceError::new(Severity::Info, "tuning");
    patient.set(|r| r.errors = vec![note, fault]).step();
    assert_eq!(
        patient.names(),
        [("device_error".to_owned(), Severity::Critical), ("device_error".to_owned(), Severity::Info)]
    );
    let message = &patient.verdict().findings[0].message;
    assert_eq!(message, "the firmware reports fan lost\\u{202e} (code 110)", "hostile text is escaped");
    patient.set(|r| r.errors.clear()).run(110);
    assert_eq!(patient.verdict().findings.len(), 2);
    assert_eq!(patient.step().names(), []);
}

#[test]
fn a_firmware_that_lists_ever_new_faults_does_not_fill_the_memory() {
    let mut patient = patient();
    for n in 0..500 {
        patient.set(|r| r.errors = vec![DeviceError::new(Severity::Warning, format!("fault {n}"))]).step();
        assert!(patient.verdict().findings.len() <= 64);
    }
}

#[test]
fn a_miner_that_says_it_failed_is_critical_and_one_that_starts_for_ever_a_warning() {
    check_condition(&rule::MINING_FAILED, 60, Severity::Critical, |r| {
        r.mining_state = Some(MiningState::Failed);
    });
    check_condition(&rule::START_SLOW, 3600, Severity::Warning, |r| {
        r.mining_state = Some(MiningState::Starting);
    });
}
