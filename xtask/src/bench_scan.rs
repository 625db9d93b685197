//! `cargo xtask bench-scan`: scans of real sockets over networks made for the purpose, and what they cost, beside the bare
//! loop and, with `--peers`, beside the programs of others on the same networks in the same run.
//!
//! What is measured is in [`rows`], who scans in [`contestants`], the table in [`table`]; the networks are those of
//! [`crate::netns`]. This file prepares the programs outside and measures them inside.

mod contestants;
pub(crate) mod peers;
mod rows;
pub(crate) mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use self::contestants::Contestant;
use self::rows::Row;
use self::table::{Line, Table};
use crate::dist::{self, Profile};
use crate::netns::measure::Measured;
use crate::netns::sandbox::{self, Inside};
use crate::netns::world::{NEAR, NeighbourTable, World};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// What is measured.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
pub(crate) struct BenchScanArgs {
    /// Measure only rows whose name contains this; may be given more than once
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Measure only these: loop, bitlink, bitlink-brief, nmap, asic-rs, asic-rs-256, asic-rs-tls, pyasic; may be given more than once
    #[arg(long, value_name = "NAME")]
    by: Vec<String>,
    /// Also let nmap, asic-rs and pyasic scan the same networks
    #[arg(long)]
    peers: bool,
    /// How long a peer may take for a row, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    peer_limit: u64,
    /// Small networks and unoptimised programs, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Write the table into docs/performance.md
    #[arg(long, conflicts_with_all = ["quick", "only", "by"])]
    write: bool,
    /// Measure this program instead of building bitlink
    #[arg(long, value_name = "FILE")]
    bitlink: Option<PathBuf>,
    /// Say what would be measured, and measure nothing
    #[arg(long)]
    list: bool,
}

/// All that the process in the tree has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    folder: PathBuf,
    bench_net: PathBuf,
    contestants: Vec<Contestant>,
    rows: Vec<String>,
    quick: bool,
    peer_limit_s: u64,
}

/// The step that measures.
pub(crate) fn step(args: BenchScanArgs) -> Step {
    Step::new("bench-scan", move |workspace| run(workspace, &args))
}

/// The step that measures hardly anything, to see that it still works: a network of each kind of line.
pub(crate) fn run_once() -> Step {
    let only = ["silent-24", "flat-16", "bad-20"].map(str::to_owned).to_vec();
    step(BenchScanArgs { only, peer_limit: 1, quick: true, ..BenchScanArgs::default() })
}

fn run(workspace: &Workspace, args: &BenchScanArgs) -> Result<Outcome> {
    let rows: Vec<Row> = rows::all(args.quick).into_iter().filter(|row| row.is_named(&args.only)).collect();
    ensure!(!rows.is_empty(), "no row is called so; --list names them");
    if args.list {
        for row in &rows {
            println!("{:16} {}", row.name, row.says);
        }
        return Ok(Outcome::Passed);
    }
    if let Some(missing) = sandbox::missing() {
        return Ok(Outcome::Skipped(missing));
    }
    let profile = if args.quick { Profile::Dev } else { Profile::Release };
    let folder = workspace.metadata()?.target_directory.join("bench-scan");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let bench_net = dist::build_bench_net(workspace, profile)?;
    let bitlink = match &args.bitlink {
        Some(file) => file.canonicalize().with_context(|| format!("no such program: {}", file.display()))?,
        None => dist::build_bitlink(workspace, profile)?,
    };
    let mut contestants = vec![
        Contestant::the_loop(&bench_net),
        Contestant::bitlink(&bitlink),
        Contestant::bitlink_brief(&bitlink),
    ];
    let mut absent = Vec::new();
    if args.peers {
        let wanted = |name: &str| args.by.is_empty() || args.by.iter().any(|by| by == name);
        let (present, missing) = peers::prepare(workspace, &folder, wanted);
        contestants.extend(present);
        absent = missing;
    }
    contestants.retain(|contestant| args.by.is_empty() || args.by.contains(&contestant.name));
    for line in &absent {
        println!("left out: {line}");
    }
    ensure!(!contestants.is_empty(), "nobody is called so, or nobody of that name is here");
    let plan = Plan {
        folder: folder.clone(),
        bench_net,
        contestants,
        rows: rows.iter().map(|row| row.name.to_owned()).collect(),
        quick: args.quick,
        peer_limit_s: args.peer_limit,
    };
    let lines_file = folder.join("lines.json");
    // What an earlier run left is not what this one measured.
    let _ = fs::remove_file(&lines_file);
    let contestants = plan.contestants.clone();
    let status = sandbox::enter(&Inside::Measure(plan))?;
    let text = fs::read_to_string(&lines_file).context("nothing was measured")?;
    let lines: Vec<Line> = serde_json::from_str(&text).context("the figures cannot be read")?;
    let table = Table { rows: &rows, contestants: &contestants, lines: &lines, absent: &absent };
    let about = about(workspace, args)?;
    println!("\n{table}\n{about}");
    if args.write && status.success() {
        let document = workspace.root().join("docs/performance.md");
        let before = fs::read_to_string(&document).context("cannot read docs/performance.md")?;
        fs::write(&document, table::replaced(&before, "bench-scan", &format!("{table}\n{about}\n"))?)
            .context("cannot write docs/performance.md")?;
        println!("written to docs/performance.md");
    }
    match lines.iter().filter(|line| line.trouble.is_some() && !line.is_peer).count() {
        0 if status.success() => Ok(Outcome::Passed),
        0 => bail!("it was broken off ({status})"),
        count => bail!("{count} measurements went wrong; see the lines above"),
    }
}

