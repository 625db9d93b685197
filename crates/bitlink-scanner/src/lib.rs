//! Finds miners: targets in any form people write, a bounded sweep, identification, and an outcome for every endpoint.
//!
//! * [`ScanTargets`] holds what to scan without expanding it, and [`ScanPlan`] numbers the endpoints.
//! * [`scan`] starts a scan over any [`Transport`](bitlink_transport::Transport) and gives its events as a
//!   [`ScanStream`]; [`Scanner`] does the same with parts of your own.
//! * Every endpoint (an address and a port) ends in exactly one [`Outcome`], and [`ScanReport`] proves it by counting.
//! * Beside the sweep, [sources](CandidateSource) may name candidates: miners that show themselves, neighbours that are known.
//!   They are visited at once, and no endpoint twice.
//! * A machine that is slow, hostile or no miner costs its own time and nobody else's; it is asked in a second stage of
//!   its own width, and its outcome says what it was.
//! * Dropping the stream stops everything.
//!
//! This crate opens no sockets, parses no replies, watches nothing over time and changes nothing on a miner.
//!
//! ```
//! use bitlink_scanner::{ScanConfig, ScanEvent, scan};
//! use bitlink_transport::{Door, Host, MemoryTransport, Script};
//! use std::{sync::Arc, time::Duration};
//!
//! /// A miner that hashes at 5 TH/s.
//! #[derive(Debug)]
//! struct Miner;
//!
//! impl Host for Miner {
//!     fn connect(&self, port: u16) -> Door {
//!         if port == 4028 { Door::Open { after: Duration::from_millis(2) } } else { Door::Refused }
//!     }
//!
//!     fn respond(&self, _port: u16, request: &[u8]) -> Script {
//!         let status = r#"{"STATUS":[{"STATUS":"S","When":0,"Code":22,"Msg":"ok"}]"#;
//!         Script::reply(match request {
//!             br#"{"command":"version"}"# => {
//!                 format!(r#"{status},"VERSION":[{{"CGMiner":"4.11.1","API":"3.7"}}],"id":1}}"#)
//!             }
//!             br#"{"command":"summary"}"# => {
//!                 format!(r#"{status},"SUMMARY":[{{"Elapsed":3600,"MHS av":5000000.0,"MHS 5s":5010000.0}}],"id":1}}"#)
//!             }
//!             _ => r#"{"STATUS":[{"STATUS":"E","When":0,"Code":14,"Msg":"Invalid command"}],"id":1}"#.to_owned(),
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = MemoryTransport::new().with_elsewhere(Door::Silent).with_host("10.0.0.7".parse()?, Miner);
//! let mut rx = scan(Arc::new(network), "10.0.0.0/24".parse()?, ScanConfig::default())?;
//!
//! while let Some(event) = rx.recv().await {
//!     match event {
//!         ScanEvent::Found(miner) => {
//!             println!("Found: {} - {:.2} TH/s", miner.ip, miner.stats.hashrate_avg);
//!             assert_eq!(miner.stats.hashrate_avg, 5.0);
//!         }
//!         ScanEvent::Complete { found, report, .. } => {
//!             assert_eq!((found, report.total), (1, 254));
//!             assert!(report.adds_up());
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod approach;
mod config;
mod engine;
mod event;
mod identify;
mod judge;
mod lanes;
mod merge;
mod order;
mod outcome;
mod pace;
mod probe;
mod report;
mod resolve;
mod scan;
mod sources;
mod story;
mod targets;
mod times;

pub use config::{ConfigError, NetworkProfile, ScanConfig, ScanDepth};
pub use event::{ScanEvent, ScanStream};
pub use identify::{Identifier, Reader};
pub use judge::{HOT_CELSIUS, RULE_HOT, RULE_NOT_MINING, RULE_SLOW, SLOW_RATIO, judge};
pub use merge::is_local;
pub use order::ScanOrder;
pub use outcome::{Outcome, OutcomeKind, ScanFailure};
pub use report::{OutcomeCounts, Percentiles, ScanReport};
pub use resolve::{Resolver, SystemResolver, endpoints};
pub use scan::{ScanError, Scanner, scan, scan_to_end};
pub use story::ScanStep;

pub use sources::{
    Candidate, CandidateSource, Candidates, HeardCalls, HeardReports, NeighbourTable, SourceCounts,
    SourceError,
};
pub use targets::{Quoted, ScanPlan, ScanTargets, SkippedTargets, TargetError};
