//! What was asked and answered, as a value and as a text to send with a bug report. It records nothing by itself and
//! knows nothing of what the bytes mean.

use crate::error::{Stage, TransportError};
use crate::transport::Endpoint;
use bitlink_protocol::{ApiReply, Completion};
use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Exchanges in the order in which they ended.
///
/// Its text form ([`Display`](fmt::Display) and [`FromStr`]) is stable, and made for reading:
///
/// ```text
/// bitlink-transcript 1
///
/// exchange 192.168.1.5:4028 at 1203us took 4211us
/// > {"command":"version"}
/// < {"STATUS":[{"STATUS":"S","When":1700000000,"Code":22,"Msg":"CGMiner versions"}],
/// < "VERSION":[{"API":"3.7"}],"id":1}
/// end terminated
///
/// exchange 192.168.1.5:4028 at 9120us took 2000000us
/// > {"command":"stats"}
/// failed timed-out waiting 0
/// ```
///
/// Lines of bytes follow each other without anything between them; where they break says nothing. `\n`, `\r`, `\t`,
/// `\\` and `\x00` to `\xff` stand for bytes that do not print. Empty lines and lines beginning with `#` are
/// comments.
///
/// **A transcript is raw.** Nothing in it is left out or hidden: addresses, pool user names, passwords and tokens in
/// questions and answers stand as they were. Look through it before it leaves the house.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// The exchanges.
    pub exchanges: Vec<RecordedExchange>,
    /// How many older ones were dropped to keep within bounds.
    pub dropped: u64,
}

/// One question and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedExchange {
    /// Who was asked.
    pub endpoint: Endpoint,
    /// When, since the recording began. Whole microseconds in the text form.
    pub began: Duration,
    /// How long it took. Whole microseconds in the text form.
    pub took: Duration,
    /// The bytes of the question.
    pub request: Vec<u8>,
    /// The answer, or why there was none.
    pub outcome: Result<ApiReply, RecordedFailure>,
}

/// A [`TransportError`] as a plain value; causes are kept as their text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordedFailure {
    /// [`TransportError::Refused`].
    Refused,
    /// [`TransportError::Unreachable`].
    Unreachable(String),
    /// [`TransportError::TimedOut`].
    TimedOut {
        /// What was being done.
        stage: Stage,
        /// How many bytes had come.
        received: usize,
    },
    /// [`TransportError::ClosedWithoutReply`].
    ClosedWithoutReply,
    /// [`TransportError::Reset`].
    Reset,
    /// [`TransportError::TooLong`].
    TooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// [`TransportError::Exhausted`].
    Exhausted(String),
    /// [`TransportError::Denied`].
    Denied(String),
    /// [`TransportError::Unsupported`].
    Unsupported,
    /// [`TransportError::NotRecorded`].
    NotRecorded,
    /// [`TransportError::Io`].
    Io(String),
    /// [`TransportError::Tls`].
    Tls(String),
    /// [`TransportError::Untrusted`].
    Untrusted,
}

impl From<&TransportError> for RecordedFailure {
    fn from(error: &TransportError) -> Self {
        match error {
            TransportError::Refused => Self::Refused,
            TransportError::Unreachable(cause) => Self::Unreachable(cause.to_string()),
            TransportError::TimedOut { stage, received } => {
                Self::TimedOut { stage: *stage, received: *received }
            }
            TransportError::ClosedWithoutReply => Self::ClosedWithoutReply,
            TransportError::Reset => Self::Reset,
            TransportError::TooLong { limit } => Self::TooLong { limit: *limit },
            TransportError::Exhausted(cause) => Self::Exhausted(cause.to_string()),
            TransportError::Denied(cause) => Self::Denied(cause.to_string()),
            TransportError::Unsupported => Self::Unsupported,
            TransportError::NotRecorded => Self::NotRecorded,
            TransportError::Io(cause) => Self::Io(cause.to_string()),
            TransportError::Tls(cause) => Self::Tls(cause.to_string()),
            TransportError::Untrusted => Self::Untrusted,
        }
    }
}

