//! Every fixture with something changed in it: whatever that is, nothing panics, nothing grows without bound, and what
//! was not said is not there.

use super::Fixture;
use crate::{ApiReply, Conversation, ProtocolError, ReadMiner, Reading, Step, decode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;

/// All fixtures, by name.
fn fixtures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// A reading of a machine that may make it long: every question may take some logins.
fn read(fixture: &mut Fixture) -> Result<Reading, ProtocolError> {
    let mut conversation = ReadMiner::new();
    let mut step = conversation.step(None);
    for _ in 0..300 {
        match step {
            Step::Ask(request) => step = conversation.step(Some(fixture.answer(&request))),
            Step::Done(result) => return result,
        }
    }
    panic!("the conversation does not end: {:?}", fixture.asked);
}

/// Where in a fixture something is changed, as numbers that are taken modulo what there is, and how.
#[derive(Debug, Clone, Copy)]
struct Change {
    reply: usize,
    place: usize,
    how: usize,
}

fn changes(ways: usize) -> impl Strategy<Value = Vec<Change>> {
    let change = (any::<usize>(), any::<usize>(), 0..ways);
    prop::collection::vec(change.prop_map(|(reply, place, how)| Change { reply, place, how }), 1..12)
}

/// The head of a page that has one, and the rest.
fn split(reply: &[u8]) -> (&[u8], &[u8]) {
    let end = reply.windows(2).position(|two| two == b"\n\n").filter(|_| reply.starts_with(b"HTTP/1.1 "));
    reply.split_at(end.map_or(0, |at| at + 2))
}

/// The JSON of a reply, mended where it has to be.
fn document(body: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Some(value);
    }
    let parsed = decode("x", &ApiReply::terminated(body)).ok()?;
    Some(Value::Object(parsed.value.root().clone()))
}

/// How many places a document has, the inner ones included.
fn places(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len() + items.iter().map(places).sum::<usize>(),
        Value::Object(map) => map.len() + map.values().map(places).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the value at a place, or takes it away.
fn change(value: &mut Value, place: usize, how: &dyn Fn(&mut Value) -> bool) {
    let mut left = place;
    match value {
        Value::Array(items) => {
            for at in 0..items.len() {
                let inner = places(&items[at]);
                if left == 0 {
                    if !how(&mut items[at]) {
                        items.remove(at);
                    }
                    return;
                }
                left -= 1;
                if left < inner {
                    return change(&mut items[at], left, how);
                }
                left -= inner;
            }
        }
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let inner = map.get(&key).map_or(0, places);
                if left == 0 {
                    if !map.get_mut(&key).is_some_and(how) {
                        map.remove(&key);
                    }
                    return;
                }
                left -= 1;
                if left < inner {
                    if let Some(inside) = map.get_mut(&key) {
                        change(inside, left, how);
                    }
                    return;
                }
                left -= inner;
            }
        }
        _ => {}
    }
}

/// What a value may become.
fn oddities() -> Vec<Value> {
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(-1e-300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("nan"),
        json!("\u{202e}\u{0}x"),
        json!("9".repeat(400)),
        json!("-1.5 GH/s"),
        json!("12:61:99"),
        json!([]),
        json!({}),
        json!([[], {}, null, "", 0]),
        json!([{"a": 1}, {"id": -1}]),
        deep,
        Value::Object((0..300).map(|n| (format!("chain_rate{n}"), json!(n))).collect::<Map<_, _>>()),
        Value::Array(vec![json!({"id": 1, "index": 9, "temp": 50}); 2_000]),
    ]
}

