//! A made-up day for simulated machines: what they would have said every few minutes, as far as it can be told from what they say now
//! and from what is to have happened to them. Pure: the same machines at the same time have the same past.
//!
//! It joins on to the present: what a machine says now is what its past ends with.

use super::farm::{Story, chance};
use bitlink_miner_manager::history::{Event, EventKind, Facts, StatusFact, Sums, Tick};
use bitlink_miner_manager::model::Metric;
use bitlink_miner_manager::{MinerId, MinerStatus, Timestamp};
use std::collections::BTreeMap;

/// How far back it goes, in seconds.
pub(super) const DAY: u32 = 24 * 3_600;
/// Readings that are made up at most; for more machines there are fewer of each.
const MOST_READINGS: usize = 400_000;

/// A machine as it is now, and what has happened to it.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) id: MinerId,
    pub(super) story: Story,
    /// The groups that it is summed up with.
    pub(super) groups: Vec<String>,
    /// What it says now.
    pub(super) values: Vec<(Metric, i64)>,
    /// What changes seldom about it.
    pub(super) facts: Facts,
    /// How it does now, how it did when it was well, and how it does while it is silent.
    pub(super) now: StatusFact,
    pub(super) well: StatusFact,
    pub(super) silent: StatusFact,
}

/// What of a machine has a past.
fn kept(metric: Metric) -> Option<Nature> {
    const SHAPES: [(Metric, Nature); 20] = [
        (Metric::HASHRATE, Nature::Rate),
        (Metric::HASHRATE_5M, Nature::Rate),
        (Metric::HASHRATE_AVERAGE, Nature::Still),
        (Metric::HASHRATE_EXPECTED, Nature::Still),
        (Metric::POWER, Nature::Power),
        (Metric::EFFICIENCY, Nature::Still),
        (Metric::TEMP_CHIP_MAX, Nature::Heat),
        (Metric::TEMP_BOARD_MAX, Nature::Heat),
        (Metric::TEMP_INLET, Nature::Air),
        (Metric::TEMP_OUTLET, Nature::Air),
        (Metric::ACCEPTED, Nature::Count),
        (Metric::REJECTED, Nature::Count),
        (Metric::HARDWARE_ERRORS, Nature::Count),
        (Metric::ELAPSED, Nature::Since),
        (Metric::UPTIME, Nature::Since),
        (Metric::FREQUENCY, Nature::Still),
        (Metric::BOARD_HASHRATE, Nature::Rate),
        (Metric::BOARD_CHIP_TEMPERATURE, Nature::Heat),
        (Metric::BOARD_TEMPERATURE, Nature::Heat),
        (Metric::FAN_SPEED, Nature::Fan),
    ];
    let code = metric.info().code;
    SHAPES.iter().find(|(known, _)| known.info().code == code).map(|(_, nature)| *nature)
}

/// Of what a group has sums, in the past as in the present.
const SUMMED: [Metric; 4] =
    [Metric::HASHRATE, Metric::HASHRATE_EXPECTED, Metric::POWER, Metric::TEMP_CHIP_MAX];

/// How a value goes with the time of day and with what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Rate,
    Power,
    Heat,
    Air,
    Fan,
    Count,
    Since,
    Still,
}

/// One value of a machine: what it is now, and what it was when the machine was well.
#[derive(Debug, Clone, Copy)]
struct Line {
    metric: Metric,
    nature: Nature,
    now: i64,
    well: i64,
}

/// The past of a fleet up to a time.
#[derive(Debug)]
pub(super) struct Past {
    now: Timestamp,
    step: u32,
    machines: Vec<(Machine, Vec<Line>)>,
    /// So many have readings of their own; all count in sums.
    with_readings: usize,
}

impl Past {
    /// Of these machines, of whom the first so many have readings of their own.
    pub(super) fn new(now: Timestamp, machines: Vec<Machine>, with_readings: usize) -> Self {
        let readings = machines.len().max(1);
        let step = (readings * DAY as usize / MOST_READINGS).clamp(120, 1_800);
        // A whole number of minutes.
        let step = u32::try_from(step.div_ceil(60) * 60).unwrap_or(1_800);
        let machines = machines.into_iter().map(|machine| (lines(&machine), machine));
        Self {
            now,
            step,
            machines: machines.map(|(lines, machine)| (machine, lines)).collect(),
            with_readings,
        }
    }

