//! Starting other programs: shown and checked, captured, or only asked whether they are there.
//!
//! It knows no program's arguments; the module of each subject does.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// A `cargo` command that works on the whole workspace.
///
/// It is the cargo that started this program. The variables by which cargo described *this* package are taken away:
/// build scripts that watch them would otherwise run again each time a check goes through xtask.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(workspace.root());
    for (name, _) in std::env::vars_os() {
        if describes_this_package(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether cargo sets this variable to describe the package whose binary it runs.
fn describes_this_package(variable: &OsStr) -> bool {
    variable.to_str().is_some_and(|name| {
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || name.starts_with("CARGO_BIN_")
            || matches!(name, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR")
    })
}

/// Prints the command, runs it with its output going where ours goes, and fails unless it succeeds.
///
/// # Errors
///
/// When the program cannot be started, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Like [`run`], for programs whose exit code says more than success or failure.
///
/// # Errors
///
/// When the program cannot be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    println!("$ {}", shown(command));
    command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Runs the command silently and returns what it wrote to its standard output.
///
/// # Errors
///
/// When the program cannot be started, fails (its standard error is part of the message), or writes other than UTF-8.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    output_of(command.stderr(Stdio::piped()))
}

/// Like [`capture`], but shows the standard error as it comes: for programs that report their progress there.
///
/// # Errors
///
/// As for [`capture`], but for what the program has shown itself.
pub(crate) fn capture_output(command: &mut Command) -> Result<String> {
    println!("$ {}", shown(command));
    output_of(command.stderr(Stdio::inherit()))
}

fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let message = format!("`{}` failed: {}\n{said}", shown(command), output.status);
        bail!("{}", message.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote other than UTF-8", shown(command)))
}

/// Whether the command can be started and succeeds; what it prints is thrown away.
///
/// Used to ask whether a tool is installed.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the command can be started at all; what it prints is thrown away, and how it ends is its own business.
pub(crate) fn starts(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether cargo has the subcommand `name`, be it a component of the toolchain or installed separately.
pub(crate) fn has_cargo_subcommand(workspace: &Workspace, name: &str) -> bool {
    succeeds(cargo(workspace).args([name, "--version"]))
}

/// The command as a person would type it, without its environment.
fn shown(command: &Command) -> String {
    let program = command.get_program();
    let name = std::path::Path::new(program).file_stem().unwrap_or(program);
    let mut line = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let quote = if argument.is_empty() || argument.contains(char::is_whitespace) { "'" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(line, " {quote}{argument}{quote}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/opt/toolchain/bin/cargo");
        command.args(["test", "--", "two words", ""]);
        assert_eq!(shown(&command), "cargo test -- 'two words' ''");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-anywhere"), "{error:#}");
        assert!(!succeeds(&mut Command::new("no-such-program-anywhere")));
    }

    #[test]
    fn only_the_variables_about_this_package_are_taken_away() {
        for ours in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"] {
            assert!(describes_this_package(OsStr::new(ours)), "{ours}");
        }
        for users in ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_INCREMENTAL", "RUSTFLAGS", "PATH"] {
            assert!(!describes_this_package(OsStr::new(users)), "{users}");
        }
    }
}
