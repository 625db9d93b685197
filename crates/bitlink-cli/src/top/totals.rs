//! Sums over the fleet, and the readings seen lately as trails for small plots. Pure and bounded. Only what is live counts as now; what
//! is not known makes a sum speak for fewer miners and is never taken for 0.

use bitlink_miner_manager::{Miner, MinerId, MinerSnapshot, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A sum, and of how many miners it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    value: f64,
    pub(super) of: usize,
}

impl Sum {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.value += value;
            self.of += 1;
        }
    }

    /// The sum, where anybody has told anything.
    pub(super) fn known(self) -> Option<f64> {
        (self.of > 0).then_some(self.value)
    }
}

/// The fleet in a few numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Totals {
    /// TH/s of those that are live.
    pub(super) rate: Sum,
    /// TH/s that those who have told it should do, heard from now or not.
    pub(super) expected: Sum,
    /// TH/s of those that are live and are part of `expected`.
    pub(super) rate_of_expected: Sum,
    /// W.
    pub(super) power: Sum,
    /// TH/s of those that tell their power too.
    rate_with_power: Sum,
    /// Miners heard from within the time in which everybody should have been.
    pub(super) fresh: usize,
}

impl Totals {
    /// Adds up. `fresh_for` is how old a reading may be to count as one of now.
    pub(super) fn of(fleet: &[Arc<Miner>], now: Timestamp, fresh_for: Duration) -> Self {
        let mut totals = Self::default();
        for miner in fleet {
            let stats = &miner.stats;
            totals.rate.add(stats.hashrate_rt);
            totals.power.add(stats.power);
            if stats.power.is_finite() {
                totals.rate_with_power.add(stats.hashrate_rt);
            }
            if let Some(expected) = miner.snapshot.as_deref().and_then(expected) {
                totals.expected.add(expected);
                totals.rate_of_expected.add(stats.hashrate_rt);
            }
            totals.fresh += usize::from(is_fresh(miner, now, fresh_for));
        }
        totals
    }

    /// J/TH of those that tell both.
    pub(super) fn efficiency(&self) -> Option<f64> {
        let (power, rate) = (self.power.known()?, self.rate_with_power.known()?);
        Some(power / rate).filter(|efficiency| rate > 0.0 && efficiency.is_finite())
    }

    /// The rate as a share of what is expected, and whether it may be more because some of those who are expected to do something
    /// have not told what they do.
    pub(super) fn share(&self) -> Option<(f64, bool)> {
        let (rate, expected) = (self.rate_of_expected.known()?, self.expected.known()?);
        (expected > 0.0).then(|| (rate / expected, self.rate_of_expected.of < self.expected.of))
    }
}

/// What a miner should do, as it last told it, TH/s.
fn expected(snapshot: &MinerSnapshot) -> Option<f64> {
    Some(snapshot.hashrate.expected.or(snapshot.hashrate.nameplate)?.as_ths())
}

/// Whether what is shown of a miner is of now.
pub(super) fn is_fresh(miner: &Miner, now: Timestamp, fresh_for: Duration) -> bool {
    miner.is_live && miner.last_updated.is_some_and(|then| now.since(then) <= fresh_for)
}

/// Values in order of time, the newest last; `None` where there was none to be had.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail(VecDeque<Option<f32>>);

impl Trail {
    pub(super) fn push(&mut self, value: f64, most: usize) {
        // Four bytes for a value: more than a plot of eight steps can show.
        #[allow(clippy::cast_possible_truncation)]
        self.0.push_back(Some(value as f32).filter(|value| value.is_finite()));
        while self.0.len() > most {
            self.0.pop_front();
        }
    }