    /// All of it, from the oldest on.
    pub(super) fn ticks(&self) -> impl Iterator<Item = Tick> + '_ {
        let mut events = self.events();
        let steps = DAY / self.step;
        (1..=steps).rev().map(move |back| {
            let age = back * self.step;
            let mut tick = self.tick(age);
            let later = events.split_off(&std::cmp::Reverse(age.saturating_sub(self.step)));
            // What happened up to the next tick is written with this one.
            for event in std::mem::replace(&mut events, later).into_values().flatten() {
                tick.event(event);
            }
            tick
        })
    }

    fn at(&self, age: u32) -> Timestamp {
        Timestamp::from_unix_millis(self.now.as_unix_millis() - i64::from(age) * 1_000)
    }

    /// What happened, by how long ago it was.
    fn events(&self) -> BTreeMap<std::cmp::Reverse<u32>, Vec<Event>> {
        let mut events: BTreeMap<std::cmp::Reverse<u32>, Vec<Event>> = BTreeMap::new();
        let mut push = |age: u32, id: Option<MinerId>, kind: EventKind| {
            let event = match id {
                Some(id) => Event::of(self.at(age), id, kind),
                None => Event::general(self.at(age), kind),
            };
            events.entry(std::cmp::Reverse(age)).or_default().push(event);
        };
        push(DAY, None, EventKind::Started);
        for (machine, _) in &self.machines {
            let (id, story) = (Some(machine.id), machine.story);
            push(DAY - 1, id, EventKind::Facts(machine.facts.clone()));
            let is_well = story.ill_since.is_some() || story.dead_since.is_some();
            let first = if is_well { &machine.well } else { &machine.now };
            push(DAY - 1, id, EventKind::Status(first.clone()));
            if let Some((from, until)) = story.down {
                push(from.saturating_sub(20), id, EventKind::Status(machine.silent.clone()));
                let then = if story.ill_since.is_some_and(|since| since > until) {
                    &machine.now
                } else {
                    &machine.well
                };
                push(until, id, EventKind::Status(then.clone()));
            }
            if let Some(since) = story.ill_since {
                push(since, id, EventKind::Status(machine.now.clone()));
            }
            if let Some(since) = story.dead_since {
                push(since.saturating_sub(20), id, EventKind::Status(machine.silent.clone()));
            }
        }
        events
    }

    fn tick(&self, age: u32) -> Tick {
        let at = self.at(age);
        let mut tick = Tick::new(at);
        let mut groups: BTreeMap<&str, Sums> = BTreeMap::new();
        let weather = Weather::at(self.now, age);
        let mut values = Vec::new();
        let mut summed = Vec::new();
        for (n, (machine, lines)) in self.machines.iter().enumerate() {
            let story = machine.story;
            let is_silent = story.down.is_some_and(|(from, until)| (until..from).contains(&age))
                || story.dead_since.is_some_and(|since| age < since);
            values.clear();
            summed.clear();
            if !is_silent {
                let noise = Noise { machine: machine.id.as_u64(), age };
                for line in lines {
                    let Some(value) = line.value(story, age, weather, noise) else { continue };
                    values.push((line.metric, value));
                    if SUMMED.contains(&line.metric) {
                        summed.push((line.metric, value));
                    }
                }
            }
            let is_ill = story.ill_since.is_some_and(|since| age < since);
            let status =
                match (is_silent, is_ill || (story.ill_since.is_none() && story.dead_since.is_none())) {
                    (true, _) => MinerStatus::Dead,
                    (false, true) => machine.now.status,
                    (false, false) => machine.well.status,
                };
            let live = (!is_silent).then_some(summed.as_slice());
            for group in &machine.groups {
                groups.entry(group).or_default().add(status, live);
            }
            if n < self.with_readings && !values.is_empty() {
                // Machines are not all read at the same moment.
                let read = i64::try_from(chance(machine.id.as_u64(), 9) % 9_000).unwrap_or(0);
                let read = Timestamp::from_unix_millis(at.as_unix_millis() - read);
                tick.values(machine.id, read, values.iter().copied());
            }
        }
        for (name, sums) in groups {
            tick.group(name, sums.values());
        }
        tick
    }
}

