//! The schedule: once per interval, never two at once, spread, no drift, churn, backoff, overload.
#![expect(
    clippy::unchecked_time_subtraction,
    reason = "a test that subtracts the wrong way round should fail"
)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

mod limits;

const INTERVAL: Duration = Duration::from_secs(10);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a schedule whose polls all take `takes`, without a limit on how many run, and returns who was asked when.
fn run(
    schedule: &mut Schedule<u32>,
    from: Duration,
    until: Duration,
    takes: Duration,
) -> Vec<(Duration, u32)> {
    let mut log = Vec::new();
    let mut running: BTreeSet<(Duration, u32)> = BTreeSet::new();
    let mut now = from;
    loop {
        while let Some(&(end, key)) = running.first()
            && end <= now
        {
            running.pop_first();
            schedule.done(&key, end, Pace::Regular);
        }
        while let Some(due) = schedule.take_due(now) {
            log.push((now, due.key));
            assert!(running.iter().all(|(_, k)| *k != due.key), "two polls of {} at once", due.key);
            running.insert((now + takes, due.key));
        }
        let next = [schedule.next_due(), running.first().map(|(end, _)| *end)].into_iter().flatten().min();
        match next {
            Some(next) if next < until => now = next.max(now),
            _ => return log,
        }
    }
}

#[test]
fn a_few_miners_are_all_asked_at_once_and_then_at_their_own_beat() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    assert_eq!(schedule.extend([1, 2, 3, 2], Duration::ZERO), 3);
    let log = run(&mut schedule, Duration::ZERO, INTERVAL * 3, ms(20));
    assert!(log.iter().take(3).all(|(at, _)| *at < ms(6)), "{log:?}");
    for key in 1..=3 {
        let times: Vec<Duration> = log.iter().filter(|(_, k)| *k == key).map(|(at, _)| *at).collect();
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap >= INTERVAL / 2 && gap < INTERVAL * 3 / 2, "{key}: {times:?}");
        }
        let beats: BTreeSet<u128> = times[1..].iter().map(|t| t.as_nanos() % INTERVAL.as_nanos()).collect();
        assert_eq!(beats.len(), 1, "each has one beat");
    }
}

#[test]
fn start_times_are_spread_evenly() {
    for count in [2_u32, 10, 97, 5000] {
        let mut schedule = Schedule::new(INTERVAL, u64::from(count));
        schedule.extend(0..count, Duration::ZERO);
        run(&mut schedule, Duration::ZERO, INTERVAL * 2, ms(1));
        let log = run(&mut schedule, INTERVAL * 2, INTERVAL * 3, ms(1));
        assert_eq!(log.len(), usize::try_from(count).unwrap(), "each once");
        let even = INTERVAL / count;
        let mut times: Vec<Duration> = log.iter().map(|(at, _)| *at).collect();
        times.push(times[0] + INTERVAL);
        let widest = times.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        assert!(widest < even * 2, "{count}: widest gap {widest:?}, even would be {even:?}");
    }
}

#[test]
fn a_week_brings_no_drift() {
    let mut schedule = Schedule::new(INTERVAL, 3);
    schedule.extend([1], Duration::ZERO);
    let week = Duration::from_hours(7 * 24);
    let log = run(&mut schedule, Duration::ZERO, week, ms(137));
    let beats: BTreeSet<u128> = log[1..].iter().map(|(t, _)| t.as_nanos() % INTERVAL.as_nanos()).collect();
    assert_eq!(beats.len(), 1);
    let intervals = usize::try_from(week.as_secs() / INTERVAL.as_secs()).unwrap();
    assert!((intervals..=intervals + 1).contains(&log.len()), "{}", log.len());
}

#[test]
fn a_slow_miner_skips_beats_and_is_left_in_peace_in_between() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    schedule.extend([1], Duration::ZERO);
    let log = run(&mut schedule, Duration::ZERO, INTERVAL * 20, ms(9_500));
    for pair in log[1..].windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, INTERVAL * 2, "{log:?}");
    }
}

