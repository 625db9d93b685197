//! What must be remembered from reading to reading: rates over a window, restarts, the last share, faults that the
//! firmware listed. Knows no limits.

use super::derived::{Most, WorkWindow};
use super::rules::{Rules, rule};
use bitlink_model::{DeviceError, Finding, HashRate, MinerSnapshot, MiningState, Timestamp};
use bitlink_protocol::Excerpt;
use std::collections::VecDeque;
use std::time::Duration;

/// Everything remembered of one miner.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub(super) trend: Trend,
    pub(super) shares: ShareWindow,
    pub(super) work: WorkWindow,
    pub(super) most_boards: Most,
    pub(super) most_chips: Most,
    pub(super) last_share: LastShare,
    pub(super) starts: Starts,
    pub(super) errors: Errors,
    /// What the miner last said of its mining: it need not say so every time.
    pub(super) state: Option<MiningState>,
    /// When it was last seen to be idle by wish, or coming up.
    pub(super) idle_until: Option<Timestamp>,
    /// How many boards it last said that it should have.
    pub(super) boards_expected: Option<usize>,
}

impl Memory {
    /// What was watched without a break until now, and no longer is.
    pub(super) fn forget_rates(&mut self) {
        self.trend = Trend::default();
        self.shares = ShareWindow::default();
        self.work.forget();
        self.last_share = LastShare::default();
        self.errors = Errors::default();
        self.state = None;
    }
}

/// A hash rate smoothed over some five minutes, for firmware that gives a rate of some seconds and nothing between that
/// and the mean since start.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend(Option<(Timestamp, f64)>);

impl Trend {
    const SECONDS: f64 = 300.0;

    pub(super) fn add(&mut self, now: Timestamp, rate: HashRate, longest_gap: Duration) -> Option<HashRate> {
        let fresh = rate.as_hs();
        let value = match self.0 {
            Some((at, value)) if now >= at && now.since(at) <= longest_gap => {
                let weight = 1.0 - (-now.since(at).as_secs_f64() / Self::SECONDS).exp();
                value + weight * (fresh - value)
            }
            _ => fresh,
        };
        self.0 = Some((now, value));
        HashRate::from_hs(value).ok()
    }

    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Shares counted over a window that ends now.
#[derive(Debug, Clone, Default)]
pub(super) struct ShareWindow {
    /// A dozen at most, the oldest first.
    samples: Vec<Sample>,
    last: Option<(Timestamp, Counts)>,
}

/// Counts at a time, as their last digits: a window in which they grow by more than those can tell is begun anew. A fleet has
/// a dozen of these for each of its tens of thousands of miners.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Milliseconds, by their last digits too: no window is longer than a week, and those tell seven.
    at: u32,
    accepted: u32,
    rejected: u32,
    /// 0 where the miner counts none.
    stale: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) stale: Option<u64>,
}

impl Counts {
    /// The miner's totals, or the sums over its pools where it gives none.
    pub(super) fn of(snapshot: &MinerSnapshot) -> Option<Self> {
        let shares = &snapshot.shares;
        let over_pools = |get: fn(&bitlink_model::Pool) -> Option<u64>| {
            snapshot.pools.iter().filter_map(get).reduce(u64::saturating_add)
        };
        Some(Self {
            accepted: shares.accepted.or_else(|| over_pools(|p| p.accepted))?,
            rejected: shares.rejected.or_else(|| over_pools(|p| p.rejected))?,
            stale: shares.stale.or_else(|| over_pools(|p| p.stale)),
        })
    }
}

