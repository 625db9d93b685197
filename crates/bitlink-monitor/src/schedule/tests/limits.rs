//! Limits on polls at once: who gets room, what an overload does, and a week of it.

use super::*;

/// A miner of a subnet.
type Key = (u16, u32);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "a schedule of any keys asks like this")]
fn group_of(key: &Key) -> u128 {
    u128::from(key.0)
}

fn limited(interval: Duration, total: usize, per_group: usize) -> Schedule<Key> {
    Schedule::new(interval, 11).with_longest_pause(interval).with_limits(total, per_group, group_of)
}

/// When a schedule asked whom, and how late.
#[derive(Debug, Default)]
struct Log {
    asked: BTreeMap<Key, Vec<Duration>>,
    most_running: usize,
    most_in_group: BTreeMap<u16, usize>,
    latest: BTreeMap<u16, Duration>,
}

impl Log {
    fn of_group(&self, group: u16) -> impl Iterator<Item = &Vec<Duration>> {
        self.asked.iter().filter(move |(key, _)| key.0 == group).map(|(_, times)| times)
    }

    /// The mean time between two polls of one miner.
    fn effective(&self, group: u16) -> Duration {
        let gaps: Vec<Duration> =
            self.of_group(group).flat_map(|t| t.windows(2).map(|w| w[1] - w[0])).collect();
        gaps.iter().sum::<Duration>() / u32::try_from(gaps.len()).unwrap()
    }
}

/// Runs a schedule whose polls take as long as `takes` says.
fn run_limited(
    schedule: &mut Schedule<Key>,
    (from, until): (Duration, Duration),
    takes: impl Fn(&Key, Duration) -> Duration,
) -> Log {
    let mut log = Log::default();
    let mut running: BTreeSet<(Duration, Key)> = BTreeSet::new();
    let mut now = from;
    loop {
        while let Some(&(end, key)) = running.first()
            && end <= now
        {
            running.pop_first();
            schedule.done(&key, end, Pace::Regular);
        }
        while let Some(due) = schedule.take_due(now) {
            running.insert((now + takes(&due.key, now), due.key));
            log.asked.entry(due.key).or_default().push(now);
            let latest = log.latest.entry(due.key.0).or_default();
            *latest = due.late.max(*latest);
            let in_group = running.iter().filter(|(_, key)| key.0 == due.key.0).count();
            let most = log.most_in_group.entry(due.key.0).or_default();
            *most = in_group.max(*most);
        }
        assert_eq!(schedule.running(), running.len());
        log.most_running = log.most_running.max(running.len());
        let next = [schedule.next_due(), running.first().map(|(end, _)| *end)].into_iter().flatten();
        // A turn that has come and found no room comes again when a poll ends.
        match next.filter(|next| *next > now).min() {
            Some(next) if next < until => now = next,
            _ => break,
        }
    }
    for (_, key) in running {
        schedule.done(&key, until, Pace::Regular);
    }
    log
}

const SILENT: Duration = Duration::from_secs(5);
const QUICK: Duration = Duration::from_millis(30);

#[test]
fn a_huge_silent_subnet_does_not_starve_the_others() {
    let mut schedule = limited(INTERVAL, 64, 16);
    let quick = (1..=10).flat_map(|group| (0..100).map(move |n| (group, n)));
    schedule.extend((0..5000).map(|n| (0, n)).chain(quick), Duration::ZERO);
    let log =
        run_limited(
            &mut schedule,
            (Duration::ZERO, INTERVAL * 60),
            |key, _| {
                if key.0 == 0 { SILENT } else { QUICK }
            },
        );
    assert_eq!(log.most_in_group[&0], 16, "it has its share and no more");
    for group in 1..=10 {
        assert!(
            log.of_group(group).all(|times| (60..=61).contains(&times.len())),
            "all of {group} every interval"
        );
        assert!(log.latest[&group] <= ms(200), "{group} waited {:?}", log.latest[&group]);
    }
    let silent: Vec<usize> = log.of_group(0).map(Vec::len).collect();
    assert!(silent.iter().max().unwrap() - silent.iter().min().unwrap() <= 1, "all of it in turn");
}

#[test]
fn where_nearly_everything_is_silent_what_lives_is_still_asked() {
    let mut schedule = limited(INTERVAL, 64, 8);
    let groups = (0..66_u16).flat_map(|group| (0..100).map(move |n| (group, n)));
    schedule.extend(groups, Duration::ZERO);
    let log =
        run_limited(
            &mut schedule,
            (Duration::ZERO, INTERVAL * 60),
            |key, _| {
                if key.0 < 60 { SILENT } else { QUICK }
            },
        );
    assert_eq!(log.most_running, 64);
    for group in 60..66 {
        let fewest = log.of_group(group).map(Vec::len).min().unwrap();
        assert!(fewest >= 58, "{group} was asked {fewest} times in 60 intervals");
    }
    // 6,000 silent ones, some 60 of them at a time, 5 s each.
    let effective = log.effective(0);
    assert!(effective > INTERVAL * 30, "{effective:?}");
}

#[test]
fn the_first_round_is_no_burst() {
    let mut schedule = limited(INTERVAL, 256, 32);
    schedule.extend((0..10_000).map(|n| (u16::try_from(n / 250).unwrap(), n)), Duration::ZERO);
    let log = run_limited(&mut schedule, (Duration::ZERO, INTERVAL), |_, _| ms(200));
    assert!(log.most_running <= 256, "{}", log.most_running);
    assert!(log.most_in_group.values().all(|most| *most <= 32));
    assert_eq!(log.asked.len(), 10_000, "everybody was asked within an interval");
    let mut tenths = [0_u32; 10];
    for times in log.asked.values() {
        tenths[usize::try_from(times[0].as_millis() / 1000).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|n| (900..=1100).contains(n)), "{tenths:?}");
}