/// Where and how it was measured.
fn about(workspace: &Workspace, args: &BenchScanArgs) -> Result<String> {
    let mut command = "cargo xtask bench-scan".to_owned();
    if args.peers {
        command = format!("{command} --peers --peer-limit {}", args.peer_limit);
    }
    if args.quick {
        command += " --quick";
    }
    for (option, names) in [("only", &args.only), ("by", &args.by)] {
        command.extend(names.iter().map(|name| format!(" --{option} {name}")));
    }
    Ok(format!("{} Scanner and machines share the processors.", machine(workspace, &command)?))
}

/// On which machine and of which commit a command measured.
pub(crate) fn machine(workspace: &Workspace, command: &str) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes: Option<u64> = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gigabytes = kilobytes.unwrap_or(0).div_ceil(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split(['.', '-']).take(2).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let descriptors = process::capture(Command::new("sh").args(["-c", "ulimit -n"]))?;
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        process::capture(git.current_dir(workspace.root()).args(arguments)).map(|text| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
    let is_changed = git(&["status", "--porcelain"]).is_ok_and(|text| !text.is_empty());
    let commit = if is_changed { format!("{commit}, with changes") } else { commit };
    Ok(format!(
        "Measured by `{command}` on {count} processors ({model}), {gigabytes} GB, Linux {}, {} \
         descriptors, at commit {commit}; load average at the end {}.",
        kernel.join("."),
        descriptors.trim(),
        load.join(" "),
    ))
}

/// Measures, within a tree of processes of its own. Says whether all was well.
///
/// # Errors
///
/// When the figures cannot be written.
pub(crate) fn inside(plan: &Plan) -> Result<bool> {
    let mut lines: Vec<Line> = Vec::new();
    println!("{}", table::HEADING);
    for row in rows::all(plan.quick).into_iter().filter(|row| plan.rows.iter().any(|name| name == row.name)) {
        for contestant in &plan.contestants {
            let line = match measure(plan, &row, contestant) {
                Ok(line) => line,
                Err(error) => Line::failed(&row, contestant, &error),
            };
            println!("{}", line.on_the_way());
            lines.push(line);
            // After each, so that an interruption loses nothing.
            fs::write(plan.folder.join("lines.json"), serde_json::to_string(&lines)?)
                .context("cannot write the figures")?;
        }
    }
    Ok(true)
}

/// One scan of one network that was made for it.
fn measure(plan: &Plan, row: &Row, contestant: &Contestant) -> Result<Line> {
    let world = World::build(&row.network, &plan.bench_net, &[])?;
    let (result, output) = (plan.folder.join("measured.json"), plan.folder.join("output.txt"));
    let limit_ms = row.stopped_after_ms.unwrap_or(if contestant.is_peer {
        plan.peer_limit_s * 1_000
    } else {
        rows::OWN_LIMIT_MS
    });
    let before = NeighbourTable::now()?;
    let myself = std::env::current_exe().context("this program does not know where it lies")?;
    let mut measure = world.command(NEAR, &myself)?;
    measure.arg("measure").arg("--result").arg(&result).arg("--output").arg(&output);
    measure.args(["--limit", &limit_ms.to_string(), "--"]);
    if row.without_raw {
        measure.args(crate::netns::checks::WITHOUT_RAW);
    }
    measure.args(contestant.command(row));
    for (name, value) in &contestant.environment {
        measure.env(name, value);
    }
    // What it has to say of itself is kept for whoever asks why.
    let said = fs::File::create(plan.folder.join("said.txt")).context("cannot write said.txt")?;
    measure.stdin(std::process::Stdio::null()).stderr(said);
    let status = measure.status().context("cannot start the measurement")?;
    ensure!(status.success(), "it could not be measured: {}", tail(&plan.folder.join("said.txt")));
    let measured: Measured = serde_json::from_str(&fs::read_to_string(&result).context("no figures")?)?;
    let overflows = NeighbourTable::now()?.table_fulls - before.table_fulls;
    let seen = contestant.read(&output)?;
    let mut line = Line::new(row, contestant, &measured, &seen, overflows);
    if let Some(code) = measured.code.filter(|code| contestant.is_failure(*code)) {
        line.trouble = Some(format!("exit code {code}: {}", tail(&plan.folder.join("said.txt"))));
    }
    Ok(line)
}

/// The last thing that a program said.
fn tail(file: &Path) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing was said").trim().to_owned()
}
