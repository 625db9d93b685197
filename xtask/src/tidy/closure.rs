//! What the lowest crates pull in, all the way down: neither sockets nor a runtime nor randomness.
//!
//! The table in `layers` says what a manifest may name; this rule looks at everything behind those names, as
//! `cargo tree` resolves it, and so proves that an application on the protocol crate alone compiles no tokio.

use anyhow::{Context, Result};

use super::Finding;
use crate::process;
use crate::workspace::Workspace;

/// The crates that do no I/O.
const PURE: [&str; 2] = ["bitlink-model", "bitlink-protocol"];

/// Crates that nothing under a pure crate may be, and neither may their families `name-…`.
const IMPURE: [&str; 10] =
    ["tokio", "mio", "hyper", "reqwest", "socket2", "async-std", "smol", "ureq", "rand", "getrandom"];

/// Checks the dependencies of the pure crates.
///
/// # Errors
///
/// When cargo cannot resolve them.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for name in PURE {
        let mut tree = process::cargo(workspace);
        tree.args(["tree", "--package", name, "--edges", "normal", "--prefix", "none"]);
        let tree = process::capture(&mut tree).with_context(|| format!("cannot resolve {name}"))?;
        findings.extend(impurities(name, &tree));
    }
    Ok(findings)
}

/// The findings in what `cargo tree --prefix none` printed: one dependency per line, its name first.
fn impurities(name: &str, tree: &str) -> Vec<Finding> {
    let dependencies = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut impure: Vec<&str> = dependencies.filter(|name| is_impure(name)).collect();
    impure.sort_unstable();
    impure.dedup();
    let manifest = format!("crates/{name}/Cargo.toml");
    let findings = impure.into_iter().map(|used| {
        let message = format!("{name} pulls in {used}; `cargo tree -p {name} -e normal -i {used}` shows how");
        Finding::error(&manifest, 1, message)
    });
    findings.collect()
}

fn is_impure(name: &str) -> bool {
    let in_family = |impure: &&str| {
        name.strip_prefix(*impure).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    IMPURE.iter().any(in_family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_deep_down_is_found_once() {
        let tree = "bitlink-protocol v0.1.0 (/w/crates/bitlink-protocol)\n\
                    serde v1.0.228\n\
                    tokio-util v0.7.20\n\
                    tokio v1.54.1\n\
                    tokio v1.54.1 (*)\n";
        let found = impurities("bitlink-protocol", tree);
        let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].starts_with("bitlink-protocol pulls in tokio;"), "{messages:?}");
        assert!(messages[1].starts_with("bitlink-protocol pulls in tokio-util;"), "{messages:?}");
    }

    #[test]
    fn names_that_only_begin_alike_are_left_alone() {
        for pure in ["serde", "smol_str", "rand_core", "random", "bitlink-model"] {
            assert!(!is_impure(pure), "{pure}");
        }
        for impure in ["rand", "getrandom", "hyper-util"] {
            assert!(is_impure(impure), "{impure}");
        }
    }
}