impl From<&RecordedFailure> for TransportError {
    fn from(failure: &RecordedFailure) -> Self {
        let cause = |text: &String| Arc::new(io::Error::other(text.clone()));
        match failure {
            RecordedFailure::Refused => Self::Refused,
            RecordedFailure::Unreachable(text) => Self::Unreachable(cause(text)),
            RecordedFailure::TimedOut { stage, received } => {
                Self::TimedOut { stage: *stage, received: *received }
            }
            RecordedFailure::ClosedWithoutReply => Self::ClosedWithoutReply,
            RecordedFailure::Reset => Self::Reset,
            RecordedFailure::TooLong { limit } => Self::TooLong { limit: *limit },
            RecordedFailure::Exhausted(text) => Self::Exhausted(cause(text)),
            RecordedFailure::Denied(text) => Self::Denied(cause(text)),
            RecordedFailure::Unsupported => Self::Unsupported,
            RecordedFailure::NotRecorded => Self::NotRecorded,
            RecordedFailure::Io(text) => Self::Io(cause(text)),
            RecordedFailure::Tls(text) => Self::Tls(cause(text)),
            RecordedFailure::Untrusted => Self::Untrusted,
        }
    }
}

/// Why a text is not a transcript. User: the file is another one, or was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The first line is not that of a transcript of this version.
    #[error("does not begin with \"{HEADER}\"")]
    NotATranscript,
    /// A line that cannot stand where it stands.
    #[error("line {line} cannot be understood")]
    BadLine {
        /// Counted from 1.
        line: usize,
    },
    /// An address that is none.
    #[error("line {line}: not an address and port")]
    BadEndpoint {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: std::net::AddrParseError,
    },
    /// A number that is none.
    #[error("line {line}: not a number")]
    BadNumber {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// A backslash that does not begin an escape of this format, or a character beyond ASCII.
    #[error("line {line}: bytes are not escaped as they must be")]
    BadEscape {
        /// Counted from 1.
        line: usize,
    },
    /// The text ends in the middle of an exchange.
    #[error("ends in the middle of an exchange")]
    Unfinished,
}

const HEADER: &str = "bitlink-transcript 1";

/// Bytes of the text on one line of it, so that it can be read and mailed.
const WIDTH: usize = 110;

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if self.dropped > 0 {
            writeln!(f, "dropped {}", self.dropped)?;
        }
        for exchange in &self.exchanges {
            let RecordedExchange { endpoint, began, took, request, outcome } = exchange;
            let (began, took) = (began.as_micros(), took.as_micros());
            writeln!(f, "\nexchange {endpoint} at {began}us took {took}us")?;
            write_lines(f, '>', request)?;
            match outcome {
                Ok(reply) => {
                    write_lines(f, '<', &reply.bytes)?;
                    writeln!(f, "end {}", name_of(&COMPLETIONS, &reply.completion))?;
                }
                Err(failure) => writeln!(f, "failed {}", FailureText(failure))?,
            }
        }
        Ok(())
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, mark: char, bytes: &[u8]) -> fmt::Result {
    let mut line = String::new();
    for &byte in bytes {
        escape(byte, &mut line);
        // A break after what the miner meant as one is the most readable one.
        if line.len() >= WIDTH || byte == b'\n' {
            write_line(f, mark, &mut line)?;
        }
    }
    if line.is_empty() { Ok(()) } else { write_line(f, mark, &mut line) }
}

fn write_line(f: &mut fmt::Formatter<'_>, mark: char, line: &mut String) -> fmt::Result {
    // Editors and mail programs take away a space at the end of a line.
    if line.ends_with(' ') {
        line.pop();
        line.push_str("\\x20");
    }
    writeln!(f, "{mark} {line}")?;
    line.clear();
    Ok(())
}