impl ShareWindow {
    /// Takes the counters and returns what they grew by over the window, if they are known for some of it.
    pub(super) fn add(&mut self, now: Timestamp, counts: Counts, rules: &Rules) -> Option<Counts> {
        let broken = self.last.is_some_and(|(at, last)| {
            now < at
                || now.since(at) > rules.longest_gap
                || counts.accepted < last.accepted
                || counts.rejected < last.rejected
                || counts.stale.is_some() != last.stale.is_some()
                || counts.stale < last.stale
        });
        let far = self.samples.first().zip(self.last).is_some_and(|(base, (_, last))| {
            [
                (counts.accepted, last.accepted, base.accepted),
                (counts.rejected, last.rejected, base.rejected),
                (counts.stale.unwrap_or(0), last.stale.unwrap_or(0), base.stale),
            ]
            .into_iter()
            .any(|(now, last, base)| {
                now.saturating_sub(last).saturating_add(u64::from(since(base, last))) > u64::from(u32::MAX)
            })
        });
        if broken || far {
            self.samples.clear();
        }
        self.last = Some((now, counts));
        let ms = now.as_unix_millis().cast_unsigned();
        let age = |sample: &Sample| Duration::from_millis(since(sample.at, ms).into());
        let step = rules.shares_window / 10;
        if self.samples.last().is_none_or(|sample| age(sample) >= step) {
            self.samples.reserve_exact(1);
            self.samples.push(Sample {
                at: digits(ms),
                accepted: digits(counts.accepted),
                rejected: digits(counts.rejected),
                stale: digits(counts.stale.unwrap_or(0)),
            });
        }
        // The oldest sample is the last one that is not inside the window.
        while self.samples.get(1).is_some_and(|sample| age(sample) >= rules.shares_window) {
            self.samples.remove(0);
        }
        let base = self.samples.first()?;
        Some(Counts {
            accepted: u64::from(since(base.accepted, counts.accepted)),
            rejected: u64::from(since(base.rejected, counts.rejected)),
            stale: counts.stale.map(|stale| u64::from(since(base.stale, stale))),
        })
    }
}

/// The last digits of a count.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn digits(count: u64) -> u32 {
    count as u32
}

/// By how much a count has grown since it had these last digits, if that is no more than they can tell.
pub(super) fn since(base: u32, count: u64) -> u32 {
    digits(count).wrapping_sub(base)
}

/// When a share was last seen to be accepted.
#[derive(Debug, Clone, Default)]
pub(super) struct LastShare {
    watching_since: Option<Timestamp>,
    accepted: Option<u64>,
    grew: Option<Timestamp>,
}

impl LastShare {
    /// How long ago the last share was accepted, by whatever knows best: the miner itself, or its counter as seen from
    /// here. `None` where neither says anything.
    pub(super) fn age(&mut self, now: Timestamp, snapshot: &MinerSnapshot) -> Option<Duration> {
        let accepted = snapshot
            .shares
            .accepted
            .or_else(|| snapshot.pools.iter().filter_map(|p| p.accepted).reduce(u64::saturating_add));
        if let Some(accepted) = accepted {
            if self.accepted.is_some_and(|before| before != accepted) {
                self.grew = Some(now);
            }
            self.accepted = Some(accepted);
            self.watching_since.get_or_insert(now);
        }
        let told = snapshot
            .pools
            .iter()
            .filter_map(|p| p.last_share_age.map(bitlink_model::Span::as_duration))
            .min();
        let by_its_clock = snapshot
            .device_time
            .zip(snapshot.pools.iter().filter_map(|p| p.last_share).max())
            .map(|(device_now, share)| device_now.since(share));
        let seen = self.grew.map(|grew| now.since(grew));
        let known = [told, by_its_clock, seen].into_iter().flatten().min();
        known.or_else(|| accepted.and(self.watching_since).map(|since| now.since(since)))
    }

    /// Time that does not count has passed until now.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.watching_since = Some(now);
        self.grew = Some(now);
    }
}

/// Restarts of the mining program, seen as its running time falling back.
#[derive(Debug, Clone, Default)]
pub(super) struct Starts {
    pub(super) last: Option<(Timestamp, Duration)>,
    pub(super) times: VecDeque<Timestamp>,
}

