//! The benchmarks: measured when asked for, and run once, unmeasured, as a check that they still work.
//!
//! It sets no thresholds. What the numbers are compared with is said in the benchmarks themselves.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The package that holds the criterion benchmarks.
const PACKAGE: &str = "bitlink-benches";

/// The step that measures; `args` go to `cargo bench` word for word.
pub(crate) fn measure(args: Vec<String>) -> Step {
    Step::new("bench", move |workspace| bench(workspace, &[], &args))
}

/// The step that runs each benchmark once.
///
/// It builds with the profile of the tests: their dependencies are compiled already, and an optimised build would tell
/// nothing more about a benchmark whose time nobody reads.
pub(crate) fn run_once() -> Step {
    Step::new("bench", |workspace| {
        bench(workspace, &["--profile", "dev"], &["--".to_owned(), "--test".to_owned()])
    })
}

fn bench(workspace: &Workspace, profile: &[&str], args: &[String]) -> Result<Outcome> {
    if !workspace.metadata()?.has_target(PACKAGE, "bench") {
        return Ok(Outcome::Skipped(format!("{PACKAGE} has no benchmarks yet")));
    }
    let mut bench = process::cargo(workspace);
    bench.args(["bench", "-p", PACKAGE, "--benches"]).args(profile).args(args);
    process::run(&mut bench)?;
    Ok(Outcome::Passed)
}
