//! What a release is made of: the optimised binary, the completions of the shells and the man page, in `target/dist`.
//!
//! It signs and uploads nothing. `build_bitlink` is also how other commands get at the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The package of the program and the name of its binary.
const PACKAGE: &str = "bitlink-cli";
const BINARY: &str = "bitlink";
/// The helper of the benchmarks on networks.
const BENCH_NET: &str = "bench-net";

/// The shells as `bitlink completions` names them, and the file in which each expects its completions.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "bitlink.bash"),
    ("zsh", "_bitlink"),
    ("fish", "bitlink.fish"),
    ("powershell", "_bitlink.ps1"),
    ("elvish", "bitlink.elv"),
];

/// How the program is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly, as the tests are.
    Dev,
    /// Optimised, as users get it.
    Release,
}

/// The step that fills `target/dist`.
pub(crate) fn step() -> Step {
    Step::new("dist", dist)
}

fn dist(workspace: &Workspace) -> Result<Outcome> {
    let program = build_bitlink(workspace, Profile::Release)?;
    let folder = workspace.metadata()?.target_directory.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let binary = program.file_name().context("cargo named a binary without a file name")?;
    create(&folder)?;
    let copy = folder.join(binary);
    fs::copy(&program, &copy).with_context(|| format!("cannot copy to {}", copy.display()))?;

    for (shell, file) in SHELLS {
        save(&folder.join("completions").join(file), &printed_by(&program, &["completions", shell])?)?;
    }
    save(&folder.join("man").join("bitlink.1"), &printed_by(&program, &["man"])?)?;
    println!("release files are in {}", folder.display());
    Ok(Outcome::Passed)
}

/// Builds the program `bitlink` and returns where it lies.
///
/// # Errors
///
/// When it does not compile, or cargo does not say where it put the binary.
pub(crate) fn build_bitlink(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let mut build = process::cargo(workspace);
    match profile {
        Profile::Release => build.args(["build", "--release", "--package", PACKAGE, "--bin", BINARY]),
        // With the features that the tests were built with, so that hardly anything is built anew.
        Profile::Dev => build.args(["build", "--workspace", "--bin", BINARY]),
    };
    built(&mut build, BINARY)
}

/// Builds the helper of the benchmarks on networks and returns where it lies.
///
/// # Errors
///
/// As for [`build_bitlink`].
pub(crate) fn build_bench_net(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let mut build = process::cargo(workspace);
    match profile {
        Profile::Release => build.args(["build", "--release", "--package", "bitlink-benches"]),
        Profile::Dev => build.args(["build", "--workspace"]),
    };
    built(build.args(["--bin", BENCH_NET]), BENCH_NET)
}

/// Builds an example and returns where it lies.
///
/// # Errors
///
/// As for [`build_bitlink`].
pub(crate) fn build_example(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let mut build = process::cargo(workspace);
    build.args(["build", "--workspace", "--example", name]);
    built(&mut build, name)
}

/// Runs a `cargo build` and returns where the program it made lies.
fn built(build: &mut Command, name: &str) -> Result<PathBuf> {
    let messages = process::capture_output(build.arg("--message-format=json-render-diagnostics"))?;
    executable(&messages, name).with_context(|| format!("cargo built {name} but did not say where"))
}

/// Finds a program among the messages of `cargo build`, one JSON document per line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Option<Target>,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    messages
        .lines()
        // What a build script or a compiler plug-in prints may stand between the messages.
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|target| target.name == name))
        .find_map(|message| message.executable)
}

/// What the program prints when called with `args`.
fn printed_by(program: &Path, args: &[&str]) -> Result<String> {
    let line = format!("{BINARY} {}", args.join(" "));
    let text = process::capture(Command::new(program).args(args))
        .with_context(|| format!("`{line}` did not work; a release needs it"))?;
    if text.trim().is_empty() {
        bail!("`{line}` printed nothing; this build of {BINARY} does not have that command yet");
    }
    Ok(text)
}

fn save(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        create(folder)?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"bitlink_model"},"executable":null}
            a build script says hello
            {"reason":"compiler-artifact","target":{"name":"bitlink"},"executable":"/t/release/bitlink"}
            {"reason":"build-finished","success":true}
        "#;
        assert_eq!(executable(messages, BINARY), Some(PathBuf::from("/t/release/bitlink")));
        assert_eq!(executable(messages, "bitlink_model"), None, "a library is no program");
    }
}
