//! What happens to a farm: machines, faults, outages, moves and settings of the clock, all from one seed. Pure.

use super::world::address_of;
use bitlink_simulator::{Episode, Fault, FleetSpec, MinerSpec, Schedule, SimClock};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How large, how long, and which of all possible worlds.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) miners: usize,
    pub(crate) days: u32,
    pub(crate) seed: u64,
    pub(crate) interval: Duration,
}

impl Plan {
    pub(crate) fn lasting(&self) -> Duration {
        Duration::from_hours(24) * self.days
    }

    pub(crate) fn address(&self, place: usize) -> IpAddr {
        assert!(place < self.miners);
        address_of(place)
    }

    /// The round in which an hour of a day falls.
    fn round(&self, day: u32, hour: f64) -> u32 {
        let at = Duration::from_hours(24) * day + Duration::from_secs_f64(hour * 3600.0);
        u32::try_from(at.as_nanos() / self.interval.as_nanos()).unwrap()
    }

    /// The time at which a round is compared.
    fn time_of(&self, round: u32) -> Duration {
        self.interval * round + self.interval / 2
    }
}

/// SplitMix64: every draw from a place of its own, so that nothing depends on the order of drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance(u64);

impl Chance {
    fn of(self, what: u64) -> Self {
        Self(self.0.wrapping_add(what.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))).mixed()
    }

    fn mixed(self) -> Self {
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(z ^ (z >> 31))
    }

    fn below(self, n: u64) -> u64 {
        self.mixed().0 % n.max(1)
    }

    /// Evenly between two numbers.
    fn between(self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(u32::try_from(self.mixed().0 >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// A world that is planned to its end.
#[derive(Debug)]
pub(crate) struct World {
    /// The machine that is at each place in the beginning.
    pub(crate) machines: Vec<MinerSpec>,
    slow: Vec<bool>,
    /// From when until when which subnet has no network; all of them where none is named.
    outages: Vec<(Duration, Duration, Option<usize>)>,
    swaps: BTreeMap<u32, Vec<(usize, usize)>>,
    /// From when on the wall clock is off, by how many milliseconds.
    clock: Vec<(Duration, i64)>,
}

fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * 3600.0)
}

/// Half a day: a fault in its first part, a quiet time, and then what concerns many at once.
const SLOT: f64 = 12.0;
/// The hour of a slot in which things happen to many.
const AT_ONCE: f64 = 10.0;

impl World {
    pub(crate) fn of(plan: &Plan) -> Self {
        let chance = Chance(plan.seed).mixed();
        let fleet =
            FleetSpec::new(plan.miners).with_sick(0.0).with_seed(plan.seed).with_first([10, 0, 0, 1].into());
        let built = fleet.build(&SimClock::manual()).unwrap();
        let mut machines: Vec<MinerSpec> = built.hosts().map(|(_, host)| host.spec()).collect();
        for (n, spec) in (0..).zip(&mut machines) {
            let address = address_of(usize::try_from(n).unwrap());
            *spec = spec.clone().with_address(address);
            faults(plan, chance.of(1).of(n), spec);
        }
        let mut world = Self {
            slow: (0..plan.miners)
                .map(|place| chance.of(2).of(u64::try_from(place).unwrap()).below(50) == 0)
                .collect(),
            machines,
            outages: Vec::new(),
            swaps: BTreeMap::new(),
            clock: Vec::new(),
        };
        for day in 0..plan.days {
            for half in 0..2_u32 {
                world.at_once(plan, day, half, chance.of(3).of(u64::from(day * 2 + half)));
            }
        }
        world
    }

    /// What concerns many at once, in one half of a day.
    fn at_once(&mut self, plan: &Plan, day: u32, half: u32, chance: Chance) {
        let hour = f64::from(half) * SLOT + AT_ONCE;
        let round = plan.round(day, hour);
        let at = plan.time_of(round);
        let subnets = plan.miners.div_ceil(200);
        match (day * 2 + half) % 6 {
            // A switch that dies for a while.
            0 => {
                let subnet = usize::try_from(chance.below(u64::try_from(subnets).unwrap())).unwrap();
                self.outages.push((at, at + hours(0.6), Some(subnet)));
            }
            // New leases: some machines exchange addresses, half of them without as much as a reboot.
            1 | 4 => {
                let pairs = (plan.miners / 40).max(1);
                let mut used = vec![false; plan.miners];
                for n in 0..u64::try_from(pairs).unwrap() {
                    let pick = |what| {
                        usize::try_from(chance.of(n).of(what).below(u64::try_from(plan.miners).unwrap()))
                            .unwrap()
                    };
                    let (a, b) = (pick(1), pick(2));
                    if a == b || used[a] || used[b] {
                        continue;
                    }
                    (used[a], used[b]) = (true, true);
                    if n % 2 == 0 {
                        for place in [a, b] {
                            let machine = self.machine_at(place, round);
                            reboot(&mut self.machines[machine], at, Duration::from_secs(90));
                        }
                    }
                    self.swaps.entry(round).or_default().push((a, b));
                }
            }
            // A third of the farm loses power for a moment.
            2 => {
                for (n, spec) in (0..).zip(&mut self.machines) {
                    if chance.of(n).below(10) < 3 {
                        reboot(spec, at, Duration::from_mins(2));
                    }
                }
            }
            // The whole site without a network, and the clock an hour back in the middle of it.
            3 => {
                self.outages.push((at, at + hours(0.7), None));
                self.clock.push((at + hours(0.3), -3_600_000));
            }
            // The clock half an hour ahead, and a switch that flaps.
            _ => {
                self.clock.push((at, 1_800_000));
                for flap in 0..8_u32 {
                    let from = at + Duration::from_secs(u64::from(flap) * 400);
                    self.outages.push((from, from + Duration::from_secs(130), Some(0)));
                }
            }
        }
    }

    /// Which machine is at a place before a round.
    fn machine_at(&self, place: usize, round: u32) -> usize {
        let mut who: Vec<usize> = (0..self.machines.len()).collect();
        for (a, b) in self.swaps.range(..round).flat_map(|(_, swaps)| swaps) {
            who.swap(*a, *b);
        }
        who[place]
    }

    pub(crate) fn is_slow(&self, place: usize) -> bool {
        self.slow[place]
    }

    pub(crate) fn is_cut_off(&self, place: usize, at: Duration) -> bool {
        let subnet = place / 200;
        self.outages.iter().any(|(from, until, which)| {
            (*from..*until).contains(&at) && which.is_none_or(|which| which == subnet)
        })
    }

    pub(crate) fn wall_offset_ms(&self, at: Duration) -> i64 {
        self.clock.iter().filter(|(from, _)| *from <= at).map(|(_, by)| by).sum()
    }

    pub(crate) fn swaps(&self, round: u32) -> Vec<(usize, usize)> {
        self.swaps.get(&round).cloned().unwrap_or_default()
    }
}

fn reboot(spec: &mut MinerSpec, at: Duration, lasting: Duration) {
    let when = Schedule::Between(at, at + lasting);
    *spec = spec.clone().with_episode(Episode { fault: Fault::Rebooting, when });
}

/// One fault in some of the halves of days, over before anything happens to many.
fn faults(plan: &Plan, chance: Chance, spec: &mut MinerSpec) {
    for slot in 0..u64::from(plan.days) * 2 {
        let chance = chance.of(slot);
        if chance.of(0).below(100) >= 30 {
            continue;
        }
        let from = hours(f64::from(u32::try_from(slot).unwrap()) * SLOT + chance.of(1).between(0.5, 3.0));
        let until = from + hours(chance.of(2).between(2.0, 5.0));
        let small = |what: u64, n: u64| u8::try_from(chance.of(what).below(n)).unwrap();
        let board = small(3, u64::from(spec.model.boards));
        let fault = match chance.of(4).below(10) {
            0 => Fault::BoardMissing { board },
            1 => Fault::ChipsLost { board, chips: (spec.model.chips / 2).max(1) },
            2 => Fault::Overheating,
            3 => Fault::FanFailed { fan: small(5, u64::from(spec.model.fans)) },
            4 => Fault::PsuFault,
            5 => Fault::Slow { percent: 40 + small(6, 30) },
            6 => Fault::AllPoolsDead,
            7 => Fault::Asleep,
            8 => Fault::Unresponsive,
            _ => {
                reboot(spec, from, Duration::from_secs(60 + chance.of(7).below(120)));
                continue;
            }
        };
        *spec = spec.clone().with_episode(Episode { fault, when: Schedule::Between(from, until) });
    }
}
