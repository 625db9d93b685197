//! Bytes to documents: strict first, then one lenient pass that mends what real firmware is known to break.
//!
//! Nothing here fails wholesale while something can be read: what had to be mended, and what was lost, is told as
//! anomalies beside the document.

mod document;
mod lenient;
mod multimap;
mod text;

pub(crate) use multimap::earlier_key;

pub use document::{Document, Status, StatusLetter};

use crate::error::{Excerpt, ProtocolError, Service};
use crate::exchange::{ApiReply, Completion, ExchangeFailure};
use crate::http::HttpReply;
use bitlink_model::{Anomaly, AnomalyKind, Parsed};
use std::borrow::Cow;

/// What btminer's front end says when the mining process behind it is down.
const PROCESS_DOWN: &str = "Socket connect failed";

/// Reads one reply of the CGMiner API, in JSON or text.
///
/// # Errors
/// [`ProtocolError::NoReply`] for nothing at all, [`ProtocolError::NotAMiner`] for another service,
/// [`ProtocolError::MiningProcessDown`], [`ProtocolError::Malformed`] for what cannot be mended.
pub fn decode(question: &str, reply: &ApiReply) -> Result<Parsed<Document>, ProtocolError> {
    let bytes = reply.bytes.split(|b| *b == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let mut anomalies = Vec::new();
    if matches!(text, Cow::Owned(_)) {
        anomalies.push(anomaly(AnomalyKind::Repaired, question, "invalid UTF-8"));
    }
    if reply.completion == Completion::Cut {
        anomalies.push(anomaly(
            AnomalyKind::Truncated,
            question,
            "the connection ended in the middle of the reply",
        ));
    }
    let body = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{feff}');
    if body.is_empty() {
        let failure = ExchangeFailure::ClosedWithoutReply;
        return Err(ProtocolError::NoReply { question: question.to_owned(), failure });
    }
    let document = if body.starts_with('{') || body.starts_with(",\"id\"") {
        json(question, body, bytes, &mut anomalies)?
    } else {
        plain(question, body, bytes)?
    };
    Ok(Parsed { value: document, anomalies })
}

/// Reads a page of a web server: a JSON object, an array (found under [`LIST`]), or text (under [`TEXT`]). What the head
/// says of the type is not believed; many servers call JSON text.
///
/// # Errors
/// [`ProtocolError::Miner`] with the status code of a reply that is no success, [`ProtocolError::NoReply`] for an empty
/// one, [`ProtocolError::Malformed`] for JSON beyond repair.
pub fn decode_page(question: &str, reply: &HttpReply) -> Result<Parsed<Document>, ProtocolError> {
    let bytes = reply.body.as_slice();
    if !reply.is_success() {
        let message = Excerpt::of_bytes(bytes);
        return Err(ProtocolError::Miner {
            question: question.to_owned(),
            code: i64::from(reply.status),
            message,
        });
    }
    // Nothing to say, and said so.
    if reply.status == 204 {
        return Ok(Parsed { value: Document::default(), anomalies: Vec::new() });
    }
    let text = String::from_utf8_lossy(bytes);
    let body = text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\u{feff}' | '\0'));
    let mut anomalies = Vec::new();
    if !reply.complete {
        anomalies.push(anomaly(AnomalyKind::Truncated, question, "the page ended early"));
    }
    if body.is_empty() {
        let failure = ExchangeFailure::ClosedWithoutReply;
        return Err(ProtocolError::NoReply { question: question.to_owned(), failure });
    }
    let value = if body.starts_with('{') {
        json(question, body, bytes, &mut anomalies)?
    } else if body.starts_with('[') {
        // As a member of an object, so that one parser and one kind of document serve.
        json(question, &format!("{{\"{LIST}\":{body}}}"), bytes, &mut anomalies)?
    } else {
        Document::new(serde_json::Map::from_iter([(TEXT.to_owned(), serde_json::Value::from(body))]))
    };
    Ok(Parsed { value, anomalies })
}

/// Where a page that is an array is found.
pub const LIST: &str = "list";
/// Where a page that is text is found.
pub const TEXT: &str = "text";

fn json(
    question: &str,
    body: &str,
    bytes: &[u8],
    anomalies: &mut Vec<Anomaly>,
) -> Result<Document, ProtocolError> {
    if let Ok(multimap::Root(root)) = serde_json::from_str(body) {
        return Ok(Document::new(root));
    }
    let (root, mends) = lenient::parse(body).ok_or_else(|| ProtocolError::Malformed {
        question: question.to_owned(),
        excerpt: Excerpt::of_bytes(bytes),
    })?;
    for mend in mends {
        let kind =
            if mend == lenient::Mend::Truncated { AnomalyKind::Truncated } else { AnomalyKind::Repaired };
        anomalies.push(anomaly(kind, question, mend.describe()));
    }
    Ok(Document::new(root))
}

fn plain(question: &str, body: &str, bytes: &[u8]) -> Result<Document, ProtocolError> {
    if let Some(root) = text::parse(body) {
        return Ok(Document::new(root));
    }
    if body.starts_with(PROCESS_DOWN) {
        return Err(ProtocolError::MiningProcessDown { question: question.to_owned() });
    }
    Err(ProtocolError::NotAMiner { service: service(bytes), excerpt: Excerpt::of_bytes(bytes) })
}

/// What else listens on ports like this one, by the first bytes it says.
fn service(bytes: &[u8]) -> Service {
    let lower: Vec<u8> = bytes.iter().take(64).map(u8::to_ascii_lowercase).collect();
    let lower = lower.trim_ascii_start();
    match bytes {
        // A TLS record: alert (21) or handshake (22), version 3.x (RFC 8446, 5.1).
        [0x15 | 0x16, 3, ..] => Service::Tls,
        _ if lower.starts_with(b"http/")
            || lower.starts_with(b"<!doctype")
            || lower.starts_with(b"<html") =>
        {
            Service::Http
        }
        _ if lower.starts_with(b"ssh-") => Service::Ssh,
        _ if bytes.iter().take(64).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => Service::Text,
        _ => Service::Binary,
    }
}

fn anomaly(kind: AnomalyKind, question: &str, detail: &str) -> Anomaly {
    Anomaly { kind, place: question.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
