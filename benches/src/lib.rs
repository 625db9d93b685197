//! What the benchmarks in `benches/benches` share: how thoroughly to measure, runtimes, miners that answer from
//! fixtures, and networks made of them. It measures nothing itself.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a benchmark that cannot be set up has to stop"
)]

mod miner;
mod network;

use criterion::Criterion;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub use miner::{CannedMiner, DIALECTS, Outcome, defective, drive, long_stats, sound};
pub use network::{InstantTransport, Scripted, network_of};

/// Whether this run only shows that the benchmarks work: unoptimised, or with criterion's `--test`.
pub fn is_trial() -> bool {
    cfg!(debug_assertions) || std::env::args().any(|arg| arg == "--test")
}

/// How many of something a benchmark takes: the number it is about, or a small one in a [trial](is_trial). Names of
/// benchmarks contain the number that is returned, never the other one.
pub fn size(measured: u32, trial: u32) -> u32 {
    if is_trial() { trial } else { measured }
}

/// Criterion as all benchmarks here use it, with the arguments of the command line.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args()
}

/// A single-threaded runtime whose clock jumps over every wait. Real time is what criterion measures: the work alone.
pub fn virtual_time() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// A single-threaded runtime with sockets and the real clock.
pub fn real_time() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
