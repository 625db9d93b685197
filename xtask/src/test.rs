//! The tests, by cargo-nextest where it is installed and by `cargo test` elsewhere.
//!
//! Doc tests always go through `cargo test --doc`, which is the only runner that knows them. The corpora of the fuzz
//! targets are run by ordinary tests and need nothing here.

use anyhow::Result;

use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The steps of `cargo xtask test`: everything, or what the arguments choose.
pub(crate) fn steps(args: Vec<String>) -> Vec<Step> {
    let choice = !args.is_empty();
    let mut steps = vec![Step::new("test", move |workspace| tests(workspace, &args))];
    if !choice {
        steps.push(Step::new("doc-test", doc_tests));
    }
    steps
}

/// Runs unit and integration tests; `args` go to the runner word for word.
fn tests(workspace: &Workspace, args: &[String]) -> Result<Outcome> {
    let mut runner = process::cargo(workspace);
    if process::has_cargo_subcommand(workspace, "nextest") {
        runner.args(["nextest", "run"]);
    } else {
        // `--tests` is every target with unit or integration tests, and leaves doc tests out.
        runner.args(["test", "--tests"]);
    }
    if !names_packages(args) {
        runner.arg("--workspace");
    }
    if args.is_empty() {
        runner.arg("--no-fail-fast");
    }
    process::run(runner.args(args))?;
    Ok(Outcome::Passed)
}

fn doc_tests(workspace: &Workspace) -> Result<Outcome> {
    process::run(process::cargo(workspace).args(["test", "--workspace", "--doc", "--no-fail-fast"]))?;
    Ok(Outcome::Passed)
}

/// Whether the arguments before `--` choose packages, so that the whole workspace must not be asked for.
fn names_packages(args: &[String]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> bool {
        names_packages(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn packages_are_recognised_only_before_the_double_dash() {
        assert!(names(&["-p", "bitlink-model"]));
        assert!(names(&["-pbitlink-model"]));
        assert!(names(&["--package=bitlink-model", "units"]));
        assert!(!names(&["units"]));
        assert!(!names(&["--", "-p"]));
    }

    #[test]
    fn doc_tests_run_when_nothing_was_chosen() {
        let names: Vec<_> = steps(Vec::new()).iter().map(Step::name).collect();
        assert_eq!(names, ["test", "doc-test"]);
        assert_eq!(steps(vec!["units".to_owned()]).len(), 1);
    }
}
