//! Which miner is asked next, and when: a pure schedule that takes time as an argument and never looks at a clock.
//!
//! Every miner has a *beat*: a point in the interval at which its turn comes, over and over. Beats follow the golden
//! ratio, so that however many miners join or leave, their turns stay spread over the interval; the seed turns the
//! whole pattern, so that two programs that watch one farm do not ask in step. A turn is always a beat, never "the last
//! time plus the interval": nothing drifts, and a poll that came late does not push the later ones.
//!
//! How many polls run at once is limited, in all and for each group of miners (a subnet). Whoever finds no room waits for
//! it; nobody is asked twice for one turn, so too many miners make the time between two polls longer and nothing else.
//! Among groups that wait for room, the one with the fewest polls running comes first: a subnet that has gone silent and
//! lets every poll wait for its deadline takes its share of the room and leaves the others theirs.
//!
//! It does not poll, judge or count failures.

mod queue;

use queue::Queue;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between the first questions to newly added miners, so that a few are all known at once and thousands do not
/// start with a burst.
const FIRST_ROUND_SPACING: Duration = Duration::from_millis(2);

/// The longest time after which a miner that has come back is asked again.
const SOON: Duration = Duration::from_secs(5);

/// 2⁶⁴ over the golden ratio: multiples of it fill the circle of `u64` more evenly than any other constant's.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A poll schedule for miners named by `K`. All times are counted from one common start.
///
/// A miner that is being polled is not due: at most one poll of a miner runs at a time, also when it is removed and
/// added again meanwhile. Every operation costs O(log n), and nothing grows but with the number of miners.
///
/// ```
/// use bitlink_monitor::{Pace, Schedule};
/// use std::time::Duration;
///
/// let interval = Duration::from_secs(10);
/// let mut schedule = Schedule::new(interval, 7);
/// schedule.extend(["a", "b"], Duration::ZERO);
/// let first = schedule.take_due(Duration::from_millis(5)).expect("both are due at once");
/// assert!(schedule.is_polling(&first.key));
/// let next = schedule.done(&first.key, Duration::from_millis(30), Pace::Regular).expect("still scheduled");
/// assert!(next >= interval / 2 && next < interval * 3 / 2 + Duration::from_millis(5));
/// ```
#[derive(Debug, Clone)]
pub struct Schedule<K> {
    interval: Duration,
    longest: Duration,
    turn: u64,
    slots: BTreeMap<K, Slot>,
    queue: Queue<K>,
    free_ranks: BTreeSet<u64>,
    next_rank: u64,
    leaving: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    rank: u64,
    beat: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting {
        due: Duration,
    },
    Polling {
        started: Duration,
    },
    /// Removed while its poll was running: forgotten as soon as that ends.
    Leaving {
        started: Duration,
    },
}

/// A miner whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<K> {
    /// Which one.
    pub key: K,
    /// When its turn came.
    pub due: Duration,
    /// How much later than that it is now.
    pub late: Duration,
}

/// How soon a miner is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At its next beat.
    Regular,
    /// After so many failures in a row beyond the first ones: every second beat, every fourth, and so on up to the
    /// longest pause.
    Backoff(u32),
    /// Off its beat: after a tenth of the interval, and 5 s at most. For a miner that has come back and is not sure
    /// to stay.
    Soon,
}

impl<K: Ord + Clone> Schedule<K> {
    /// An empty schedule. An interval of zero counts as one nanosecond.
    pub fn new(interval: Duration, seed: u64) -> Self {
        let interval = interval.max(Duration::from_nanos(1));
        Self {
            interval,
            longest: interval,
            turn: scramble(seed),
            slots: BTreeMap::new(),
            queue: Queue::new(),
            free_ranks: BTreeSet::new(),
            next_rank: 0,
            leaving: 0,
        }
    }

    /// The same with a cap on the pause between two polls of a miner that is asked at [`Pace::Backoff`]. Less than the
    /// interval means no backoff, which is how a schedule starts out.
    #[must_use]
    pub fn with_longest_pause(mut self, longest: Duration) -> Self {
        self.longest = longest.max(self.interval);
        self
    }