#[test]
fn a_late_poll_does_not_push_the_next_one() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    schedule.extend([1], Duration::ZERO);
    schedule.take_due(INTERVAL).unwrap();
    let beat = schedule.done(&1, INTERVAL, Pace::Regular).unwrap();
    let late = beat + INTERVAL / 5;
    assert_eq!(schedule.take_due(late).unwrap().late, INTERVAL / 5);
    assert_eq!(schedule.done(&1, late + ms(50), Pace::Regular), Some(beat + INTERVAL));
    let very_late = beat + INTERVAL + INTERVAL * 7 / 10;
    assert_eq!(schedule.lag(very_late), INTERVAL * 7 / 10);
    schedule.take_due(very_late).unwrap();
    assert_eq!(
        schedule.done(&1, very_late + ms(50), Pace::Regular),
        Some(beat + INTERVAL * 3),
        "the beat three tenths later is skipped"
    );
}

#[test]
fn the_dead_are_asked_ever_less_often_up_to_the_cap() {
    let mut schedule = Schedule::new(INTERVAL, 0).with_longest_pause(Duration::from_mins(1));
    schedule.extend([1], Duration::ZERO);
    schedule.take_due(ms(10)).unwrap();
    let mut at = schedule.done(&1, ms(20), Pace::Regular).unwrap();
    let mut pauses = Vec::new();
    for failures in 0..6 {
        schedule.take_due(at).unwrap();
        let next = schedule.done(&1, at + Duration::from_secs(5), Pace::Backoff(failures)).unwrap();
        pauses.push((next - at).as_secs());
        at = next;
    }
    assert_eq!(pauses, [10, 20, 40, 60, 60, 60]);
    schedule.take_due(at).unwrap();
    assert_eq!(schedule.done(&1, at, Pace::Backoff(u32::MAX)), Some(at + INTERVAL * 6));
    schedule.hurry(&1, at + ms(1));
    assert_eq!(schedule.next_due(), Some(at + ms(1)));
}

#[test]
fn removed_and_added_again_during_a_poll_it_is_still_asked_once_at_a_time() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    schedule.extend([1], Duration::ZERO);
    schedule.take_due(ms(10)).unwrap();
    assert!(schedule.remove(&1) && !schedule.remove(&1));
    assert!(schedule.is_empty() && schedule.is_polling(&1));
    assert_eq!(schedule.extend([1], ms(20)), 1);
    assert_eq!(schedule.next_due(), None, "its old poll still runs");
    schedule.hurry(&1, ms(25));
    assert_eq!(schedule.take_due(INTERVAL * 9), None);
    assert!(schedule.done(&1, ms(30), Pace::Regular).is_some());
    assert_eq!(schedule.len(), 1);
    schedule.remove(&1);
    assert!(!schedule.is_polling(&1));
    assert_eq!(schedule.done(&1, ms(40), Pace::Regular), None);
}

#[test]
fn removed_for_good_during_a_poll_it_is_forgotten() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    schedule.extend([1, 2], Duration::ZERO);
    let first = schedule.take_due(ms(10)).unwrap().key;
    schedule.remove(&first);
    assert_eq!(schedule.done(&first, ms(20), Pace::Regular), None);
    assert!(!schedule.contains(&first) && schedule.len() == 1);
}

#[test]
fn churn_keeps_the_spread() {
    let mut schedule = Schedule::new(INTERVAL, 1);
    schedule.extend(0..1000, Duration::ZERO);
    for round in 0..20_u32 {
        for key in (0..1000).filter(|k| k % 20 == round) {
            schedule.remove(&key);
        }
        schedule
            .extend((0..1000).filter(|k| k % 20 == round).map(|k| k + 10_000 * (round + 1)), Duration::ZERO);
    }
    assert_eq!(schedule.len(), 1000);
    run(&mut schedule, Duration::ZERO, INTERVAL * 2, ms(1));
    let log = run(&mut schedule, INTERVAL * 2, INTERVAL * 3, ms(1));
    let mut tenths: BTreeMap<u128, u32> = BTreeMap::new();
    for (at, _) in &log {
        *tenths.entry((*at - INTERVAL * 2).as_millis() / 1000).or_default() += 1;
    }
    assert!(tenths.values().all(|n| (95..=105).contains(n)), "{tenths:?}");
}

