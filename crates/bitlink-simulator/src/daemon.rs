//! What all descendants of cgminer share: envelopes, codes, joined commands, access groups (cgminer `api.c`).

use crate::call::{Call, CallError};
use crate::face::{Content, Document, Ending, Moment};
use crate::node::{Node, Record};

/// The answer to one command before it is put in its envelope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    letter: char,
    code: i64,
    message: String,
    sections: Vec<(&'static str, Node)>,
    /// Newer builds leave the description out of some errors.
    described: bool,
    /// A word in the place of a whole reply; the empty word is no reply.
    bare: Option<&'static str>,
}

impl Part {
    /// A success with a section.
    pub(crate) fn section(code: i64, message: impl Into<String>, name: &'static str, value: Node) -> Self {
        Self {
            letter: 'S',
            code,
            message: message.into(),
            sections: vec![(name, value)],
            described: true,
            bare: None,
        }
    }

    /// An answer that is only a status.
    pub(crate) fn status(letter: char, code: i64, message: impl Into<String>) -> Self {
        Self { letter, code, message: message.into(), sections: Vec::new(), described: true, bare: None }
    }

    /// A reply that is one word, as `restart` and `quit` have it.
    pub(crate) fn bare(word: &'static str) -> Self {
        Self { bare: Some(word), ..Self::status('S', 0, "") }
    }

    /// No reply: the connection closes without a byte.
    pub(crate) fn nothing() -> Self {
        Self::bare("")
    }

    /// With one more section.
    pub(crate) fn and(mut self, name: &'static str, value: Node) -> Self {
        self.sections.push((name, value));
        self
    }

    /// Code 14.
    pub(crate) fn unknown() -> Self {
        Self { described: false, ..Self::status('E', 14, "Invalid command") }
    }

    /// Code 45.
    pub(crate) fn denied(command: &str) -> Self {
        Self::status('E', 45, format!("Access denied to '{command}' command"))
    }

    pub(crate) fn into_reply(self, when: u64, description: &str) -> Record {
        if let Some(word) = self.bare {
            return Record::new().text("STATUS", word).int("id", 1);
        }
        let mut status = Record::new()
            .text("STATUS", self.letter)
            .count("When", when)
            .int("Code", self.code)
            .text("Msg", self.message);
        if self.described {
            status = status.text("Description", description);
        }
        let reply = Record::new().put("STATUS", Node::one(status));
        self.sections.into_iter().fold(reply, |reply, (name, value)| reply.put(name, value)).int("id", 1)
    }
}

/// A firmware that descends from cgminer.
pub(crate) trait Daemon {
    /// Name and version in every status.
    fn description(&self, moment: &Moment<'_>) -> String;

    /// The answer to one command, `None` when it knows no such command.
    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part>;

    /// Whether commands can be joined.
    fn joins(&self) -> bool;

    /// Whether a command may be part of a joined request.
    fn joinable(&self, command: &str) -> bool;

    /// Answers a request that has been taken apart.
    fn answer_call(&self, moment: &Moment<'_>, call: &Call) -> Document {
        let description = self.description(moment);
        let when = moment.state.when_s;
        let wrap = |part: Part| part.into_reply(when, &description);
        let command = match &call.command {
            Ok(command) => command.as_str(),
            Err(error) => {
                let part = match error {
                    CallError::NotJson => Part::status('E', 23, "Invalid JSON"),
                    CallError::Missing => Part::status('E', 24, "Missing JSON 'command'"),
                    CallError::NotText => Part::unknown(),
                };
                return Document {
                    form: call.form,
                    content: Content::Single(wrap(part)),
                    ending: Ending::Nul,
                };
            }
        };
        let content = if self.joins() && command.contains('+') {
            let mut parts: Vec<(String, Record)> = Vec::new();
            for word in command.split('+').filter(|word| !word.is_empty()) {
                let word = word.to_ascii_lowercase();
                if parts.iter().any(|(done, _)| *done == word) {
                    continue;
                }
                let part = match Some(())
                    .filter(|()| !PRIVILEGED.contains(&word.as_str()))
                    .and_then(|()| self.part(moment, &word, None))
                {
                    None if PRIVILEGED.contains(&word.as_str()) => Part::denied(&word),
                    None => Part::unknown(),
                    Some(_) if !self.joinable(&word) => Part::denied(&word),
                    Some(part) => part,
                };
                parts.push((word, wrap(part)));
            }
            Content::Joined(parts)
        } else {
            let part = self.part(moment, command, call.parameter.as_deref());
            match part.unwrap_or_else(Part::unknown) {
                Part { bare: Some(""), .. } => Content::Nothing,
                part => Content::Single(wrap(part)),
            }
        };
        Document { form: call.form, content, ending: Ending::Nul }
    }
}

/// Commands that need the privileged group (A.7).
pub(crate) const PRIVILEGED: &[&str] = &[
    "pgaenable",
    "pgadisable",
    "pgaidentify",
    "pgaset",
    "switchpool",
    "addpool",
    "poolpriority",
    "poolquota",
    "enablepool",
    "disablepool",
    "removepool",
    "save",
    "quit",
    "privileged",
    "restart",
    "failover-only",
    "debug",
    "setconfig",
    "zero",
    "hotplug",
    "ascenable",
    "ascdisable",
    "ascidentify",
    "ascset",
    "lockstats",
];

/// Commands that may be joined (A.4).
pub(crate) const JOINABLE: &[&str] = &[
    "version",
    "config",
    "devs",
    "edevs",
    "pools",
    "summary",
    "pgacount",
    "notify",
    "devdetails",
    "stats",
    "dbgstats",
    "estats",
    "coin",
    "usbstats",
    "asccount",
    "lcd",
    "lockstats",
];
