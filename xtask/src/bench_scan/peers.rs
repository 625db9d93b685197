//! The programs of others that scan for miners and read them, fetched by their ordinary means and pinned where that is possible. Whichever
//! cannot be had is left out, and why is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::contestants::{Contestant, Kind};
use crate::interop::{self, Environment};
use crate::process;
use crate::workspace::Workspace;

/// The sources of the program that calls asic-rs, relative to the workspace's root, and what they are called in a package.
/// They are none of the workspace's own: its lock file would have to hold their three hundred dependencies.
const ASIC_RS: [(&str, &str); 3] = [
    ("xtask/bench-scan/asic-rs.toml", "Cargo.toml"),
    ("xtask/bench-scan/asic-rs.rs", "src/main.rs"),
    ("xtask/bench-scan/asic-rs-poll.rs", "src/poll.rs"),
];
const PYASIC: &str = "xtask/bench-scan/pyasic_scan.py";
/// One certificate that nobody trusts and that nothing here presents.
const CERTIFICATE: &str = "xtask/bench-scan/one-certificate.pem";

/// Those of the wanted ones that are here, and why others are not.
pub(super) fn prepare(
    workspace: &Workspace,
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
) -> (Vec<Contestant>, Vec<String>) {
    let mut present = Vec::new();
    let mut absent = Vec::new();
    if wanted("nmap") {
        match nmap() {
            Ok(nmap) => present.push(nmap),
            Err(error) => absent.push(format!("nmap: {error:#}")),
        }
    }
    let all = [("asic-rs", None, false), ("asic-rs-256", Some(256), false), ("asic-rs-tls", Some(256), true)];
    let all: Vec<_> = all.into_iter().filter(|(name, ..)| wanted(name)).collect();
    if !all.is_empty() {
        match asic_rs(workspace, folder) {
            Ok(program) => present.extend(all.into_iter().map(|(name, limit, is_short)| {
                let asks = match (limit, is_short) {
                    (_, true) => "the same, where its store of certificates holds one (`SSL_CERT_FILE`), 256 in flight",
                    (Some(_), _) => "the same, 256 in flight",
                    (None, _) => {
                        "firmware and model, at ports 80, 4028, 4029 and 8889, and no values; asic-rs 0.8.6 at its defaults"
                    }
                };
                let mut peer = Contestant::peer(name, asks, Kind::AsicRs(limit), &program);
                if is_short {
                    let store = workspace.root().join(CERTIFICATE);
                    peer.environment.push(("SSL_CERT_FILE".to_owned(), store.to_string_lossy().into_owned()));
                }
                peer
            })),
            Err(error) => absent.push(format!("asic-rs: {error:#}")),
        }
    }
    if wanted("pyasic") {
        match pyasic(workspace) {
            Ok(pyasic) => present.push(pyasic),
            Err(error) => absent.push(format!("pyasic: {error:#}")),
        }
    }
    (present, absent)
}

fn nmap() -> Result<Contestant> {
    let version = process::capture(Command::new("nmap").arg("--version"))
        .map_err(|_| anyhow::anyhow!("it is not installed; on Debian: apt-get install nmap"))?;
    let version = version.split_whitespace().nth(2).unwrap_or("of an unknown version");
    let asks = format!("nothing: an open port 4028 will do; nmap {version} with `-n -T4 -p 4028 --open`");
    Ok(Contestant::peer("nmap", &asks, Kind::Nmap, Path::new("nmap")))
}

/// Builds the programs that call asic-rs, and returns the one that scans.
fn asic_rs(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    Ok(asic_rs_programs(workspace, folder)?.join("asic-rs-scan"))
}

/// Builds the programs that call asic-rs and returns the folder in which they lie: `asic-rs-scan` and `asic-rs-poll`.
///
/// # Errors
///
/// When they cannot be built.
pub(crate) fn asic_rs_programs(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let package = folder.join("asic-rs");
    fs::create_dir_all(package.join("src")).context("cannot create the package")?;
    for (from, to) in ASIC_RS {
        let text =
            fs::read_to_string(workspace.root().join(from)).with_context(|| format!("cannot read {from}"))?;
        let to = package.join(to);
        // Left alone where it is the same, so that nothing is built anew.
        if fs::read_to_string(&to).is_ok_and(|before| before == text) {
            continue;
        }
        fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    let mut build = process::cargo(workspace);
    build.current_dir(&package).args(["build", "--release", "--quiet", "--target-dir", "target"]);
    process::run(&mut build).context("it cannot be built; that takes the network once, and a C compiler")?;
    Ok(package.join("target/release"))
}

/// The Python in which pyasic is installed, which is that of `cargo xtask interop`.
fn pyasic(workspace: &Workspace) -> Result<Contestant> {
    let asks = "kind and model, at ports 80 and 4028, and no values; pyasic at its defaults";
    let script = workspace.root().join(PYASIC);
    Ok(Contestant::peer("pyasic", asks, Kind::Pyasic(script), &python_with_pyasic(workspace)?))
}

/// That Python.
///
/// # Errors
///
/// When there is none.
pub(crate) fn python_with_pyasic(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.metadata()?.target_directory.join("interop");
    match interop::environment(workspace, &folder)? {
        Environment::Ready(python) => Ok(python),
        Environment::Missing(what) => anyhow::bail!(what),
    }
}
