//! `cargo xtask bench-history`: what recording readings over time costs, by an example of the store that is built for speed. Not part
//! of the gate.

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::bench_scan::{self, table};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// How much is recorded.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchHistoryArgs {
    /// How many miners
    #[arg(long, default_value_t = 10_000)]
    miners: u64,
    /// For how many simulated hours
    #[arg(long, default_value_t = 4)]
    hours: u64,
    /// Over how many days the fleet's total is asked for
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// The step that measures.
pub(crate) fn step(args: BenchHistoryArgs) -> Step {
    Step::new("bench-history", move |workspace| run(workspace, &args))
}

fn run(workspace: &Workspace, args: &BenchHistoryArgs) -> Result<Outcome> {
    let folder = workspace.metadata()?.target_directory.join("bench-history");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut bench = process::cargo(workspace);
    bench.args(["run", "--release", "-p", "bitlink-store", "--example", "bench_history", "--"]).arg(&folder);
    bench.args([args.miners, args.hours, args.days].map(|number| number.to_string()));
    let said = process::capture_output(&mut bench)?;
    let BenchHistoryArgs { miners, hours, days, .. } = args;
    let command = format!("cargo xtask bench-history --miners {miners} --hours {hours} --days {days}");
    let text = format!("{}\n{}\n", said, bench_scan::machine(workspace, &command)?);
    println!("\n{text}");
    if args.write {
        let document = workspace.root().join("docs/performance.md");
        let before = fs::read_to_string(&document).context("cannot read docs/performance.md")?;
        fs::write(&document, table::replaced(&before, "bench-history", &text)?)
            .context("cannot write docs/performance.md")?;
        println!("written to docs/performance.md");
    }
    Ok(Outcome::Passed)
}
