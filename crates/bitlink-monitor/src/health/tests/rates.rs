//! Hash rates, shares, errors and restarts: everything that is judged over time.

use super::*;
use bitlink_model::Ratio;

/// Sets every rate to a share of the expected one.
fn rate(patient: &mut Patient, share: f64) -> &mut Patient {
    patient.set(|r| {
        r.hashrate.realtime = ths(110.0 * share);
        r.hashrate.five_minutes = ths(110.0 * share);
    })
}

#[test]
fn a_slow_miner_is_told_after_fifteen_minutes() {
    let mut patient = patient();
    patient.minutes(5);
    let began = patient.now.plus(Duration::from_secs(STEP));
    rate(&mut patient, 0.84).step().run(14 * 60 + 50);
    assert_eq!(patient.names(), []);
    patient.step();
    assert_eq!(patient.names(), [("hashrate_low".to_owned(), Severity::Warning)]);
    let finding = patient.finding(&rule::HASHRATE_LOW);
    assert_eq!(finding.message, "hash rate 92.4 TH/s of 110.0 TH/s: 84 %, limit 85 %");
    assert_eq!(finding.clears_when, "87 % or more");
    assert_eq!(finding.since, Some(began));

    rate(&mut patient, 0.86).minutes(60);
    assert_eq!(patient.status(), MinerStatus::Warning, "better, but not by the margin");
    rate(&mut patient, 0.88).step();
    assert_eq!(patient.status(), MinerStatus::Active);
}

#[test]
fn a_very_slow_miner_is_critical_after_ten_minutes() {
    let mut patient = patient();
    rate(&mut patient, 0.70).step().run(9 * 60 + 50);
    assert_eq!(patient.names(), []);
    patient.step();
    assert_eq!(patient.names(), [("hashrate_low".to_owned(), Severity::Critical)]);
    patient.minutes(10);
    rate(&mut patient, 0.80).step();
    assert_eq!(
        patient.names(),
        [("hashrate_low".to_owned(), Severity::Warning)],
        "the milder limit still stands"
    );
}

#[test]
fn a_dip_that_ends_in_time_is_nothing() {
    let mut patient = patient();
    for _ in 0..10 {
        rate(&mut patient, 0.5).minutes(9);
        assert_eq!(patient.status(), MinerStatus::Active);
        rate(&mut patient, 0.9).step();
    }
}

#[test]
fn a_rate_of_some_seconds_is_smoothed_and_beats_a_mean_of_days() {
    let mut patient = patient();
    patient.set(|r| r.hashrate.five_minutes = None);
    let noise = [0.6, 1.3, 0.9, 1.1, 0.7, 1.4];
    let run = |patient: &mut Patient, level: f64| {
        for n in 0..240 {
            patient.set(|r| r.hashrate.realtime = ths(110.0 * level * noise[n % noise.len()])).step();
        }
    };
    run(&mut patient, 1.0);
    assert_eq!(patient.names(), [], "it swings about its full rate");
    run(&mut patient, 0.8);
    assert_eq!(patient.names(), [("hashrate_low".to_owned(), Severity::Warning)], "the average is still 110");
}

#[test]
fn means_that_reach_into_a_pause_are_not_held_against_a_miner() {
    let mut patient = patient();
    rate(&mut patient, 0.0).set(|r| r.mining_state = Some(MiningState::Stopped)).minutes(60);
    patient.set(|r| {
        r.mining_state = Some(MiningState::Mining);
        r.hashrate.realtime = ths(110.0);
    });
    // Work again; the means rise from nothing, as cgminer's do.
    for n in 0..720_u32 {
        let risen = |window: f64| ths(110.0 * (1.0 - (-f64::from(n) * 10.0 / window).exp()));
        patient.set(|r| {
            r.hashrate.five_minutes = risen(300.0);
            r.hashrate.fifteen_minutes = risen(900.0);
            r.hashrate.thirty_minutes = risen(1800.0);
            r.hashrate.average = ths(60.0);
        });
        assert_eq!(patient.step().names(), [], "{} s after", n * 10);
    }
}

