//! The cockpit in a real browser: types and units of its scripts, and scenarios from end to end (`e2e`), pictures of every page (`shots`), and how smooth a page of a large
//! farm is (`bench-page`).
//!
//! This module builds the program and finds what has to be there; the scripts in `xtask/e2e` start the program and drive the browser. They
//! exit with 0 when all is well, and their last line has the counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::bench_scan::{self, table};
use crate::dist::{self, Profile};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// Where the scripts are.
const FOLDER: &str = "xtask/e2e";
/// Where the page is.
const PAGE: &str = "crates/bitlink-cockpit/web";
/// Where pictures go.
const PICTURES: &str = "docs/pictures";
const BROWSERS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome-stable"];

/// Older ones do not run what drives the browser.
const OLDEST_NODE: u32 = 20;

/// Arguments of `bench-page`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BenchPageArgs {
    /// How many miners
    #[arg(long, default_value_t = 50_000)]
    miners: u32,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// The step that runs the scenarios; `required` makes what would be skipped a failure.
pub(crate) fn step(required: bool) -> Step {
    Step::new("e2e", move |workspace| match e2e(workspace)? {
        Outcome::Skipped(reason) if required => bail!("{reason}"),
        outcome => Ok(outcome),
    })
}

/// The step that makes the pictures.
pub(crate) fn shots() -> Step {
    Step::new("shots", |workspace| {
        if let Some(missing) = missing(workspace)? {
            return Ok(Outcome::Skipped(missing));
        }
        let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
        let into = workspace.root().join(PICTURES);
        process::run(script(workspace, "shots.mjs", &bitlink).arg("--into").arg(into))?;
        Ok(Outcome::Passed)
    })
}

/// The step that measures the page of a large farm.
pub(crate) fn bench_page(args: BenchPageArgs) -> Step {
    Step::new("bench-page", move |workspace| {
        if let Some(missing) = missing(workspace)? {
            return Ok(Outcome::Skipped(missing));
        }
        let bitlink = dist::build_bitlink(workspace, Profile::Release)?;
        let rows = workspace.metadata()?.target_directory.join("bench-page.md");
        let miners = args.miners.to_string();
        process::run(
            script(workspace, "bench.mjs", &bitlink).args(["--miners", &miners]).arg("--into").arg(&rows),
        )?;
        if args.write {
            let command = format!("cargo xtask bench-page --miners {miners}");
            let about = bench_scan::machine(workspace, &command)?;
            let rows = fs::read_to_string(&rows).context("nothing was measured")?;
            let document = workspace.root().join("docs/performance.md");
            let before = fs::read_to_string(&document).context("cannot read docs/performance.md")?;
            let text = format!(
                "{rows}\n{about} The service, the simulated miners and the browser share the processors.\n"
            );
            fs::write(&document, table::replaced(&before, "bench-page", &text)?)
                .context("cannot write docs/performance.md")?;
            println!("written to docs/performance.md");
        }
        Ok(Outcome::Passed)
    })
}

fn e2e(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = missing(workspace)? {
        return Ok(Outcome::Skipped(missing));
    }
    let page = workspace.root().join(PAGE);
    let types = folder(workspace).join("node_modules/typescript/bin/tsc");
    process::run(Command::new("node").current_dir(&page).arg(types).args(["-p", "jsconfig.json"]))
        .context("the page's types do not fit; see the lines above")?;
    process::run(Command::new("node").current_dir(&page).args(["--test", "tests/"]))
        .context("what the page writes is not what it should be")?;
    let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
    let mut run = script(workspace, "e2e.mjs", &bitlink);
    let status = process::status(&mut run)?;
    if !status.success() {
        bail!("the cockpit does not do what it should ({status}); see the lines above");
    }
    Ok(Outcome::Passed)
}

fn script(workspace: &Workspace, name: &str, bitlink: &Path) -> Command {
    // Whatever hangs ends.
    let mut run = Command::new("timeout");
    run.current_dir(workspace.root())
        .args(["--kill-after=20", "900", "node"])
        .arg(folder(workspace).join(name));
    run.arg("--bitlink").arg(bitlink);
    run
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join(FOLDER)
}

/// What is not there and what to do about it; makes the scripts' libraries ready if all is.
fn missing(workspace: &Workspace) -> Result<Option<String>> {
    if !BROWSERS.iter().any(|path| Path::new(path).exists()) {
        return Ok(Some("no Chromium is installed; on Debian install chromium".to_owned()));
    }
    for (tool, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !process::succeeds(Command::new(tool).arg("--version")) {
            return Ok(Some(format!("{tool} is not installed; on Debian install {package}")));
        }
    }
    let version = process::capture(Command::new("node").arg("--version")).unwrap_or_default();
    let major =
        version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        return Ok(Some(format!("node is {}, and {OLDEST_NODE} or later is needed", version.trim())));
    }
    let folder = folder(workspace);
    // A copy of the list, written last: it is there only if everything in it was installed.
    let installed = folder.join("node_modules/.installed");
    let wanted =
        fs::read_to_string(folder.join("package-lock.json")).context("cannot read package-lock.json")?;
    if fs::read_to_string(&installed).is_ok_and(|list| list == wanted) {
        return Ok(None);
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    if let Err(error) = process::run(&mut npm) {
        return Ok(Some(format!(
            "npm cannot install what {FOLDER}/package.json names ({error:#}); it needs the network"
        )));
    }
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(None)
}
