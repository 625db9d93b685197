//! Networks made for the purpose: namespaces in which a scanner meets thousands of addresses, and out of which nothing gets.
//!
//! [`sandbox`] makes the process tree that owns them and that takes them along when it ends, however it ends; [`world`]
//! builds networks in it; [`guard`] finds ways out of them; [`measure`] runs a program and says what it cost; [`checks`] are
//! the tests of the scanner on such networks, the step `netns`.

pub(crate) mod checks;
pub(crate) mod guard;
pub(crate) mod measure;
pub(crate) mod results;
pub(crate) mod sandbox;
pub(crate) mod world;

use anyhow::{Result, bail};

use self::sandbox::Inside;
use crate::dist::{self, Profile};
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The step that scans networks of namespaces; `required` makes what would be skipped a failure.
pub(crate) fn step(required: bool) -> Step {
    Step::new("netns", move |workspace| match run(workspace)? {
        Outcome::Skipped(reason) if required => bail!("{reason}"),
        outcome => Ok(outcome),
    })
}

fn run(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = sandbox::missing() {
        return Ok(Outcome::Skipped(missing));
    }
    let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
    let bench_net = dist::build_bench_net(workspace, Profile::Dev)?;
    match sandbox::enter(&Inside::Checks { bitlink, bench_net })?.code() {
        Some(0) => Ok(Outcome::Passed),
        _ => bail!("the scanner does not do on these networks what it should; see the lines above"),
    }
}