#[test]
fn means_that_rise_after_a_start_are_not_held_against_a_miner() {
    for tells_realtime in [true, false] {
        let mut patient = patient();
        patient.set(|r| r.elapsed = Some(Span::from_seconds(0)));
        for n in 0..720_u32 {
            let risen = |window: f64| ths(110.0 * (1.0 - (-f64::from(n) * 10.0 / window).exp()));
            patient.set(|r| {
                r.hashrate.realtime = ths(110.0).filter(|_| tells_realtime);
                r.hashrate.five_minutes = risen(300.0);
                r.hashrate.fifteen_minutes = risen(900.0);
                r.hashrate.thirty_minutes = risen(1800.0);
            });
            assert_eq!(patient.step().names(), [], "{} s after", n * 10);
        }
    }
}

#[test]
fn slow_is_not_judged_without_an_expectation() {
    let mut patient = patient();
    patient.set(|r| r.hashrate.expected = None);
    rate(&mut patient, 0.1).minutes(60);
    assert_eq!(patient.status(), MinerStatus::Active);
    patient.set(|r| r.hashrate.nameplate = ths(110.0)).minutes(16);
    assert_eq!(
        patient.severity(&rule::HASHRATE_LOW),
        Some(Severity::Critical),
        "the nameplate serves as well"
    );
}

#[test]
fn a_miner_that_warms_up_is_not_slow() {
    let mut patient = patient();
    patient.set(|r| r.elapsed = Some(Span::from_seconds(0)));
    rate(&mut patient, 0.3).step().run(9 * 60 + 30);
    assert_eq!(patient.status(), MinerStatus::Active);
    patient.minutes(11);
    assert_eq!(
        patient.severity(&rule::HASHRATE_LOW),
        Some(Severity::Critical),
        "times start after the warm-up"
    );
}

#[test]
fn a_miner_that_is_stopped_by_wish_is_not_slow() {
    let mut patient = patient();
    rate(&mut patient, 0.5).minutes(20);
    assert_eq!(patient.status(), MinerStatus::Warning);
    rate(&mut patient, 0.0).set(|r| r.mining_state = Some(MiningState::Stopped)).minutes(120);
    assert_eq!(patient.status(), MinerStatus::Paused);
    assert_eq!(patient.names(), [("stopped".to_owned(), Severity::Info)]);
    patient.set(|r| r.mining_state = None).step();
    assert_eq!(patient.status(), MinerStatus::Paused, "it need not say so every time");
    rate(&mut patient, 1.0).set(|r| r.mining_state = Some(MiningState::Mining)).step();
    assert_eq!((patient.status(), patient.names()), (MinerStatus::Active, vec![]));
}

#[test]
fn a_paused_miner_with_a_fault_is_in_warning() {
    let mut patient = patient();
    rate(&mut patient, 0.0).set(|r| r.mining_state = Some(MiningState::Stopped)).step();
    assert_eq!(patient.status(), MinerStatus::Paused);
    assert!(patient.verdict().live);
    patient.set(|r| r.temperatures.chip_max = celsius(91.0)).step();
    assert_eq!(patient.status(), MinerStatus::Warning);
    patient.set(|r| r.temperatures.chip_max = celsius(40.0)).step();
    assert_eq!(patient.status(), MinerStatus::Paused);
    for _ in 0..10 {
        patient.miss(&Miss::Unanswered { why: "refused".to_owned() });
    }
    assert_eq!(patient.status(), MinerStatus::Dead, "a pause is no excuse for silence");
}

