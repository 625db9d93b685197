//! Rules about documents and other text: how long, what the README names, where links lead, what may not be named.
//!
//! Whether a document is true is for its reader to judge; whether an example in it compiles, for the doc tests.

mod links;

use super::Finding;
use super::sources::has_extension;
use super::tree::Tree;

/// Documents that are read in one go, and how many lines they may have.
const LIMITS: [(&str, usize); 2] = [("README.md", 150), ("ARCHITECTURE.md", 250)];

/// The two commands that the README tells a newcomer: to see it work, and to check a change.
const README_NAMES: [&str; 2] = ["cargo run --release -- demo", "cargo xtask ci"];

/// What no text of the project may name, and why. The words are put together so that this file is none of them.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("../", "shared"), OUTSIDE),
    (concat!("/", "work", "/"), OUTSIDE),
    (concat!("crates", ".io"), REGISTRY),
    (concat!("pypi", ".org"), REGISTRY),
    (concat!("python", "hosted", ".org"), REGISTRY),
    (concat!("npm", "js"), REGISTRY),
];
const OUTSIDE: &str = "is a path of one machine, outside the project";
const REGISTRY: &str =
    "is the host of a package registry; a project names packages, the user's tools find them";

/// Written by cargo, which names its registry.
const GENERATED: &str = "Cargo.lock";

/// Checks every text of the tree.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, limit) in LIMITS {
        let lines = tree.text(path).map_or(0, |text| text.lines().count());
        if lines > limit {
            findings.push(Finding::error(path, lines, format!("{lines} lines; {limit} is the limit")));
        }
    }
    if let Some(readme) = tree.text("README.md") {
        let missing = README_NAMES.into_iter().filter(|command| !readme.contains(command));
        findings.extend(
            missing.map(|command| Finding::error("README.md", 1, format!("does not name `{command}`"))),
        );
    }
    for (path, text) in tree.texts() {
        if path.rsplit('/').next() != Some(GENERATED) {
            findings.extend(forbidden_words(path, text));
        }
        if has_extension(path, "md") {
            findings.extend(broken_links(path, text, tree));
        }
    }
    findings
}

fn forbidden_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for (word, reason) in FORBIDDEN {
            if names(line, word) {
                findings.push(Finding::error(path, number, format!("`{word}` {reason}")));
            }
        }
    }
    findings
}

/// Whether the line has the word; a path that begins with `/` counts only where a path begins.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.split_at(start).0.chars().next_back();
        !word.starts_with('/')
            || !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'))
    })
}

fn broken_links(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let links = links::relative_links(text);
    let findings = links.into_iter().filter_map(|(number, link)| match links::resolve(path, link) {
        Some(target) if tree.exists(&target) => None,
        Some(target) => Some(Finding::error(path, number, format!("link to {target}, which does not exist"))),
        None => Some(Finding::error(path, number, format!("link to {link}, which leaves the project"))),
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        check(&Tree::from(files)).iter().map(ToString::to_string).collect()
    }

    const GOOD_README: &str = "Try `cargo run --release -- demo`, check with `cargo xtask ci`.\n";

    #[test]
    fn nothing_is_wrong_with_nothing() {
        assert_eq!(findings([]), [""; 0]);
        assert_eq!(findings([("README.md", GOOD_README)]), [""; 0]);
    }

    #[test]
    fn long_documents_are_found() {
        let readme = format!("{GOOD_README}{}", "\n".repeat(150));
        assert_eq!(findings([("README.md", &readme)]), ["README.md:151: 151 lines; 150 is the limit"]);
        let architecture = "\n".repeat(251);
        assert_eq!(findings([("ARCHITECTURE.md", &architecture)]).len(), 1);
        assert_eq!(findings([("docs/README.md", &readme)]), [""; 0]);
    }

    #[test]
    fn the_readme_names_both_commands() {
        assert_eq!(
            findings([("README.md", "Welcome. Run cargo xtask ci.\n")]),
            ["README.md:1: does not name `cargo run --release -- demo`"]
        );
    }

    #[test]
    fn paths_of_one_machine_and_registries_are_found() {
        for (word, _) in FORBIDDEN {
            let found = findings([("crates/a/build.py", &format!("first\nsee {word}x\n"))]);
            assert_eq!(found.len(), 1, "{word}: {found:?}");
            assert!(found[0].starts_with("crates/a/build.py:2: `"), "{found:?}");
        }
        let hosts = FORBIDDEN.map(|(word, _)| word).join("\n");
        assert_eq!(findings([("Cargo.lock", &hosts), ("fuzz/Cargo.lock", &hosts)]), [""; 0]);
        let near = concat!("PyPI, net/", "work/x, ./", "work/y and shared");
        assert_eq!(findings([("a.txt", near)]), [""; 0]);
    }

    #[test]
    fn links_must_lead_somewhere() {
        let text = "See [a](b.md), [c](../LICENSE#top)\nand ![d](missing.png) and [e](../../up.md).\n";
        let found = findings([("docs/a.md", text), ("docs/b.md", ""), ("LICENSE", "")]);
        assert_eq!(
            found,
            [
                "docs/a.md:2: link to docs/missing.png, which does not exist",
                "docs/a.md:2: link to ../../up.md, which leaves the project",
            ]
        );
    }
}