fn escape(byte: u8, out: &mut String) {
    match byte {
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        b' '..=b'~' => out.push(char::from(byte)),
        _ => {
            out.push_str("\\x");
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(digit.into(), 16));
            }
        }
    }
}

fn unescape(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut chars = text.bytes();
    while let Some(byte) = chars.next() {
        out.push(match byte {
            b'\\' => match chars.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let mut digit = || char::from(chars.next()?).to_digit(16);
                    u8::try_from(digit()? * 16 + digit()?).ok()?
                }
                _ => return None,
            },
            b' '..=b'~' => byte,
            _ => return None,
        });
    }
    Some(())
}

/// A name for each of some values, for writing and for reading.
type Names<T, const N: usize> = [(&'static str, T); N];

const COMPLETIONS: Names<Completion, 4> = [
    ("terminated", Completion::Terminated),
    ("end-of-stream", Completion::EndOfStream),
    ("settled", Completion::Settled),
    ("cut", Completion::Cut),
];

const STAGES: Names<Stage, 4> = [
    ("connecting", Stage::Connecting),
    ("sending", Stage::Sending),
    ("waiting", Stage::Waiting),
    ("reading", Stage::Reading),
];

/// The name of a value. One that this version has no name for is written as "unknown", which does not read back.
fn name_of<T: PartialEq, const N: usize>(names: &Names<T, N>, value: &T) -> &'static str {
    names.iter().find(|(_, named)| named == value).map_or("unknown", |(name, _)| name)
}

fn named<T: Copy, const N: usize>(names: &Names<T, N>, name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

struct FailureText<'a>(&'a RecordedFailure);

impl fmt::Display for FailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_cause = |f: &mut fmt::Formatter<'_>, name, cause: &String| {
            let mut escaped = String::new();
            cause.bytes().for_each(|byte| escape(byte, &mut escaped));
            write!(f, "{name} \"{escaped}\"")
        };
        match self.0 {
            RecordedFailure::Refused => f.write_str("refused"),
            RecordedFailure::Unreachable(cause) => with_cause(f, "unreachable", cause),
            RecordedFailure::TimedOut { stage, received } => {
                write!(f, "timed-out {} {received}", name_of(&STAGES, stage))
            }
            RecordedFailure::ClosedWithoutReply => f.write_str("closed-without-reply"),
            RecordedFailure::Reset => f.write_str("reset"),
            RecordedFailure::TooLong { limit } => write!(f, "too-long {limit}"),
            RecordedFailure::Exhausted(cause) => with_cause(f, "exhausted", cause),
            RecordedFailure::Denied(cause) => with_cause(f, "denied", cause),
            RecordedFailure::Unsupported => f.write_str("unsupported"),
            RecordedFailure::NotRecorded => f.write_str("not-recorded"),
            RecordedFailure::Io(cause) => with_cause(f, "io", cause),
            RecordedFailure::Tls(cause) => with_cause(f, "tls", cause),
            RecordedFailure::Untrusted => f.write_str("untrusted"),
        }
    }
}

impl FromStr for Transcript {
    type Err = TranscriptError;

