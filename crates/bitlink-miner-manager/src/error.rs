//! What can go wrong at the front door. Errors of the layers below keep their own types.

use bitlink_scanner::{ConfigError, ScanError, TargetError};
use bitlink_transport::{ConverseError, Endpoint, ListenError};

/// Why something that was asked of the facade could not be done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// User, and operator: what is to be told, or a channel.
    #[error("alerts")]
    Alerts(#[from] crate::service::AlertingError),
    /// User: what was named is not something that can be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// User: one miner was to be named, and this names another number.
    #[error("{text:?} names {count} addresses where one is needed")]
    NotOne {
        /// What was given.
        text: String,
        /// How many addresses that is.
        count: usize,
    },
    /// User: a setting outside of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// User: a setting for watching outside of its range.
    #[error(transparent)]
    Monitor(#[from] bitlink_monitor::ConfigError),
    /// User: a setting of a service outside of its range.
    #[error("{setting} must be {allowed}")]
    Service {
        /// Which setting.
        setting: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// Program: the service has stopped.
    #[error("the service has stopped")]
    Stopped,
    /// Program: a scan could not start or not end.
    #[error(transparent)]
    Scan(ScanError),
    /// User or this machine: nothing can be heard.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Network or miner: no reading could be taken. The source says why.
    #[error("{endpoint} could not be read")]
    Read {
        /// Where it was tried.
        endpoint: Endpoint,
        /// Why it failed.
        #[source]
        source: ConverseError,
    },
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Targets(error) => Self::Target(error),
            ScanError::Config(error) => Self::Config(error),
            other => Self::Scan(other),
        }
    }
}
