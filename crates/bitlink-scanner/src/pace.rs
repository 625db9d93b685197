//! How fast and how wide a sweep may go: a rate, a width that gives way when this machine runs short of sockets, and
//! the pauses between tries. Knows nothing of addresses or outcomes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Hands out moments to begin: evenly spaced once a burst is used up.
#[derive(Debug)]
pub(crate) struct Pacer {
    spacing: Option<(Duration, Mutex<Option<Instant>>)>,
}

/// How much of an idle time may be made up for at once: as many beginnings as this long holds. It lets a small network
/// through without a wait, and is too short to matter to a large one.
const BURST: Duration = Duration::from_millis(500);

impl Pacer {
    /// So many beginnings per second, or as many as come.
    pub(crate) fn new(rate: Option<u32>) -> Self {
        Self { spacing: rate.map(|rate| (Duration::from_secs(1) / rate.max(1), Mutex::new(None))) }
    }

    /// Waits for the next free moment. Moments that nobody took are made up for within bounds.
    pub(crate) async fn wait(&self) {
        let Some((spacing, next)) = &self.spacing else { return };
        let now = Instant::now();
        let moment = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            // As if none had begun for as long as a burst, at the beginning and after an idle time.
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            let moment = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(moment + *spacing);
            moment
        };
        if moment > now {
            sleep_until(moment).await;
        }
    }
}

/// How many may be in flight: narrows by one for each that found no socket, and widens again by one after a run of
/// calm ones.
#[derive(Debug)]
pub(crate) struct Gate {
    permits: Semaphore,
    width: usize,
    lost: AtomicUsize,
    most_lost: AtomicUsize,
    calm: AtomicUsize,
}

/// So many must go well before the gate widens by one.
const CALM_RUN: usize = 64;

impl Gate {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            permits: Semaphore::new(width),
            width,
            lost: AtomicUsize::new(0),
            most_lost: AtomicUsize::new(0),
            calm: AtomicUsize::new(0),
        }
    }

    /// Waits for room, first come, first served. `None` never happens: the gate is never closed.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// It went well: back through the gate.
    pub(crate) fn leave(&self, permit: Option<SemaphorePermit<'_>>) {
        drop(permit);
        if self.lost.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.calm.fetch_add(1, Ordering::Relaxed) + 1 >= CALM_RUN {
            self.calm.store(0, Ordering::Relaxed);
            let regained =
                self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lost| lost.checked_sub(1));
            if regained.is_ok() {
                self.permits.add_permits(1);
            }
        }
    }

    /// There was no socket for it: the gate is too wide.
    pub(crate) fn narrow(&self, permit: Option<SemaphorePermit<'_>>) {
        self.calm.store(0, Ordering::Relaxed);
        let Some(permit) = permit else { return };
        let lost = self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lost| {
            (lost + 1 < self.width).then_some(lost + 1)
        });
        if let Ok(before) = lost {
            self.most_lost.fetch_max(before + 1, Ordering::Relaxed);
            permit.forget();
        }
    }

    /// The narrowest it has been, unless it never had to be.
    pub(crate) fn narrowed_to(&self) -> Option<usize> {
        let most_lost = self.most_lost.load(Ordering::Relaxed);
        (most_lost > 0).then(|| self.width - most_lost)
    }
}

/// The pause before a try is repeated for want of sockets: 10 ms, doubling up to 1 s, drawn out by up to a half that
/// differs from endpoint to endpoint, so that those who failed together do not come back together.
pub(crate) fn back_off(times: u32, salt: u64) -> Duration {
    let pause = Duration::from_millis(10 << times.saturating_sub(1).min(7)).min(Duration::from_secs(1));
    // Fibonacci hashing: neighbours get distant values.
    let spread = (salt ^ u64::from(times)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let spread = u32::try_from(spread).unwrap_or(0);
    pause + pause / 2 * spread / 65_536
}

#[cfg(test)]
mod tests {
    //! Rates and widths in virtual time.
    use super::*;
    use futures::future::join_all;

    #[tokio::test(start_paused = true)]
    async fn beginnings_are_evenly_spaced_after_a_burst_however_many_wait() {
        let pacer = Pacer::new(Some(100));
        let began = Instant::now();
        join_all((0..201).map(|_| pacer.wait())).await;
        let took = began.elapsed();
        assert!(took >= BURST * 3 && took < BURST * 3 + Duration::from_millis(20), "{took:?}");
        tokio::time::advance(Duration::from_mins(1)).await;
        let again = Instant::now();
        join_all((0..101).map(|_| pacer.wait())).await;
        assert!(again.elapsed() >= BURST, "of an idle minute no more than a burst is made up for");
    }

    #[tokio::test]
    async fn the_gate_narrows_never_shuts_and_widens_again() {
        let gate = Gate::new(4);
        for _ in 0..10 {
            let permit = gate.enter().await;
            gate.narrow(permit);
        }
        assert_eq!(gate.narrowed_to(), Some(1));
        assert_eq!(gate.permits.available_permits(), 1);
        for _ in 0..CALM_RUN * 10 {
            let permit = gate.enter().await;
            gate.leave(permit);
        }
        assert_eq!(gate.permits.available_permits(), 4);
        assert_eq!(gate.narrowed_to(), Some(1), "the report remembers");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        assert!(back_off(1, 0) >= Duration::from_millis(10));
        for times in 1..200 {
            assert!(back_off(times, 7) <= Duration::from_millis(1_500));
        }
        assert!(back_off(20, 7) >= Duration::from_secs(1));
        assert_ne!(back_off(8, 1), back_off(8, 2));
    }
}