    fn from_str(text: &str) -> Result<Self, TranscriptError> {
        let mut lines = text.lines().enumerate().map(|(index, text)| Line { number: index + 1, text });
        if lines.next().is_none_or(|first| first.text.trim_end() != HEADER) {
            return Err(TranscriptError::NotATranscript);
        }
        let mut transcript = Self::default();
        let mut under_way: Option<RecordedExchange> = None;
        let mut reply = Vec::new();
        for line in lines {
            let (word, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
            match (word, under_way.as_mut()) {
                ("", _) if rest.trim().is_empty() => {}
                (comment, _) if comment.starts_with('#') => {}
                ("dropped", None) => transcript.dropped = line.number(rest)?,
                ("exchange", None) => under_way = Some(line.exchange(rest)?),
                (">", Some(exchange)) => line.bytes(rest, &mut exchange.request)?,
                ("<", Some(_)) => line.bytes(rest, &mut reply)?,
                ("end", Some(_)) => {
                    let completion = line.known(named(&COMPLETIONS, rest.trim_end()))?;
                    let reply = ApiReply { bytes: std::mem::take(&mut reply), completion };
                    transcript.exchanges.extend(
                        under_way.take().map(|exchange| RecordedExchange { outcome: Ok(reply), ..exchange }),
                    );
                }
                ("failed", Some(_)) if reply.is_empty() => {
                    let failure = line.failure(rest)?;
                    transcript.exchanges.extend(
                        under_way
                            .take()
                            .map(|exchange| RecordedExchange { outcome: Err(failure), ..exchange }),
                    );
                }
                _ => return Err(line.bad()),
            }
        }
        if under_way.is_some() { Err(TranscriptError::Unfinished) } else { Ok(transcript) }
    }
}

/// One line of the text form, for errors to tell.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn bad(self) -> TranscriptError {
        TranscriptError::BadLine { line: self.number }
    }

    fn known<T>(self, value: Option<T>) -> Result<T, TranscriptError> {
        value.ok_or_else(|| self.bad())
    }

    fn number<T: FromStr<Err = ParseIntError>>(self, text: &str) -> Result<T, TranscriptError> {
        text.trim_end().parse().map_err(|source| TranscriptError::BadNumber { line: self.number, source })
    }

    fn bytes(self, text: &str, out: &mut Vec<u8>) -> Result<(), TranscriptError> {
        unescape(text, out).ok_or(TranscriptError::BadEscape { line: self.number })
    }

    /// `192.168.1.5:4028 at 1203us took 4211us`; the outcome is filled in later.
    fn exchange(self, text: &str) -> Result<RecordedExchange, TranscriptError> {
        let mut words = text.split_whitespace();
        let mut word = || self.known(words.next());
        let endpoint =
            word()?.parse().map_err(|source| TranscriptError::BadEndpoint { line: self.number, source })?;
        let mut time = |name| {
            self.known((word()? == name).then_some(()))?;
            let micros = self.known(word()?.strip_suffix("us"))?;
            Ok::<_, TranscriptError>(Duration::from_micros(self.number(micros)?))
        };
        Ok(RecordedExchange {
            endpoint,
            began: time("at")?,
            took: time("took")?,
            request: Vec::new(),
            outcome: Err(RecordedFailure::NotRecorded),
        })
    }

    fn failure(self, text: &str) -> Result<RecordedFailure, TranscriptError> {
        let (name, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let cause = || {
            let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let mut bytes = Vec::new();
            self.bytes(self.known(quoted)?, &mut bytes)?;
            Ok::<_, TranscriptError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(match name {
            "refused" => RecordedFailure::Refused,
            "unreachable" => RecordedFailure::Unreachable(cause()?),
            "timed-out" => {
                let (stage, received) = self.known(rest.split_once(' '))?;
                let stage = self.known(named(&STAGES, stage))?;
                RecordedFailure::TimedOut { stage, received: self.number(received)? }
            }
            "closed-without-reply" => RecordedFailure::ClosedWithoutReply,
            "reset" => RecordedFailure::Reset,
            "too-long" => RecordedFailure::TooLong { limit: self.number(rest)? },
            "exhausted" => RecordedFailure::Exhausted(cause()?),
            "denied" => RecordedFailure::Denied(cause()?),
            "unsupported" => RecordedFailure::Unsupported,
            "not-recorded" => RecordedFailure::NotRecorded,
            "io" => RecordedFailure::Io(cause()?),
            "tls" => RecordedFailure::Tls(cause()?),
            "untrusted" => RecordedFailure::Untrusted,
            _ => return Err(self.bad()),
        })
    }
}

#[cfg(test)]
mod tests;
