//! Systems without Unix sockets: a service has no door for other processes.

use super::ServiceHandle;
use bitlink_model::{MinerId, RecordEdit};
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Door;

impl Door {
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn serve(self, _: ServiceHandle) {}
}

pub(crate) fn is_open(_: &Path) -> bool {
    false
}

pub(crate) fn amend(_: &Path, _: Vec<(MinerId, RecordEdit)>, _: Vec<MinerId>) -> Result<usize, Refusal> {
    Err(Refusal::Gone(io::ErrorKind::Unsupported.into()))
}

/// Asks the service of a data directory something about alerts: there is no door here.
///
/// # Errors
/// [`Refusal`].
pub fn order_alert(_: &Path, _: bitlink_alerts::AlertOrder) -> Result<(), Refusal> {
    Err(Refusal::Gone(io::ErrorKind::Unsupported.into()))
}

/// Why a service did not take changes.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be reached.
    #[error("the service that has the data does not answer")]
    Gone(#[from] io::Error),
    /// It said so.
    #[error("the service that has the data refuses: {0}")]
    Said(String),
}
