//! A small farm for a day in virtual time: the same seed gives the same events, byte for byte, and no status is
//! wrong. `cargo xtask soak` does the same on a large scale.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

#[path = "soak/plan.rs"]
mod plan;
#[path = "soak/world.rs"]
mod world;

use plan::Plan;
use std::time::Duration;
use world::run;

fn small(seed: u64) -> Plan {
    Plan { miners: 48, days: 1, seed, interval: Duration::from_mins(5) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn no_status_is_wrong_and_the_same_seed_gives_the_same_events() {
    // Both at once, each on a thread and a clock of its own.
    let again = std::thread::spawn(|| runtime().block_on(run(&small(1), true)));
    let first = runtime().block_on(run(&small(1), true));
    assert_eq!((first.wrong, first.wrong_identity), (0, 0), "seed 1:\n{}", first.words.join("\n"));
    assert!(first.firm > first.settling, "{} of {}", first.firm, first.settling);
    for status in ["active", "paused", "warning", "dead"] {
        assert!(first.shown.get(status).is_some_and(|n| *n > 20), "{:?}", first.shown);
    }
    let second = again.join().unwrap();
    let (one, two) = (first.log.unwrap(), second.log.unwrap());
    let differs = one.lines().zip(two.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!((one.len(), first.events, first.log_hash), (two.len(), second.events, second.log_hash));
}