#[test]
fn overload_shows_as_lag_and_nothing_grows() {
    let mut schedule = Schedule::new(INTERVAL, 0);
    schedule.extend(0..100, Duration::ZERO);
    // One poll at a time, one second each: a round takes 100 s instead of 10 s.
    let mut now = ms(200);
    let mut asked: BTreeMap<u32, u32> = BTreeMap::new();
    for _ in 0..1000 {
        let due = schedule.take_due(now).expect("always somebody waits");
        *asked.entry(due.key).or_default() += 1;
        now += Duration::from_secs(1);
        schedule.done(&due.key, now, Pace::Regular);
        assert!(schedule.queue.waiting().count() <= 100);
    }
    assert!(schedule.lag(now) > INTERVAL * 5, "{:?}", schedule.lag(now));
    assert!(asked.values().all(|n| (9..=11).contains(n)), "nobody starves: {asked:?}");
}

#[test]
fn the_same_seed_gives_the_same_schedule_and_another_a_different_one() {
    let log = |seed| {
        let mut schedule = Schedule::new(INTERVAL, seed);
        schedule.extend(0..50, Duration::ZERO);
        run(&mut schedule, Duration::ZERO, INTERVAL * 3, ms(20))
    };
    assert_eq!(log(5), log(5));
    assert_ne!(log(5), log(6));
}

/// One thing that can happen to a schedule.
#[derive(Debug, Clone)]
enum Event {
    Add(u32),
    Remove(u32),
    Hurry(u32),
    Wait(u64),
    Take,
    Finish(usize, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..20_u32).prop_map(Event::Add),
        (0..20_u32).prop_map(Event::Remove),
        (0..20_u32).prop_map(Event::Hurry),
        (0..8_000_u64).prop_map(Event::Wait),
        Just(Event::Take),
        Just(Event::Take),
        (0..8_usize, any::<bool>()).prop_map(|(i, ok)| Event::Finish(i, ok)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_no_two_polls_of_a_miner_run_at_once(events in prop::collection::vec(event(), 0..400)) {
        let mut schedule = Schedule::new(INTERVAL, 9).with_longest_pause(INTERVAL * 8);
        let mut members: BTreeSet<u32> = BTreeSet::new();
        let mut running: Vec<(Duration, u32)> = Vec::new();
        let mut now = Duration::ZERO;
        for event in events {
            match event {
                Event::Add(key) => {
                    prop_assert_eq!(schedule.extend([key], now), usize::from(members.insert(key)));
                }
                Event::Remove(key) => prop_assert_eq!(schedule.remove(&key), members.remove(&key)),
                Event::Hurry(key) => schedule.hurry(&key, now),
                Event::Wait(millis) => now += ms(millis),
                Event::Take => {
                    if let Some(due) = schedule.take_due(now) {
                        prop_assert!(members.contains(&due.key), "only members are asked");
                        prop_assert!(running.iter().all(|(_, k)| *k != due.key), "two at once");
                        running.push((now, due.key));
                    }
                }
                Event::Finish(i, ok) if !running.is_empty() => {
                    let (started, key) = running.remove(i % running.len());
                    let pace = if ok { Pace::Regular } else { Pace::Backoff(3) };
                    let next = schedule.done(&key, now, pace);
                    prop_assert_eq!(next.is_some(), members.contains(&key));
                    if let Some(next) = next {
                        let beats = if ok { 2 } else { 9 };
                        prop_assert!(next >= started + INTERVAL / 2);
                        prop_assert!(next <= (now + INTERVAL / 10).max(started + INTERVAL * beats) + INTERVAL);
                    }
                }
                Event::Finish(..) => {}
            }
            prop_assert_eq!(schedule.len(), members.len());
        }
        // Every member is either being polled or waits for a turn that will come.
        for (_, key) in running {
            schedule.done(&key, now, Pace::Regular);
        }
        let waiting: BTreeSet<u32> = schedule.queue.waiting().copied().collect();
        prop_assert_eq!(waiting, members);
    }

    #[test]
    fn every_miner_is_asked_once_per_interval(
        count in 1..300_u32,
        seed: u64,
        interval_ms in 1_000..60_000_u64,
        takes_share in 0..80_u32,
    ) {
        let interval = ms(interval_ms);
        let mut schedule = Schedule::new(interval, seed);
        schedule.extend(0..count, Duration::ZERO);
        let log = run(&mut schedule, Duration::ZERO, interval * 6, interval * takes_share / 100);
        for round in 2..5 {
            let mut asked: Vec<u32> = log
                .iter()
                .filter(|(at, _)| *at >= interval * round && *at < interval * (round + 1))
                .map(|(_, key)| *key)
                .collect();
            asked.sort_unstable();
            prop_assert_eq!(&asked, &(0..count).collect::<Vec<_>>());
        }
    }
}