#[test]
fn a_miner_that_was_slow_before_it_was_watched_is_slow_at_once() {
    let mut patient = patient();
    rate(&mut patient, 0.7).set(|r| r.hashrate.thirty_minutes = ths(77.0)).step();
    assert_eq!(
        patient.names(),
        [("hashrate_low".to_owned(), Severity::Critical)],
        "its own half hour shows it"
    );
    let half_an_hour_ago = patient.now.minus(Duration::from_mins(30));
    assert_eq!(patient.finding(&rule::HASHRATE_LOW).since, Some(half_an_hour_ago));

    let mut dips = self::patient();
    rate(&mut dips, 0.7).set(|r| r.hashrate.thirty_minutes = ths(108.0)).step();
    assert_eq!(dips.names(), [], "its half hour is fine, so it has only just begun");
}

#[test]
fn a_miner_that_should_hash_and_does_not_is_critical_after_five_minutes() {
    let mut patient = patient();
    patient.set(|r| {
        r.mining_state = None;
        r.hashrate.realtime = Some(HashRate::ZERO);
    });
    patient.step().run(4 * 60 + 50);
    assert_eq!(patient.names(), []);
    rate(&mut patient, 0.0).step();
    assert_eq!(patient.names(), [("not_hashing".to_owned(), Severity::Critical)]);

    let mut asleep = self::patient();
    rate(&mut asleep, 0.0).set(|r| r.mining_state = None).step();
    assert_eq!(
        asleep.names(),
        [("not_hashing".to_owned(), Severity::Critical)],
        "its own five minutes show it"
    );
    patient.minutes(60);
    assert_eq!(
        patient.names(),
        [("not_hashing".to_owned(), Severity::Critical)],
        "that it is slow and finds no shares follows from that"
    );
}

#[test]
fn shares_that_stop_are_noticed_by_the_counter_by_the_miners_clock_and_by_the_age_it_tells() {
    // A share every 30 s usually: eight times that is less than the least of ten minutes.
    let stalled = |tell: &dyn Fn(&mut MinerSnapshot, u64)| {
        let mut patient = patient();
        patient.set(|r| r.shares.utility = bitlink_model::Utility::from_per_minute(2.0).ok()).minutes(5);
        patient.set(|r| r.shares.accepted = Some(200_000)).step();
        let mut seconds = 0;
        while patient.severity(&rule::NO_SHARES).is_none() && seconds < 10_000 {
            seconds += STEP;
            patient.set(|r| {
                r.shares.accepted = r.shares.accepted.map(|n| n - 2);
                tell(r, seconds);
            });
            patient.step();
        }
        assert_eq!(patient.status(), MinerStatus::Warning);
        seconds
    };
    assert_eq!(stalled(&|_, _| {}), 600);
    assert_eq!(stalled(&|r, s| r.pools[0].last_share_age = Some(Span::from_seconds(s))), 600);
    assert_eq!(
        stalled(&|r, s| {
            r.device_time = Timestamp::from_unix_seconds(1_000_000 + i64::try_from(s).unwrap());
            r.pools[0].last_share = Timestamp::from_unix_seconds(1_000_000);
        }),
        600
    );
    assert_eq!(
        stalled(&|r, _| {
            // A share every ten minutes usually.
            r.shares.utility = bitlink_model::Utility::from_per_minute(0.1).ok();
        }),
        4800
    );
    assert_eq!(
        stalled(&|r, _| {
            r.shares.utility = None;
        }),
        1800
    );
}

#[test]
fn rejects_count_over_half_an_hour() {
    let mut patient = patient();
    patient.minutes(40);
    // 12 accepted a minute; from now on 1 in 13 is rejected.
    for _ in 0..5 {
        patient.set(|r| r.shares.rejected = r.shares.rejected.map(|n| n + 1)).run(60);
    }
    assert_eq!(patient.names(), [], "5 of 365 is little");
    for _ in 0..5 {
        patient.set(|r| r.shares.rejected = r.shares.rejected.map(|n| n + 1)).run(60);
    }
    assert_eq!(patient.names(), [("rejected_high".to_owned(), Severity::Warning)]);
    patient.minutes(34);
    assert_eq!(patient.names(), [], "the window has passed");
}

