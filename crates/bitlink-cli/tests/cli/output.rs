//! Colours, help, and what packagers install.

use crate::support::{bitlink, run};
use std::process::Command;

fn is_colored(command: &mut Command) -> bool {
    String::from_utf8(command.output().unwrap().stderr).unwrap().contains('\u{1b}')
}

#[test]
fn colours_follow_the_option_and_the_environment() {
    let wrong = "scan 10.0.0.9-1";
    assert!(!is_colored(&mut bitlink(wrong)), "not into a pipe");
    assert!(is_colored(&mut bitlink(&format!("{wrong} --color always"))));
    assert!(!is_colored(&mut bitlink(&format!("{wrong} --color never"))));
    assert!(!is_colored(bitlink(wrong).env("NO_COLOR", "1")));
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&format!("completions {shell}")).ended_with(0);
        assert!(script.out.contains("bitlink") && script.out.contains("simulate"), "{shell}");
    }
    let page = run("man").ended_with(0);
    assert!(page.out.contains(".TH bitlink") && page.out.contains("scan"), "{}", page.out);
}

#[test]
fn help_and_version_are_no_errors() {
    let help = run("--help").ended_with(0);
    for command in ["demo", "scan", "get", "monitor", "simulate", "detect"] {
        assert!(help.out.contains(command), "{command}");
    }
    assert!(!help.out.contains("completions"), "what only packagers need is not in the way");
    assert!(run("scan --help").ended_with(0).out.contains("10.0-3.*.5"));
    assert!(run("--version").ended_with(0).out.starts_with("bitlink "));
}

#[test]
fn detect_sends_nothing_and_says_what_there_is() {
    let detected = run("detect --format json");
    assert!(matches!(detected.code, Some(0 | 3)), "{detected:?}");
    for subnet in detected.json()["subnets"].as_array().unwrap() {
        assert!(subnet["command"].as_str().unwrap().starts_with("bitlink scan "));
        assert!(!subnet["network"].as_str().unwrap().starts_with("127."));
    }
}
