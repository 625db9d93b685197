//! Where candidates come from beside the sweep: machines that show themselves, and neighbours that are known already. A source
//! only names addresses; what is there is found out as for every other address, and nothing is believed because it was said.

mod heard;
mod table;

use crate::targets::ScanPlan;
use bitlink_model::Mac;
use bitlink_transport::ListenError;
use futures::stream::BoxStream;
use std::fmt::{self, Debug};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use heard::{HeardCalls, HeardReports};
pub use table::NeighbourTable;

/// A source of candidates.
pub trait CandidateSource: Debug + Send + Sync + 'static {
    /// Its name in output ("listen"). Two sources of one scan have different names.
    fn name(&self) -> &'static str;

    /// Begins to name candidates for a scan of these endpoints. The stream must end by itself, since the scan waits for it;
    /// when the scan is stopped, it is dropped.
    ///
    /// # Errors
    /// [`SourceError`] where there can be none. The scan goes on without it, and tells.
    fn open(&self, plan: &ScanPlan) -> Result<Candidates, SourceError>;
}

/// The candidates of a source.
pub struct Candidates {
    pub(crate) stream: BoxStream<'static, Candidate>,
    pub(crate) trouble: Vec<SourceError>,
}

impl Candidates {
    /// These.
    pub fn new(stream: BoxStream<'static, Candidate>) -> Self {
        Self { stream, trouble: Vec::new() }
    }

    /// With something that went wrong and leaves the rest as it is.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Vec<SourceError>) -> Self {
        self.trouble = trouble;
        self
    }
}

impl Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

/// An address where there may be a miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The address.
    pub ip: IpAddr,
    /// The port of its API, where it is told.
    pub port: Option<u16>,
    /// Its hardware address, where it is told.
    pub mac: Option<Mac>,
}

impl Candidate {
    /// An address of which no more is known.
    pub const fn new(ip: IpAddr) -> Self {
        Self { ip, port: None, mac: None }
    }

    /// With the port of its API.
    #[must_use]
    pub const fn with_port(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// With its hardware address.
    #[must_use]
    pub const fn with_mac(mut self, mac: Option<Mac>) -> Self {
        self.mac = mac;
        self
    }
}

/// Why a source names nothing, or not all that it could.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing can be heard.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// This machine: it cannot listen at one place; another program may.
    #[error("cannot listen at {place}")]
    Place {
        /// Where.
        place: SocketAddr,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// User: none of the targets is on a network of this machine, and questions to everybody pass no router.
    #[error("none of the targets is on a network of this machine, and no router passes such a question on")]
    NotHere,
    /// This machine: it does not tell its interfaces.
    #[error("cannot list the interfaces of this machine")]
    Interfaces(#[source] Arc<io::Error>),
    /// This machine: its system does not tell whom it knows on its networks.
    #[error("this system does not tell its neighbours")]
    NoTable,
}

/// What one source of a scan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCounts {
    /// Its [name](CandidateSource::name).
    pub name: &'static str,
    /// How many addresses it named. Those that are excluded are not among them.
    pub seen: u64,
    /// Of these, how many are no targets.
    pub beyond: u64,
    /// How many turned out to be miners.
    pub found: u64,
    /// Of these, how many would not be known without it: they are no targets, and no other source named them.
    pub only: u64,
}

#[cfg(test)]
mod tests;
