//! What can end a command, as the user is told it: one line that says what, lines that say why, a hint where there is
//! one, and the exit code.

use bitlink_miner_manager::protocol::{ExchangeFailure, ProtocolError};
use bitlink_miner_manager::transport::{ConverseError, TransportError};
use bitlink_miner_manager::{Error, ListenError, MonitorConfigError, ScanConfigError, TargetError};
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a command ended. The numbers are a contract with other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything went as asked.
    Fine = 0,
    /// It went on to the end, and something on the way failed.
    SomeFailed = 1,
    /// It was asked for something that makes no sense.
    Usage = 2,
    /// There was nothing to be found.
    NothingFound = 3,
    /// A miner does not let this machine ask.
    AccessDenied = 4,
    /// A mistake in this program.
    Bug = 70,
    /// Somebody stopped it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    lines: Vec<String>,
    hint: Option<String>,
    quiet: bool,
}

impl Failure {
    /// With a message of our own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, lines: vec![message.into()], hint: None, quiet: false }
    }

    /// Wrong use, with a message of our own.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An error and its causes.
    pub(crate) fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        failure.add_causes(error.source());
        failure
    }

    fn add_causes(&mut self, mut cause: Option<&dyn std::error::Error>) {
        while let Some(error) = cause {
            let text = error.to_string();
            if self.lines.last() != Some(&text) {
                self.lines.push(text);
            }
            cause = error.source();
        }
    }

    /// With an error as its cause.
    pub(crate) fn because(mut self, cause: &dyn std::error::Error) -> Self {
        self.add_causes(Some(cause));
        self
    }

    /// What and why without line ends, for a message among others.
    pub(crate) fn in_one_line(&self) -> String {
        self.lines.join(": ").lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// With a hint how to go on.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether there is anything to say: not when the reader of the output has gone away.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

impl fmt::Display for Failure {
    /// Everything the user is told, harmless on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::table::Tone;
        use crate::text::clean;
        for (index, line) in self.lines.iter().enumerate() {
            let word = if index == 0 { Tone::Bad.paint("error:") } else { Tone::Dim.paint("caused by:") };
            writeln!(f, "{word} {}", clean(line))?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "{} {hint}", Tone::Strong.paint("hint:")),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for Failure {
    /// An error of our own output. A reader that went away (`| head -1`) has what it wanted.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Self { exit: Exit::Fine, lines: Vec::new(), hint: None, quiet: true }
            }
            _ => Self::new(Exit::SomeFailed, "cannot write the output").because(&error),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::from(io::Error::from(error)) } else { Self::of(Exit::Bug, &error) }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let failure = Self::of(Exit::Usage, &error);
        match hint_of(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn hint_of(error: &TargetError) -> Option<&'static str> {
    match error {
        TargetError::Reversed { .. } => Some("write the smaller address first"),
        TargetError::Empty => {
            Some("name an address, a network or a range; `bitlink detect` lists the networks here")
        }
        TargetError::UnknownName { .. } => Some("check the spelling, or give the address instead"),
        TargetError::Line { source, .. } => hint_of(source),
        _ => None,
    }
}

impl From<ScanConfigError> for Failure {
    fn from(error: ScanConfigError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<MonitorConfigError> for Failure {
    fn from(error: MonitorConfigError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Target(error) => error.into(),
            Error::Config(error) => error.into(),
            Error::Read { ref source, .. } => {
                let exit = if is_access_denied(source) { Exit::AccessDenied } else { Exit::SomeFailed };
                let failure = Self::of(exit, &error);
                match hint_of_conversation(source) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            Error::Listen(ListenError::NoSocket(_)) => Self::of(Exit::SomeFailed, &error),
            Error::Listen(_) => Self::of(Exit::Usage, &error),
            Error::NotOne { .. } => {
                Self::of(Exit::Usage, &error).hint("`bitlink scan` reads every miner of a network or range")
            }
            other => Self::of(Exit::SomeFailed, &other),
        }
    }
}

/// Whether a miner is there and does not let this machine ask.
fn is_access_denied(error: &ConverseError) -> bool {
    matches!(
        error,
        ConverseError::Protocol(
            ProtocolError::AccessDenied { .. }
                | ProtocolError::NoReply { failure: ExchangeFailure::ClosedWithoutReply, .. }
        ) | ConverseError::Transport(TransportError::ClosedWithoutReply)
    )
}

fn hint_of_conversation(error: &ConverseError) -> Option<&'static str> {
    if is_access_denied(error) {
        return Some("allow this machine's address in the miner's API settings (api-allow)");
    }
    match error {
        ConverseError::Transport(TransportError::Refused) => {
            Some("a machine is there and its API is not: is it a miner, and is the API switched on?")
        }
        ConverseError::Transport(TransportError::TimedOut { .. }) => {
            Some("no answer in time: check the address, or allow more with --answer-timeout")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! The words and the codes.
    use super::*;
    use bitlink_miner_manager::ScanTargets;

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_quiet());
        assert_eq!(failure.exit(), Exit::Fine);
    }

    #[test]
    fn causes_are_told_once_and_hostile_text_is_harmless() {
        let inner = io::Error::other("no \u{1b}[31mway");
        let text = Failure::new(Exit::SomeFailed, "cannot").because(&inner).hint("go round").to_string();
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "error: cannot\ncaused by: no \\x1b[31mway\nhint: go round\n"
        );
    }

    #[test]
    fn wrong_targets_are_wrong_use_each_with_its_own_words() {
        for (targets, words) in [
            ("", "no target"),
            ("10.0.0.9-10.0.0.1", "ends before it begins"),
            ("10.0.0.1:99999", "out of bounds"),
            ("10.0.0.0/99", "not a target"),
            ("10.0.0.300", "not a target"),
        ] {
            let failure = Failure::from(ScanTargets::parse(targets).unwrap_err());
            assert_eq!(failure.exit(), Exit::Usage, "{targets}");
            assert!(failure.to_string().contains(words), "{targets}: {failure}");
        }
    }
}
