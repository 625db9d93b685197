//! The past is the same each time, joins on to the present, and says what is to have happened.
use super::*;
use crate::commands::serve::demo::fact;
use bitlink_miner_manager::{Finding, Rule, Severity};

const HOUR: u32 = 3_600;

fn machine(n: u64, story: Story) -> Machine {
    let keep = |metric: Metric, value: f64| (metric, metric.keep(value).unwrap());
    let hot = Finding::new(Rule::new("chip_hot"), Severity::Critical, "hot");
    let is_ill = story.ill_since.is_some();
    Machine {
        id: MinerId::from_u64(n),
        story,
        groups: vec!["fleet".to_owned()],
        values: vec![
            keep(Metric::HASHRATE, if is_ill { 50e12 } else { 100e12 }),
            keep(Metric::HASHRATE_EXPECTED, 100e12),
            keep(Metric::POWER, if is_ill { 1_500.0 } else { 3_000.0 }),
            keep(Metric::TEMP_CHIP_MAX, if is_ill { 96.0 } else { 66.0 }),
            keep(Metric::ELAPSED, f64::from(10 * DAY)),
            keep(Metric::ACCEPTED, 100_000.0),
        ],
        facts: Facts::default(),
        now: fact(
            if is_ill { MinerStatus::Warning } else { MinerStatus::Active },
            if is_ill { vec![hot] } else { vec![] },
        ),
        well: fact(MinerStatus::Active, Vec::new()),
        silent: fact(MinerStatus::Dead, Vec::new()),
    }
}

fn past(stories: &[Story]) -> Past {
    let machines = stories.iter().zip(1..).map(|(story, n)| machine(n, *story)).collect();
    Past::new(Timestamp::from_unix_millis(1_800_000_000_000), machines, 100)
}

/// What one machine said so many seconds ago.
fn said(past: &Past, n: usize, wanted: Metric, age: u32) -> Option<f64> {
    let (machine, lines) = &past.machines[n];
    let line = lines.iter().find(|line| line.metric == wanted)?;
    let noise = Noise { machine: machine.id.as_u64(), age };
    Some(wanted.value(line.value(machine.story, age, Weather::at(past.now, age), noise)?))
}

#[test]
fn the_same_machines_have_the_same_past() {
    let stories = [Story::default(), Story { ill_since: Some(5 * HOUR), ..Story::default() }];
    let told = |past: &Past| past.ticks().map(|tick| format!("{tick:?}")).collect::<Vec<_>>();
    let (one, other) = (told(&past(&stories)), told(&past(&stories)));
    assert_eq!(one.len(), 720, "every two minutes");
    assert_eq!(one, other);
}

#[test]
fn ticks_come_in_the_order_of_time_and_hold_all_events_once() {
    let stories = [
        Story { down: Some((3 * HOUR, 3 * HOUR - 200)), ..Story::default() },
        Story { ill_since: Some(2 * HOUR), ..Story::default() },
        Story { dead_since: Some(HOUR), ..Story::default() },
    ];
    let past = past(&stories);
    let ticks: Vec<Tick> = past.ticks().collect();
    assert!(ticks.windows(2).all(|two| two[0].at() < two[1].at()));
    assert!(ticks.last().unwrap().at() < past.now);
    let statuses = |n: u64| -> Vec<MinerStatus> {
        let events =
            ticks.iter().flat_map(Tick::events).filter(|event| event.miner == Some(MinerId::from_u64(n)));
        events
            .filter_map(|event| match &event.kind {
                EventKind::Status(fact) => Some(fact.status),
                _ => None,
            })
            .collect()
    };
    assert_eq!(statuses(1), [MinerStatus::Active, MinerStatus::Dead, MinerStatus::Active]);
    assert_eq!(statuses(2), [MinerStatus::Active, MinerStatus::Warning]);
    assert_eq!(statuses(3), [MinerStatus::Active, MinerStatus::Dead]);
    let started =
        ticks.iter().flat_map(Tick::events).filter(|event| event.kind == EventKind::Started).count();
    assert_eq!(started, 1);
}

#[test]
fn the_past_ends_with_the_present_and_follows_the_day() {
    let past = past(&[Story::default()]);
    let heat: Vec<f64> =
        (1..=24).filter_map(|hour| said(&past, 0, Metric::TEMP_CHIP_MAX, hour * HOUR)).collect();
    let (least, most) =
        (heat.iter().copied().fold(f64::MAX, f64::min), heat.iter().copied().fold(f64::MIN, f64::max));
    assert!(most - least > 5.0 && most - least < 12.0, "{least} to {most}");
    let final_rate = said(&past, 0, Metric::HASHRATE, 120).unwrap();
    assert!((final_rate / 100e12 - 1.0).abs() < 0.03, "{final_rate}");
    let (then, later) = (said(&past, 0, Metric::ACCEPTED, DAY), said(&past, 0, Metric::ACCEPTED, 60));
    assert!(then < later, "counters grow");
}

#[test]
fn who_is_ill_now_was_well_before_and_who_was_down_starts_anew() {
    let past = past(&[
        Story { ill_since: Some(5 * HOUR), ..Story::default() },
        Story { down: Some((3 * HOUR, 3 * HOUR - 240)), ..Story::default() },
    ]);
    assert!(said(&past, 0, Metric::HASHRATE, 6 * HOUR).unwrap() > 90e12);
    assert!(said(&past, 0, Metric::HASHRATE, 4 * HOUR).unwrap() < 60e12);
    assert!(said(&past, 0, Metric::TEMP_CHIP_MAX, 6 * HOUR).unwrap() < 80.0);
    assert!(said(&past, 0, Metric::POWER, 6 * HOUR).unwrap() > 2_500.0);
    let up = 3 * HOUR - 240;
    assert!(said(&past, 1, Metric::HASHRATE, up - 60).unwrap() < 30e12, "it takes a while");
    assert_eq!(said(&past, 1, Metric::ELAPSED, up - 60), Some(60.0));
    assert!(said(&past, 1, Metric::ELAPSED, 4 * HOUR).unwrap() > f64::from(DAY));
}

#[test]
fn large_farms_have_fewer_readings_of_each() {
    let now = Timestamp::from_unix_millis(1_800_000_000_000);
    let step =
        |miners: u64| Past::new(now, (0..miners).map(|n| machine(n, Story::default())).collect(), 0).step;
    assert_eq!((step(1), step(500), step(5_000)), (120, 120, 1_080));
}
