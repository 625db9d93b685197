//! How questions travel to a miner and answers back.

mod drive;
mod error;
mod host;
mod transport;

pub use drive::{ConverseError, Conversed, Patience, converse};
pub use error::{Stage, TransportError};
pub use host::{Act, Door, Host, Script};
#[cfg(feature = "test-util")]
pub use transport::MockTransport;
pub use transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
