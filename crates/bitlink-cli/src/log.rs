//! Messages of the layers below, on standard error: never in the middle of a screen that somebody looks at.

use crate::console::Console;
use crate::settings::{Level, Log, LogFormat};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts to write the messages of a service: what it is told to write, more with every `-v`, or what `RUST_LOG` says. Where
/// the journal of systemd reads them it dates them itself.
pub(crate) fn start_service(log: Log, format: Option<LogFormat>, verbose: u8, console: Console) {
    let level = match (log.level, verbose) {
        (_, 2..) | (Level::Trace, _) => "trace",
        (_, 1) | (Level::Debug, _) => "debug",
        (Level::Info, 0) => "info",
        (Level::Warn, 0) => "warn",
        (Level::Error, 0) => "error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(level));
    let messages =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(Messages).with_target(verbose > 0);
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let started = match format.unwrap_or(log.format) {
        LogFormat::Json => {
            messages.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
        LogFormat::Text if in_journal => messages.without_time().with_ansi(false).try_init(),
        LogFormat::Text => messages.with_ansi(console.err_is_colored()).try_init(),
    };
    debug_assert!(started.is_ok(), "messages are started once");
}

/// Starts to pass messages on: errors, more with every `-v`, or what `RUST_LOG` says.
pub(crate) fn start(verbose: u8, console: Console) {
    let usual = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(usual));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(console.err_is_colored())
        .with_writer(Messages)
        .with_target(verbose > 1)
        .without_time()
        .try_init();
    debug_assert!(started.is_ok(), "messages are started once");
}

/// Messages that wait while a screen is up. The newest are kept, up to a bound.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Most bytes of messages that wait.
const MOST: usize = 1 << 20;

/// Keeps messages until [`release`].
pub(crate) fn hold() {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// Shows the messages that waited, and further ones at once.
pub(crate) fn release() {
    if let Some(held) = HELD.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Nobody reads it: nothing is lost.
        let _ = io::stderr().write_all(&held);
    }
}

/// Where messages go.
struct Messages;

impl<'a> MakeWriter<'a> for Messages {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match HELD.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(held) => {
                let over = (held.len() + bytes.len()).saturating_sub(MOST).min(held.len());
                held.drain(..over);
                held.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
