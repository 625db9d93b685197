//! Who we are to a miner's web server: names and passwords, and the two schemes of HTTP itself. Logins of a firmware's own
//! are the business of its dialect.

use crate::http::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use std::fmt::{self, Write};

/// A user and a password. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User, empty where the firmware knows none.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Credentials {
    /// A user and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The value of an `Authorization` header in the scheme `Basic` (RFC 7617).
pub fn basic(credentials: &Credentials) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.user, credentials.password)))
}

/// A server's challenge in the scheme `Digest` (RFC 7616, MD5), and the answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Whether the server offered `qop=auth`; very old ones do not.
    qop: bool,
    uses: u32,
}

impl Digest {
    /// Reads a `WWW-Authenticate` header; `None` for another scheme, or for what cannot be answered.
    pub fn challenge(header: &str) -> Option<Self> {
        let fields =
            header.trim().strip_prefix("Digest ").or_else(|| header.trim().strip_prefix("digest "))?;
        let fields = parameters(fields);
        let get = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let md5 = get("algorithm").is_none_or(|a| a.eq_ignore_ascii_case("MD5"));
        let qop = get("qop");
        let auth = qop.as_ref().is_none_or(|q| q.split(',').any(|q| q.trim() == "auth"));
        (md5 && auth).then_some(())?;
        Some(Self {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            qop: qop.is_some(),
            uses: 0,
        })
    }

    /// The area that the password is for; firmware is told apart by it.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The value of an `Authorization` header for a request. The same challenge may be answered many times.
    ///
    /// The client's nonce is derived from the server's and the count: this crate has no chance to draw from, and what a
    /// random one defends against, a server that chooses its nonce to learn the password, already owns the miner.
    pub fn answer(&mut self, request: &HttpRequest, credentials: &Credentials) -> String {
        self.uses = self.uses.saturating_add(1);
        let cnonce = md5(&format!("{}:{}", self.nonce, self.uses)).chars().take(16).collect::<String>();
        self.answer_with(request, credentials, &cnonce)
    }

    fn answer_with(&self, request: &HttpRequest, credentials: &Credentials, cnonce: &str) -> String {
        let Self { realm, nonce, uses, .. } = self;
        let user = &credentials.user;
        let secret = md5(&format!("{user}:{realm}:{}", credentials.password));
        let question = md5(&format!("{}:{}", request.method, request.path));
        let common = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\"",
            request.path
        );
        let mut out = if self.qop {
            let response = md5(&format!("{secret}:{nonce}:{uses:08x}:{cnonce}:auth:{question}"));
            format!("{common}, response=\"{response}\", qop=auth, nc={uses:08x}, cnonce=\"{cnonce}\"")
        } else {
            format!("{common}, response=\"{}\"", md5(&format!("{secret}:{nonce}:{question}")))
        };
        if let Some(opaque) = &self.opaque {
            // Writing to a string cannot fail.
            let _ = write!(out, ", opaque=\"{opaque}\"");
        }
        out
    }
}

/// `name=value, name="va,lue"`: names in lower case, quotes and their escapes undone.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| !matches!(c, '=' | ',')) {
            name.push(c.to_ascii_lowercase());
        }
        if chars.next().is_none() {
            return found;
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(chars.next()),
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                value.push(c);
            }
        }
        found.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    //! Published vectors.
    use super::*;

    #[test]
    fn digest_answers_as_antminers_expect() {
        let mut digest = Digest::challenge(
            r#"Digest realm="antMiner Configuration", nonce="5ccc069c403ebaf9f0171e9517f40e41", qop="auth""#,
        )
        .unwrap();
        assert_eq!(digest.realm(), "antMiner Configuration");
        digest.uses = 1;
        let root = Credentials::new("root", "root");
        let get = HttpRequest::get("/cgi-bin/get_system_info.cgi");
        let answer = digest.answer_with(&get, &root, "0a4f113b");
        assert!(answer.contains("response=\"76e52cfc10f3993c8f53bd4d9d07061f\""), "{answer}");
        assert!(answer.contains("nc=00000001, cnonce=\"0a4f113b\""));
        let post = HttpRequest::post("/cgi-bin/set_miner_conf.cgi", "application/json", *b"{}");
        assert!(digest.answer_with(&post, &root, "0a4f113b").contains("e2be6621da3b43cfa38165cbceccfe0d"));
    }

    #[test]
    fn challenges_in_every_dress() {
        let read = |text: &str| Digest::challenge(text).map(|d| (d.realm, d.nonce, d.opaque, d.qop));
        assert_eq!(
            read(r#"Digest realm="a, b", nonce=abc,opaque="o\"p", algorithm=MD5, qop="auth,auth-int""#),
            Some(("a, b".to_owned(), "abc".to_owned(), Some("o\"p".to_owned()), true))
        );
        assert!(matches!(read(r#"Digest realm="r", nonce="n""#), Some((_, _, None, false))));
        assert_eq!(read(r#"Basic realm="r""#), None);
        assert_eq!(read(r#"Digest realm="r", nonce="n", algorithm=SHA-256"#), None);
        assert_eq!(read("Digest "), None);
    }

    #[test]
    fn basic_as_in_the_rfc() {
        assert_eq!(basic(&Credentials::new("Aladdin", "open sesame")), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", Credentials::new("root", "s3cret")), "Credentials(…)");
    }
}
