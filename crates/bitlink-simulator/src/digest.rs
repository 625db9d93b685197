//! HTTP Digest authentication from the server's side: MD5, `qop=auth` (RFC 7616).

use crate::face::Moment;
use crate::http::Request;
use md5::{Digest as _, Md5};
use std::fmt::Write;

/// A protected area and the one user who may enter.
#[derive(Debug, Clone)]
pub(crate) struct Guard<'a> {
    pub(crate) realm: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) nonce: String,
    /// Nobody is admitted, whatever the password.
    pub(crate) locked: bool,
}

impl<'a> Guard<'a> {
    /// The one of a machine, with what it was delivered with.
    pub(crate) fn of(moment: &Moment<'a>, realm: &'a str, user: &'a str, delivered: &'a str) -> Self {
        let locked = moment.spec.access.locked;
        Self { realm, user, password: moment.password(delivered), nonce: moment.token(), locked }
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> String {
        format!("Digest realm=\"{}\", nonce=\"{}\", qop=\"auth\"", self.realm, self.nonce)
    }

    /// Whether a request proves to know the password.
    pub(crate) fn admits(&self, request: &Request<'_>) -> bool {
        let Some(fields) = request.header("authorization").and_then(|value| value.strip_prefix("Digest "))
        else {
            return false;
        };
        let field = |name: &str| field(fields, name);
        let given = (field("username"), field("realm"), field("nonce"), field("uri"));
        let expected = (Some(self.user), Some(self.realm), Some(self.nonce.as_str()), Some(request.target));
        !self.locked
            && given == expected
            && field("response").is_some_and(|response| response == self.response(request, &field))
    }

    fn response<'v>(&self, request: &Request<'_>, field: &impl Fn(&str) -> Option<&'v str>) -> String {
        let secret = md5(&format!("{}:{}:{}", self.user, self.realm, self.password));
        let question = md5(&format!("{}:{}", request.method, request.target));
        match field("qop") {
            Some(qop) => {
                let (nc, cnonce) = (field("nc").unwrap_or_default(), field("cnonce").unwrap_or_default());
                md5(&format!("{secret}:{}:{nc}:{cnonce}:{qop}:{question}", self.nonce))
            }
            None => md5(&format!("{secret}:{}:{question}", self.nonce)),
        }
    }
}

/// A field of a list `name=value, name="value"`. Commas in values end them: none of the fields used here has any but
/// `uri`, and no page of these servers has one either.
fn field<'v>(fields: &'v str, name: &str) -> Option<&'v str> {
    fields.split(',').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// MD5 of bytes.
pub(crate) fn md5_bytes(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// Lower-case hexadecimal MD5.
pub(crate) fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    //! The documented vectors.
    use super::*;

    const NONCE: &str = "5ccc069c403ebaf9f0171e9517f40e41";

    fn guard() -> Guard<'static> {
        Guard {
            realm: "antMiner Configuration",
            user: "root",
            password: "root",
            nonce: NONCE.to_owned(),
            locked: false,
        }
    }

    fn admitted(method: &str, target: &str, response: &str) -> bool {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Digest username=\"root\", \
             realm=\"antMiner Configuration\", nonce=\"{NONCE}\", uri=\"{target}\", qop=auth, nc=00000001, \
             cnonce=\"0a4f113b\", response=\"{response}\", algorithm=MD5\r\n\r\n"
        );
        guard().admits(&Request::parse(request.as_bytes()).unwrap())
    }

    #[test]
    fn the_documented_vectors_are_admitted_and_nothing_else() {
        assert!(admitted("GET", "/cgi-bin/get_system_info.cgi", "76e52cfc10f3993c8f53bd4d9d07061f"));
        assert!(admitted("POST", "/cgi-bin/set_miner_conf.cgi", "e2be6621da3b43cfa38165cbceccfe0d"));
        assert!(!admitted("GET", "/cgi-bin/stats.cgi", "76e52cfc10f3993c8f53bd4d9d07061f"));
        let bare = Request::parse(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(!guard().admits(&bare));
        assert!(guard().challenge().contains("realm=\"antMiner Configuration\""));
    }
}
