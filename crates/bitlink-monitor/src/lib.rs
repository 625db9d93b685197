//! Watches miners: asks each of them at its turn, judges what it says, and tells what has changed.
//!
//! * [`monitor`] starts it and returns the stream of its [events](MonitorEvent): a change of status, a change of
//!   numbers, and the whole fleet once per interval. A [`MonitorHandle`] adds and removes miners meanwhile and reads
//!   the [state](FleetSnapshot) at any time.
//! * [`Schedule`] says whose turn it is. Turns are spread over the interval, do not drift, and a miner is asked one
//!   question at a time.
//! * [`Judge`] applies the health [`Rules`]. Every finding says which rule, what was seen, against which limit, since
//!   when, and what clears it.
//!
//! Both are pure and take time as an argument; the engine between them owns every poll. What must be true of it:
//!
//! * **Stale is never shown as live.** The flat numbers of a miner that is dead or cannot be read are NaN; its last
//!   reading stays in [`Miner::snapshot`](bitlink_model::Miner::snapshot), with its date.
//! * **Bounds are explicit**: polls at once, events that wait, time per poll. Too many miners for the bounds show as
//!   [lag](Coverage::lag), never as a queue that grows; a slow reader is told how much it missed, and events are
//!   [numbered](Numbered).
//! * **The same seed gives the same run** over a deterministic transport, under a paused clock, with a
//!   [`VirtualClock`].
//!
//! There is no socket in here, no storage and no HTTP: questions travel through a
//! [`Transport`](bitlink_transport::Transport).
//!
//! ```
//! use bitlink_monitor::{MonitorConfig, MonitorEvent, monitor};
//! use bitlink_transport::{Door, Host, MemoryTransport, Script};
//! use std::{net::SocketAddr, sync::Arc, time::Duration};
//!
//! /// A miner with one board at 91 °C.
//! #[derive(Debug)]
//! struct Hot;
//!
//! impl Host for Hot {
//!     fn connect(&self, _port: u16) -> Door {
//!         Door::Open { after: Duration::from_millis(2) }
//!     }
//!
//!     fn respond(&self, _port: u16, request: &[u8]) -> Script {
//!         let asked = String::from_utf8_lossy(request);
//!         Script::reply(if asked.contains("version") {
//!             br#"{"VERSION":[{"API":"3.7","CGMiner":"4.11.1"}]}"#.to_vec()
//!         } else if asked.contains("devs") {
//!             br#"{"DEVS":[{"ASC":0,"Status":"Alive","Temperature":91.0,"MHS 5s":13500000}]}"#.to_vec()
//!         } else {
//!             br#"{"SUMMARY":[{"Elapsed":4000,"MHS 5s":13500000,"Accepted":40,"Rejected":0}]}"#.to_vec()
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint: SocketAddr = "192.168.1.31:4028".parse()?;
//! let transport = Arc::new(MemoryTransport::new().with_host(endpoint.ip(), Hot));
//!
//! let mut rx = monitor(transport, [endpoint], MonitorConfig::default());
//! while let Some(event) = rx.recv().await {
//!     match event {
//!         MonitorEvent::MinerUpdated(miner) => {
//!             println!("{} is now {:?}", miner.ip, miner.status);
//!             for finding in &miner.findings {
//!                 println!("  {}", finding.message);
//!             }
//!             assert_eq!(miner.findings[0].message, "hottest board 91 °C, limit 90 °C");
//!         }
//!         MonitorEvent::FullSnapshot(miners) => {
//!             println!("Current fleet: {} miners", miners.len());
//!             assert_eq!(miners.coverage.live, 1);
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod clock;
mod config;
mod engine;
mod event;
mod health;
mod observer;
mod registry;
mod schedule;
mod state;
mod stream;
mod tally;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use config::{ConfigError, MonitorConfig};
pub use event::{MonitorEvent, Numbered};
pub use health::{
    ALL_RULES, Band, BandPatch, Judge, JudgeMemory, Limit, LimitPatch, Miss, Override, RuleBook, Rules,
    RulesError, RulesPatch, Shipped, Verdict, rule,
};
pub use observer::Observer;
pub use registry::{
    Change, Conflict, EvidenceKey, JournalError, Observed, Registry, RegistryChange, RegistryConfig,
    RegistryError, RegistryJournal, Sighting, Sweep,
};
pub use schedule::{Due, Pace, Schedule};
pub use state::{Coverage, FleetSnapshot};
pub use stream::{ConfigureError, Monitor, MonitorClosed, MonitorHandle, MonitorStream, monitor};
pub use tally::{PollEnd, PollResult, PollTally};
