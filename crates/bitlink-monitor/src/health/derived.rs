//! Rules on what no single reading says: the work that shares prove against the rate that is reported, and boards and chips
//! that were there within the last day. What they remember is in here too.

use super::checks::{Exam, Shown, Watch};
use super::counters::{digits, since};
use super::gates::{Key, Seen};
use super::rules::{Limit, rule};
use bitlink_model::{Difficulty, Evidence, Finding, MinerSnapshot, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Hashes that a share of difficulty 1 stands for, on average.
const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0;

/// What has been done up to a moment, counted from any beginning.
#[derive(Debug, Clone, Copy)]
struct Work {
    at: Timestamp,
    /// Accepted work in difficulty-1 shares, as the pools count it.
    difficulty: f64,
    /// Shares accepted.
    shares: u64,
    /// Sum over the shares of their difficulty squared: where shares are unequal, fewer large ones make the sum uncertain.
    squares: f64,
    /// Hashes that the miner says it has done.
    reported: f64,
}

/// The same of before, with the last digits of its time and its shares: no window is longer than a week, and those tell seven. Each
/// miner has half a dozen of these.
#[derive(Debug, Clone, Copy)]
struct Back {
    at: u32,
    shares: u32,
    difficulty: f64,
    squares: f64,
    reported: f64,
}

impl Back {
    fn of(work: &Work) -> Self {
        let Work { at, difficulty, shares, squares, reported } = *work;
        Self { at: digits(ms(at)), shares: digits(shares), difficulty, squares, reported }
    }

    fn age(&self, now: Timestamp) -> Duration {
        Duration::from_millis(since(self.at, ms(now)).into())
    }
}

fn ms(at: Timestamp) -> u64 {
    at.as_unix_millis().cast_unsigned()
}

/// Work over a window that ends now.
#[derive(Debug, Clone, Default)]
pub(super) struct WorkWindow {
    /// Half a dozen at most, the oldest first.
    samples: Vec<Back>,
    last: Option<Work>,
}

/// What shares prove, next to what is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Proof {
    /// Proven hash rate over the reported one.
    pub(super) ratio: f64,
    /// The standard deviation of the proven work, as a share of it.
    pub(super) deviation: f64,
    /// The proven rate in H/s.
    pub(super) proven: f64,
    /// The reported rate in H/s.
    pub(super) reported: f64,
    /// How long it was looked at.
    pub(super) over: Duration,
}

impl WorkWindow {
    /// Samples over the window: how far its beginning may be off.
    const SAMPLES: u32 = 6;

