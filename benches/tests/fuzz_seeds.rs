//! Every committed seed of the fuzz targets, run through the bodies of the targets on whatever toolchain runs the tests.
//! Looking for new inputs is cargo-fuzz's business; see `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "the helpers of a test, too, may fail by panicking")]

#[path = "../../fuzz/src/lib.rs"]
pub mod bodies;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Runs all seeds of a target and names those that fail.
fn check(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 5, "{target} has only {} seeds", seeds.len());
    let failed: Vec<_> = seeds
        .iter()
        .filter(|seed| {
            let bytes = fs::read(seed).unwrap();
            catch_unwind(|| body(&bytes)).is_err()
        })
        .map(|seed| seed.file_name().unwrap().to_string_lossy())
        .collect();
    assert!(failed.is_empty(), "seeds of {target} that fail: {failed:?}");
}

#[test]
fn decode() {
    check("decode", bodies::decode);
}

#[test]
fn framing() {
    check("framing", bodies::framing);
}

#[test]
fn http() {
    check("http", bodies::http);
}

#[test]
fn conversation() {
    check("conversation", bodies::conversation);
}

#[test]
fn reports() {
    check("reports", bodies::reports);
}

#[test]
fn targets() {
    check("targets", bodies::targets);
}

#[test]
fn transcript() {
    check("transcript", bodies::transcript);
}

#[test]
fn every_folder_of_seeds_has_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for folder in fs::read_dir(fuzz.join("seeds")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(fuzz.join("fuzz_targets").join(format!("{name}.rs")).exists(), "no target for seeds/{name}");
    }
}
