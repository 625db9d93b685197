//! Keys as they are pressed, without holding up anything else: reading a terminal blocks, so a thread does it.

use ratatui::crossterm::event::{self, Event};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the thread waits for a key before it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// What happens at the terminal. Dropping it ends the thread that listens, and waits for that.
#[derive(Debug)]
pub(super) struct Keys {
    events: mpsc::Receiver<Event>,
    wanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, events) = mpsc::channel(64);
        let wanted = Arc::new(AtomicBool::new(true));
        let still_wanted = Arc::clone(&wanted);
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || {
            while still_wanted.load(Ordering::Relaxed) {
                let next = match event::poll(LOOK) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                // An error means that the terminal has gone; a closed channel that nobody listens.
                match next.map(|event| sender.blocking_send(event)) {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
        })?;
        Ok(Self { events, wanted, thread: Some(thread) })
    }

    /// The next thing that happens; `None` when nothing will.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.events.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so itself.
            let _ = thread.join();
        }
    }
}
