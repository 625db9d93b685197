//! What can be wrong with the targets of a scan. The user is to blame for all of it, so every message says what was
//! read, what was expected, and how to go on.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why targets cannot be scanned.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not a target in any known form.
    #[error("{text} is not a target: expected {expected}")]
    Malformed {
        /// What was read.
        text: Quoted,
        /// What could have stood there.
        expected: &'static str,
    },
    /// The end of a range lies before its beginning.
    #[error("the range {text} ends before it begins")]
    Reversed {
        /// What was read.
        text: Quoted,
    },
    /// A port that does not exist.
    #[error("the port of {text} is out of bounds: expected 1 to 65535")]
    PortOutOfBounds {
        /// What was read.
        text: Quoted,
    },
    /// No target at all.
    #[error("no target given")]
    Empty,
    /// More addresses than allowed.
    #[error(
        "{addresses} addresses are more than the limit of {limit}: raise it with `--max-addresses` or `ScanConfig::with_max_addresses`, or name fewer"
    )]
    TooMany {
        /// How many addresses were named.
        addresses: u128,
        /// How many are allowed.
        limit: u64,
    },
    /// Octet patterns that break into more separate ranges than are kept.
    #[error("the octet patterns break into more than {limit} separate ranges: scan them in parts")]
    TooScattered {
        /// How many ranges are allowed.
        limit: usize,
    },
    /// A file of targets cannot be read.
    #[error("cannot read the targets in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// Files of targets name each other too deeply, or in a circle.
    #[error("target files are nested more than {limit} deep at {path}")]
    TooDeep {
        /// The file that was not opened.
        path: PathBuf,
        /// How deep they may be nested.
        limit: usize,
    },
    /// A line of a file of targets is wrong.
    #[error("{path}, line {line}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Box<TargetError>,
    },
    /// A host name where only addresses will do.
    #[error("the host name {name} cannot be excluded: exclude its address")]
    NameExcluded {
        /// The name.
        name: String,
    },
    /// A host name that no address is known for.
    #[error("no address is known for {name}")]
    UnknownName {
        /// The name.
        name: String,
        /// What the resolver says.
        #[source]
        source: Arc<io::Error>,
    },
}

/// The beginning of what a user wrote, in quotes, fit to be shown anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// At most so many characters are kept.
    const CHARS: usize = 80;

    pub(crate) fn new(text: &str) -> Self {
        let mut kept: String = text.chars().take(Self::CHARS).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        Self(kept)
    }

    /// The text without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The debug form of a text escapes control and direction characters.
        fmt::Debug::fmt(&self.0, f)
    }
}