#[test]
fn an_overload_makes_the_interval_longer_and_nothing_grow() {
    let mut schedule = limited(INTERVAL, 50, 10);
    let miners = 2000;
    schedule.extend((0..miners).map(|n| (u16::try_from(n % 20).unwrap(), n)), Duration::ZERO);
    // 2,000 polls of a second, 50 at a time: a round of 40 s instead of 10 s.
    let mut longest_lag = Duration::ZERO;
    let part = Duration::from_mins(15);
    for nth in 0..4_u32 {
        let from = part * nth;
        let log = run_limited(&mut schedule, (from, from + part), |_, _| Duration::from_secs(1));
        let effective = log.effective(3);
        assert!(effective.abs_diff(Duration::from_secs(40)) < Duration::from_secs(3), "{effective:?}");
        let counts: Vec<usize> = log.asked.values().map(Vec::len).collect();
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 2, "nobody starves");
        assert_eq!(schedule.queue.waiting().count(), 2000, "one turn each");
        let lag = schedule.lag(from + part);
        assert!(
            nth == 0 || lag <= longest_lag + INTERVAL,
            "the lag does not grow: {lag:?} after {longest_lag:?}"
        );
        longest_lag = longest_lag.max(lag);
    }
    assert!(longest_lag > INTERVAL && longest_lag < INTERVAL * 5, "{longest_lag:?}");
    // What was slow is quick again: within a round everybody has his beat.
    let from = part * 4 + INTERVAL * 6;
    run_limited(&mut schedule, (part * 4, from), |_, _| QUICK);
    let log = run_limited(&mut schedule, (from, from + INTERVAL * 10), |_, _| QUICK);
    assert_eq!(log.effective(3), INTERVAL);
    assert!(log.latest.values().all(Duration::is_zero), "{:?}", log.latest);
}

#[test]
fn a_week_with_bad_hours_brings_no_drift_and_no_bunching() {
    let interval = Duration::from_mins(5);
    let mut schedule = limited(interval, 40, 12);
    schedule.extend((0..600).map(|n| (u16::try_from(n % 6).unwrap(), n)), Duration::ZERO);
    // For an hour of each day one subnet is silent, another hour all are slow.
    let takes = |key: &Key, now: Duration| {
        let (day, hour) = (now.as_secs() / 86_400, now.as_secs() / 3600 % 24);
        match hour {
            7 if u64::from(key.0) == day % 6 => Duration::from_secs(15),
            13 => Duration::from_secs(1 + u64::from(key.1 % 50)),
            _ => ms(20 + u64::from(key.1 % 80)),
        }
    };
    let week = Duration::from_hours(7 * 24);
    let log = run_limited(&mut schedule, (Duration::ZERO, week), takes);
    let last = week - interval;
    let mut beats = Vec::new();
    for times in log.asked.values() {
        let calm =
            |at: &&Duration| !matches!(at.as_secs() / 3600 % 24, 7 | 8 | 13 | 14) && **at > interval * 2;
        let phases: BTreeSet<u128> =
            times.iter().filter(calm).map(|at| at.as_nanos() % interval.as_nanos()).collect();
        assert_eq!(phases.len(), 1, "one beat for the whole week");
        beats.push(*times.iter().find(|at| **at >= last).unwrap() - last);
    }
    beats.sort_unstable();
    let even = interval / 600;
    let widest = beats.windows(2).map(|w| w[1] - w[0]).max().unwrap();
    assert!(widest < even * 2, "as even at the end as at the beginning: {widest:?}, even would be {even:?}");
}

#[test]
fn what_comes_back_is_asked_again_soon_and_its_neighbours_at_their_beat() {
    let pause = Duration::from_hours(1);
    let mut schedule: Schedule<u32> = Schedule::new(INTERVAL, 0).with_longest_pause(pause);
    schedule.extend([1, 2, 3], Duration::ZERO);
    for key in 1..=3 {
        assert!(schedule.take_due(INTERVAL).is_some(), "{key}");
    }
    let dead: Vec<Duration> =
        (1..=3).map(|key| schedule.done(&key, INTERVAL, Pace::Backoff(9)).unwrap()).collect();
    assert!(dead.iter().all(|due| *due > pause - INTERVAL));
    let back = schedule.take_due(pause + INTERVAL * 2).unwrap().key;
    let now = pause + INTERVAL * 2;
    assert_eq!(schedule.done(&back, now, Pace::Soon), Some(now + INTERVAL / 10));
    let mut slow: Schedule<u32> = Schedule::new(Duration::from_hours(1), 0);
    slow.extend([1], Duration::ZERO);
    slow.take_due(ms(10)).unwrap();
    assert_eq!(
        slow.done(&1, ms(20), Pace::Soon),
        Some(ms(20) + SOON),
        "soon also where the interval is long"
    );

    // The others back off for another hour, and are expected before that.
    let mut others = Vec::new();
    while let Some(due) = schedule.take_due(now) {
        schedule.done(&due.key, now, Pace::Backoff(9));
        others.push(due.key);
    }
    assert_eq!(others.len(), 2);
    for key in others {
        schedule.expect(&key, now);
        let due = (0..1_000_000)
            .map(|n| now + ms(n))
            .find(|at| schedule.take_due(*at).is_some_and(|due| due.key == key));
        let due = due.unwrap();
        assert!(due <= now + INTERVAL, "{due:?}");
        schedule.done(&key, due, Pace::Regular);
    }
}
