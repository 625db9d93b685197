//! Ways to answer wrongly. Each has been seen on real machines or belongs to something else that listens on the port
//! of the API (cgminer `api.c`; replies of real firmware in public test suites).

mod bytes;
mod content;
#[cfg(test)]
mod tests;

pub(crate) use bytes::{deliver, spoil_bytes};
pub(crate) use content::spoil;

use std::fmt;
use std::str::FromStr;

/// Declares the defects with their names.
macro_rules! defects {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal; )+) => {
        /// A way to answer wrongly.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Defect {
            $( $(#[$doc])* $variant, )+
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// Its name: lower-case, words joined with `-`.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}

defects! {
    // What is in the reply.
    /// Records side by side without a comma: `}{`.
    GluedRecords = "glued-records";
    /// A comma before the first record: `[,{`.
    LeadingComma = "leading-comma";
    /// A comma after the last field: `,}`.
    TrailingComma = "trailing-comma";
    /// No comma between a text and the next key: `"a""b"`.
    MissingComma = "missing-comma";
    /// A line feed inside a text.
    RawNewline = "raw-newline";
    /// A tab and other control characters inside a text.
    ControlCharacters = "control-characters";
    /// An escape that JSON does not know: `\'`.
    IllegalEscape = "illegal-escape";
    /// Bytes that are no UTF-8 inside a text.
    InvalidUtf8 = "invalid-utf8";
    /// Bare `nan`, `-nan`, `inf`.
    NotANumber = "not-a-number";
    /// Numbers that no machine can mean.
    OutOfRange = "out-of-range";
    /// Every number printed several times under one key.
    DuplicateKeys = "duplicate-keys";
    /// Numbers as texts, padded.
    NumbersAsText = "numbers-as-text";
    /// Rates of boards as empty texts.
    EmptyRates = "empty-rates";
    /// Lists, records, texts and truth values where numbers belong, and the other way round.
    WrongTypes = "wrong-types";
    /// One section for each record: `POOL0`, `POOL1`.
    NumberedSections = "numbered-sections";
    /// The list of errors has brackets around pairs: `["110":"…"]`.
    ErrorListBrackets = "error-list-brackets";
    /// A text reply to a JSON request.
    TextReply = "text-reply";
    /// A status and nothing else: no section.
    SectionMissing = "section-missing";
    /// Hundreds of levels of brackets.
    DeepNesting = "deep-nesting";
    // Where it begins and ends.
    /// After the NUL comes a second reply that ends with `,"id":1}`.
    SecondCopy = "second-copy";
    /// Only the end is left: `,"id":1}`.
    BodyLost = "body-lost";
    /// Cut in the middle.
    Truncated = "truncated";
    /// No NUL where one belongs.
    NoTerminator = "no-terminator";
    /// Ends as it should and leaves the connection open.
    NoClose = "no-close";
    /// No NUL, and leaves the connection open.
    NoTerminatorNoClose = "no-terminator-no-close";
    /// One byte every 20 ms.
    Drip = "drip";
    /// The reply over and over without end.
    Endless = "endless";
    /// Nothing, and the connection stays open.
    Silence = "silence";
    /// Closes without a byte.
    ZeroBytes = "zero-bytes";
    /// Half the reply, then a reset.
    ResetMidReply = "reset-mid-reply";
    // What it is not.
    /// Bytes without any sense.
    Garbage = "garbage";
    /// The proxy before a mining program that is down.
    ProgramDown = "program-down";
    /// A web server listens there.
    WebServer = "web-server";
    /// An SSH server listens there.
    SshServer = "ssh-server";
    /// A server listens there that wants TLS.
    TlsServer = "tls-server";
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no defect is called {0:?}; known: {known}", known = names())]
pub struct UnknownDefect(String);

fn names() -> String {
    Defect::ALL.iter().map(|defect| defect.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, UnknownDefect> {
        let wanted = text.trim();
        Self::ALL
            .iter()
            .copied()
            .find(|defect| defect.name().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownDefect(wanted.to_owned()))
    }
}
