//! The example programs, built so that they cannot rot.
//!
//! They are not run: an example may wait for miners or for a key press.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The step that builds every example of the workspace.
pub(crate) fn step() -> Step {
    Step::new("examples", build)
}

fn build(workspace: &Workspace) -> Result<Outcome> {
    if !workspace.metadata()?.packages.iter().any(|package| package.has_target("example")) {
        return Ok(Outcome::Skipped("no package has examples yet".to_owned()));
    }
    process::run(process::cargo(workspace).args(["build", "--workspace", "--examples"]))?;
    Ok(Outcome::Passed)
}