impl Starts {
    /// Running times are whole seconds, taken at different moments of a reading, and clocks are corrected.
    const SLACK: Duration = Duration::from_mins(1);
    /// More restarts than any limit can ask for.
    const MOST: usize = 128;

    /// Takes a running time and returns how many restarts lie within the window.
    pub(super) fn add(&mut self, now: Timestamp, running: Duration, window: Duration) -> usize {
        if let Some((at, before)) = self.last {
            let passed = now.since(at);
            let due = before + passed;
            let restarted = running < before || running + Self::SLACK + passed / 20 < due;
            if restarted {
                self.times.push_back(now);
            }
        }
        self.last = Some((now, running));
        while self.times.len() > Self::MOST || self.times.front().is_some_and(|at| now.since(*at) > window) {
            self.times.pop_front();
        }
        self.times.len()
    }

    pub(super) fn count(&self) -> usize {
        self.times.len()
    }
}

/// Faults that the firmware listed, kept for a while after it stopped to.
#[derive(Debug, Clone, Default)]
pub(super) struct Errors(Vec<Listed>);

#[derive(Debug, Clone)]
struct Listed {
    error: DeviceError,
    since: Timestamp,
    seen: Timestamp,
}

impl Errors {
    /// No firmware lists more, and nobody reads more.
    const MOST: usize = 64;

    pub(super) fn add(&mut self, now: Timestamp, errors: &[DeviceError], keep: Duration) {
        for error in errors {
            let same = |l: &&mut Listed| l.error.code == error.code && l.error.message == error.message;
            if let Some(listed) = self.0.iter_mut().find(same) {
                listed.seen = now;
                listed.error.severity = error.severity;
            } else if self.0.len() < Self::MOST {
                self.0.push(Listed { error: error.clone(), since: now, seen: now });
            }
        }
        self.0.retain(|listed| listed.seen == now || now.since(listed.seen) < keep);
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.0.iter().map(|Listed { error, since, .. }| {
            let message = Excerpt::of(&error.message);
            let message = match &error.code {
                Some(code) => format!("the firmware reports {message} (code {})", Excerpt::of(code)),
                None => format!("the firmware reports {message}"),
            };
            Finding::new(rule::DEVICE_ERROR, error.severity, message)
                .since(*since)
                .clears_when("the firmware no longer lists it")
        })
    }
}

#[cfg(test)]
mod tests {
    //! Windows over counts that are larger than what is kept of them.
    use super::*;

    fn grown(counts: &[u64]) -> Vec<Option<u64>> {
        let (rules, mut window) = (Rules::default(), ShareWindow::default());
        let at = |n: usize| Timestamp::from_unix_millis(1_000_000 + i64::try_from(n).unwrap() * 10_000);
        let counts = counts.iter().map(|accepted| Counts { accepted: *accepted, rejected: 0, stale: None });
        counts
            .enumerate()
            .map(|(n, counts)| window.add(at(n), counts, &rules).map(|grown| grown.accepted))
            .collect()
    }

    #[test]
    fn counts_grow_over_the_end_of_their_digits() {
        let edge = u64::from(u32::MAX);
        assert_eq!(grown(&[edge - 5, edge, edge + 10]), [Some(0), Some(5), Some(15)]);
        assert_eq!(grown(&[7 * (edge + 1) - 1, 7 * (edge + 1) + 1]), [Some(0), Some(2)]);
    }

    #[test]
    fn a_window_is_begun_anew_where_its_digits_cannot_tell_the_growth() {
        let edge = u64::from(u32::MAX);
        assert_eq!(grown(&[5, edge + 5, edge + 6, edge + 8]), [Some(0), Some(edge), Some(0), Some(2)]);
        assert_eq!(grown(&[0, u64::MAX, u64::MAX]), [Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn counts_that_fall_begin_anew() {
        assert_eq!(grown(&[100, 120, 3, 5]), [Some(0), Some(20), Some(0), Some(2)]);
    }
}
