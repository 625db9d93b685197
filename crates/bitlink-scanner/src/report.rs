//! Counting: what a scan came to, in numbers that add up. Counts while the scan runs, reports when it ends, and shows
//! nothing itself.

use crate::outcome::OutcomeKind;
use crate::sources::SourceCounts;
use crate::targets::SkippedTargets;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a scan came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScanReport {
    /// How many outcomes there must be: one for each endpoint (address and port), and one for each name without an
    /// address.
    pub total: u64,
    /// How many different addresses the endpoints have.
    pub addresses: u64,
    /// How many endpoints came to what.
    pub counts: OutcomeCounts,
    /// What was named and left out.
    pub skipped: SkippedTargets,
    /// Whether the scan was stopped before its end.
    pub stopped: bool,
    /// From the start to the last outcome, names included.
    pub elapsed: Duration,
    /// Tries at opening a connection, all kinds included.
    pub probes: u64,
    /// Of these, tries after the first because nothing had come back.
    pub probe_retries: u64,
    /// Tries that were repeated because this machine had no socket for them.
    pub exhausted_retries: u64,
    /// Machines with an open port that were asked again because they could not be reached.
    pub identify_retries: u64,
    /// The fewest connections that the scan narrowed itself to for want of sockets; `None` when there were enough.
    pub narrowed_to: Option<usize>,
    /// Questions for neighbours that were sent by ARP.
    pub arp_questions: u64,
    /// Addresses that were asked again because the kernel's table of neighbours had been full.
    pub table_overflows: u64,
    /// Machines that were slow to say who they are and were asked again, with all patience, behind those that were not.
    pub postponed: u64,
    /// The most connections that were tried or talked over at the same time.
    pub most_in_flight: u64,
    /// How long addresses took to answer a probe, by accepting or refusing; `None` when none did.
    pub round_trips: Option<Percentiles>,
    /// How long addresses were waited for that were given up as silent, all tries included; `None` when none were. It
    /// follows the round trips unless the scan does not [learn](crate::ScanConfig::adaptive).
    pub waits: Option<Percentiles>,
    /// What each source of candidates beside the sweep came to. Where it named endpoints that are no targets, the total has
    /// them too.
    pub sources: Vec<SourceCounts>,
}

impl ScanReport {
    /// Whether every endpoint has exactly one outcome, as far as counting can prove it: the counts sum to the total.
    pub fn adds_up(&self) -> bool {
        self.counts.sum() == self.total
    }

    /// Outcomes per second over the whole scan.
    #[allow(clippy::cast_precision_loss)]
    pub fn rate(&self) -> f64 {
        let outcomes = self.counts.sum() - self.counts.of(OutcomeKind::NotProbed);
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { outcomes as f64 / seconds } else { 0.0 }
    }

    /// Connections tried per second over the whole scan, which is what a limit of rate limits.
    #[allow(clippy::cast_precision_loss)]
    pub fn probe_rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.probes as f64 / seconds } else { 0.0 }
    }
}

/// How many endpoints came to each kind of outcome.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts([u64; OutcomeKind::ALL.len()]);

impl OutcomeCounts {
    /// How many came to one kind.
    pub fn of(&self, kind: OutcomeKind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// How many there are in all.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every kind and its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (OutcomeKind, u64)> + '_ {
        OutcomeKind::ALL.into_iter().map(|kind| (kind, self.of(kind)))
    }

    fn add(&mut self, kind: OutcomeKind, more: u64) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += more;
        }
    }
}

impl fmt::Debug for OutcomeCounts {
    /// The counts that are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(counted.map(|(kind, count)| (kind.as_str(), count))).finish()
    }
}

/// How long many things took. Percentiles are rounded up by at most a sixteenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// How many there were.
    pub count: u64,
    /// Half of them were as fast as this.
    pub p50: Duration,
    /// Nine in ten were as fast as this.
    pub p90: Duration,
    /// Ninety-nine in a hundred were as fast as this.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

