//! Where state and messages are kept over a restart: a trait, and one in memory for tests and for who needs no more.

use crate::courier::OUTBOX;
use crate::engine::keep::STATE;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What keys begin with. Whoever keeps other things in the same place keeps them under others.
pub const KEYS: &[&str] = &[STATE, OUTBOX];

/// One thing that is kept: a key, and what is to stand under it; `None`: nothing any more.
pub type Item = (String, Option<String>);

/// What is kept together: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each key once.
    pub items: BTreeMap<String, Option<String>>,
}

impl Batch {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// With what came later; of one key the later counts.
    pub fn extend(&mut self, later: Self) {
        self.items.extend(later.items);
    }
}

/// Why it could not be kept or read. This machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// Keeps what alerts know and what is still to be sent.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps it, and returns when it is safe.
    ///
    /// # Errors
    /// [`OutboxError`]; then nothing of it is kept, and it can be tried again.
    async fn keep(&self, batch: Batch) -> Result<(), OutboxError>;
}

/// In memory: clones are of one.
#[derive(Debug, Clone, Default)]
pub struct MemoryOutbox {
    kept: Arc<Mutex<BTreeMap<String, String>>>,
}

impl MemoryOutbox {
    /// What is kept now.
    pub fn kept(&self) -> BTreeMap<String, String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn keep(&self, batch: Batch) -> Result<(), OutboxError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.items {
            match value {
                Some(value) => drop(kept.insert(key, value)),
                None => drop(kept.remove(&key)),
            }
        }
        Ok(())
    }
}
