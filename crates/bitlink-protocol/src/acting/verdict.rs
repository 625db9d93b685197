//! What replies to commands mean, as far as that is common.

use super::plan::{Raw, Verdict};
use crate::decode::StatusLetter;
use crate::error::{Excerpt, ProtocolError};
use crate::http::HttpReply;
use crate::record::lenient_integer;
use serde_json::{Map, Value};

/// cgminer's code for a command that the client may not give (`api.c`, `MSG_ACCDENY`).
const ACCESS_DENIED: i64 = 45;
/// LuxOS's code while somebody else holds its session.
const SESSION_HELD: i64 = 402;

/// The beginning of what a miner said.
pub(crate) fn excerpt(text: &str) -> String {
    Excerpt::of(text.trim()).to_string()
}

/// A refusal in the miner's words.
pub(crate) fn refused(name: &str, words: &str) -> Verdict {
    Verdict::Refused(ProtocolError::Refused { question: name.to_owned(), reason: Excerpt::of(words.trim()) })
}

/// A reply of a web server: any success will do.
pub(super) fn page(name: &'static str, raw: &Raw) -> Verdict {
    let Raw::Page(page) = raw else { return unreadable(name, raw) };
    match page_failure(name, page) {
        Some(failure) => failure,
        None => Verdict::Fine(words(&page.body)),
    }
}

/// What the status of a page says, where it is no success.
fn page_failure(name: &'static str, page: &HttpReply) -> Option<Verdict> {
    if page.is_success() {
        return None;
    }
    let words = words(&page.body).unwrap_or_default();
    Some(match page.status {
        401 | 403 => Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() }),
        423 | 429 => Verdict::Refused(ProtocolError::Locked {
            question: name.to_owned(),
            message: Excerpt::of(&words),
        }),
        // Whatever stands before the page has given up waiting for it; it may still be at work.
        status @ (500 | 502..=504) => Verdict::Unclear(ProtocolError::Refused {
            question: name.to_owned(),
            reason: Excerpt::of(&format!("HTTP {status}: {words}")),
        }),
        status => refused(name, &format!("HTTP {status}: {words}")),
    })
}

/// The object that a page of success is, or what it means that it is none. An empty page is an empty object.
pub(crate) fn page_root(name: &'static str, raw: &Raw) -> Result<Map<String, Value>, Verdict> {
    let Raw::Page(page) = raw else { return Err(unreadable(name, raw)) };
    if let Some(failure) = page_failure(name, page) {
        return Err(failure);
    }
    if page.body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match raw.document(name) {
        Ok(document) => Ok(document.root().clone()),
        Err(error) => Err(Verdict::Unclear(error)),
    }
}

/// What a page says in words: nothing where it is a page for people.
fn words(body: &[u8]) -> Option<String> {
    let text = Excerpt::of_bytes(body.trim_ascii());
    (!text.as_str().is_empty() && !text.as_str().starts_with('<')).then(|| text.to_string())
}

/// A reply of the CGMiner API or of one like it.
pub(super) fn api(name: &'static str, raw: &Raw) -> Verdict {
    let document = match raw.document(name) {
        Ok(document) => document,
        Err(error) => return Verdict::Unclear(error),
    };
    let Some(status) = document.status() else { return unreadable(name, raw) };
    let words = status.message.as_deref().map(excerpt);
    let question = name.to_owned();
    match (status.letter, status.code) {
        (StatusLetter::Error | StatusLetter::Fatal, Some(ACCESS_DENIED)) => {
            Verdict::Refused(ProtocolError::AccessDenied { question })
        }
        (StatusLetter::Error | StatusLetter::Fatal, Some(SESSION_HELD)) => {
            let message = Excerpt::of(&words.unwrap_or_default());
            Verdict::Refused(ProtocolError::Locked { question, message })
        }
        // A warning is how drivers say that they do not know an option (cgminer `api.c`, codes 114 and 117).
        (StatusLetter::Error | StatusLetter::Fatal | StatusLetter::Warning, _) => {
            refused(name, &words.unwrap_or_default())
        }
        (StatusLetter::Unknown, _) => unreadable(name, raw),
        _ => Verdict::Fine(words),
    }
}

/// A page that is a reply of the API's form.
pub(crate) fn api_page(name: &'static str, raw: &Raw) -> Verdict {
    let Raw::Page(page) = raw else { return unreadable(name, raw) };
    page_failure(name, page).unwrap_or_else(|| api(name, raw))
}

/// A reply of MicroBT's API 3: a code, 0 where all is well, and words.
pub(super) fn frame(name: &'static str, raw: &Raw) -> Verdict {
    let document = match raw.document(name) {
        Ok(document) => document,
        Err(error) => return Verdict::Unclear(error),
    };
    let root = document.root();
    let words = root.get("msg").and_then(Value::as_str).unwrap_or_default();
    match root.get("code").and_then(lenient_integer) {
        Some(0) => Verdict::Fine(Some(excerpt(words))),
        Some(-4) => Verdict::Refused(ProtocolError::AccessDenied { question: name.to_owned() }),
        Some(code) => refused(name, &format!("{words} (code {code})")),
        None => unreadable(name, raw),
    }
}

/// A reply that says neither yes nor no.
fn unreadable(name: &str, raw: &Raw) -> Verdict {
    let (question, excerpt) = (name.to_owned(), Excerpt::of_bytes(raw.body()));
    Verdict::Unclear(ProtocolError::Malformed { question, excerpt })
}
