//! The terminal, or what stands in its place: where output goes, whether it is coloured, how wide it is, and who stops
//! the program. Shows nothing by itself.

use anstream::{AutoStream, ColorChoice};
use std::io::{self, IsTerminal, Write};

/// Whether output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What was asked of all output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Console {
    pub(crate) color: Color,
    pub(crate) quiet: bool,
}

impl Console {
    fn choice(self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.color {
            Color::Auto => AutoStream::choice(stream),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    /// Text for people; colours are taken out where they are not wanted.
    pub(crate) fn out(self) -> AutoStream<io::Stdout> {
        let stdout = io::stdout();
        let choice = self.choice(&stdout);
        AutoStream::new(stdout, choice)
    }

    /// Messages beside the output.
    pub(crate) fn err(self) -> AutoStream<io::Stderr> {
        let stderr = io::stderr();
        let choice = self.choice(&stderr);
        AutoStream::new(stderr, choice)
    }

    /// Whether colours are wanted on the standard output.
    pub(crate) fn is_colored(self) -> bool {
        self.choice(&io::stdout()) != ColorChoice::Never
    }

    /// Whether colours are wanted on the standard error.
    pub(crate) fn err_is_colored(self) -> bool {
        self.choice(&io::stderr()) != ColorChoice::Never
    }

    /// A line beside the output, unless only the output is wanted.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            // Nobody reads it: nothing is lost.
            let _ = writeln!(self.err(), "{text}");
        }
    }

    /// Whether progress may be drawn beside the output.
    pub(crate) fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Whether the standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether there is a person at both ends: a terminal to draw on and keys to read.
pub(crate) fn is_interactive() -> bool {
    is_terminal() && io::stdin().is_terminal()
}

/// Whether somebody can be asked: keys to read, and a terminal for the question.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and returns the line that comes back.
pub(crate) fn ask(question: &str, console: Console) -> io::Result<String> {
    write!(console.err(), "{question}")?;
    console.err().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}

/// The same without showing what is typed.
pub(crate) fn ask_secret(question: &str, console: Console) -> io::Result<String> {
    use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
    use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
    write!(console.err(), "{question}")?;
    console.err().flush()?;
    enable_raw_mode()?;
    let mut text = String::new();
    let typed = loop {
        let key = match read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => key,
            Ok(_) => continue,
            Err(error) => break Err(error),
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => break Ok(text),
            KeyCode::Char('c' | 'd') if control => break Err(io::ErrorKind::Interrupted.into()),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(c) if !control => text.push(c),
            _ => {}
        }
    };
    disable_raw_mode()?;
    writeln!(console.err())?;
    typed
}

/// How many columns a table may take; without limit where the output is not a terminal.
pub(crate) fn room() -> Option<usize> {
    if !is_terminal() {
        return None;
    }
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|c| *c > 0)
}

/// Somebody's wish that the program end: Ctrl-C, or a signal that asks for it. Wishes count from when this is made.
#[derive(Debug)]
pub(crate) struct Interruption {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Interruption {
    /// Must be made inside the runtime.
    pub(crate) fn new() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            Self { signals: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Returns once somebody has wished it, each time anew.
    pub(crate) async fn come(&mut self) {
        #[cfg(unix)]
        std::future::poll_fn(|cx| {
            if self.signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for so long, or for ever.
pub(crate) async fn over(after: Option<std::time::Duration>) {
    match after {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
