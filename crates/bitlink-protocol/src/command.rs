//! Encoding of questions: the JSON form, the text form, parameters and their escapes, joined commands.

use crate::exchange::ApiRequest;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The longest request that every server takes: the reference implementation reads once, 4,095 bytes at most
/// (cgminer `api.c`, `TMPBUFSIZ`).
pub const MAX_REQUEST_BYTES: usize = 4095;

/// Why a question cannot be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// More than [`MAX_REQUEST_BYTES`].
    #[error("the request has {len} bytes; a miner reads {MAX_REQUEST_BYTES} at most")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A character that would end or split the request in text form.
    #[error("the text form cannot carry {character:?}")]
    NotText {
        /// The character.
        character: char,
    },
}

/// One command of the CGMiner API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    word: Cow<'a, str>,
    parameter: Option<Cow<'a, str>>,
    extra: Map<String, Value>,
}

impl<'a> Command<'a> {
    /// A command without a parameter.
    pub fn new(word: impl Into<Cow<'a, str>>) -> Self {
        Self { word: word.into(), parameter: None, extra: Map::new() }
    }

    /// Several commands in one request, `a+b+c` (API 3.1 and later; not every firmware). They take no parameters.
    #[allow(single_use_lifetimes)] // an argument-position `impl Trait` cannot elide it
    pub fn joined<'b>(words: impl IntoIterator<Item = &'b str>) -> Self {
        Self::new(words.into_iter().collect::<Vec<_>>().join("+"))
    }

    /// With a parameter, sent as it is. Parts are separated by commas; see [`escape`] for values that hold one.
    #[must_use]
    pub fn with_parameter(mut self, parameter: impl Into<Cow<'a, str>>) -> Self {
        self.parameter = Some(parameter.into());
        self
    }

    /// With another member beside `command`, which the reference server ignores and some vendors read (Bitmain's
    /// `"new_api": true`). JSON form only.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// The command word.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// The JSON form: `{"command":"…","parameter":"…"}`, no spaces, `{` first (a server that sees anything else first
    /// takes the request for text).
    ///
    /// # Errors
    /// [`CommandError::TooLong`].
    pub fn to_json(&self) -> Result<ApiRequest, CommandError> {
        let mut out = String::from("{\"command\":");
        out.push_str(&Value::from(self.word.as_ref()).to_string());
        if let Some(parameter) = &self.parameter {
            out.push_str(",\"parameter\":");
            out.push_str(&Value::from(parameter.as_ref()).to_string());
        }
        for (name, value) in &self.extra {
            out.push(',');
            out.push_str(&Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(&value.to_string());
        }
        out.push('}');
        bounded(out)
    }

    /// The text form: `word` or `word|parameter`. Neither trimmed nor terminated: a trailing newline makes the command
    /// unknown to the reference server.
    ///
    /// # Errors
    /// [`CommandError::TooLong`]; [`CommandError::NotText`] for control characters, or a `|` in the word.
    pub fn to_text(&self) -> Result<ApiRequest, CommandError> {
        if let Some(character) = self.word.chars().find(|c| c.is_control() || *c == '|') {
            return Err(CommandError::NotText { character });
        }
        let mut out = self.word.to_string();
        if let Some(parameter) = &self.parameter {
            if let Some(character) = parameter.chars().find(|c| c.is_control()) {
                return Err(CommandError::NotText { character });
            }
            out.push('|');
            out.push_str(parameter);
        }
        bounded(out)
    }
}

fn bounded(text: String) -> Result<ApiRequest, CommandError> {
    if text.len() > MAX_REQUEST_BYTES {
        return Err(CommandError::TooLong { len: text.len() });
    }
    Ok(ApiRequest::new(text.into_bytes()))
}

/// Escapes a value that stands between the commas of a parameter: `\` and `,` get a backslash before them. `addpool` is
/// known to undo it.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    //! Questions on the wire, byte for byte.
    use super::*;

    fn check(command: &Command<'_>, json: &str, text: &str) {
        assert_eq!(command.to_json().unwrap().bytes, json.as_bytes());
        assert_eq!(command.to_text().unwrap().bytes, text.as_bytes());
    }

    #[test]
    fn both_forms() {
        check(&Command::new("summary"), r#"{"command":"summary"}"#, "summary");
        check(
            &Command::new("ascset").with_parameter("0,led,1-1"),
            r#"{"command":"ascset","parameter":"0,led,1-1"}"#,
            "ascset|0,led,1-1",
        );
        check(
            &Command::joined(["version", "summary"]),
            r#"{"command":"version+summary"}"#,
            "version+summary",
        );
        let pool = format!("stratum+tcp://h:1,{},x", escape(r"a,b\c"));
        check(
            &Command::new("addpool").with_parameter(pool),
            r#"{"command":"addpool","parameter":"stratum+tcp://h:1,a\\,b\\\\c,x"}"#,
            r"addpool|stratum+tcp://h:1,a\,b\\c,x",
        );
    }

    #[test]
    fn vendor_members_stand_beside_the_command() {
        let command = Command::new("stats").with_member("new_api", true);
        assert_eq!(command.to_json().unwrap().bytes, br#"{"command":"stats","new_api":true}"#.as_slice());
    }

    #[test]
    fn what_a_miner_would_misread_is_refused() {
        let long = Command::new("addpool").with_parameter("x".repeat(5000));
        assert!(matches!(long.to_json(), Err(CommandError::TooLong { .. })));
        assert_eq!(Command::new("sum\nmary").to_text(), Err(CommandError::NotText { character: '\n' }));
        assert_eq!(Command::new("a|b").to_text(), Err(CommandError::NotText { character: '|' }));
    }
}
