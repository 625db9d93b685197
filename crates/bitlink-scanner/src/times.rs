//! How long to wait for an address: what is configured, and what the round trips seen so far have taught. Holds no clock
//! and probes nothing.

use crate::config::MAX_TRIES;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// On top of every wait that was learnt: this machine's own delay under load.
const SLACK: Duration = Duration::from_millis(5);
/// From so many answers on there is something to go by.
const ENOUGH: u32 = 4;
/// The last wait is drawn out to at most this where round trips are long; a second after a lost packet the kernel sends it
/// again by itself.
const LONGEST: Duration = Duration::from_secs(3);
/// Subnets that are told apart at the same time. Two that fall into one place take turns.
const SLOTS: usize = 1_024;

/// Waits by try, the last being the one after which an address is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    each: [Duration; MAX_TRIES],
    tries: usize,
}

impl Waits {
    fn of(waits: &[Duration]) -> Self {
        let mut each = [Duration::ZERO; MAX_TRIES];
        let tries = waits.len().min(MAX_TRIES);
        each.iter_mut().zip(waits).for_each(|(place, wait)| *place = *wait);
        Self { each, tries }
    }

    /// One try.
    pub(crate) fn one(wait: Duration) -> Self {
        Self::of(&[wait])
    }

    /// One by one.
    pub(crate) fn to_vec(self) -> Vec<Duration> {
        self.each.into_iter().take(self.tries).collect()
    }

    /// How many tries there are.
    pub(crate) const fn tries(&self) -> usize {
        self.tries
    }

    /// How long after this try the next one begins.
    pub(crate) fn after(&self, round: usize) -> Duration {
        self.each.get(round).copied().unwrap_or_default()
    }

    /// How long this try's connection may take: until the address is given up.
    pub(crate) fn from(&self, round: usize) -> Duration {
        self.each.iter().skip(round).sum()
    }
}

/// What is known of the times of a network.
#[derive(Debug)]
pub(crate) struct Times {
    configured: Waits,
    subnets: Option<Box<[Subnet]>>,
    all: Subnet,
    /// Whether anybody answered who had not answered before.
    loses: AtomicBool,
}

impl Times {
    /// Waits as configured, or learnt from there on.
    pub(crate) fn new(configured: &[Duration], learns: bool) -> Self {
        Self {
            configured: Waits::of(configured),
            subnets: learns.then(|| (0..SLOTS).map(|_| Subnet::default()).collect()),
            all: Subnet::default(),
            loses: AtomicBool::new(false),
        }
    }

    /// Somebody answered a later try and not the one before: it was lost, on the way or by a machine that was busy.
    pub(crate) fn lost(&self) {
        self.loses.store(true, Ordering::Relaxed);
    }

    /// Whether anything is known to have been lost.
    pub(crate) fn loses(&self) -> bool {
        self.loses.load(Ordering::Relaxed)
    }

    /// An address answered, by opening or refusing.
    pub(crate) fn answered(&self, ip: IpAddr, after: Duration) {
        let Some(subnets) = &self.subnets else { return };
        let micros = u32::try_from(after.as_micros()).unwrap_or(u32::MAX);
        self.all.learn(micros);
        let tag = tag(ip);
        if let Some(subnet) = subnets.get(tag as usize % SLOTS) {
            if subnet.tag.swap(tag, Ordering::Relaxed) != tag {
                subnet.answers.store(0, Ordering::Relaxed);
            }
            subnet.learn(micros);
        }
    }

    /// How long to wait for an address.
    pub(crate) fn waits(&self, ip: IpAddr) -> Waits {
        let Some(subnets) = &self.subnets else { return self.configured };
        let tag = tag(ip);
        let subnet =
            subnets.get(tag as usize % SLOTS).filter(|subnet| subnet.tag.load(Ordering::Relaxed) == tag);
        let learnt = subnet.and_then(Subnet::slowest).or_else(|| self.all.slowest());
        learnt.map_or(self.configured, |slowest| self.learnt(slowest))
    }

    /// How many addresses may be waited for at the same time with so many connections, if all are silent and the last try
    /// is made at so many doors: the tries of an address overlap.
    pub(crate) fn addresses(&self, connections: usize, last_doors: u32) -> usize {
        let waits = self.configured;
        let last = waits.tries.saturating_sub(1);
        let open: Duration =
            (0..last).map(|round| waits.from(round)).sum::<Duration>() + waits.from(last) * last_doors;
        let (open, whole) = (open.as_micros(), waits.from(0).as_micros().max(1));
        // A tenth less, so that tries seldom have to wait for room.
        let addresses = connections as u128 * whole * 9 / (open.max(whole) * 10);
        usize::try_from(addresses).unwrap_or(connections).clamp(1, connections.max(1))
    }

    fn learnt(&self, slowest: Duration) -> Waits {
        let mut waits = self.configured;
        let last = waits.tries.saturating_sub(1);
        let longest = waits.after(last);
        for ((round, wait), times) in waits.each.iter_mut().take(waits.tries).enumerate().zip(1_u32..) {
            *wait = if round == last {
                // Never less than what was promised.
                (slowest * 2).min(LONGEST).max(longest)
            } else {
                // However fast the others are, a machine that wakes from power saving or a busy switch takes some time.
                (slowest * times).clamp(*wait * 2 / 3, longest.max(*wait))
            };
        }
        waits
    }
}

