//! One command at a time for a machine, whichever plan it comes from: who has which machine now.

use crate::plan::Target;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The machines that plans of this process have now. Shared by everybody who commands.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    held: Arc<Mutex<HashSet<String>>>,
}

impl Claims {
    /// Nobody has any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a machine, unless somebody has it.
    pub(crate) fn take(&self, target: &Target) -> Option<Claim> {
        let key = key(target);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key.clone()).then(|| Claim { key, held: Arc::clone(&self.held) })
    }
}

/// A machine that is had, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    key: String,
    held: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// By what plans know that they mean the same machine.
pub(crate) fn key(target: &Target) -> String {
    target.marks.key().unwrap_or_else(|| format!("at:{}", target.endpoint))
}