    /// The newest so many, the oldest first.
    pub(super) fn last(&self, n: usize) -> impl Iterator<Item = Option<f32>> + '_ {
        self.0.iter().skip(self.0.len().saturating_sub(n)).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What was read of one miner lately.
#[derive(Debug, Clone, Default)]
pub(super) struct MinerTrail {
    /// TH/s.
    pub(super) rate: Trail,
    /// °C of the hottest place.
    pub(super) hottest: Trail,
    /// W.
    pub(super) power: Trail,
    read: Option<Timestamp>,
}

/// Most values that are kept of all miners together, for each of the three trails: 8 MB each.
const MOST_VALUES: usize = 1 << 20;

/// The trails of the fleet.
#[derive(Debug, Default)]
pub(super) struct Trails {
    of: HashMap<MinerId, MinerTrail>,
}

impl Trails {
    /// Takes in what is new of every miner, and forgets those that are not there any more.
    pub(super) fn follow(&mut self, fleet: &[Arc<Miner>]) {
        let most = (MOST_VALUES / fleet.len().max(1)).clamp(16, 200);
        for miner in fleet {
            // A miner that was heard has a trail; one that is silent now gets a gap for every reading that is missing from it
            // when it is heard again, which its age shows better.
            let Some(read) = miner.last_updated else { continue };
            let trail = self.of.entry(miner.id).or_default();
            if trail.read.is_some_and(|last| last >= read) {
                continue;
            }
            trail.read = Some(read);
            let stats = &miner.stats;
            trail.rate.push(stats.hashrate_rt, most);
            trail.hottest.push(stats.temp_chip_max.max(stats.temp_board_max), most);
            trail.power.push(stats.power, most);
        }
        if self.of.len() > fleet.len() {
            let ids: std::collections::HashSet<MinerId> = fleet.iter().map(|miner| miner.id).collect();
            self.of.retain(|id, _| ids.contains(id));
        }
    }

    pub(super) fn of(&self, id: MinerId) -> Option<&MinerTrail> {
        self.of.get(&id)
    }
}

#[cfg(test)]
mod tests {
    //! Sums of what is known, and bounded trails.
    use super::*;
    use bitlink_miner_manager::MinerStatus;
    use bitlink_miner_manager::model::{HashRate, Power};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_000_000);

    fn miner(last: u8, ths: Option<f64>, watts: Option<f64>, age_s: i64) -> Arc<Miner> {
        let mut snapshot = MinerSnapshot::default();
        snapshot.hashrate.realtime = ths.and_then(|ths| HashRate::from_ths(ths).ok());
        snapshot.hashrate.expected = HashRate::from_ths(100.0).ok();
        snapshot.power = watts.and_then(|watts| Power::from_watts(watts).ok());
        snapshot.observed_at = Some(Timestamp::from_unix_millis(1_000_000 - age_s * 1000));
        Arc::new(Miner::from_snapshot([10, 0, 0, last].into(), 4028, MinerStatus::Active, snapshot))
    }

    #[test]
    fn sums_say_of_how_many_they_are_and_nothing_known_is_no_sum() {
        let fresh = Duration::from_secs(20);
        let none = Totals::of(&[Arc::new(Miner::unheard([10, 0, 0, 1].into(), 1))], NOW, fresh);
        assert_eq!(
            (none.rate.known(), none.power.known(), none.efficiency(), none.share()),
            (None, None, None, None)
        );
        let fleet = [
            miner(1, Some(90.0), Some(3_000.0), 5),
            miner(2, Some(60.0), None, 30),
            miner(3, None, Some(50.0), 1),
        ];
        let totals = Totals::of(&fleet, NOW, fresh);
        assert_eq!((totals.rate.known(), totals.rate.of), (Some(150.0), 2));
        assert_eq!(totals.share(), Some((0.5, true)), "one has not told what it does, so it may be more");
        assert_eq!(totals.fresh, 2);
        assert_eq!(totals.efficiency().map(f64::round), Some(34.0));
    }

    #[test]
    fn a_trail_has_each_reading_once_and_no_more_than_it_may() {
        let mut trails = Trails::default();
        let id = miner(1, None, None, 0).id;
        for age in (0..300).rev() {
            let fleet = [miner(1, (age % 2 == 0).then_some(90.0), None, age)];
            trails.follow(&fleet);
            trails.follow(&fleet);
        }
        let trail = trails.of(id).unwrap();
        assert_eq!((trail.rate.len(), trail.power.len()), (200, 200));
        assert_eq!(trail.rate.last(3).collect::<Vec<_>>(), [Some(90.0), None, Some(90.0)]);
        trails.follow(&[]);
        assert!(trails.of(id).is_none());
    }
}
