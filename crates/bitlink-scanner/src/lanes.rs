//! Two lanes of machines with an open port: those whose turn it is, and those that were slow at their first turn and wait
//! until others have had theirs. Hands out turns; asks nobody anything.
//!
//! A farm's network has machines that accept a connection and then say nothing for seconds: a mining program that restarts,
//! a tarpit, a printer. Were each of them waited for at once, as many of them as the scan asks at a time would hold up
//! everybody else. So whoever is slow goes to the end, and while others arrive, no more than half of the width is theirs.

use bitlink_protocol::Doors;
use bitlink_transport::Endpoint;
use std::collections::VecDeque;
use std::sync::{Mutex as SyncMutex, PoisonError};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Mutex, Notify, mpsc};

/// How many slow machines may wait; some hundred bytes each. More of them are waited for at once.
const MOST_POSTPONED: usize = 65_536;

/// A machine with an open port, and which of its doors are shut.
type Opened = (Endpoint, Doors);

/// See the file.
#[derive(Debug)]
pub(crate) struct Lanes {
    opened: Mutex<mpsc::Receiver<Opened>>,
    slow: SyncMutex<Slow>,
    /// Somebody was postponed, or there is room for one who was.
    changed: Notify,
    /// How many slow machines may be asked at a time while others may still come.
    width: usize,
}

#[derive(Debug, Default)]
struct Slow {
    waiting: VecDeque<Opened>,
    asked: usize,
}

/// Whose turn it is.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// The first one: it may be postponed.
    First(Opened),
    /// The second and last one.
    Again(Opened, Patient<'a>),
}

/// Room in the slow lane, until it is dropped.
#[derive(Debug)]
pub(crate) struct Patient<'a>(&'a Lanes);

impl Drop for Patient<'_> {
    fn drop(&mut self) {
        self.0.slow().asked -= 1;
        self.0.changed.notify_one();
    }
}

impl Lanes {
    /// For so many who ask at the same time.
    pub(crate) fn new(opened: mpsc::Receiver<Opened>, width: usize) -> Self {
        Self {
            opened: Mutex::new(opened),
            slow: SyncMutex::default(),
            changed: Notify::new(),
            width: width / 2,
        }
    }

    /// Waits for the next turn. `None` when the sweep is over and nobody waits; whoever postpones one after that has to come
    /// back for it.
    pub(crate) async fn next(&self) -> Option<Turn<'_>> {
        let mut opened = self.opened.lock().await;
        loop {
            match opened.try_recv() {
                Ok(first) => return Some(Turn::First(first)),
                Err(TryRecvError::Disconnected) => return self.take(usize::MAX),
                Err(TryRecvError::Empty) => {}
            }
            if let Some(again) = self.take(self.width) {
                return Some(again);
            }
            tokio::select! {
                first = opened.recv() => if let Some(first) = first {
                    return Some(Turn::First(first));
                },
                () = self.changed.notified() => {}
            }
        }
    }

    /// Lets a slow machine wait, or gives it back when there is no room.
    pub(crate) fn postpone(&self, opened: Opened) -> Result<(), Opened> {
        let mut slow = self.slow();
        if slow.waiting.len() >= MOST_POSTPONED {
            return Err(opened);
        }
        slow.waiting.push_back(opened);
        drop(slow);
        self.changed.notify_one();
        Ok(())
    }

    fn take(&self, width: usize) -> Option<Turn<'_>> {
        let mut slow = self.slow();
        if slow.asked >= width {
            return None;
        }
        let opened = slow.waiting.pop_front()?;
        slow.asked += 1;
        Some(Turn::Again(opened, Patient(self)))
    }

    fn slow(&self) -> std::sync::MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
