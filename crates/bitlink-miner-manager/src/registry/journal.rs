//! The monitor's journal, kept by the store.

use super::RegistryChange;
use crate::handed_in::handed_in;
use bitlink_monitor::{JournalError, RegistryJournal};
use bitlink_store::{RecordChange, Store, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// A store as the place where a monitor keeps its registry. Cheap to clone; the data directory is free again when the last
/// of them is gone.
#[derive(Debug, Clone)]
pub struct StoreJournal {
    store: Arc<Store>,
}

impl StoreJournal {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// The store itself, which keeps history too.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }
}

impl RegistryJournal for StoreJournal {
    fn keep(&self, changes: Vec<RegistryChange>) -> BoxFuture<'static, Result<(), JournalError>> {
        let changes = changes.iter().filter_map(record_change).collect();
        handed_in(|done| self.store.submit(changes, done)).map(|kept| kept.map_err(failed)).boxed()
    }
}

fn failed(error: StoreError) -> JournalError {
    match error {
        StoreError::Full { .. } => JournalError::Full(Arc::new(error)),
        error => JournalError::Failed(Arc::new(error)),
    }
}

/// A change of the registry as the store takes it.
pub(super) fn record_change(change: &RegistryChange) -> Option<RecordChange> {
    match change {
        RegistryChange::Put(record) => Some(RecordChange::Put(Arc::clone(record))),
        RegistryChange::Drop(id) => Some(RecordChange::Drop(*id)),
        // The enum may grow; the three places that must know are in this workspace.
        _ => None,
    }
}
