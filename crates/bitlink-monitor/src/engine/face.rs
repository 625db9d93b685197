//! What readers have been told of a miner, to see whether there is something new for them. A fleet has tens of thousands of
//! these: texts are digests, and numbers as exact as a change that is worth telling.

use bitlink_model::{Finding, Miner, MinerId, MinerStats, MinerStatus, PoolStats, Rule, Severity, Timestamp};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a reader has been told of a miner.
#[derive(Debug)]
pub(super) struct Face {
    id: MinerId,
    status: MinerStatus,
    findings: Box<[(Rule, Severity, Option<Timestamp>)]>,
    numbers: Numbers,
    /// A digest of model and pools.
    texts: u64,
}

impl Face {
    pub(super) fn of(miner: &Miner) -> Self {
        Self {
            id: miner.id,
            status: miner.status,
            findings: names(&miner.findings).collect(),
            numbers: Numbers::of(&miner.stats),
            texts: digest(miner),
        }
    }

    pub(super) fn differs(&self, miner: &Miner) -> bool {
        self.id != miner.id
            || self.status != miner.status
            || !names(&miner.findings).eq(self.findings.iter().cloned())
            || self.numbers.differ(&miner.stats)
            || self.texts != digest(miner)
    }
}

fn names(findings: &[Finding]) -> impl Iterator<Item = (Rule, Severity, Option<Timestamp>)> + '_ {
    findings.iter().map(|f| (f.rule.clone(), f.severity, f.since))
}

fn digest(miner: &Miner) -> u64 {
    let mut hasher = DefaultHasher::new();
    miner.model.hash(&mut hasher);
    for PoolStats { url, user, status, active, .. } in &miner.stats.pools {
        (url, user, status.map(|status| status as u8), active).hash(&mut hasher);
    }
    hasher.finish()
}

/// The numbers that were told.
#[derive(Debug)]
struct Numbers {
    /// Hash rates (mean, now, expected), power, efficiency: what changes by a share of itself.
    shares: [f32; 5],
    /// Hottest chip and board.
    hottest: [f32; 2],
    uptime: f64,
    boards: usize,
    /// Temperatures of the boards, then speeds of the fans.
    parts: Box<[f32]>,
}

/// Changes that are worth telling are far above the digits that go. What a hostile machine says may be larger than any such
/// number: it stays the same one, and so is no change.
#[allow(clippy::cast_possible_truncation)]
fn short(number: f64) -> f32 {
    number.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn shares(stats: &MinerStats) -> [f64; 5] {
    [stats.hashrate_avg, stats.hashrate_rt, stats.hashrate_expected, stats.power, stats.efficiency]
}

fn hottest(stats: &MinerStats) -> [f64; 2] {
    [stats.temp_chip_max, stats.temp_board_max]
}

impl Numbers {
    fn of(stats: &MinerStats) -> Self {
        Self {
            shares: shares(stats).map(short),
            hottest: hottest(stats).map(short),
            uptime: stats.uptime,
            boards: stats.temperatures.len(),
            parts: stats.temperatures.iter().chain(&stats.fans).copied().map(short).collect(),
        }
    }

    /// Whether other numbers look different to a reader. The thresholds are documented at
    /// [`MonitorEvent::MinerUpdated`](crate::MonitorEvent::MinerUpdated).
    fn differ(&self, now: &MinerStats) -> bool {
        let percent = |told: f64| (told.abs() / 100.0).max(0.005);
        let degree = |_| 1.0;
        let fan = |told: f64| (told.abs() / 20.0).max(100.0);
        let (boards, fans) = self.parts.split_at_checked(self.boards).unwrap_or_default();
        differ(&self.shares, &shares(now), percent)
            || differ(&self.hottest, &hottest(now), degree)
            || differ(boards, &now.temperatures, degree)
            || differ(fans, &now.fans, fan)
            || now.uptime < self.uptime
            || self.uptime.is_nan() != now.uptime.is_nan()
    }
}

/// Whether there are more or fewer of them, or one has moved by so much, or has come or gone.
fn differ(told: &[f32], now: &[f64], by: impl Fn(f64) -> f64) -> bool {
    let moved = |told: f64, now: f64| {
        if told.is_nan() || now.is_nan() {
            told.is_nan() != now.is_nan()
        } else {
            (told - now).abs() >= by(told)
        }
    };
    let short = |number: &f64| f64::from(short(*number));
    told.len() != now.len() || told.iter().zip(now).any(|(told, now)| moved(f64::from(*told), short(now)))
}

#[cfg(test)]
mod tests {
    //! What is a change to a reader, and what is none.
    use super::*;

    fn miner(change: impl FnOnce(&mut MinerStats)) -> Miner {
        let mut miner = Miner::unheard([192, 0, 2, 1].into(), 4028);
        miner.stats.hashrate_avg = 100.0;
        miner.stats.temperatures = vec![70.3, 71.0];
        miner.stats.fans = vec![6000.0];
        change(&mut miner.stats);
        miner
    }

    fn tells(before: impl FnOnce(&mut MinerStats), now: impl FnOnce(&mut MinerStats)) -> bool {
        Face::of(&miner(before)).differs(&miner(now))
    }

    #[test]
    fn small_changes_are_none_and_large_ones_are() {
        let same = |_: &mut MinerStats| {};
        assert!(!tells(same, same));
        assert!(!tells(same, |stats| stats.hashrate_avg = 100.9));
        assert!(tells(same, |stats| stats.hashrate_avg = 101.1));
        assert!(!tells(same, |stats| stats.temperatures[1] = 71.9));
        assert!(tells(same, |stats| stats.temperatures[1] = 72.1));
        assert!(tells(same, |stats| stats.temperatures.truncate(1)));
        assert!(tells(same, |stats| stats.fans[0] = 5600.0));
        assert!(tells(same, |stats| stats.power = 3000.0), "it was not known before");
    }

    #[test]
    fn a_number_beyond_all_others_is_told_once() {
        let absurd = |stats: &mut MinerStats| stats.hashrate_avg = 1e300;
        assert!(tells(|_| {}, absurd));
        assert!(!tells(absurd, absurd));
    }
}
