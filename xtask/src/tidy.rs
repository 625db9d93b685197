//! Rules of this house that no compiler checks: layers, forbidden words, file sizes, headers, documents.
//!
//! Each rule is an ordinary function from what it looks at to a list of findings, so its tests feed it a small made-up
//! tree and look at what it finds. Formatting and lints are the business of rustfmt and clippy, not of this module.

mod closure;
mod documents;
mod layers;
mod lexer;
mod sources;
mod tree;

use std::fmt;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// One place where the workspace does not keep a rule.
///
/// The order is the order of reading: by file, then by line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the workspace's root, with `/` between the folders.
    path: String,
    /// The line, from 1.
    line: usize,
    severity: Severity,
    message: String,
}

/// Whether a finding fails the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Error,
    Warning,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, severity: Severity::Error, message: message.into() }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, line, message) }
    }
}

/// `path:line: message`, which editors and terminals turn into a link.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message, .. } = self;
        match self.severity {
            Severity::Error => write!(f, "{path}:{line}: {message}"),
            Severity::Warning => write!(f, "{path}:{line}: warning: {message}"),
        }
    }
}

/// The step `tidy`: prints what it finds and fails if any of it is an error.
pub(crate) fn step() -> Step {
    Step::new("tidy", |workspace| {
        let findings = check(workspace)?;
        for finding in &findings {
            println!("{finding}");
        }
        match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
            0 => Ok(Outcome::Passed),
            1 => bail!("a rule is not kept in 1 place; see the line above"),
            count => bail!("rules are not kept in {count} places; see the lines above"),
        }
    })
}

/// Applies every rule to the workspace and returns the findings in the order of reading.
fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let tree = Tree::read(workspace.root())?;
    let mut findings = layers::check(&workspace.metadata()?, &tree);
    findings.extend(closure::check(workspace)?);
    findings.extend(sources::check(&tree));
    findings.extend(documents::check(&tree));
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_printed_with_path_and_line() {
        assert_eq!(Finding::error("a/b.rs", 3, "no").to_string(), "a/b.rs:3: no");
        assert_eq!(Finding::warning("a/b.rs", 3, "hm").to_string(), "a/b.rs:3: warning: hm");
    }

    #[test]
    fn this_workspace_is_tidy() {
        let mut findings = check(&Workspace::locate().unwrap()).unwrap();
        findings.retain(|finding| finding.severity == Severity::Error);
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
