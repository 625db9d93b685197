//! The process tree that owns the namespaces: a network, a mount table and a numbering of processes of its own, by
//! `unshare`. The first process in it is this program again.
//!
//! Nothing has to be cleared away, because nothing outlives the tree: the kernel ends every process in it when the first one
//! ends, and throws a network away with its last process. The first one ends when its standard input does, and that is held
//! open by the process outside, so that an error, Ctrl-C, SIGTERM and SIGKILL out there all have the same effect. The names
//! of the namespaces lie on a file system in memory that only the tree sees.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{checks, guard};
use crate::process;
use crate::{bench_monitor, bench_scan};

/// What makes the tree.
const UNSHARE: &[&str] = &[
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
    "--",
];

/// What is done in the tree, and all that it has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Inside {
    /// The tests of the scanner.
    Checks {
        /// The program.
        bitlink: PathBuf,
        /// The helper of the benchmarks.
        bench_net: PathBuf,
    },
    /// The measurements of scans.
    Measure(bench_scan::Plan),
    /// The measurements of reading and watching.
    Monitor(bench_monitor::Plan),
}

/// The whole of what is handed over.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// The network namespace outside, which must not be the one inside.
    outside: PathBuf,
    what: Inside,
}

/// What stands in the way of such a tree, and what to do about it.
pub(crate) fn missing() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("network namespaces are Linux's".to_owned());
    }
    if !process::succeeds(Command::new("ip").arg("-V")) {
        return Some("`ip` is not installed; on Debian: apt-get install iproute2".to_owned());
    }
    if !process::succeeds(Command::new("unshare").arg("--version")) {
        return Some("`unshare` is not installed; on Debian: apt-get install util-linux".to_owned());
    }
    if !process::succeeds(Command::new("unshare").args(UNSHARE).arg("true")) {
        return Some(
            "this process may not make network namespaces; run it as root (CAP_SYS_ADMIN)".to_owned(),
        );
    }
    None
}

/// Runs this program again in a tree of its own and waits for its end.
///
/// # Errors
///
/// When the tree cannot be made.
pub(crate) fn enter(what: &Inside) -> Result<ExitStatus> {
    let order = serde_json::to_string(&Borrowed { outside: own_network()?, what })?;
    let myself = std::env::current_exe().context("this program does not know where it lies")?;
    let mut tree = Command::new("unshare");
    tree.args(UNSHARE).arg(myself).args(["inside", &order]).stdin(Stdio::piped());
    let mut tree = tree.spawn().context("cannot start `unshare`")?;
    // Held until the tree has ended by itself; closed when this process ends, whatever ends it.
    let lifeline = tree.stdin.take();
    let status = tree.wait().context("the tree of processes was lost");
    drop(lifeline);
    status
}

/// [`Order`] without owning it.
#[derive(Debug, Serialize)]
struct Borrowed<'a> {
    outside: PathBuf,
    what: &'a Inside,
}

/// The first process of the tree: makes sure that it is in one, and does what it was told to. Says whether all was well.
///
/// # Errors
///
/// When it is not in a tree of its own, before anything else is done.
pub(crate) fn inside(order: &str) -> Result<bool> {
    let order: Order = serde_json::from_str(order).context("this is for xtask's own use")?;
    ensure!(std::process::id() == 1, "not the first process of a tree of its own");
    ensure!(own_network()? != order.outside, "not in a network of its own");
    let links = guard::links_here()?;
    if let [only] = links.as_slice()
        && only == "lo"
    {
        follow_lifeline();
    } else {
        bail!("a network of its own would have nothing but lo, and not {links:?}");
    }
    process::capture(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0755", "namespaces", "/run"]))?;
    fs::create_dir_all("/run/netns").context("cannot create /run/netns")?;
    match order.what {
        Inside::Checks { bitlink, bench_net } => Ok(checks::run(&bitlink, &bench_net)),
        Inside::Measure(plan) => bench_scan::inside(&plan),
        Inside::Monitor(plan) => bench_monitor::inside(&plan),
    }
}

/// Which network namespace this process is in.
fn own_network() -> Result<PathBuf> {
    fs::read_link("/proc/self/ns/net").context("/proc does not tell of namespaces")
}

/// Ends this process, and so the tree, when the process outside has ended.
fn follow_lifeline() {
    std::thread::spawn(|| {
        // However it ends, it has ended.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(130);
    });
}
