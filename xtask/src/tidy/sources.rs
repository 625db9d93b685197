//! Rules about Rust sources: forbidden words, tasks without an owner, headers, sizes, file names.
//!
//! They look at text. What needs types or name resolution is a lint of clippy and stands in `Cargo.toml`.

use super::Finding;
use super::lexer::{code_only, has_word, test_lines};
use super::tree::Tree;

/// A word that must not stand in the sources of some crates.
#[derive(Debug)]
struct Ban {
    word: &'static str,
    crates: &'static [&'static str],
    /// Files, relative to the workspace's root, in which it may stand all the same.
    except: &'static [&'static str],
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        word: "TcpStream",
        crates: &["bitlink-scanner"],
        except: &["crates/bitlink-scanner/src/probe.rs"],
        reason: "sockets are opened in probe.rs only; everything else goes through the transport",
    },
    Ban {
        word: "TcpStream",
        crates: &["bitlink-monitor", "bitlink-control", "bitlink-store"],
        except: &[],
        reason: "this layer reaches miners through the transport, if at all",
    },
    Ban { word: "tokio", crates: PURE, except: &[], reason: "this layer does no I/O and knows no runtime" },
    Ban { word: "SystemTime::now", crates: PURE, except: &[], reason: CLOCK },
    Ban { word: "Instant::now", crates: PURE, except: &[], reason: CLOCK },
];

const PURE: &[&str] = &["bitlink-model", "bitlink-protocol"];
const CLOCK: &str = "this layer has no clock; take the time as an argument";

/// The program, whose `main` owns every task; all other crates are libraries.
const PROGRAM: &str = "bitlink-cli";

/// Above this many lines a file is split before the change lands.
const MAX_LINES: usize = 1000;
/// Above this many lines a file is about to need splitting.
const GOOD_LINES: usize = 600;

/// Checks every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts()
        .filter(|(path, _)| has_extension(path, "rs"))
        .flat_map(|(path, text)| file(path, text))
        .collect()
}

/// Whether the file name ends in this extension.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
}

fn file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.rsplit('/').next() == Some("mod.rs") {
        findings.push(Finding::error(path, 1, "a module `foo` is the file foo.rs, not foo/mod.rs"));
    }
    if !text.starts_with("//!") {
        findings.push(Finding::error(path, 1, "the file does not open with `//!` saying what it is for"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let message = format!("{lines} lines; split the file, {MAX_LINES} is the limit");
        findings.push(Finding::error(path, lines, message));
    } else if lines > GOOD_LINES {
        findings.push(Finding::warning(path, lines, format!("{lines} lines; aim for {GOOD_LINES}")));
    }
    // `crates/NAME/src/…`: the product; tests, examples and benches beside it are free.
    if let Some((name, inside)) = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) {
        let code = code_only(text);
        findings.extend(banned_words(path, name, &code));
        if name != PROGRAM && inside != "tests.rs" && !inside.ends_with("/tests.rs") {
            findings.extend(tasks_without_owner(path, text, &code));
        }
    }
    findings
}

fn banned_words(path: &str, name: &str, code: &str) -> Vec<Finding> {
    let bans = BANS.iter().filter(|ban| ban.crates.contains(&name) && !ban.except.contains(&path));
    let findings = bans.flat_map(|ban| {
        let lines = code.lines().zip(1..).filter(|(line, _)| has_word(line, ban.word));
        lines.map(|(_, number)| Finding::error(path, number, format!("`{}`: {}", ban.word, ban.reason)))
    });
    findings.collect()
}