/// A fixture with these changes; `bytes` are those that go into the text itself.
fn spoiled(text: &str, changes: &[Change]) -> Fixture {
    let mut fixture = Fixture::parse(text);
    let names: Vec<String> = fixture.replies.keys().filter(|name| !name.starts_with('*')).cloned().collect();
    let odd = oddities();
    for &Change { reply, place, how } in changes {
        let Some(bytes) = fixture.replies.get_mut(&names[reply % names.len()]) else { continue };
        let (head, body) = split(bytes);
        let body = match (how.checked_sub(4), document(body)) {
            (Some(which), Some(mut document)) => {
                let value = odd[which % odd.len()].clone();
                let all = places(&document).max(1);
                change(&mut document, place % all, &|there: &mut Value| {
                    *there = value.clone();
                    true
                });
                document.to_string().into_bytes()
            }
            (None, Some(mut document)) if how < 2 => {
                let all = places(&document).max(1);
                change(&mut document, place % all, &|_: &mut Value| false);
                document.to_string().into_bytes()
            }
            (None, _) if how == 2 => body[..place % (body.len() + 1)].to_vec(),
            _ => {
                let at = place % (body.len() + 1);
                [&body[..at], b"}]\xff\"[{".as_slice(), &body[at..]].concat()
            }
        };
        *bytes = [head, &body].concat();
    }
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Nothing panics, the conversation ends, and what was read can be shown and is bounded.
    #[test]
    fn a_fixture_with_anything_changed_is_read_or_refused(which in any::<usize>(), changes in changes(25)) {
        let fixtures = fixtures();
        let (name, text) = &fixtures[which % fixtures.len()];
        if let Ok(reading) = read(&mut spoiled(text, &changes)) {
            let snapshot = reading.snapshot;
            prop_assert!(snapshot.anomalies.len() <= 64, "{name}: {} anomalies", snapshot.anomalies.len());
            prop_assert!(snapshot.boards.len() <= 256, "{name}: {} boards", snapshot.boards.len());
            prop_assert!(snapshot.fans.len() <= 256, "{name}: {} fans", snapshot.fans.len());
            prop_assert!(snapshot.pools.len() <= 64, "{name}: {} pools", snapshot.pools.len());
            prop_assert!(snapshot.errors.len() <= 512, "{name}: {} errors", snapshot.errors.len());
            let written = serde_json::to_string(&snapshot).unwrap();
            prop_assert!(written.len() < 2_000_000, "{name}: {} bytes", written.len());
        }
    }

    /// A machine that says no zero is not read with one for saying less. What is counted or the difference of two
    /// numbers may be zero where all is said.
    #[test]
    fn what_was_not_said_is_no_zero(which in any::<usize>(), changes in changes(2)) {
        let fixtures = fixtures();
        let (name, text) = &fixtures[which % fixtures.len()];
        let said = read(&mut without_zeros(text)).map(|reading| all_zeros(&reading)).unwrap_or_default();
        let mut fixture = without_zeros(text);
        let names: Vec<String> =
            fixture.replies.keys().filter(|name| !name.starts_with('*')).cloned().collect();
        for &Change { reply, place, .. } in &changes {
            let Some(bytes) = fixture.replies.get_mut(&names[reply % names.len()]) else { continue };
            let (head, body) = split(bytes);
            let Some(mut document) = document(body) else { continue };
            let all = places(&document).max(1);
            change(&mut document, place % all, &|_: &mut Value| false);
            *bytes = [head, document.to_string().as_bytes()].concat();
        }
        if let Ok(reading) = read(&mut fixture) {
            let new: Vec<_> = all_zeros(&reading).into_iter().filter(|zero| !said.contains(zero)).collect();
            prop_assert!(new.is_empty(), "{name}: {new:?}");
        }
    }
}

/// The same machine, saying ones for zeros.
fn without_zeros(text: &str) -> Fixture {
    let mut fixture = Fixture::parse(text);
    for (name, bytes) in &mut fixture.replies {
        if name.starts_with('*') {
            continue;
        }
        let (head, body) = split(bytes);
        let ones = |text: &str| text.replace('0', "1");
        let body = match document(body) {
            Some(mut document) => {
                no_zeros(&mut document);
                document.to_string()
            }
            None => ones(&String::from_utf8_lossy(body)),
        };
        *bytes = [head, body.as_bytes()].concat();
    }
    fixture
}

fn no_zeros(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let ones = number.to_string().replace('0', "1");
            *value = serde_json::from_str(&ones).unwrap_or(json!(1));
        }
        Value::String(text) => *text = text.replace('0', "1"),
        Value::Array(items) => items.iter_mut().for_each(no_zeros),
        Value::Object(map) => map.values_mut().for_each(no_zeros),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Numbers that are counted from 0, and so say something.
const PLACES: [&str; 7] = ["id", "index", "slot", "position", "priority", "board", "fan"];

fn all_zeros(reading: &Reading) -> Vec<String> {
    zeros(&serde_json::to_value(&reading.snapshot).unwrap(), "")
}

/// Where in what was read a zero stands.
fn zeros(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => vec![path.to_owned()],
        Value::Array(items) => items.iter().flat_map(|item| zeros(item, path)).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !PLACES.contains(&key.as_str()))
            .flat_map(|(key, inner)| zeros(inner, &format!("{path}/{key}")))
            .collect(),
        _ => Vec::new(),
    }
}
