//! `cargo xtask bench-monitor`: reading and watching over real sockets, and what it costs, beside the bare loop and, with
//! `--peers`, beside the libraries of others at the same machines in the same run.
//!
//! The machines are those of `bench-net serve`, at addresses of 127/8 in a network namespace of its own
//! ([`crate::netns`]). Everybody who reads says in one line of JSON what it came to ([`figures`]); this file prepares the
//! programs, runs them, and writes the tables.

mod figures;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use self::figures::{Figures, Line, Polled, Watched, tables};
use crate::bench_scan::{self, peers, table};
use crate::dist::{self, Profile};
use crate::netns::sandbox::{self, Inside};
use crate::netns::world::{NEAR, Network, Shape, World};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The first machine.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 60, 0, 0);
/// Reads with pyasic.
const PYASIC: &str = "xtask/bench-scan/pyasic_poll.py";
/// How much longer than it should a program may take, for meeting everybody first, in seconds.
const OVERTIME_S: u64 = 180;

/// What is measured.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BenchMonitorArgs {
    /// Measure only rows whose name contains this: poll-100, poll-1000, watch-10, watch-10000; may be given more than once
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Also let asic-rs and pyasic read the same machines
    #[arg(long)]
    peers: bool,
    /// How long everybody reads, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    read_for: u64,
    /// How long is watched, in seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 60)]
    watch_for: u64,
    /// Few machines and unoptimised programs, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Write the tables into docs/performance.md
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write: bool,
}

/// All that the process in the tree has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    folder: PathBuf,
    bench_net: PathBuf,
    rows: Vec<Row>,
    readers: Vec<Reader>,
}

/// How many machines, and what is done with them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    name: String,
    work: Work,
    miners: u32,
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    /// As often as possible, so many at the same time.
    Poll { in_flight: u32 },
    /// Each once in so many seconds.
    Watch { interval_s: u64 },
}

/// Who reads as often as possible: a program and what stands before the usual arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reader {
    name: String,
    is_peer: bool,
    command: Vec<PathBuf>,
}

/// The step that measures.
pub(crate) fn step(args: BenchMonitorArgs) -> Step {
    Step::new("bench-monitor", move |workspace| run(workspace, &args))
}

/// The step that measures hardly anything, to see that every reading is right.
pub(crate) fn run_once() -> Step {
    step(BenchMonitorArgs { quick: true, ..BenchMonitorArgs::default() })
}

fn rows(args: &BenchMonitorArgs) -> Vec<Row> {
    let row = |name: &str, work, miners, seconds| Row { name: name.to_owned(), work, miners, seconds };
    let rows = if args.quick {
        let (poll, watch) = (Work::Poll { in_flight: 16 }, Work::Watch { interval_s: 1 });
        vec![row("poll-32", poll, 32, 1), row("watch-64", watch, 64, 2)]
    } else {
        let (poll, watch) = (Work::Poll { in_flight: 256 }, Work::Watch { interval_s: 10 });
        vec![
            row("poll-100", poll, 100, args.read_for),
            row("poll-1000", poll, 1_000, args.read_for),
            row("watch-10", watch, 10, args.watch_for.min(20)),
            row("watch-10000", watch, 10_000, args.watch_for),
        ]
    };
    let is_named = |row: &Row| args.only.is_empty() || args.only.iter().any(|name| row.name.contains(name));
    rows.into_iter().filter(is_named).collect()
}

