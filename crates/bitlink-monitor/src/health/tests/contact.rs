//! Silence, useless answers, death and recovery.

use super::*;

fn silence() -> Miss {
    Miss::Unanswered { why: "no answer in time".to_owned() }
}

fn nonsense() -> Miss {
    Miss::Unusable { why: "access denied".to_owned() }
}

#[test]
fn a_miner_that_is_silent_from_the_start_is_dead_after_three_polls() {
    let mut patient = patient();
    assert_eq!(patient.miss(&silence()).status(), MinerStatus::Scanning);
    assert_eq!(patient.miss(&silence()).status(), MinerStatus::Scanning);
    assert!(patient.verdict().findings.is_empty());
    assert_eq!(patient.miss(&silence()).status(), MinerStatus::Dead);
    let finding = patient.finding(&rule::NO_ANSWER);
    assert_eq!(finding.message, "no answer to 3 polls in a row: no answer in time");
    assert_eq!(finding.since, Timestamp::from_unix_seconds(1_767_225_610));
}

#[test]
fn a_miner_that_answered_is_first_a_warning_and_dead_after_a_minute() {
    let mut patient = patient();
    patient.step();
    for _ in 0..2 {
        assert_eq!(patient.miss(&silence()).status(), MinerStatus::Active, "one or two silences are nothing");
        assert!(patient.verdict().live);
    }
    for _ in 0..3 {
        assert_eq!(patient.miss(&silence()).status(), MinerStatus::Warning);
        assert_eq!(patient.names(), [("no_answer".to_owned(), Severity::Warning)]);
        assert!(patient.verdict().live);
    }
    assert_eq!(patient.miss(&silence()).status(), MinerStatus::Dead, "six polls and 60 s");
    assert_eq!(patient.names(), [("no_answer".to_owned(), Severity::Critical)]);
    assert!(!patient.verdict().live);
}

#[test]
fn a_silence_ends_with_any_answer() {
    let mut patient = patient();
    patient.step();
    for _ in 0..20 {
        for _ in 0..5 {
            patient.miss(&silence());
        }
        assert_eq!(patient.step().status(), MinerStatus::Active);
    }
}

#[test]
fn what_was_wrong_before_death_is_not_said_of_the_dead_and_is_judged_anew_after() {
    let mut patient = patient();
    patient.set(|r| r.temperatures.chip_max = celsius(91.0)).step();
    assert_eq!(patient.names(), [("chip_hot".to_owned(), Severity::Warning)]);
    for _ in 0..6 {
        patient.miss(&silence());
    }
    assert_eq!(patient.names(), [("no_answer".to_owned(), Severity::Critical)], "stale heat is not live");
    patient.set(|r| r.temperatures.chip_max = None).step();
    assert_eq!(patient.names(), [("recovering".to_owned(), Severity::Warning)]);
    assert!(patient.verdict().live, "the numbers are fresh");
    assert_eq!(patient.step().status(), MinerStatus::Active);
}

#[test]
fn recovery_takes_two_answers_in_a_row() {
    let mut patient = patient();
    patient.step();
    for _ in 0..6 {
        patient.miss(&silence());
    }
    for _ in 0..3 {
        patient.step();
        assert_eq!(patient.status(), MinerStatus::Warning);
        assert_eq!(patient.finding(&rule::RECOVERING).message, "answers again, 1 of 2 times in a row");
        assert_eq!(patient.miss(&silence()).status(), MinerStatus::Dead, "dead again at once");
    }
    patient.step();
    assert_eq!(patient.step().status(), MinerStatus::Active);
    assert_eq!(patient.miss(&silence()).status(), MinerStatus::Active, "and then like any other");
}

#[test]
fn answers_of_no_use_are_a_warning_and_never_death() {
    let mut patient = patient();
    patient.set(|r| r.temperatures.chip_max = celsius(99.0)).step();
    for _ in 0..2 {
        patient.miss(&nonsense());
        assert_eq!(patient.names(), [("chip_hot".to_owned(), Severity::Critical)]);
    }
    for _ in 0..100 {
        patient.miss(&nonsense());
        assert_eq!(patient.status(), MinerStatus::Warning);
        assert_eq!(patient.names(), [("unreadable".to_owned(), Severity::Warning)]);
        assert!(!patient.verdict().live);
    }
    assert_eq!(patient.finding(&rule::UNREADABLE).message, "answers, but of no use: access denied");
    patient.set(|r| *r = healthy()).step();
    assert_eq!(patient.status(), MinerStatus::Active);
}

#[test]
fn a_stranger_that_never_says_anything_useful_is_a_warning() {
    let mut patient = patient();
    assert_eq!(patient.miss(&nonsense()).status(), MinerStatus::Scanning);
    patient.miss(&nonsense());
    assert_eq!(patient.miss(&nonsense()).status(), MinerStatus::Warning);
    assert_eq!(patient.names(), [("unreadable".to_owned(), Severity::Warning)]);
}

#[test]
fn a_dead_miner_that_says_something_useless_is_no_longer_dead_and_not_live_either() {
    let mut patient = patient();
    patient.step();
    for _ in 0..6 {
        patient.miss(&silence());
    }
    patient.miss(&nonsense());
    assert_eq!(patient.status(), MinerStatus::Warning);
    assert!(!patient.verdict().live, "its numbers are from before it died");
    assert!(patient.severity(&rule::UNREADABLE).is_some());
}

fn out_of_sockets() -> Miss {
    Miss::NotAsked { why: "out of sockets".to_owned() }
}

#[test]
fn polls_that_could_not_be_made_say_nothing_of_the_miner_until_its_reading_is_old() {
    let mut patient = patient();
    patient.set(|r| r.temperatures.chip_max = celsius(91.0)).step();
    let before = patient.verdict().clone();
    for _ in 0..5 {
        patient.miss(&out_of_sockets());
        assert_eq!(*patient.verdict(), before);
    }
    for _ in 0..100 {
        patient.miss(&out_of_sockets());
        assert_eq!(patient.status(), MinerStatus::Warning, "never dead");
        assert_eq!(patient.names(), [("not_asked".to_owned(), Severity::Warning)]);
        assert!(!patient.verdict().live);
    }
    assert_eq!(patient.judge.failures(), 0);
    assert_eq!(patient.finding(&rule::NOT_ASKED).message, "could not be asked from here: out of sockets");
    assert_eq!(patient.step().names(), [("chip_hot".to_owned(), Severity::Warning)]);
}

#[test]
fn a_dead_miner_that_cannot_be_asked_stays_dead_and_a_stranger_unknown() {
    let mut dead = patient();
    dead.step();
    for _ in 0..6 {
        dead.miss(&silence());
    }
    let mut stranger = patient();
    for _ in 0..100 {
        assert_eq!(dead.miss(&out_of_sockets()).status(), MinerStatus::Dead);
        assert_eq!(stranger.miss(&out_of_sockets()).status(), MinerStatus::Scanning);
    }
}

#[test]
fn polls_a_second_apart_do_not_kill_within_a_minute() {
    let mut patient = patient();
    patient.step();
    for _ in 0..59 {
        patient.now = patient.now.plus(Duration::from_secs(1));
        patient.last = Some(patient.judge.missed(patient.now, &silence()));
        assert_ne!(patient.status(), MinerStatus::Dead);
    }
    patient.now = patient.now.plus(Duration::from_secs(1));
    assert_eq!(patient.judge.missed(patient.now, &silence()).status, MinerStatus::Dead);
}
