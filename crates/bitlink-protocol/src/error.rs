//! What can go wrong between bytes and meaning. The names say who is to blame.

use crate::exchange::ExchangeFailure;
use std::fmt;

/// Why a conversation did not reach its purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Network: no reply came to a question that needs one.
    #[error("no reply to {question}")]
    NoReply {
        /// The command that was asked.
        question: String,
        /// Why there is none.
        #[source]
        failure: ExchangeFailure,
    },
    /// Miner: the reply is neither JSON nor text of this API, even after repair.
    #[error("malformed reply to {question}: {excerpt}")]
    Malformed {
        /// The command that was asked.
        question: String,
        /// Its beginning, printable.
        excerpt: Excerpt,
    },
    /// Not a miner: something else listens there.
    #[error("not a miner: {service} answered: {excerpt}")]
    NotAMiner {
        /// What it looks like.
        service: Service,
        /// The beginning of what it said, printable.
        excerpt: Excerpt,
    },
    /// Operator: the miner does not let this client ask that.
    #[error("access denied to {question}")]
    AccessDenied {
        /// The command that was asked.
        question: String,
    },
    /// Operator: it lets nobody in at the moment, after too many wrong passwords or because somebody else is in.
    #[error("{question} is locked: {message}")]
    Locked {
        /// The command that was asked.
        question: String,
        /// The miner's words, printable.
        message: Excerpt,
    },
    /// Miner: its API answers, and the mining process behind the API is down.
    #[error("the mining process behind the API is down")]
    MiningProcessDown {
        /// The command that was asked.
        question: String,
    },
    /// Miner: it understood and answered with an error of its own.
    #[error("{question} failed: {message} (code {code})")]
    Miner {
        /// The command that was asked.
        question: String,
        /// The miner's code.
        code: i64,
        /// The miner's words, printable.
        message: Excerpt,
    },
    /// Miner: it understood what it was told to do, and does not do it.
    #[error("{question} was refused: {reason}")]
    Refused {
        /// The command that was given.
        question: String,
        /// The miner's words, printable.
        reason: Excerpt,
    },
    /// Miner: it speaks the API, but no dialect knows it.
    #[error("answers, but is no miner that is known: {excerpt}")]
    NotIdentified {
        /// The beginning of what it said, printable.
        excerpt: Excerpt,
    },
    /// Driver: the conversation was already over.
    #[error("the conversation is over")]
    Finished,
}

/// What else may listen on a miner's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// A web server.
    Http,
    /// An SSH server.
    Ssh,
    /// A server that wants TLS.
    Tls,
    /// Something that speaks text.
    Text,
    /// Something that speaks bytes.
    Binary,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "a web server",
            Self::Ssh => "an SSH server",
            Self::Tls => "a TLS server",
            Self::Text => "a text service",
            Self::Binary => "a binary service",
        })
    }
}

/// The beginning of something a stranger said: short, on one line, every control and direction character escaped, so
/// that it can be shown anywhere.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Excerpt(String);

impl Excerpt {
    /// The first bytes of a reply.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let head = bytes.get(..Self::BYTES).unwrap_or(bytes);
        Self::of(&String::from_utf8_lossy(head))
    }

    /// The beginning of a text.
    pub fn of(text: &str) -> Self {
        let mut out = String::new();
        for c in text.chars() {
            if out.len() >= Self::BYTES {
                out.push('…');
                break;
            }
            if c.is_control() || is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
        }
        Self(out)
    }

    /// As a printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    const BYTES: usize = 160;
}

/// Characters that change how their neighbours look: bidirectional controls, zero-width and line separators.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}')
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
