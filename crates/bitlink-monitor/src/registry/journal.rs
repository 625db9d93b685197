//! What a registry needs of whoever keeps it: one verb. The facade plugs a store in.

use super::RegistryChange;
use futures::future::BoxFuture;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Keeps what a registry gives out.
pub trait RegistryJournal: fmt::Debug + Send + Sync + 'static {
    /// Keeps all of it or nothing, in this order. Whatever was answered with `Ok` must still be there after the machine has
    /// lost its power. What could not be kept goes back with [`Registry::not_kept`](super::Registry::not_kept).
    fn keep(&self, changes: Vec<RegistryChange>) -> BoxFuture<'static, Result<(), JournalError>>;
}

/// Why changes could not be kept. The cause is in `source()`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// This machine: no room. Worth trying again later.
    #[error("no room to keep the registry")]
    Full(#[source] Arc<dyn Error + Send + Sync>),
    /// This machine: anything else.
    #[error("the registry cannot be kept")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
}