/// Finds tasks that outlive the code which starts them.
///
/// A task belongs in a `JoinSet`. Where it cannot, a comment `// owned by …` on its line or the one before says who
/// ends it. Tests may start what they like: the runtime of a test ends with it.
fn tasks_without_owner(path: &str, text: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut owned_before = false;
    for (((line, code), is_test), number) in text.lines().zip(code.lines()).zip(test_lines(code)).zip(1..) {
        let owned = line.contains("// owned by");
        let spawns = has_word(code, "tokio::spawn") || has_word(code, "task::spawn");
        if spawns && !owned && !owned_before && !is_test {
            let message = "a task without an owner; use a JoinSet, or say `// owned by …` on the line before";
            findings.push(Finding::error(path, number, message));
        }
        owned_before = owned;
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Tree::from([(path, text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_must_open_with_what_it_is_for() {
        let found = findings("xtask/src/a.rs", "use std::fs;\n//! Too late.\n");
        assert_eq!(found, ["xtask/src/a.rs:1: the file does not open with `//!` saying what it is for"]);
        assert_eq!(findings("xtask/src/a.rs", "//! What it is for.\n"), [""; 0]);
        assert_eq!(findings("xtask/src/a.txt", "free\n"), [""; 0]);
    }

    #[test]
    fn mod_rs_is_found() {
        assert!(findings("crates/x/tests/common/mod.rs", "//! Help.\n")[0].contains("not foo/mod.rs"));
        assert_eq!(findings("crates/x/src/model_mod.rs", "//! Fine.\n"), [""; 0]);
    }

    #[test]
    fn long_files_are_found() {
        let of = |lines: usize| format!("//! Long.\n{}", "\n".repeat(lines - 1));
        assert_eq!(findings("a.rs", &of(600)), [""; 0]);
        assert_eq!(findings("a.rs", &of(601)), ["a.rs:601: warning: 601 lines; aim for 600"]);
        assert!(findings("a.rs", &of(1000))[0].contains("warning"));
        assert_eq!(findings("a.rs", &of(1001)), ["a.rs:1001: 1001 lines; split the file, 1000 is the limit"]);
    }

    #[test]
    fn sockets_stay_in_the_probe() {
        let text = "//! Scans.\nuse tokio::net::TcpStream;\n";
        let found = findings("crates/bitlink-scanner/src/sweep.rs", text);
        assert!(found[0].starts_with("crates/bitlink-scanner/src/sweep.rs:2: `TcpStream`:"), "{found:?}");
        assert_eq!(findings("crates/bitlink-scanner/src/probe.rs", text), [""; 0]);
        assert_eq!(findings("crates/bitlink-scanner/tests/sockets.rs", text), [""; 0]);
        assert_eq!(findings("crates/bitlink-monitor/src/probe.rs", text).len(), 1);
    }

    #[test]
    fn clocks_and_runtimes_stay_out_of_the_pure_crates() {
        let text = "//! No tokio here.\n\
                    let a = std::time::SystemTime::now();\n\
                    let b = Instant::now(); // not Instant::now\n\
                    tokio::task::yield_now();\n\
                    let c = \"tokio\";\n";
        for name in ["bitlink-model", "bitlink-protocol"] {
            let found = check(&Tree::from([(format!("crates/{name}/src/a.rs").as_str(), text)]));
            let mut lines: Vec<_> = found.iter().map(|finding| finding.line).collect();
            lines.sort_unstable();
            assert_eq!(lines, [2, 3, 4], "{name}");
        }
        assert_eq!(findings("crates/bitlink-transport/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_task_needs_an_owner() {
        let library = "crates/bitlink-monitor/src/a.rs";
        let bare = "//! Tasks.\nfn f() {\n    tokio::spawn(work());\n}\n";
        let found = findings(library, bare);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("crates/bitlink-monitor/src/a.rs:3: a task without an owner"),
            "{found:?}"
        );
        assert_eq!(findings("crates/bitlink-cli/src/a.rs", bare), [""; 0]);
        assert_eq!(findings("crates/bitlink-monitor/src/a/tests.rs", bare), [""; 0]);
        assert_eq!(findings("crates/bitlink-monitor/tests/a.rs", bare), [""; 0]);

        let owned = "//! Tasks.\nfn f() {\n    // owned by the handle below\n    tokio::spawn(work());\n}\n";
        assert_eq!(findings(library, owned), [""; 0]);
        let far = "//! Tasks.\n// owned by nobody\n\nfn f() { tokio::task::spawn(work()); }\n";
        assert_eq!(findings(library, far).len(), 1);
        assert_eq!(findings(library, "//! Tasks.\nfn f() { set.spawn(work()); }\n"), [""; 0]);

        let in_test = "//! Tasks.\n#[cfg(test)]\nmod tests {\n    fn f() { tokio::spawn(x()); }\n}\n";
        assert_eq!(findings(library, in_test), [""; 0]);
    }
}