    /// The same, still empty, with limits on how many polls run at once: in all, and of each group of miners, such as those of
    /// one subnet. Each at least one; a schedule starts out without.
    #[must_use]
    pub fn with_limits(mut self, total: usize, per_group: usize, group_of: fn(&K) -> u128) -> Self {
        self.queue = Queue::with_limits(total, per_group, group_of);
        self
    }

    /// Goes over to another interval, with every miner at its new beat. Nobody is asked twice because of that, nobody waits
    /// longer than one new interval, and whoever backs off still does, at most to the longest pause.
    pub fn set_interval(&mut self, interval: Duration, longest_pause: Duration, now: Duration) {
        let interval = interval.max(Duration::from_nanos(1));
        let before = std::mem::replace(&mut self.interval, interval);
        self.longest = longest_pause.max(interval);
        for (key, slot) in &mut self.slots {
            if interval != before {
                slot.beat = fraction(place_of(slot.rank, self.turn), interval);
            }
            let State::Waiting { due } = &mut slot.state else { continue };
            let pause = due.saturating_sub(now);
            let backs_off = pause > before;
            if pause.is_zero() || (interval == before && !(backs_off && pause > self.longest)) {
                continue;
            }
            let least =
                if backs_off { pause.min(self.longest).saturating_sub(interval) } else { Duration::ZERO };
            let next = next_beat(slot.beat, interval, now.saturating_add(least));
            self.queue.remove(*due, key);
            *due = next;
            self.queue.insert(next, key.clone());
        }
    }

    /// Other limits on how many polls run at once, in all and of each group. Polls that run go on.
    pub fn set_limits(&mut self, total: usize, per_group: usize) {
        self.queue.set_limits(total, per_group);
    }

    /// How many miners are scheduled.
    pub fn len(&self) -> usize {
        self.slots.len() - self.leaving
    }

    /// Whether nothing is scheduled.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a miner is scheduled.
    pub fn contains(&self, key: &K) -> bool {
        self.slots.get(key).is_some_and(|s| !matches!(s.state, State::Leaving { .. }))
    }

    /// Whether a poll of this miner is running, be it one that has been removed since.
    pub fn is_polling(&self, key: &K) -> bool {
        self.slots.get(key).is_some_and(|s| !matches!(s.state, State::Waiting { .. }))
    }

    /// Adds miners; those that are there already keep their turn. Their first turns come in quick succession, at most
    /// one interval long, and then each goes over to its own beat. Returns how many were new.
    pub fn extend(&mut self, keys: impl IntoIterator<Item = K>, now: Duration) -> usize {
        let fresh: BTreeSet<K> = keys.into_iter().filter(|key| !self.contains(key)).collect();
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        let spread = FIRST_ROUND_SPACING.saturating_mul(count).min(self.interval);
        let added = fresh.len();
        for key in fresh {
            self.add(key, now, spread);
        }
        added
    }

    fn add(&mut self, key: K, now: Duration, spread: Duration) {
        let rank = self.free_ranks.pop_first().unwrap_or_else(|| {
            self.next_rank += 1;
            self.next_rank - 1
        });
        let place = place_of(rank, self.turn);
        let beat = fraction(place, self.interval);
        let state = if let Some(Slot { state: State::Leaving { started }, .. }) = self.slots.get(&key) {
            // Its last poll still runs; the next turn is found when that ends.
            self.leaving -= 1;
            State::Polling { started: *started }
        } else {
            let due = now.saturating_add(fraction(place, spread));
            self.queue.insert(due, key.clone());
            State::Waiting { due }
        };
        self.slots.insert(key, Slot { rank, beat, state });
    }

