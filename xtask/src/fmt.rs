//! Formatting of Rust sources, by rustfmt with the workspace's `rustfmt.toml`.
//!
//! It does not look at other files: what can be said about those is in `tidy`.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The step that fails when a file is not formatted.
pub(crate) fn check() -> Step {
    Step::new("fmt", |workspace| rustfmt(workspace, &["--", "--check"]))
}

/// The step that formats every file.
pub(crate) fn write() -> Step {
    Step::new("fmt", |workspace| rustfmt(workspace, &[]))
}

fn rustfmt(workspace: &Workspace, args: &[&str]) -> Result<Outcome> {
    if !process::has_cargo_subcommand(workspace, "fmt") {
        return Ok(Outcome::not_installed("rustfmt", "rustup component add rustfmt"));
    }
    process::run(process::cargo(workspace).args(["fmt", "--all"]).args(args))?;
    Ok(Outcome::Passed)
}
