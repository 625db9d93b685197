//! Chance without a generator: every "random" number is a hash of the seed, of what it is for, and of where or when.
//!
//! Nothing is drawn in sequence, so any number can be had at any time without those before it. That is what lets a
//! simulated miner jump days ahead.

use crate::number::real;

/// A source of numbers that depend on nothing but itself and the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// An independent source for one purpose.
    pub(crate) const fn of(self, purpose: &str) -> Self {
        // FNV-1a over the name, then mixed with the parent.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut rest = purpose.as_bytes();
        while let [byte, tail @ ..] = rest {
            hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
            rest = tail;
        }
        Self(mix(self.0 ^ hash))
    }

    /// An independent source for one of many.
    pub(crate) const fn nth(self, n: u64) -> Self {
        Self(mix(self.0 ^ mix(n.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// 64 bits.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// From 0 up to, without, `end`; 0 when `end` is 0.
    pub(crate) const fn below(self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0 % end }
    }

    /// From 0 to 1, without 1.
    pub(crate) const fn unit(self) -> f64 {
        real(self.0 >> 11) / real(1 << 53)
    }

    /// Between two bounds.
    pub(crate) const fn between(self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of some.
    pub(crate) fn pick<T>(self, choices: &[T]) -> Option<&T> {
        choices.get(usize::try_from(self.below(crate::number::index(choices.len()))).unwrap_or(0))
    }

    /// A smooth wave in −1…1 over time: a random value every `period_ms`, eased in between.
    pub(crate) fn wave(self, at_ms: i64, period_ms: i64) -> f64 {
        let period = period_ms.max(1);
        let bucket = at_ms.div_euclid(period);
        let inside = at_ms.rem_euclid(period);
        let fraction = real(inside.unsigned_abs()) / real(period.unsigned_abs());
        let eased = fraction * fraction * (3.0 - 2.0 * fraction);
        let value = |n: i64| self.nth(u64::from_ne_bytes(n.to_ne_bytes())).between(-1.0, 1.0);
        let (here, there) = (value(bucket), value(bucket.saturating_add(1)));
        here + (there - here) * eased
    }

    /// How many events have happened after `expected` of them were due: each falls somewhere inside its own unit, so
    /// the count never runs backwards and never strays from what is due by more than one.
    pub(crate) fn events(self, expected: f64) -> u64 {
        let due = crate::number::count(expected);
        due + u64::from(expected - real(due) >= self.nth(due).unit())
    }
}

/// The finaliser of SplitMix64: every bit of the input reaches every bit of the output.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    //! Chance that can be relied upon.
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_never_run_backwards_and_never_stray(seed: u64, a in 0.0..1e9_f64, step in 0.0..10.0_f64) {
            let seed = Seed::new(seed);
            prop_assert!(seed.events(a) <= seed.events(a + step));
            prop_assert!((real(seed.events(a)) - a).abs() <= 1.0);
        }

        #[test]
        fn waves_stay_in_bounds_and_are_smooth(seed: u64, at in -1_000_000_i64..1_000_000) {
            let wave = Seed::new(seed);
            let here = wave.wave(at, 10_000);
            prop_assert!((-1.0..=1.0).contains(&here));
            prop_assert!((wave.wave(at + 1, 10_000) - here).abs() < 0.001);
        }
    }
}
