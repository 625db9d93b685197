//! `cargo xtask`: the one door for everything that checks, builds or packages this workspace.
//!
//! This file reads the command line and hands over to one module per subject. It holds no check of its own, and no
//! part of the product depends on it.

mod bench;
mod bench_history;
mod bench_monitor;
mod bench_scan;
mod ci;
mod dist;
mod docs;
mod e2e;
mod examples;
mod farm;
mod fmt;
mod hardware;
mod interop;
mod lint;
mod metrics;
mod mqtt;
mod netns;
mod process;
mod soak;
mod steps;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::steps::OnFailure;
use crate::workspace::Workspace;

/// Checks, builds and packages Bit-Link Miner Manager.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands of `cargo xtask`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything the gate runs: fmt, lint, docs, tidy, hardware, test, netns, bench, bench-scan, bench-monitor, examples, interop, metrics, mqtt, e2e
    Ci {
        /// Run the remaining steps after one has failed
        #[arg(long)]
        keep_going: bool,
    },
    /// Format every Rust file of the workspace
    Fmt {
        /// Only say what is not formatted, and change nothing
        #[arg(long)]
        check: bool,
    },
    /// Run clippy with warnings as errors, and cargo-deny
    Lint {
        /// Also compare the dependencies with the advisory database, which is fetched over the network
        #[arg(long)]
        advisories: bool,
    },
    /// Check what no compiler checks: layers, file sizes, headers, documents
    Tidy,
    /// Run all tests including doc tests; with arguments, hand them to the test runner and leave doc tests out
    Test(PassedOn),
    /// Run the benchmarks; arguments go to `cargo bench`
    Bench(PassedOn),
    /// Measure scans of real sockets over networks of namespaces; needs Linux, root and iproute2
    BenchScan(bench_scan::BenchScanArgs),
    /// Measure reading and watching over real sockets; needs Linux, root and iproute2
    BenchMonitor(bench_monitor::BenchMonitorArgs),
    /// Measure what recording readings over time costs
    BenchHistory(bench_history::BenchHistoryArgs),
    /// Scan flat and broken networks of namespaces; needs Linux, root and iproute2
    Netns {
        /// Fail, rather than skip, when the namespaces cannot be made
        #[arg(long)]
        required: bool,
    },
    /// Build the API documentation with warnings as errors
    Docs {
        /// Open the result in a browser
        #[arg(long)]
        open: bool,
    },
    /// Write `docs/hardware.md`: what is read of which firmware
    Hardware {
        /// Only say whether it is what the fixtures say, and change nothing
        #[arg(long)]
        check: bool,
    },
    /// Let other people's libraries read our simulator and compare their answers with ours
    Interop {
        /// Fail, rather than skip, when python3, the network or the script is missing
        #[arg(long)]
        required: bool,
        /// Write the tables of the documents from what is found
        #[arg(long)]
        write: bool,
    },
    /// Let a real Prometheus read the metrics, rules and dashboard
    Metrics {
        /// Fail, rather than skip, when Prometheus is missing
        #[arg(long)]
        required: bool,
    },
    /// Let a real mosquitto hear of a simulated farm
    Mqtt {
        /// Fail, rather than skip, when mosquitto is missing
        #[arg(long)]
        required: bool,
    },
    /// Drive the cockpit with a real browser from end to end; needs Chromium, node and npm
    E2e {
        /// Fail, rather than skip, when one of these is missing
        #[arg(long)]
        required: bool,
    },
    /// Make the pictures of the documents: every page, dark and light, on a desk and on a phone
    Shots,
    /// Measure how smooth the page of a large farm is, and what it costs the service
    BenchPage(e2e::BenchPageArgs),
    /// Watch a simulated farm for days in virtual time and compare every status with the truth
    Soak {
        /// How many miners
        #[arg(long, default_value_t = 10_000)]
        miners: u64,
        /// For how many days
        #[arg(long, default_value_t = 7)]
        days: u64,
        /// Which of all possible worlds
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Seconds between two polls of a miner
        #[arg(long, default_value_t = 300)]
        interval_s: u64,
        /// Write every event to this file, one a line
        #[arg(long)]
        log: Option<String>,
    },
    /// Build the release binary, the shell completions and the man page into `target/dist`
    Dist,
    /// The first process of a tree that owns namespaces
    #[command(hide = true)]
    Inside {
        /// What to do there
        order: String,
    },
    /// Run a program and write down what it cost
    #[command(hide = true)]
    Measure(netns::measure::MeasureArgs),
}

/// Arguments handed on to another program word for word.
#[derive(Debug, Args)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command and says whether all its steps passed or were skipped.
fn run(command: Command) -> Result<bool> {
    match &command {
        Command::Inside { order } => return netns::sandbox::inside(order),
        Command::Measure(args) => return netns::measure::run(args).map(|()| true),
        _ => {}
    }
    let workspace = Workspace::locate()?;
    let mut on_failure = OnFailure::KeepGoing;
    let steps = match command {
        Command::Ci { keep_going } => {
            if !keep_going {
                on_failure = OnFailure::Stop;
            }
            ci::steps()
        }
        Command::Fmt { check: true } => vec![fmt::check()],
        Command::Fmt { check: false } => vec![fmt::write()],
        Command::Lint { advisories } => lint::steps(advisories),
        Command::Tidy => vec![tidy::step()],
        Command::Test(passed_on) => test::steps(passed_on.args),
        Command::Bench(passed_on) => vec![bench::measure(passed_on.args)],
        Command::BenchScan(args) => vec![bench_scan::step(args)],
        Command::BenchMonitor(args) => vec![bench_monitor::step(args)],
        Command::BenchHistory(args) => vec![bench_history::step(args)],
        Command::Netns { required } => vec![netns::step(required)],
        Command::E2e { required } => vec![e2e::step(required)],
        Command::Shots => vec![e2e::shots()],
        Command::BenchPage(args) => vec![e2e::bench_page(args)],
        Command::Docs { open } => vec![docs::step(open)],
        Command::Hardware { check } => vec![hardware::step(!check)],
        Command::Interop { required, write } => vec![interop::step(required, write)],
        Command::Metrics { required } => vec![metrics::step(required)],
        Command::Mqtt { required } => vec![mqtt::step(required)],
        Command::Soak { miners, days, seed, interval_s, log } => {
            vec![soak::step(miners, days, seed, interval_s, log)]
        }
        Command::Dist => vec![dist::step()],
        // Above; they have no steps.
        Command::Inside { .. } | Command::Measure(_) => Vec::new(),
    };
    Ok(steps::run(&workspace, steps, on_failure).is_success())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_test_are_passed_on_untouched() {
        let cli = Cli::try_parse_from(["xtask", "test", "-p", "bitlink-model", "--", "--nocapture"]).unwrap();
        let Command::Test(passed_on) = cli.command else { panic!("not parsed as `test`") };
        assert_eq!(passed_on.args, ["-p", "bitlink-model", "--", "--nocapture"]);
    }
}