/// What the answers of one subnet have in common, estimated as TCP does (RFC 6298): the mean and the mean deviation, both
/// with a memory of some answers. Updates that meet may lose one; that is no harm.
#[derive(Debug, Default)]
struct Subnet {
    tag: AtomicU32,
    answers: AtomicU32,
    mean_us: AtomicU32,
    deviation_us: AtomicU32,
}

impl Subnet {
    fn learn(&self, micros: u32) {
        let (mean, deviation) =
            (self.mean_us.load(Ordering::Relaxed), self.deviation_us.load(Ordering::Relaxed));
        let (mean, deviation) = match self.answers.load(Ordering::Relaxed) {
            0 => (micros, micros / 2),
            _ => (mean - mean / 8 + micros / 8, deviation - deviation / 4 + mean.abs_diff(micros) / 4),
        };
        self.mean_us.store(mean, Ordering::Relaxed);
        self.deviation_us.store(deviation, Ordering::Relaxed);
        let count = self.answers.load(Ordering::Relaxed).saturating_add(1);
        self.answers.store(count, Ordering::Relaxed);
    }

    /// As slow as nearly all answers are faster; `None` before there are enough.
    fn slowest(&self) -> Option<Duration> {
        if self.answers.load(Ordering::Relaxed) < ENOUGH {
            return None;
        }
        let mean = u64::from(self.mean_us.load(Ordering::Relaxed));
        let deviation = u64::from(self.deviation_us.load(Ordering::Relaxed));
        Some(Duration::from_micros(mean + 4 * deviation) + SLACK)
    }
}

/// The subnet of an address: its /24 or /64, folded into a number.
fn tag(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip) >> 8,
        IpAddr::V6(ip) => {
            #[allow(clippy::cast_possible_truncation)]
            let prefix = (u128::from(ip) >> 64) as u64;
            #[allow(clippy::cast_possible_truncation)]
            let folded = (prefix >> 32) as u32 ^ (prefix as u32).rotate_left(13);
            // Apart from every /24.
            folded | 1 << 31
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is learnt, and what is never given up.
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn times(learns: bool) -> Times {
        Times::new(&[MS * 50, MS * 75, MS * 250], learns)
    }

    fn waits(times: &Times, address: &str) -> Vec<Duration> {
        let waits = times.waits(ip(address));
        (0..waits.tries()).map(|round| waits.after(round)).collect()
    }

    #[test]
    fn nothing_is_learnt_before_there_is_enough_or_where_it_may_not_be() {
        let (times, fixed) = (times(true), times(false));
        for _ in 0..3 {
            times.answered(ip("10.0.0.1"), MS);
        }
        assert_eq!(waits(&times, "10.0.0.2"), [MS * 50, MS * 75, MS * 250]);
        for _ in 0..100 {
            fixed.answered(ip("10.0.0.1"), MS);
        }
        assert_eq!(waits(&fixed, "10.0.0.2"), [MS * 50, MS * 75, MS * 250]);
    }

    #[test]
    fn a_fast_subnet_is_asked_again_sooner_and_given_up_no_earlier_than_promised() {
        let times = times(true);
        for _ in 0..20 {
            times.answered(ip("10.0.0.1"), MS / 2);
        }
        assert_eq!(waits(&times, "10.0.0.2"), [MS * 100 / 3, MS * 50, MS * 250]);
        assert_eq!(
            waits(&times, "10.9.0.2"),
            [MS * 100 / 3, MS * 50, MS * 250],
            "what is not known is like the rest"
        );
        let waits = times.waits(ip("10.0.0.2"));
        assert_eq!((waits.from(1), waits.from(2)), (MS * 300, MS * 250));
    }

    #[test]
    fn the_tries_of_silent_addresses_fit_into_their_room() {
        assert_eq!(times(true).addresses(1_000, 1), 355, "375, 325 and 250 of 375 ms each");
        assert_eq!(times(true).addresses(1_000, 2), 281);
        assert_eq!(times(true).addresses(1, 2), 1);
        assert_eq!(Times::new(&[MS * 300], true).addresses(1_000, 1), 900);
    }

    #[test]
    fn a_slow_subnet_gets_more_time_and_leaves_the_others_theirs() {
        let times = times(true);
        for n in 0..40 {
            times.answered(ip("10.0.0.1"), MS / 2);
            times.answered(ip("10.0.1.1"), MS * (180 + n % 5));
        }
        let slow = waits(&times, "10.0.1.77");
        assert!(slow[0] > MS * 150 && slow[2] > MS * 350, "{slow:?}");
        assert_eq!(waits(&times, "10.0.0.77"), [MS * 100 / 3, MS * 50, MS * 250]);
    }

    proptest! {
        #[test]
        fn waits_stay_between_what_is_promised_and_the_longest(
            answers in proptest::collection::vec(0_u64..20_000_000, 0..50),
            configured in proptest::collection::vec(1_u64..60_000, 1..=MAX_TRIES),
        ) {
            let configured: Vec<Duration> = configured.into_iter().map(Duration::from_millis).collect();
            let times = Times::new(&configured, true);
            for micros in answers {
                times.answered(ip("fd00::7"), Duration::from_micros(micros));
            }
            let waits = waits(&times, "fd00::9");
            prop_assert_eq!(waits.len(), configured.len());
            let last = *configured.last().unwrap();
            prop_assert!(*waits.last().unwrap() >= last);
            prop_assert!(waits.iter().zip(&configured).all(|(w, c)| *w <= (*c).max(last).max(LONGEST)));
        }
    }
}
