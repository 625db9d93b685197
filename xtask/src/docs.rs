//! The API documentation, where a broken link or a malformed example is an error.
//!
//! The documents written by hand (`*.md`) are checked in `tidy`.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The step that builds the documentation and, if asked to, opens it in a browser.
pub(crate) fn step(open: bool) -> Step {
    Step::new("docs", move |workspace| docs(workspace, open))
}

fn docs(workspace: &Workspace, open: bool) -> Result<Outcome> {
    let mut doc = process::cargo(workspace);
    doc.args(["doc", "--workspace", "--no-deps"]);
    if open {
        doc.arg("--open");
    }
    let users_flags = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
    doc.env("RUSTDOCFLAGS", format!("{users_flags} -D warnings").trim_start());
    process::run(&mut doc)?;
    Ok(Outcome::Passed)
}