#[test]
fn few_shares_mean_nothing() {
    let mut patient = patient();
    patient.set(|r| r.shares.accepted = None).step();
    patient.set(|r| r.shares.accepted = Some(0)).minutes(5);
    patient.set(|r| r.shares.rejected = r.shares.rejected.map(|n| n + 30)).step();
    assert_eq!(patient.severity(&rule::REJECTED_HIGH), None, "30 of 92, but 92 is too few");
    patient.minutes(2);
    assert_eq!(patient.severity(&rule::REJECTED_HIGH), Some(Severity::Critical));
}

#[test]
fn stale_shares_are_judged_alike_and_counters_that_fall_back_start_anew() {
    let mut patient = patient();
    patient.minutes(40);
    patient.set(|r| r.shares.stale = r.shares.stale.map(|n| n + 20)).step();
    assert_eq!(patient.names(), [("stale_high".to_owned(), Severity::Warning)]);
    patient.set(|r| {
        r.shares.accepted = Some(0);
        r.shares.rejected = Some(0);
        r.shares.stale = Some(0);
    });
    patient.minutes(10);
    assert_eq!(patient.names(), [], "counted from the restart");
}

#[test]
fn hardware_errors_count_after_ten_minutes() {
    let mut patient = patient();
    patient.set(|r| r.shares.hardware_error_ratio = Ratio::from_percent(1.2).ok()).step().run(590);
    assert_eq!(patient.names(), []);
    assert_eq!(patient.step().names(), [("hardware_errors".to_owned(), Severity::Warning)]);
    assert_eq!(patient.finding(&rule::HARDWARE_ERRORS).message, "hardware errors 1.2 %, limit 1 %");
    patient.set(|r| r.shares.hardware_error_ratio = Ratio::from_percent(0.7).ok()).step();
    assert_eq!(patient.names(), []);
}

fn restart(patient: &mut Patient) -> &mut Patient {
    patient.set(|r| r.elapsed = Some(Span::from_seconds(0))).step()
}

#[test]
fn two_restarts_within_an_hour_are_a_warning() {
    let mut patient = patient();
    patient.minutes(1);
    restart(&mut patient).minutes(70);
    assert_eq!(restart(&mut patient).names(), [], "one long ago");
    patient.minutes(50);
    assert_eq!(restart(&mut patient).names(), [("restarts".to_owned(), Severity::Warning)]);
    assert_eq!(
        patient.finding(&rule::RESTARTS).message,
        "the mining program restarted 2 times within 60 min"
    );
    patient.minutes(11);
    assert_eq!(patient.names(), []);
    assert_eq!(patient.judge.restarts(), 1);
}

#[test]
fn a_restart_during_a_silence_counts_although_the_running_time_has_grown() {
    let mut patient = patient();
    patient.set(|r| r.elapsed = Some(Span::from_seconds(100))).step();
    patient.pause(600).set(|r| r.elapsed = Some(Span::from_seconds(300))).step();
    assert_eq!(patient.judge.restarts(), 1);
    patient.pause(600).step().pause(2000).step();
    assert_eq!(patient.judge.restarts(), 1, "running on is no restart");
}

#[test]
fn what_was_not_watched_does_not_count_as_having_lasted() {
    let mut patient = patient();
    rate(&mut patient, 0.5).minutes(9);
    patient.pause(400).step();
    assert_eq!(patient.names(), [], "400 s without a reading");
    patient.minutes(9);
    assert_eq!(patient.names(), []);
    patient.minutes(2);
    assert_eq!(patient.severity(&rule::HASHRATE_LOW), Some(Severity::Critical));
}

#[test]
fn a_clock_that_is_set_back_or_forward_raises_nothing_and_hides_nothing_for_long() {
    for jump in [-86_400_000, 86_400_000] {
        let mut patient = patient();
        rate(&mut patient, 0.5).minutes(5);
        patient.now = Timestamp::from_unix_millis(patient.now.as_unix_millis() + jump);
        assert_eq!(patient.step().severity(&rule::HASHRATE_LOW), None);
        assert_eq!(patient.minutes(11).severity(&rule::HASHRATE_LOW), Some(Severity::Critical));
    }
}
