//! The text form of a reply: records between `|`, fields between `,`, key and value around the first `=`. ccminer, which has
//! no other, puts `;` between the fields, no status before them, and escapes nothing (ccminer `api.cpp`).
//!
//! It is read into the same shape as JSON, so that nothing above needs to know. All values are strings there; numbers
//! are accepted from strings anyway, since JSON firmware prints them so too.

use serde_json::{Map, Value};

/// Reads a whole text reply; `None` when it is not one of this API.
pub(super) fn parse(text: &str) -> Option<Map<String, Value>> {
    // The bare words that older servers send even to a JSON request.
    if matches!(text, "RESTART" | "BYE") {
        return Some(Map::from_iter([("STATUS".to_owned(), Value::from(text))]));
    }
    if CCMINER.iter().any(|(first, _)| text.starts_with(first)) {
        return Some(ccminer(text));
    }
    if !(text.starts_with("STATUS=") || text.starts_with("CMD=")) {
        return None;
    }
    let mut root = Map::new();
    let mut joined: Option<(String, Map<String, Value>)> = None;
    for record in split(text, '|') {
        let record = record.trim();
        if record.is_empty() {
            continue;
        }
        let fields: Vec<String> = split(record, ',');
        let head = fields.first().map(|f| pair(f)).unwrap_or_default();
        if head.0 == "CMD" {
            finish(&mut root, joined.take());
            joined = Some((head.1.unwrap_or_default(), Map::new()));
            continue;
        }
        let into = joined.as_mut().map_or(&mut root, |(_, part)| part);
        add(into, &head, &fields);
    }
    finish(&mut root, joined);
    Some(root)
}

/// How the records of ccminer's replies begin, and the sections they make.
const CCMINER: [(&str, &str); 3] = [("NAME=", "CCMINER"), ("GPU=", "THREADS"), ("POOL=", "POOL")];

/// More records than a machine has cards.
const MOST_RECORDS: usize = 256;

fn ccminer(text: &str) -> Map<String, Value> {
    let mut root = Map::new();
    for record in text.split('|').map(str::trim).take(MOST_RECORDS) {
        let Some((_, section)) = CCMINER.iter().find(|(first, _)| record.starts_with(first)) else {
            continue;
        };
        let fields = record.split(';').filter_map(|field| field.split_once('='));
        let fields = fields.map(|(key, value)| (key.trim().to_owned(), Value::from(value)));
        let slot = root.entry(*section).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(records) = slot {
            records.push(Value::Object(fields.collect()));
        }
    }
    root
}

/// Puts one part of a joined reply in the layout that JSON uses: an array of one reply.
fn finish(root: &mut Map<String, Value>, part: Option<(String, Map<String, Value>)>) {
    if let Some((command, part)) = part {
        root.insert(command, Value::Array(vec![Value::Object(part)]));
    }
}

/// Adds one record to its section.
fn add(into: &mut Map<String, Value>, head: &(String, Option<String>), fields: &[String]) {
    // `SUMMARY,Elapsed=5`: the bare word names the section. `POOL=0,URL=…`: the first key does, and is a field too.
    let (section, skip) = match (head.0.as_str(), &head.1) {
        (name, None) => (name, 1),
        (name, Some(_)) => (section_of(name), 0),
    };
    let mut record = Map::new();
    for field in fields.iter().skip(skip) {
        let (key, value) = pair(field);
        record.insert(key, Value::String(value.unwrap_or_default()));
    }
    let slot = into.entry(section.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(records) = slot {
        records.push(Value::Object(record));
    }
}

/// The section that a record belongs to by its first key.
fn section_of(key: &str) -> &str {
    match key {
        "POOL" => "POOLS",
        "ASC" | "PGA" | "GPU" | "CPU" | "PROC" => "DEVS",
        other => other,
    }
}

/// Key and value around the first `=` that is not escaped, with escapes undone.
fn pair(field: &str) -> (String, Option<String>) {
    let mut parts = splitn(field, '=', 2).into_iter();
    let key = unescape(parts.next().unwrap_or_default().trim_start());
    (key, parts.next().map(|v| unescape(&v)))
}

fn split(text: &str, separator: char) -> Vec<String> {
    splitn(text, separator, usize::MAX)
}

/// Splits at separators that no backslash precedes, into `n` parts at most; escapes stay.
fn splitn(text: &str, separator: char, n: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == separator && !escaped && parts.len() < n {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}
