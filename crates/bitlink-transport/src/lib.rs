//! How questions travel to a miner and answers back.
//!
//! Everything above asks through [`Transport`], as an `Arc<dyn Transport>`, and cannot tell what carries the bytes:
//! [`TcpTransport`] is the real network, [`MemoryTransport`] a network of simulated machines without sockets or real
//! time. Around any of them, [`FaultTransport`] makes things go wrong by a seed, [`RecordingTransport`] keeps what
//! passes and [`TurnsTransport`] lets several users of it take turns with each miner; [`ReplayTransport`] plays a recording back. [`converse`] runs a whole conversation of the protocol crate over any
//! of them, and [`exchange_on`] is the one loop that reads a reply, on whatever stream.
//!
//! [`listen()`] hears miners that show themselves, by UDP.
//!
//! This crate decides nothing about whom to ask, how often or how many at once, and knows nothing of JSON.
//!
//! ```
//! use bitlink_protocol::{ApiRequest, Reply};
//! use bitlink_transport::{Door, Host, Limits, MemoryTransport, Script, Transport};
//! use std::{net::SocketAddr, sync::Arc, time::Duration};
//! use tokio::time::Instant;
//!
//! /// A machine that gives one answer to every question.
//! #[derive(Debug)]
//! struct Parrot;
//!
//! impl Host for Parrot {
//!     fn connect(&self, port: u16) -> Door {
//!         if port == 4028 { Door::Open { after: Duration::from_millis(2) } } else { Door::Refused }
//!     }
//!
//!     fn respond(&self, _port: u16, request: &[u8]) -> Script {
//!         assert_eq!(request, br#"{"command":"version"}"#);
//!         Script::reply(*b"{\"VERSION\":[{\"API\":\"3.7\"}]}\0")
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint: SocketAddr = "192.168.1.100:4028".parse()?;
//! let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::new().with_host(endpoint.ip(), Parrot));
//!
//! let question = ApiRequest::new(br#"{"command":"version"}"#.as_slice()).into();
//! let limits = Limits::until(Instant::now() + Duration::from_secs(5));
//! let Reply::Api(reply) = transport.exchange(endpoint, &question, &limits).await? else {
//!     unreachable!("an API request has an API reply");
//! };
//! assert_eq!(reply.bytes, br#"{"VERSION":[{"API":"3.7"}]}"#);
//! # Ok(())
//! # }
//! ```

mod drive;
mod error;
mod fault;
mod host;
mod interfaces;
mod links;
mod listen;
mod memory;
mod neighbours;
mod read;
mod record;
mod script;
mod tcp;
mod tls;
mod transcript;
mod transport;
mod turns;

pub use drive::{ConverseError, Conversed, Patience, converse};
pub use error::{Stage, TransportError};
pub use fault::{Fault, FaultPlan, FaultTransport};
pub use host::{Act, Door, Host, Script};
pub use interfaces::{Interface, interfaces};
pub use links::Links;
pub use listen::{Call, CallKind, ListenConfig, ListenError, ListenEvent, ListenStream, listen};
pub use memory::{MemoryTransport, Traffic};
pub use neighbours::{Neighbours, Routes, system_neighbours};
pub use read::exchange_on;
pub use record::{RecordingTransport, ReplayTransport};
pub use script::{Ending, play};
pub use tcp::{TcpConfig, TcpTransport};
pub use tls::Certificates;
pub use transcript::{RecordedExchange, RecordedFailure, Transcript, TranscriptError};
#[cfg(feature = "test-util")]
pub use transport::MockTransport;
pub use transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
pub use turns::TurnsTransport;
