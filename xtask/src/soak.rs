//! The large soak: the monitor over thousands of simulated machines for days of virtual time, built for speed. Its small
//! form is a test of the monitor. It is no part of the gate.

use crate::process;
use crate::steps::{Outcome, Step};

/// The step that runs it.
pub(crate) fn step(miners: u64, days: u64, seed: u64, interval_s: u64, log: Option<String>) -> Step {
    Step::new("soak", move |workspace| {
        let mut soak = process::cargo(workspace);
        soak.args(["run", "--release", "-p", "bitlink-monitor", "--example", "soak", "--"]);
        for (name, value) in
            [("--miners", miners), ("--days", days), ("--seed", seed), ("--interval-s", interval_s)]
        {
            soak.args([name, &value.to_string()]);
        }
        if let Some(log) = &log {
            soak.args(["--log", log]);
        }
        process::run(&mut soak)?;
        Ok(Outcome::Passed)
    })
}
