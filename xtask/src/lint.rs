//! Lints: clippy over the sources, cargo-deny over the dependencies.
//!
//! Which lints hold is said in the workspace's `Cargo.toml` and `clippy.toml`, which dependencies may be used in
//! `deny.toml`. Warnings become errors here and nowhere else, so that unfinished work still builds.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The steps `clippy` and `deny`.
///
/// `advisories` adds the comparison with the advisory database. It is not part of the gate for two reasons: the
/// database is fetched from a code host that a build machine need not reach, and it changes by itself, so that a
/// commit which passed yesterday would fail today.
pub(crate) fn steps(advisories: bool) -> Vec<Step> {
    vec![Step::new("clippy", clippy), Step::new("deny", move |workspace| deny(workspace, advisories))]
}

fn clippy(workspace: &Workspace) -> Result<Outcome> {
    if !process::has_cargo_subcommand(workspace, "clippy") {
        return Ok(Outcome::not_installed("clippy", "rustup component add clippy"));
    }
    let mut clippy = process::cargo(workspace);
    process::run(clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(Outcome::Passed)
}

fn deny(workspace: &Workspace, advisories: bool) -> Result<Outcome> {
    if !process::has_cargo_subcommand(workspace, "deny") {
        return Ok(Outcome::not_installed("cargo-deny", "cargo install --locked cargo-deny"));
    }
    let mut deny = process::cargo(workspace);
    // Who pulls a crate in is one `cargo tree -i CRATE` away, and would fill pages for each version met twice.
    deny.args(["deny", "--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if advisories {
        deny.arg("advisories");
    }
    process::run(&mut deny)?;
    Ok(Outcome::Passed)
}