fn run(workspace: &Workspace, args: &BenchMonitorArgs) -> Result<Outcome> {
    let rows = rows(args);
    ensure!(!rows.is_empty(), "no row is called so");
    if let Some(missing) = sandbox::missing() {
        return Ok(Outcome::Skipped(missing));
    }
    let target = workspace.metadata()?.target_directory;
    let folder = target.join("bench-monitor");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let profile = if args.quick { Profile::Dev } else { Profile::Release };
    let bench_net = dist::build_bench_net(workspace, profile)?;
    let reader = |name: &str, is_peer, command: &[&Path]| Reader {
        name: name.to_owned(),
        is_peer,
        command: command.iter().map(|part| part.to_path_buf()).collect(),
    };
    let own: &[&Path] = &[&bench_net, Path::new("poll")];
    let mut readers =
        vec![reader("bare", false, &[own, &[Path::new("--bare")]].concat()), reader("bitlink", false, own)];
    if args.peers {
        match peers::asic_rs_programs(workspace, &target.join("bench-scan")) {
            Ok(programs) => readers.push(reader("asic-rs", true, &[&programs.join("asic-rs-poll")])),
            Err(error) => println!("left out: asic-rs: {error:#}"),
        }
        match peers::python_with_pyasic(workspace) {
            Ok(python) => readers.push(reader("pyasic", true, &[&python, &workspace.root().join(PYASIC)])),
            Err(error) => println!("left out: pyasic: {error:#}"),
        }
    }
    let lines_file = folder.join("lines.json");
    // What an earlier run left is not what this one measured.
    let _ = fs::remove_file(&lines_file);
    let status = sandbox::enter(&Inside::Monitor(Plan { folder, bench_net, rows, readers }))?;
    let text = fs::read_to_string(&lines_file).context("nothing was measured")?;
    let lines: Vec<Line> = serde_json::from_str(&text).context("the figures cannot be read")?;
    let mut command = format!("cargo xtask bench-monitor --for {}", args.watch_for);
    command.extend(args.peers.then_some(" --peers"));
    command.extend(args.quick.then_some(" --quick"));
    command.extend(args.only.iter().map(|name| format!(" --only {name}")));
    let about = bench_scan::machine(workspace, &command)?;
    let text = format!("{}\n{about} Whoever reads and the machines share the processors.\n", tables(&lines));
    println!("\n{text}");
    if args.write && status.success() {
        let document = workspace.root().join("docs/performance.md");
        let before = fs::read_to_string(&document).context("cannot read docs/performance.md")?;
        fs::write(&document, table::replaced(&before, "bench-monitor", &text)?)
            .context("cannot write docs/performance.md")?;
        println!("written to docs/performance.md");
    }
    match lines.iter().filter(|line| line.trouble.is_some() && !line.is_peer).count() {
        0 if status.success() => Ok(Outcome::Passed),
        0 => bail!("it was broken off ({status})"),
        count => bail!("{count} measurements went wrong; see the lines above"),
    }
}

/// Measures, within a tree of processes of its own. Says whether all was well.
///
/// # Errors
///
/// When the figures cannot be written.
pub(crate) fn inside(plan: &Plan) -> Result<bool> {
    let mut lines: Vec<Line> = Vec::new();
    let watcher = [Reader {
        name: "bitlink".to_owned(),
        is_peer: false,
        command: vec![plan.bench_net.clone(), PathBuf::from("watch")],
    }];
    for row in &plan.rows {
        let readers = if matches!(row.work, Work::Poll { .. }) { plan.readers.as_slice() } else { &watcher };
        for reader in readers {
            let line =
                Line::new(&row.name, &reader.name, reader.is_peer, row.miners, measure(plan, row, reader));
            println!("{}", line.on_the_way());
            lines.push(line);
            // After each, so that an interruption loses nothing.
            fs::write(plan.folder.join("lines.json"), serde_json::to_string(&lines)?)
                .context("cannot write the figures")?;
        }
    }
    Ok(true)
}

/// One program at machines that were made for it.
fn measure(plan: &Plan, row: &Row, reader: &Reader) -> Result<Figures> {
    let net = Ipv4Net::new(FIRST, 16)?;
    let everywhere = Network::new(Shape::Loopback, net, 1 << 16);
    let world = World::build(&everywhere, &plan.bench_net, &["--machines", &row.miners.to_string()])?;
    let mut command = world.command(NEAR, Path::new("timeout"))?;
    command.arg((row.seconds + OVERTIME_S).to_string()).args(&reader.command);
    command.args([FIRST.to_string(), row.miners.to_string()]);
    match row.work {
        Work::Poll { in_flight } => {
            command.args([in_flight.to_string(), row.seconds.to_string()]);
        }
        Work::Watch { interval_s } => {
            command.arg(row.seconds.to_string()).args(["--interval", &interval_s.to_string()]);
        }
    }
    let said = process::capture(&mut command)?;
    let line = said.lines().rev().find(|line| line.starts_with('{')).context("it said nothing")?;
    Ok(match row.work {
        Work::Poll { .. } => {
            Figures::Polled(serde_json::from_str::<Polled>(line).context("no figures of reading")?)
        }
        Work::Watch { interval_s } => {
            let mut watched: Watched = serde_json::from_str(line).context("no figures of watching")?;
            watched.interval_s = interval_s;
            Figures::Watched(watched)
        }
    })
}

#[cfg(test)]
mod tests {
    //! The rows.
    use super::*;

    #[test]
    fn rows_are_found_by_a_part_of_their_names() {
        let only = |name: &str| rows(&BenchMonitorArgs { only: vec![name.to_owned()], ..Default::default() });
        let names: Vec<_> = only("watch").into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["watch-10", "watch-10000"]);
        assert!(only("nothing").is_empty());
        assert_eq!(rows(&BenchMonitorArgs { quick: true, ..Default::default() }).len(), 2);
    }
}
