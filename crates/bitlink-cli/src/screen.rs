//! The whole terminal while a command draws on it: taken, given back however the program ends, and left for a while when somebody
//! stops the program to come back later (Ctrl-Z, `fg`). Draws nothing itself.

mod keys;

pub(crate) use keys::Keys;

use crate::log;
use ratatui::DefaultTerminal;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is ours now.
static OPEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(crate) struct Screen {
    pub(crate) terminal: DefaultTerminal,
}

impl Screen {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { terminal: take()? })
    }

    /// Takes the terminal anew, which somebody else may have had meanwhile.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        restore_terminal();
        self.terminal = take()?;
        Ok(())
    }

    /// Gives the terminal back, sleeps until somebody wakes this program, and takes the terminal again. Where nobody could
    /// wake it, nothing happens, and that is said.
    pub(crate) fn sleep(&mut self) -> io::Result<Slept> {
        if !job::can_sleep() {
            return Ok(Slept::NobodyWouldWakeUs);
        }
        restore_terminal();
        job::sleep()?;
        self.reopen()?;
        Ok(Slept::Woken)
    }
}

fn take() -> io::Result<DefaultTerminal> {
    log::hold();
    OPEN.store(true, Ordering::SeqCst);
    ratatui::try_init().inspect_err(|_| restore_terminal())
}

/// What became of the wish to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slept {
    Woken,
    NobodyWouldWakeUs,
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Gives the terminal back as it was, if it is ours. Can be called at any time, from anywhere.
pub(crate) fn restore_terminal() {
    if OPEN.swap(false, Ordering::SeqCst) {
        // There is nobody to tell that it cannot be restored.
        let _ = ratatui::try_restore();
        log::release();
    }
}

/// Wishes that this program sleep, or news that it was woken. They count from when this is made.
#[derive(Debug)]
pub(crate) struct Job {
    #[cfg(unix)]
    sleep: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    woken: Option<tokio::signal::unix::Signal>,
}

/// What a [`Job`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobWish {
    /// Give the terminal back and sleep.
    Sleep,
    /// It was stopped by somebody who did not ask, and goes on: the terminal is not as it was.
    Woken,
}

impl Job {
    /// Must be made inside the runtime.
    pub(crate) fn new() -> Self {
        #[cfg(unix)]
        {
            use nix::sys::signal::Signal;
            use tokio::signal::unix::{SignalKind, signal};
            let of = |kind: Signal| signal(SignalKind::from_raw(kind as i32)).ok();
            Self { sleep: of(Signal::SIGTSTP), woken: of(Signal::SIGCONT) }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// The next of them; never, where there is no such thing.
    pub(crate) async fn next(&mut self) -> JobWish {
        #[cfg(unix)]
        return std::future::poll_fn(|cx| {
            use std::task::Poll;
            let mut came = |signal: &mut Option<tokio::signal::unix::Signal>| {
                signal.as_mut().is_some_and(|signal| matches!(signal.poll_recv(cx), Poll::Ready(Some(()))))
            };
            if came(&mut self.sleep) {
                Poll::Ready(JobWish::Sleep)
            } else if came(&mut self.woken) {
                Poll::Ready(JobWish::Woken)
            } else {
                Poll::Pending
            }
        })
        .await;
        #[cfg(not(unix))]
        std::future::pending().await
    }

    /// Does what the key for it does where the terminal sees to keys: everybody who belongs to this program's job is told.
    pub(crate) fn ask_to_sleep() {
        job::ask_to_sleep();
    }
}

#[cfg(unix)]
mod job {
    //! What a shell calls a job.

    use nix::sys::signal::{Signal, kill, raise};
    use nix::unistd::{Pid, getpgrp, getppid, getsid};
    use std::io;

    /// Whether there is a shell that would notice and could wake us: it made a group of our own for us, and it lives. Where
    /// there is none (`ssh host bitlink top`), whoever sleeps sleeps for ever.
    pub(super) fn can_sleep() -> bool {
        let (ours, parents) = (getsid(None), getsid(Some(getppid())));
        ours.is_ok() && ours == parents && ours != Ok(getpgrp())
    }

    pub(super) fn ask_to_sleep() {
        // We are told ourselves too; an error means that there is nobody.
        let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    }

    pub(super) fn sleep() -> io::Result<()> {
        Ok(raise(Signal::SIGSTOP)?)
    }
}

#[cfg(not(unix))]
mod job {
    //! There are no jobs here.

    pub(super) fn can_sleep() -> bool {
        false
    }

    pub(super) fn ask_to_sleep() {}

    pub(super) fn sleep() -> std::io::Result<()> {
        Ok(())
    }
}
