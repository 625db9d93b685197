//! A reply as a document: its status in any of the four shapes, its sections in any of their layouts.

use bitlink_model::Timestamp;
use serde_json::{Map, Value};

/// One decoded reply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    root: Map<String, Value>,
}

impl Document {
    pub(crate) const fn new(root: Map<String, Value>) -> Self {
        Self { root }
    }

    /// The whole reply as a JSON object.
    pub const fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// What the miner says about how the question went. Four shapes are in use: an array of one object (cgminer), an
    /// object (Antminer's newer interface), a string with its companions beside it (WhatsMiner; `RESTART` and `BYE`
    /// everywhere), and none at all.
    pub fn status(&self) -> Option<Status> {
        match self.root.get("STATUS") {
            // A deprecated `setconfig` prints two; the last is the verdict.
            Some(Value::Array(list)) => list.iter().rev().find_map(Value::as_object).map(Status::from_map),
            Some(Value::Object(map)) => Some(Status::from_map(map)),
            Some(Value::String(_)) => Some(Status { bare: true, ..Status::from_map(&self.root) }),
            // Seen alone: {"Code":136}.
            _ if self.root.contains_key("Code") => Some(Status::from_map(&self.root)),
            _ => None,
        }
    }

    /// The records of a section: an array of objects, one object alone, or one numbered section per record
    /// (`POOL0`, `POOL1`, of the sgminer era).
    pub fn section(&self, name: &str) -> Vec<&Map<String, Value>> {
        if let Some(value) = self.root.get(name) {
            return records(value).collect();
        }
        let mut numbered: Vec<(u32, &Value)> = self
            .root
            .iter()
            .filter_map(|(key, value)| {
                let digits = key.strip_prefix(name).or_else(|| key.strip_prefix(name.strip_suffix('S')?))?;
                let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                Some((all_digits.then(|| digits.parse().ok())??, value))
            })
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().flat_map(|(_, value)| records(value)).collect()
    }

    /// The part of a joined reply that answers one command. Both layouts are read: an array of one reply, as servers
    /// send, and a bare reply, as the reference documentation shows.
    pub fn part(&self, command: &str) -> Option<Self> {
        let map = as_map(self.root.get(command)?)?;
        Some(Self { root: map.clone() })
    }

    /// Whether this reply holds the parts of a joined question: no status of its own, one member per command.
    pub fn is_joined(&self) -> bool {
        !self.root.contains_key("STATUS")
            && self.root.values().any(|v| as_map(v).is_some_and(|m| m.contains_key("STATUS")))
    }
}

fn records(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let (list, single) = match value {
        Value::Array(list) => (list.as_slice(), None),
        Value::Object(map) => ([].as_slice(), Some(map)),
        _ => ([].as_slice(), None),
    };
    list.iter().filter_map(Value::as_object).chain(single)
}

/// An object, or the first object of an array.
fn as_map(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Array(list) => list.iter().find_map(Value::as_object),
        _ => None,
    }
}

/// What a miner says about how a question went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The verdict.
    pub letter: StatusLetter,
    /// The firmware's code. Its meaning depends on the dialect.
    pub code: Option<i64>,
    /// In words, where it is a text.
    pub message: Option<String>,
    /// Name and version of the software that answers.
    pub description: Option<String>,
    /// The miner's clock.
    pub when: Option<Timestamp>,
    /// Whether the verdict stood as a plain string, WhatsMiner's own envelope.
    pub bare: bool,
}

/// The verdict on a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusLetter {
    /// Done.
    Success,
    /// Done, with a remark. Not a failure.
    Info,
    /// Done, with a warning. Not a failure.
    Warning,
    /// Refused or impossible.
    Error,
    /// The server's own fault.
    Fatal,
    /// The miner restarts (the whole reply to `restart`).
    Restart,
    /// The mining program ends (the whole reply to `quit`).
    Bye,
    /// Not given, or something else.
    Unknown,
}

impl Status {
    fn from_map(map: &Map<String, Value>) -> Self {
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let letter = match map.get("STATUS").and_then(Value::as_str).map(str::trim) {
            Some("S") => StatusLetter::Success,
            Some("I") => StatusLetter::Info,
            Some("W") => StatusLetter::Warning,
            Some("E") => StatusLetter::Error,
            Some("F") => StatusLetter::Fatal,
            Some("RESTART") => StatusLetter::Restart,
            Some("BYE") => StatusLetter::Bye,
            _ => StatusLetter::Unknown,
        };
        Self {
            letter,
            code: map.get("Code").and_then(crate::record::lenient_integer),
            message: text("Msg"),
            description: text("Description").filter(|d| !d.trim().is_empty()),
            when: map.get("When").or_else(|| map.get("when")).and_then(seconds),
            bare: false,
        }
    }

    /// Whether the miner refused or failed. A remark or a warning is not a failure; neither is silence about it.
    pub const fn is_failure(&self) -> bool {
        matches!(self.letter, StatusLetter::Error | StatusLetter::Fatal)
    }
}

/// A point in time that a miner gives as seconds, whole or not.
fn seconds(value: &Value) -> Option<Timestamp> {
    let seconds = crate::record::lenient_number(value)?;
    #[allow(clippy::cast_possible_truncation)] // bounded on the line before
    (0.0..1e11).contains(&seconds).then(|| Timestamp::from_unix_millis((seconds * 1000.0).round() as i64))
}
