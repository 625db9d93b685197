//! Wrong use: each mistake has its own words, and all end with 2 before anything is sent.

use crate::support::run;

#[track_caller]
fn check(args: &str, words: &[&str]) {
    let ran = run(args).ended_with(2);
    assert_eq!(ran.out, "", "{args}");
    assert!(ran.err.starts_with("error: "), "{args}: {}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{args}: {word:?} in {}", ran.err);
    }
}

#[test]
fn targets() {
    check("scan 10.0.0.0/99", &["\"10.0.0.0/99\" is not a target", "prefix length"]);
    check("scan 10.0.0.300", &["is not a target", "0 to 255"]);
    check("scan 10.0.0.9-10.0.0.1", &["ends before it begins", "hint: write the smaller address first"]);
    check("scan ,", &["no target given", "bitlink detect"]);
    check("scan 10.0.0.0/8", &["16777214 addresses", "limit of 1048576", "--max-addresses"]);
    check("scan 10.0.0.0/24 --max-addresses 100", &["254 addresses", "limit of 100"]);
    check("scan 10.0.0.1:0", &["port", "1 to 65535"]);
    check("scan 10.0.0.1:99999", &["port", "1 to 65535"]);
    check("scan nowhere.invalid", &["no address is known for nowhere.invalid", "check the spelling"]);
    check("scan @/nowhere/farm.txt", &["cannot read the targets in /nowhere/farm.txt", "caused by: "]);
    check("scan 10.0.0.0/24 --exclude a.lan", &["cannot be excluded"]);
    check("get 127.91.31.0/24", &["names 254 addresses where one is needed"]);
    check("get nowhere.invalid", &["no address is known for nowhere.invalid"]);
    check("monitor nowhere.invalid", &["no address is known for nowhere.invalid"]);
}

#[test]
fn hostile_arguments_are_shown_and_not_obeyed() {
    let ran = crate::support::bitlink("scan").arg("10.0.0.1\u{1b}[31m\u{202e}").output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(!err.contains('\u{1b}') && !err.contains('\u{202e}'), "{err:?}");
}

#[test]
fn options() {
    check("scan 127.91.43.1 --family nonsense", &["no such family", "axeos"]);
    check("scan 127.91.32.1 --port 0", &["--port"]);
    check("scan 127.91.32.1 --timeout 0", &["--timeout"]);
    check("scan 127.91.32.1 --concurrency 0", &["concurrency must be 1 to 65536"]);
    check("scan 127.91.32.1 --rate 0", &["rate must be"]);
    check("scan 127.91.32.1 --format xml", &["xml", "ndjson"]);
    check("monitor 127.91.32.1 --interval 0s", &["interval", "1 s to 1 h"]);
    check("monitor 127.91.32.1 --interval soon", &["expected a time like 10s"]);
    check("simulate --miners 0", &["no miners"]);
    check("simulate --mix toaster", &["no firmware called \"toaster\"", "antminer"]);
    check("simulate --mix antminer=many", &["weight"]);
    check("simulate --sick 2", &["a number from 0 to 1"]);
    check("simulate --defect toast", &["no defect is called"]);
    check("simulate --bind 127.91.32.0/30 --miners 4", &["has no room for 4 miners"]);
    check("demo --miners 0", &["1 to 5,000"]);
    check("scan", &["required"]);
    check("scann", &["unrecognized subcommand", "scan"]);
}
