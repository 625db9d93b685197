//! Every committed seed of the fuzz targets, run through the bodies of the targets on whatever toolchain runs the tests.
//! Looking for new inputs is cargo-fuzz's business; see `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "the helpers of a test, too, may fail by panicking")]

#[path = "../../fuzz/src/lib.rs"]
pub mod bodies;

use bitlink_protocol::{Answers, Ask, Dialect, Question, registry};
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
fn dialects() {
    check("dialects", bodies::dialects);
}

/// The fixtures of the firmware families as seeds of the target `dialects`, by name.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/bitlink-protocol/fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let seed = seed(&name, &fs::read_to_string(path).unwrap());
            (name, seed)
        })
        .collect();
    seeds.sort();
    seeds
}

fn seed(name: &str, fixture: &str) -> Vec<u8> {
    let asked = |dialect: &&dyn Dialect| {
        [dialect.identity_questions(), dialect.questions(), dialect.more_questions(&Answers::default())]
            .concat()
    };
    let questions: Vec<Question> = registry().iter().flat_map(asked).collect();
    let line_of = |question: &Question| match question.ask {
        Ask::Page(page) | Ask::Knock(page) => {
            let door = match (page.secure, page.port) {
                (true, _) => "https:".to_owned(),
                (_, 0 | 80) => String::new(),
                (_, port) => format!(":{port}"),
            };
            format!("{} {door}{} {}", page.method, page.path, page.body).trim().to_owned()
        }
        Ask::Frame { body, .. } => format!("FRAME {body}"),
        _ => question.command.to_owned(),
    };
    let mut bytes = name.as_bytes().to_vec();
    for (line, reply) in fixture.split(">>> ").skip(1).filter_map(|section| section.split_once('\n')) {
        let question = questions.iter().find(|question| line_of(question) == line.trim());
        let name = question.map_or(line.trim(), |question| question.command);
        bytes.extend([b"\0", name.as_bytes(), b"\n", reply.trim_end().as_bytes()].concat());
    }
    bytes
}

#[test]
fn every_fixture_is_fit_for_every_dialect() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 50, "only {} fixtures", fixtures.len());
    let fails = |seed: &[u8]| catch_unwind(|| bodies::dialects(seed)).is_err();
    // As its own family's, and as everybody's.
    let everybody = |seed: &[u8]| fails(&[b"every family ", seed].concat());
    let failed: Vec<_> =
        fixtures.iter().filter(|(_, seed)| fails(seed) || everybody(seed)).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// What the fuzzer begins with; see `fuzz/README.md`.
#[test]
#[ignore = "writes the corpus of the target dialects, for a fuzzer"]
fn write_the_fixtures_as_a_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/dialects");
    fs::create_dir_all(&folder).unwrap();
    for (name, seed) in fixtures() {
        fs::write(folder.join(name), seed).unwrap();
    }
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
