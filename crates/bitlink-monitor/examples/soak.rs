//! A large farm for days in virtual time; what `cargo xtask soak` runs. Prints what came of it and fails if a status was wrong.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a check stops where it fails

#[path = "../tests/soak/plan.rs"]
mod plan;
#[path = "../tests/soak/world.rs"]
mod world;

use plan::Plan;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut plan = Plan { miners: 10_000, days: 7, seed: 1, interval: Duration::from_mins(5) };
    let mut log = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match (name.as_str(), value.parse::<u64>()) {
            ("--miners", Ok(n)) => plan.miners = usize::try_from(n).unwrap().max(1),
            ("--days", Ok(n)) => plan.days = u32::try_from(n).unwrap().max(1),
            ("--seed", Ok(n)) => plan.seed = n,
            ("--interval-s", Ok(n)) => plan.interval = Duration::from_secs(n.max(1)),
            ("--log", _) => log = Some(value),
            _ => {
                eprintln!("usage: soak [--miners N] [--days N] [--seed N] [--interval-s N] [--log FILE]");
                return ExitCode::from(2);
            }
        }
    }
    println!(
        "{} miners, {} days, one poll in {} s, seed {}",
        plan.miners,
        plan.days,
        plan.interval.as_secs(),
        plan.seed
    );
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let began = std::time::Instant::now();
    let outcome = runtime.block_on(world::run(&plan, log.is_some()));
    let took = began.elapsed();
    let (answered, failed) = outcome.polls;
    println!("events:        {}, hash {:016x}", outcome.events, outcome.log_hash);
    println!("polls:         {answered} answered, {failed} not");
    println!("compared:      {} firmly, {} while something settled", outcome.firm, outcome.settling);
    println!("shown:         {:?}", outcome.shown);
    println!("wrong:         {} statuses, {} identities", outcome.wrong, outcome.wrong_identity);
    println!("time:          {:.1} s", took.as_secs_f64());
    match outcome.bytes_per_miner {
        Some(bytes) => println!("memory:        {bytes} bytes a miner"),
        None => println!("memory:        not known on this system"),
    }
    for words in &outcome.words {
        println!("  {words}");
    }
    if let Some((path, text)) = log.zip(outcome.log) {
        std::fs::write(path, text).unwrap();
    }
    if outcome.wrong + outcome.wrong_identity == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