    /// Removes a miner. Returns whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(slot) = self.slots.get_mut(key) else { return false };
        match slot.state {
            State::Leaving { .. } => return false,
            State::Polling { started } => {
                self.free_ranks.insert(slot.rank);
                slot.state = State::Leaving { started };
                self.leaving += 1;
            }
            State::Waiting { due } => {
                self.free_ranks.insert(slot.rank);
                self.queue.remove(due, key);
                self.slots.remove(key);
            }
        }
        true
    }

    /// When the next miner is due; may be in the past. `None` while nothing waits, and while there is no room for who does.
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// How many polls are running.
    pub fn running(&self) -> usize {
        self.queue.running()
    }

    /// Takes a miner whose turn has come and for whom there is room, if there is any: from the group with the fewest polls
    /// running the one that has been due for the longest time. It counts as being polled from now on, until
    /// [`done`](Self::done).
    pub fn take_due(&mut self, now: Duration) -> Option<Due<K>> {
        let (due, key) = self.queue.begin(now)?;
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.state = State::Polling { started: now };
        }
        Some(Due { key, due, late: now.saturating_sub(due) })
    }

    /// A poll has ended. The next turn is the first beat that is at least half an interval after this poll began and a
    /// tenth of an interval after it ended; beats before that are skipped. Returns that turn, or `None` for a miner that
    /// was removed meanwhile or is not being polled.
    pub fn done(&mut self, key: &K, now: Duration, pace: Pace) -> Option<Duration> {
        let slot = self.slots.get_mut(key)?;
        match slot.state {
            State::Waiting { .. } => None,
            State::Leaving { .. } => {
                self.queue.end(key);
                self.slots.remove(key);
                self.leaving -= 1;
                None
            }
            State::Polling { .. } if pace == Pace::Soon => {
                let due = now.saturating_add((self.interval / 10).min(SOON));
                slot.state = State::Waiting { due };
                self.queue.end(key);
                self.queue.insert(due, key.clone());
                Some(due)
            }
            State::Polling { started } => {
                let beats = match pace {
                    Pace::Regular | Pace::Soon => 1,
                    Pace::Backoff(failures) => 1_u32
                        .checked_shl(failures)
                        .unwrap_or(u32::MAX)
                        .min(whole(self.longest, self.interval)),
                };
                let pause = self.interval.saturating_mul(beats).saturating_sub(self.interval / 2);
                let earliest = started.saturating_add(pause).max(now.saturating_add(self.interval / 10));
                let due = next_beat(slot.beat, self.interval, earliest);
                slot.state = State::Waiting { due };
                self.queue.end(key);
                self.queue.insert(due, key.clone());
                Some(due)
            }
        }
    }

    /// Makes a miner due now, out of turn. Does nothing for one that is being polled or is not there.
    pub fn hurry(&mut self, key: &K, now: Duration) {
        self.advance(key, now);
    }

    /// Lets a miner that backs off be asked at its very next beat, because there is reason to think that it has come back.
    /// Does nothing for one that is being polled or is not there.
    pub fn expect(&mut self, key: &K, now: Duration) {
        let beat = self.slots.get(key).map(|slot| next_beat(slot.beat, self.interval, now));
        if let Some(beat) = beat {
            self.advance(key, beat);
        }
    }

    /// Makes a waiting miner due at a time, unless it is due earlier.
    fn advance(&mut self, key: &K, at: Duration) {
        let Some(Slot { state: State::Waiting { due }, .. }) = self.slots.get_mut(key) else { return };
        if *due > at {
            self.queue.remove(*due, key);
            *due = at;
            self.queue.insert(at, key.clone());
        }
    }

    /// By how much the schedule is behind: how long the most overdue miner has been waiting, for room too. Costs O(groups).
    pub fn lag(&self, now: Duration) -> Duration {
        self.queue.oldest().map_or(Duration::ZERO, |due| now.saturating_sub(due))
    }
}

/// The first of `beat`, `beat + interval`, `beat + 2·interval`, … that is not before `earliest`.
fn next_beat(beat: Duration, interval: Duration, earliest: Duration) -> Duration {
    let (beat, interval, earliest) = (nanos(beat), nanos(interval).max(1), nanos(earliest));
    let rounds = earliest.saturating_sub(beat).div_ceil(interval);
    Duration::from_nanos(beat.saturating_add(rounds.saturating_mul(interval)))
}

/// Where in the interval the beat of a miner is, in parts of 2⁶⁴.
fn place_of(rank: u64, turn: u64) -> u64 {
    rank.wrapping_mul(GOLDEN).wrapping_add(turn)
}

/// Nanoseconds, saturating after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How often `part` goes into `whole`, at least once.
fn whole(whole: Duration, part: Duration) -> u32 {
    u32::try_from(nanos(whole) / nanos(part).max(1)).unwrap_or(u32::MAX).max(1)
}

/// The part of a span that `place` is of 2⁶⁴.
fn fraction(place: u64, span: Duration) -> Duration {
    let part = (u128::from(place) * u128::from(nanos(span))) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Spreads neighbouring seeds over the whole range (the finaliser of SplitMix64).
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