    /// Takes a reading; what it and the ones before prove, if they prove anything yet.
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        snapshot: &MinerSnapshot,
        window: Duration,
        longest_gap: Duration,
    ) -> Option<Proof> {
        let over_pools = |get: fn(&bitlink_model::Pool) -> Option<Difficulty>| {
            snapshot.pools.iter().filter_map(get).map(Difficulty::as_shares).reduce(|a, b| a + b)
        };
        let shares = &snapshot.shares;
        let difficulty = shares
            .difficulty_accepted
            .map(Difficulty::as_shares)
            .or_else(|| over_pools(|pool| pool.difficulty_accepted));
        let accepted = shares
            .accepted
            .or_else(|| snapshot.pools.iter().filter_map(|pool| pool.accepted).reduce(u64::saturating_add));
        let (difficulty, accepted) = difficulty.filter(|d| d.is_finite()).zip(accepted)?;
        let rate = snapshot.hashrate.current()?.as_hs();
        let (squares, reported) = match self.last {
            Some(last) if now >= last.at && now.since(last.at) <= longest_gap => {
                let more = difficulty - last.difficulty;
                // Fallen back: restarted. Work without shares or shares without work: counters that do not belong together.
                let Some(of) =
                    accepted.checked_sub(last.shares).filter(|of| (*of > 0) == (more > 0.0) && more >= 0.0)
                else {
                    self.forget();
                    return None;
                };
                let squares = if of == 0 { 0.0 } else { more * more / real(of) };
                (last.squares + squares, last.reported + rate * now.since(last.at).as_secs_f64())
            }
            Some(_) => {
                self.forget();
                (0.0, 0.0)
            }
            None => (0.0, 0.0),
        };
        let work = Work { at: now, difficulty, shares: accepted, squares, reported };
        self.last = Some(work);
        if self.samples.last().is_none_or(|back| back.age(now) >= window / Self::SAMPLES) {
            self.samples.reserve_exact(1);
            self.samples.push(Back::of(&work));
        }
        while self.samples.get(1).is_some_and(|second| second.age(now) >= window) {
            self.samples.remove(0);
        }
        Self::proof(self.samples.first()?, &work)
    }

    fn proof(from: &Back, to: &Work) -> Option<Proof> {
        let over = from.age(to.at);
        let seconds = over.as_secs_f64();
        let (difficulty, squares) = (to.difficulty - from.difficulty, to.squares - from.squares);
        let reported = (to.reported - from.reported) / seconds;
        if digits(to.shares) == from.shares
            || difficulty <= 0.0
            || squares <= 0.0
            || reported <= 0.0
            || seconds <= 0.0
        {
            return None;
        }
        let proven = difficulty * HASHES_PER_DIFFICULTY / seconds;
        // Shares come as a Poisson process does; unequal ones weigh as fewer equal ones would.
        let deviation = squares.sqrt() / difficulty;
        Some(Proof { ratio: proven / reported, deviation, proven, reported, over })
    }

    /// What was counted before does not count any more.
    pub(super) fn forget(&mut self) {
        self.samples.clear();
        self.last = None;
    }
}

/// The largest number seen over a time that ends now: numbers that fall, with when each was last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Most(Vec<(Timestamp, u32)>);

impl Most {
    /// Numbers kept: a part that comes and goes all day is seen with the largest of them.
    const KEPT: usize = 8;

    pub(super) fn add(&mut self, now: Timestamp, number: u32, keep: Duration) {
        self.0.retain(|(at, _)| now.since(*at) <= keep);
        while self.0.last().is_some_and(|(_, last)| *last <= number) {
            self.0.pop();
        }
        self.0.truncate(Self::KEPT - 1);
        self.0.push((now, number));
    }

    /// The largest, and when it was last seen.
    pub(super) fn get(&self) -> Option<(Timestamp, u32)> {
        self.0.first().copied()
    }

    /// The same with all times moved.
    pub(super) fn moved(mut self, to: impl Fn(Timestamp) -> Timestamp) -> Self {
        self.0.iter_mut().for_each(|(at, _)| *at = to(*at));
        self
    }
}

