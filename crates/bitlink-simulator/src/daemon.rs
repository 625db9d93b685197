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
}

impl Part {
    /// A success with a section.
    pub(crate) fn section(code: i64, message: impl Into<String>, name: &'static str, value: Node) -> Self {
        Self { letter: 'S', code, message: message.into(), sections: vec![(name, value)], described: true }
    }

    /// An answer that is only a status.
    pub(crate) fn status(letter: char, code: i64, message: impl Into<String>) -> Self {
        Self { letter, code, message: message.into(), sections: Vec::new(), described: true }
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
                let part = match self.part(moment, &word, None) {
                    None => Part::unknown(),
                    Some(_) if !self.joinable(&word) => Part::denied(&word),
                    Some(part) => part,
                };
                parts.push((word, wrap(part)));
            }
            Content::Joined(parts)
        } else {
            let part = self.part(moment, command, call.parameter.as_deref());
            Content::Single(wrap(part.unwrap_or_else(Part::unknown)))
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
