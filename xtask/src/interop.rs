//! Interoperation: two independent libraries, pyasic and pyasic_rs, read our simulator and must agree with us.
//!
//! This module prepares a Python environment with the pinned libraries and runs `xtask/interop/compare.py` in it; what
//! is compared, and the starting and stopping of the simulator, is that script's business. The contract with it:
//!
//! * it is called as `compare.py --bitlink PATH --simulator PATH [--write]`, in the workspace's root, with the freshly built program
//!   and the freshly built example `serve` of the simulator, whose machines stand still in time;
//! * it starts the simulator itself, on loopback addresses only, and stops it before it ends;
//! * it exits with 0 when all agree, with [`CANNOT_TRY`] when the machine it runs on does not let it try, and otherwise
//!   prints every difference and exits with another code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::dist::{self, Profile};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The script and the list of pinned libraries, relative to the workspace's root.
const SCRIPT: &str = "xtask/interop/compare.py";
const REQUIREMENTS: &str = "xtask/interop/requirements.txt";
/// The example that serves simulated miners.
const SIMULATOR: &str = "serve";
/// The script's exit code for "skipped": some of the miners' ports cannot be taken, which needs root or the capability.
const CANNOT_TRY: i32 = 77;

/// The step that compares; `required` makes what would be skipped a failure, and `write` writes what is found into the
/// documents that are else only compared with it.
pub(crate) fn step(required: bool, write: bool) -> Step {
    Step::new("interop", move |workspace| match interop(workspace, write)? {
        Outcome::Skipped(reason) if required => bail!("{reason}"),
        outcome => Ok(outcome),
    })
}

fn interop(workspace: &Workspace, write: bool) -> Result<Outcome> {
    let script = workspace.root().join(SCRIPT);
    if !script.is_file() {
        return Ok(Outcome::Skipped(format!("{SCRIPT} does not exist yet")));
    }
    let folder = workspace.metadata()?.target_directory.join("interop");
    let python = match environment(workspace, &folder)? {
        Environment::Ready(python) => python,
        Environment::Missing(what) => return Ok(Outcome::Skipped(what)),
    };
    let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
    let simulator = dist::build_example(workspace, SIMULATOR)?;
    let mut compare = Command::new(python);
    compare.current_dir(workspace.root()).arg(script);
    compare.arg("--bitlink").arg(bitlink).arg("--simulator").arg(simulator);
    if write {
        compare.arg("--write");
    }
    // Its lines come as they are printed, and it leaves nothing behind among the sources.
    compare.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    let status = process::status(&mut compare)?;
    match status.code() {
        Some(0) => Ok(Outcome::Passed),
        Some(CANNOT_TRY) => {
            Ok(Outcome::Skipped("ports below 1024 of the simulated miners cannot be taken".to_owned()))
        }
        _ => bail!("the peers do not agree with us ({status})"),
    }
}

/// A Python environment, or what stands in the way of one.
#[derive(Debug)]
pub(crate) enum Environment {
    /// The interpreter of an environment in which the pinned libraries are installed.
    Ready(PathBuf),
    /// What is missing and what to do about it.
    Missing(String),
}

/// Makes the environment in `folder`, or takes the one made before from the same list of libraries.
///
/// # Errors
///
/// When files cannot be read or written; what is merely missing is in the result.
pub(crate) fn environment(workspace: &Workspace, folder: &Path) -> Result<Environment> {
    let requirements = workspace.root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = folder.join("venv");
    // A copy of the list, written last: it is there only if everything in it was installed.
    let installed = folder.join("installed.txt");
    let python = interpreter(&venv);
    if fs::read_to_string(&installed).is_ok_and(|list| list == wanted)
        && process::succeeds(Command::new(&python).arg("--version"))
    {
        return Ok(Environment::Ready(python));
    }

    let Some(system_python) = system_python() else {
        return Ok(Environment::Missing("python3 is not installed".to_owned()));
    };
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    if let Err(error) = process::run(Command::new(system_python).args(["-m", "venv"]).arg(&venv)) {
        return Ok(Environment::Missing(format!(
            "python3 cannot make a virtual environment ({error:#}); on Debian install python3-venv"
        )));
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    if let Err(error) = process::run(pip.arg(&requirements)) {
        return Ok(Environment::Missing(format!(
            "pip cannot install {REQUIREMENTS} ({error:#}); it needs the network, and a Python the libraries support"
        )));
    }
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(Environment::Ready(python))
}

/// The first Python 3 on the path.
fn system_python() -> Option<&'static str> {
    let is_python3 = |name: &&str| {
        process::succeeds(Command::new(name).args(["-c", "import sys; sys.exit(sys.version_info < (3,))"]))
    };
    ["python3", "python"].into_iter().find(is_python3)
}

/// Where a virtual environment keeps its interpreter.
fn interpreter(venv: &Path) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts").join("python.exe") } else { venv.join("bin").join("python") }
}