impl Exam<'_> {
    /// Reported against share-proven hash rate. Where chance can explain a difference, it neither raises nor clears.
    pub(super) fn share_rate(&mut self) {
        let rules = self.rules;
        let proof = self.memory.work.add(self.now, self.snapshot, rules.share_rate_window, rules.longest_gap);
        // Less than a quarter of the window is too little whatever it shows: a pool needs a while to raise its difficulty.
        let Some(proof) = proof.filter(|proof| proof.over >= rules.share_rate_window / 4) else { return };
        let levels = [
            (rules.share_rate_ratio.warning, Severity::Warning),
            (rules.share_rate_ratio.critical, Severity::Critical),
        ];
        for (limit, severity) in levels {
            let Some(Limit { value: limit, hold }) = limit else { continue };
            let enough = real(rules.shares_least.max(1)).sqrt().recip();
            if proof.deviation > enough {
                continue;
            }
            let clear = limit + rules.share_rate_ratio.margin;
            let seen = if proof.ratio * (1.0 + rules.share_rate_sigmas * proof.deviation) < limit {
                Seen::Bad
            } else if proof.ratio * (1.0 - proof.deviation) >= clear || proof.ratio >= 1.0 {
                Seen::Good
            } else {
                Seen::Between
            };
            let key = Key { rule: rule::SHARE_RATE_LOW, part: 0, severity };
            self.gates.see(self.now, rules.longest_gap, key, seen, hold, Duration::ZERO, || {
                let minutes = proof.over.as_secs() / 60;
                let ths = |rate: f64| Evidence::new(rate / 1e12, "TH/s");
                let message = format!(
                    "accepted shares of {minutes} min prove {} ± {:.0} % of {} reported",
                    ths(proof.proven),
                    proof.deviation * 100.0,
                    ths(proof.reported)
                );
                Finding::new(rule::SHARE_RATE_LOW, severity, message)
                    .with_numbers(Shown::Percent.evidence(proof.ratio), Shown::Percent.evidence(limit))
                    .clears_when(format!("they prove {} or more", Shown::Percent.evidence(clear)))
            });
        }
    }

    /// Boards and chips that it told itself within the last day and does not any more.
    pub(super) fn parts_gone(&mut self) {
        let keep = self.rules.parts_remembered_for;
        let hours = keep.as_secs().div_ceil(3600);
        let (boards, chips) = parts(self.snapshot);
        if let Some(boards) = boards {
            self.memory.most_boards.add(self.now, boards, keep);
            let (seen, most) = self.memory.most_boards.get().unwrap_or((self.now, boards));
            let hold = self.rules.boards_missing_for;
            let ago = self.now.since(seen);
            self.condition(Watch::warning(rule::BOARDS_GONE), boards < most, hold, |watch| {
                watch
                    .says(format!("{boards} boards found, {most} were {}", ago_text(ago)))
                    .with_numbers(Evidence::new(f64::from(boards), ""), Evidence::new(f64::from(most), ""))
                    .clears_when(format!("{most} boards are found, or {hours} h have passed"))
            });
        }
        if let Some(chips) = chips {
            self.memory.most_chips.add(self.now, chips, keep);
            let (seen, most) = self.memory.most_chips.get().unwrap_or((self.now, chips));
            let (ago, gone) = (self.now.since(seen), most.saturating_sub(chips));
            let limit = self.rules.chips_gone_ratio;
            let hold = limit.map_or(Duration::ZERO, |limit| limit.hold);
            let share = if most == 0 { 0.0 } else { f64::from(gone) / f64::from(most) };
            let say = |watch: Watch| {
                watch
                    .says(format!("{chips} chips answer, {most} did {}", ago_text(ago)))
                    .with_numbers(Evidence::new(f64::from(chips), ""), Evidence::new(f64::from(most), ""))
                    .clears_when(format!("{most} chips answer, or {hours} h have passed"))
            };
            self.condition(Watch::info(rule::CHIPS_GONE), gone > 0, hold, say);
            if let Some(limit) = limit {
                let bad = gone > 0 && share >= limit.value;
                self.condition(Watch::warning(rule::CHIPS_GONE), bad, hold, say);
            }
        }
    }
}

/// Boards and chips that a reading tells, each where it tells them for certain: chips only where every board does.
fn parts(snapshot: &MinerSnapshot) -> (Option<u32>, Option<u32>) {
    let found = || snapshot.boards.iter().filter(|board| board.present != Some(false));
    let boards = u32::try_from(found().count()).ok().filter(|_| !snapshot.boards.is_empty());
    let chips =
        found().map(|board| board.chips).try_fold(0_u32, |sum, chips| Some(sum.saturating_add(chips?)));
    (boards, chips.filter(|_| !snapshot.boards.is_empty()))
}

fn ago_text(ago: Duration) -> String {
    match ago.as_secs() / 60 {
        minutes @ 0..=119 => format!("{minutes} min ago"),
        minutes => format!("{} h ago", minutes / 60),
    }
}

/// Counters far beyond 2⁵³ would lose digits that no limit has.
#[allow(clippy::cast_precision_loss)]
fn real(count: u64) -> f64 {
    count as f64
}