/// The counts of a running scan, shared by its workers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    outcomes: [AtomicU64; OutcomeKind::ALL.len()],
    round_trips: Histogram,
    waits: Histogram,
    pub(crate) probes: AtomicU64,
    pub(crate) probe_retries: AtomicU64,
    pub(crate) exhausted_retries: AtomicU64,
    pub(crate) identify_retries: AtomicU64,
    pub(crate) arp_questions: AtomicU64,
    pub(crate) table_overflows: AtomicU64,
    pub(crate) postponed: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// One endpoint has come to this.
    pub(crate) fn record(&self, kind: OutcomeKind) {
        if let Some(counter) = self.outcomes.get(kind as usize) {
            count(counter);
        }
    }

    /// An address answered a probe.
    pub(crate) fn answered(&self, after: Duration) {
        self.round_trips.add(after);
    }

    /// An address was given up after so long.
    pub(crate) fn waited(&self, time: Duration) {
        self.waits.add(time);
    }

    /// Counts something as in flight for as long as the guard lives.
    pub(crate) fn fly(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        // Mostly there are fewer than there have been, and looking costs less than writing.
        if now > self.most_in_flight.load(Ordering::Relaxed) {
            self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        }
        InFlight(&self.in_flight)
    }

    /// How many connections are being tried or talked over just now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for (kind, counter) in OutcomeKind::ALL.into_iter().zip(&self.outcomes) {
            counts.add(kind, counter.load(Ordering::Relaxed));
        }
        counts
    }

    /// The report at the end. Whatever has no outcome by now was not probed, which only a stopped scan leaves over.
    pub(crate) fn report(&self, scope: &Scope, elapsed: Duration) -> ScanReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut counts = self.counts();
        counts.add(OutcomeKind::NotProbed, scope.total.saturating_sub(counts.sum()));
        ScanReport {
            total: scope.total,
            addresses: scope.addresses,
            counts,
            skipped: scope.skipped,
            stopped: scope.stopped,
            elapsed,
            probes: read(&self.probes),
            probe_retries: read(&self.probe_retries),
            exhausted_retries: read(&self.exhausted_retries),
            identify_retries: read(&self.identify_retries),
            narrowed_to: scope.narrowed_to,
            arp_questions: read(&self.arp_questions),
            table_overflows: read(&self.table_overflows),
            postponed: read(&self.postponed),
            most_in_flight: read(&self.most_in_flight),
            round_trips: self.round_trips.summary(),
            waits: self.waits.summary(),
            sources: Vec::new(),
        }
    }
}

/// What a report says of the scan itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scope {
    pub(crate) total: u64,
    pub(crate) addresses: u64,
    pub(crate) skipped: SkippedTargets,
    pub(crate) stopped: bool,
    pub(crate) narrowed_to: Option<usize>,
}

/// Something in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Times in microseconds, counted in sixteen steps per power of two: constant memory for any number of answers.
#[derive(Debug)]
struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

/// Enough for 2³⁵ µs, nine hours.
const BUCKETS: usize = 512;
const STEPS: u64 = 16;

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            count(bucket);
        }
        self.max.fetch_max(micros, Ordering::Relaxed);
    }

    fn summary(&self) -> Option<Percentiles> {
        let count: u64 = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).sum();
        if count == 0 {
            return None;
        }
        let max = self.max.load(Ordering::Relaxed);
        let at = |percent: u64| {
            let rank = (count * percent).div_ceil(100);
            let mut seen = 0;
            let index = self.buckets.iter().position(|bucket| {
                seen += bucket.load(Ordering::Relaxed);
                seen >= rank
            });
            Duration::from_micros(index.map_or(max, top_of).min(max))
        };
        Some(Percentiles { count, p50: at(50), p90: at(90), p99: at(99), max: Duration::from_micros(max) })
    }
}

fn bucket_of(micros: u64) -> usize {
    let index = if micros < STEPS {
        micros
    } else {
        let shift = u64::from(micros.ilog2()) - 4;
        (shift + 1) * STEPS + (micros >> shift) - STEPS
    };
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The greatest value that falls into a bucket.
fn top_of(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((index % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    //! The histogram against sorted lists, and counts that add up.
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_are_right_to_a_sixteenth(mut micros in proptest::collection::vec(0_u64..100_000_000, 1..200)) {
            let histogram = Histogram::default();
            for value in &micros {
                histogram.add(Duration::from_micros(*value));
            }
            micros.sort_unstable();
            let summary = histogram.summary().unwrap();
            for (percent, said) in [(50, summary.p50), (90, summary.p90), (99, summary.p99), (100, summary.max)] {
                let truth = micros[(micros.len() * percent).div_ceil(100) - 1];
                let said = u64::try_from(said.as_micros()).unwrap();
                prop_assert!(said >= truth && said <= truth + truth / 16 + 1, "p{percent}: {said} for {truth}");
            }
        }

        #[test]
        fn a_bucket_holds_its_values(micros in 0_u64..1 << 34) {
            let top = top_of(bucket_of(micros));
            prop_assert!(top >= micros && bucket_of(top) == bucket_of(micros));
        }
    }

    #[test]
    fn what_has_no_outcome_was_not_probed() {
        let tally = Tally::default();
        tally.record(OutcomeKind::Found);
        tally.record(OutcomeKind::Silent);
        let report = tally.report(&Scope { total: 5, ..Scope::default() }, Duration::from_secs(2));
        assert!(report.adds_up());
        assert_eq!(report.counts.of(OutcomeKind::NotProbed), 3);
        assert_eq!(report.rate(), 1.0);
        assert_eq!(report.round_trips, None);
    }
}
