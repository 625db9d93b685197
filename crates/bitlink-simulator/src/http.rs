//! The little of HTTP/1.1 that a miner's web server speaks: where a request ends, what it asks, how a reply looks.
//! Every reply closes the connection; nothing is kept alive.

use std::fmt::Write;

/// Longest request taken; longer ones are answered as they stand.
const LONGEST: usize = 64 << 10;

/// Whether a request has arrived: its head, and as much body as its head says.
pub(crate) fn is_complete(request: &[u8]) -> bool {
    if request.len() >= LONGEST {
        return true;
    }
    let Some(head) = head_len(request) else { return false };
    let body = Request::parse(request).and_then(|r| r.header("content-length")?.parse::<usize>().ok());
    request.len() >= head.saturating_add(body.unwrap_or(0))
}

/// Length of the head with the empty line that ends it.
fn head_len(request: &[u8]) -> Option<usize> {
    request.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// A request, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path with query.
    pub(crate) target: &'a str,
    /// The port at which it came in.
    pub(crate) port: u16,
    pub(crate) body: &'a [u8],
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    /// Reads the head of a request; `None` when it is no HTTP.
    pub(crate) fn parse(request: &'a [u8]) -> Option<Self> {
        let (head, body) = request.split_at_checked(head_len(request)?)?;
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return None;
        }
        let headers =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
        Some(Self { method, target, port: 0, body, headers })
    }

    /// The same, come in at a port.
    pub(crate) fn at(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The value of a header, by name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// A field of a form, from the body or else from the address.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let body = String::from_utf8_lossy(self.body);
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let mut fields = body.split('&').chain(query.split('&')).filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| unescape(value))
    }

    /// The content of a file in a body of several parts (RFC 7578).
    pub(crate) fn file(&self, name: &str) -> Option<&'a [u8]> {
        let boundary = self.header("content-type")?.split_once("boundary=")?.1;
        let marker = format!("--{boundary}");
        let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
        let mut rest = self.body;
        loop {
            rest = rest.get(find(rest, marker.as_bytes())? + marker.len()..)?;
            let end = find(rest, marker.as_bytes())?;
            let (head, content) = rest.get(..end)?.split_at_checked(head_len(rest)?)?;
            if String::from_utf8_lossy(head).contains(&format!("name=\"{name}\"")) {
                return content.strip_suffix(b"\r\n");
            }
        }
    }

    /// The path without its query.
    pub(crate) fn path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or(self.target)
    }
}

/// A value of a form as it was before it was put there.
fn unescape(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let escaped = if *byte == b'%' { after.get(..2).and_then(code) } else { None };
        out.push(match (escaped, byte) {
            (Some(escaped), _) => escaped,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Response {
    /// A page.
    pub(crate) fn html(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/html", headers: Vec::new(), body: body.into() }
    }

    /// A document.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self { status: 200, content_type: "application/json", headers: Vec::new(), body: body.into() }
    }

    /// No answer: the connection closes without a byte.
    pub(crate) fn nothing() -> Self {
        Self::html(0, "")
    }

    /// With one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if self.status == 0 {
            return Vec::new();
        }
        let reason = match self.status {
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            204 => "No Content",
            302 => "Found",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            423 => "Locked",
            _ => "Error",
        };
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\nServer: lighttpd/1.4.32\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
            self.status,
            self.content_type,
            self.body.len(),
        );
        for (name, value) in &self.headers {
            // Writing to a string cannot fail.
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.push_str("\r\n");
        out.push_str(&self.body);
        out.into_bytes()
    }
}