/// What of a machine has a past, and what it was when the machine was well.
fn lines(machine: &Machine) -> Vec<Line> {
    let value =
        |wanted: Metric| machine.values.iter().find(|(metric, _)| *metric == wanted).map(|(_, value)| *value);
    let most = |wanted: Metric| {
        let code = wanted.info().code;
        machine.values.iter().filter(|(metric, _)| metric.info().code == code).map(|(_, value)| *value).max()
    };
    let was_ill = machine.story.ill_since.is_some();
    let expected = value(Metric::HASHRATE_EXPECTED);
    let (rate, rate_well) = (value(Metric::HASHRATE), expected.or_else(|| value(Metric::HASHRATE)));
    let made = machine.values.iter().filter_map(|&(metric, now)| Some((metric, now, kept(metric)?)));
    made.map(|(metric, now, nature)| {
        let degrees = |celsius: f64| metric.keep(celsius).unwrap_or(now);
        let well = match nature {
            _ if !was_ill => now,
            Nature::Rate if metric.info().code == Metric::BOARD_HASHRATE.info().code => {
                most(Metric::BOARD_HASHRATE).unwrap_or(now)
            }
            Nature::Rate => rate_well.unwrap_or(now).max(now),
            Nature::Power => match (rate, rate_well) {
                // In proportion to what it does, as far as that can be said.
                (Some(rate), Some(well)) if rate > 0 && well > rate => {
                    let ratio = (real(well) / real(rate)).min(3.0);
                    whole(real(now) * ratio)
                }
                (_, Some(well)) if rate.is_none_or(|rate| rate <= 0) => {
                    // 27 J/TH, as most machines of today.
                    metric.keep(Metric::HASHRATE.value(well) / 1e12 * 27.0).unwrap_or(now)
                }
                _ => now,
            },
            Nature::Heat if now > degrees(76.0) || now < degrees(45.0) => degrees(66.0),
            Nature::Fan => most(Metric::FAN_SPEED).unwrap_or(now),
            _ => now,
        };
        Line { metric, nature, now, well }
    })
    .collect()
}

/// What the time of day does, compared with now.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// By how many degrees the air is warmer than now.
    warmer: f64,
}

impl Weather {
    fn at(now: Timestamp, age: u32) -> Self {
        let second = |age: i64| real((now.as_unix_millis() / 1_000 - age).rem_euclid(i64::from(DAY)));
        // Warmest at three in the afternoon, and five degrees to either side of the mean.
        let degrees =
            |second: f64| 5.0 * ((second / f64::from(DAY) - 15.0 / 24.0) * std::f64::consts::TAU).cos();
        Self { warmer: degrees(second(age.into())) - degrees(second(0)) }
    }
}

/// Small differences without a pattern.
#[derive(Debug, Clone, Copy)]
struct Noise {
    machine: u64,
    age: u32,
}

impl Noise {
    /// Between -1 and 1.
    fn of(self, metric: Metric) -> f64 {
        let bits = chance(self.machine ^ (u64::from(metric.code()) << 40), u64::from(self.age));
        real(i64::try_from(bits >> 11).unwrap_or(0)) / real(1_i64 << 52) - 1.0
    }
}

impl Line {
    /// What it was so many seconds ago; `None`: it said nothing of it.
    fn value(&self, story: Story, age: u32, weather: Weather, noise: Noise) -> Option<i64> {
        let was_ill = story.ill_since.is_none_or(|since| age < since);
        let base = if was_ill { self.now } else { self.well };
        // It starts anew after it was down, and takes five minutes until it is at its full rate.
        let up = story.down.filter(|(_, until)| age < *until).map(|(_, until)| until - age);
        let warm = up.map_or(1.0, |up| (f64::from(up) / 300.0).min(1.0));
        let noise = noise.of(self.metric);
        let base_f = real(base);
        Some(match self.nature {
            Nature::Still => base,
            Nature::Rate => whole(base_f * warm * (1.0 - 0.0015 * weather.warmer) * (1.0 + 0.018 * noise)),
            Nature::Power => {
                whole(base_f * (0.15 + 0.85 * warm) * (1.0 + 0.003 * weather.warmer) * (1.0 + 0.006 * noise))
            }
            Nature::Heat => base + self.degrees(0.7 * weather.warmer + 0.6 * noise - 25.0 * (1.0 - warm)),
            Nature::Air => base + self.degrees(weather.warmer + 0.3 * noise),
            Nature::Fan => whole(base_f * (1.0 + 0.014 * weather.warmer + 0.012 * noise)).max(0),
            Nature::Since => match story.down {
                Some((_, until)) if age < until => i64::from(until - age),
                // It had been running for days.
                Some((from, _)) => {
                    i64::from(3 * DAY) + i64::from(DAY.saturating_sub(from)) - i64::from(age.min(DAY))
                }
                None => base.checked_sub(age.into()).filter(|since| *since >= 0)?,
            },
            Nature::Count => match story.down {
                Some((_, until)) => {
                    let since = if age < until { until - age } else { 3 * DAY };
                    whole(base_f * f64::from(since) / f64::from(until.max(1)))
                }
                None => whole(base_f * (1.0 - f64::from(age) / f64::from(4 * DAY))),
            },
        })
    }

    fn degrees(&self, celsius: f64) -> i64 {
        self.metric.keep(celsius).unwrap_or(0)
    }
}

#[allow(clippy::cast_precision_loss, reason = "readings have far fewer digits than that")]
const fn real(value: i64) -> f64 {
    value as f64
}

#[allow(clippy::cast_possible_truncation, reason = "readings are far smaller than that")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests;
