//! Keys as they are pressed, without holding up anything else: reading a terminal blocks, so a thread does it.

use ratatui::crossterm::event::{self, Event};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the thread waits for a key before it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// How long the thread may take to end. One that listens to a terminal that has gone may never come back, and must not
/// keep the program from ending.
const FAREWELL: Duration = Duration::from_millis(500);

/// What happens at the terminal. Dropping it ends the thread that listens.
#[derive(Debug)]
pub(crate) struct Keys {
    events: mpsc::Receiver<Event>,
    wanted: Arc<AtomicBool>,
    ended: std::sync::mpsc::Receiver<()>,
}

impl Keys {
    pub(crate) fn listen() -> io::Result<Self> {
        let (sender, events) = mpsc::channel(64);
        let wanted = Arc::new(AtomicBool::new(true));
        let still_wanted = Arc::clone(&wanted);
        let (alive, ended) = std::sync::mpsc::channel();
        thread::Builder::new().name("keys".to_owned()).spawn(move || {
            let _alive = alive;
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
        Ok(Self { events, wanted, ended })
    }

    /// The next thing that happens; `None` when nothing will.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.events.close();
        // The other end is dropped with the thread; nothing is ever sent.
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}
