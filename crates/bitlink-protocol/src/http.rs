//! HTTP/1.1 as miners speak it: a request as bytes, the end of a reply found while it arrives, a reply taken apart.
//!
//! One request, one reply, one connection, nothing kept alive, no redirect followed, no body decompressed (none is asked
//! for): that is all that a web interface on a control board needs, and it keeps every exchange bounded and replayable.
//! Heads are read by `httparse`.

use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ApiReply, Completion};
use crate::framing::{Boundary, Framing};
use std::borrow::Cow;
use std::fmt::Write;

/// The port of a web server.
pub const WEB_PORT: u16 = 80;
/// The port of a web server that speaks TLS.
pub const TLS_PORT: u16 = 443;

/// Longest head accepted, and most headers in it.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// A question to a miner's web server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// Port of the web server; [`API_DOOR`](crate::API_DOOR) where it listens at the API's port.
    pub port: u16,
    /// Whether it is asked over TLS.
    pub secure: bool,
    /// Method ("GET").
    pub method: &'static str,
    /// Path with query, as it goes on the wire.
    pub path: Cow<'static, str>,
    /// Headers beyond those that every request has.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A question that reads.
    pub fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            port: WEB_PORT,
            secure: false,
            method: "GET",
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A question that carries a body.
    pub fn post(
        path: impl Into<Cow<'static, str>>,
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let mut request = Self { method: "POST", body: body.into(), ..Self::get(path) };
        request.headers.push((Cow::Borrowed("Content-Type"), content_type.to_owned()));
        request
    }

    /// To another port.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Over TLS, at its usual port unless it has one of its own.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.secure = true;
        if self.port == WEB_PORT {
            self.port = TLS_PORT;
        }
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// A header's value, by name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The bytes for a server that is called `host`. Line breaks in header values are left out, so that nothing a miner
    /// said can add a header of its own.
    pub fn encode(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        head.push_str("User-Agent: bitlink\r\nAccept: */*\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            let value = value.replace(['\r', '\n'], "");
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method != "GET" {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Fields as the body of a form (`application/x-www-form-urlencoded`).
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (key, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(key);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*') {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A reply of a web server, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// Headers in the order they came.
    pub headers: Vec<(String, String)>,
    /// Body, put together from its chunks.
    pub body: Vec<u8>,
    /// Whether the body is whole as far as the head tells.
    pub complete: bool,
}

impl HttpReply {
    /// Takes a reply apart.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] for what is no HTTP/1.
    pub fn parse(question: &str, reply: &ApiReply) -> Result<Self, ProtocolError> {
        let malformed = || ProtocolError::Malformed {
            question: question.to_owned(),
            excerpt: Excerpt::of_bytes(&reply.bytes),
        };
        let head = Head::read(&reply.bytes).ok_or_else(malformed)?;
        let raw = reply.bytes.get(head.len..).unwrap_or_default();
        let (body, complete) = match head.body {
            Body::Length(length) => (raw.get(..length).unwrap_or(raw).to_vec(), raw.len() >= length),
            Body::Chunked => unchunk(raw),
            Body::ToTheEnd => (raw.to_vec(), reply.completion == Completion::EndOfStream),
        };
        Ok(Self { status: head.status, headers: head.headers, body, complete })
    }

    /// A header's value, by name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header that may come more than once.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is a success.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// The head of a reply.
#[derive(Debug)]
struct Head {
    len: usize,
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
    ToTheEnd,
}

impl Head {
    /// The head at the beginning of these bytes; `None` while it is not whole, and for what is none.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(len) = head.parse(bytes).ok()? else { return None };
        let status = head.code?;
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).trim().to_owned()))
            .collect();
        let find = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
        };
        let body = if matches!(status, 100..=199 | 204 | 304) {
            Body::Length(0)
        } else if find("Transfer-Encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
            Body::Chunked
        } else if let Some(length) = find("Content-Length").and_then(|v| v.parse().ok()) {
            Body::Length(length)
        } else {
            Body::ToTheEnd
        };
        Some(Self { len, status, headers, body })
    }
}

/// Puts a chunked body together (RFC 9112, 7.1); says whether its end was seen.
fn unchunk(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(raw) else {
            return (body, false);
        };
        let Ok(size) = usize::try_from(size) else { return (body, false) };
        if size == 0 {
            return (body, true);
        }
        let data = raw.get(start..).unwrap_or_default();
        body.extend_from_slice(data.get(..size).unwrap_or(data));
        let Some(rest) = data.get(size.saturating_add(2)..) else { return (body, false) };
        raw = rest;
    }
}

/// Finds the end of an HTTP reply while it arrives.
#[derive(Debug, Default)]
pub struct HttpFramer {
    bytes: Vec<u8>,
    len: usize,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of body are still to come.
    Counting(usize),
    /// The chunked body so far is in `bytes`.
    Chunks,
    ToTheEnd,
    Done,
    /// No HTTP: over with the stream.
    Foreign,
}

impl HttpFramer {
    /// A framer at the beginning of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    fn take_head(&mut self) -> Framing {
        let Some(head) = Head::read(&self.bytes) else {
            // Blank lines before the status line are passed over, as `httparse` does.
            let head = self.bytes.trim_ascii_start();
            if self.bytes.len() > MAX_HEAD || !b"HTTP/".starts_with(head.get(..5).unwrap_or(head)) {
                self.state = State::Foreign;
            }
            return Framing::More;
        };
        let body = self.bytes.split_off(head.len);
        self.bytes = Vec::new();
        self.state = match head.body {
            Body::Length(length) => State::Counting(length),
            Body::Chunked => State::Chunks,
            Body::ToTheEnd => State::ToTheEnd,
        };
        self.take_body(&body)
    }

    fn take_body(&mut self, chunk: &[u8]) -> Framing {
        match &mut self.state {
            State::Counting(left) => {
                *left = left.saturating_sub(chunk.len());
                if *left == 0 {
                    self.state = State::Done;
                }
            }
            State::Chunks => {
                self.bytes.extend_from_slice(chunk);
                self.drop_whole_chunks();
            }
            State::Head | State::ToTheEnd | State::Done | State::Foreign => {}
        }
        if matches!(self.state, State::Done) { Framing::Terminated } else { Framing::More }
    }

    /// Chunks that are whole need not be kept to find the end.
    fn drop_whole_chunks(&mut self) {
        while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(&self.bytes) {
            if size == 0 {
                self.state = State::Done;
                return;
            }
            let Some(end) = usize::try_from(size).ok().and_then(|s| s.checked_add(start)?.checked_add(2))
            else {
                self.state = State::Foreign;
                return;
            };
            if end > self.bytes.len() {
                return;
            }
            self.bytes.drain(..end);
        }
    }
}

impl Boundary for HttpFramer {
    fn push(&mut self, chunk: &[u8]) -> Framing {
        self.len += chunk.len();
        if matches!(self.state, State::Head) {
            self.bytes.extend_from_slice(chunk);
            self.take_head()
        } else {
            self.take_body(chunk)
        }
    }

    fn reply_len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests;
