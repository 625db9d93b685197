//! Bit-Link Miner Manager as one library: find and watch every Bitcoin miner on a network that speaks the CGMiner API.
//!
//! This crate joins the layers below and adds nothing of its own to them: [`scan_range`], [`start_monitor`] and
//! [`get_summary`] for programs that want one thing, [`Fleet`] for those that want several, [`FleetRegistry`] for those that
//! want to know their machines again, and the types of the layers
//! under one roof. Whoever needs less depends on less: [`protocol`] alone opens no socket and compiles no runtime.
//!
//! # One miner
//! ```no_run
//! use bitlink_miner_manager::{get_summary, DEFAULT_PORT, DEFAULT_TIMEOUT_MS};
//!
//! #[tokio::main]
//! async fn main() {
//!     let stats = get_summary("192.168.1.100", DEFAULT_PORT, DEFAULT_TIMEOUT_MS)
//!         .await
//!         .expect("Failed to get miner stats");
//!
//!     println!("Hashrate: {:.2} TH/s", stats.hashrate_avg);
//! }
//! ```
//!
//! # A network
//! ```no_run
//! use bitlink_miner_manager::{scan_range, ScanConfig, ScanEvent};
//!
//! #[tokio::main]
//! async fn main() {
//!     let config = ScanConfig::default();
//!     let mut rx = scan_range("192.168.1.0/24", config).await.unwrap();
//!
//!     while let Some(event) = rx.recv().await {
//!         match event {
//!             ScanEvent::Found(miner) => {
//!                 println!("Found: {} - {:.2} TH/s",
//!                          miner.ip, miner.stats.hashrate_avg);
//!             }
//!             ScanEvent::Complete { found, .. } => {
//!                 println!("Scan complete! Found {} miners", found);
//!                 break;
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! ```
//!
//! # A fleet over time
//! ```no_run
//! use bitlink_miner_manager::{start_monitor, MonitorConfig, MonitorEvent};
//!
//! #[tokio::main]
//! async fn main() {
//!     let ips = vec!["192.168.1.31".to_string(), "192.168.1.32".to_string()];
//!     let config = MonitorConfig::default(); // Polls every 10 seconds
//!     let mut rx = start_monitor(ips, config).await;
//!
//!     while let Some(event) = rx.recv().await {
//!         match event {
//!             MonitorEvent::MinerUpdated(miner) => {
//!                 println!("{} is now {:?}", miner.ip, miner.status);
//!             }
//!             MonitorEvent::FullSnapshot(miners) => {
//!                 println!("Current fleet: {} miners", miners.len());
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! ```
//!
//! # What the numbers mean
//! [`MinerStats`] is flat and made for printing: a number that a miner did not report is NaN, never 0. [`MinerSnapshot`]
//! has everything with its unit, absent where it was not said, and tells which values were derived.

pub mod control;
mod error;
mod fleet;
mod handed_in;
pub mod query;
mod quick;
mod registry;
mod replay;
mod service;

pub use bitlink_alerts as alerts;
pub use bitlink_model as model;
pub use bitlink_protocol as protocol;
pub use bitlink_store as store;
pub use bitlink_store::history;
pub use bitlink_transport as transport;

pub use bitlink_model::{
    Finding, Miner, MinerId, MinerRecord, MinerSnapshot, MinerStats, MinerStatus, PoolStats, Rule, Severity,
    Text, Timestamp,
};
pub use bitlink_monitor::{
    ALL_RULES, Change, ConfigError as MonitorConfigError, ConfigureError, Conflict, Coverage, EvidenceKey,
    FleetSnapshot, JournalError, JudgeMemory, Monitor, MonitorClosed, MonitorConfig, MonitorEvent,
    MonitorHandle, MonitorStream, Numbered, Observed, Observer, Override, PollEnd, PollResult, PollTally,
    Registry, RegistryChange, RegistryConfig, RegistryError, RegistryJournal, RuleBook, Rules, RulesPatch,
    Sighting, Sweep,
};
pub use bitlink_protocol::Credentials;
pub use bitlink_scanner::{
    Candidate, CandidateSource, Candidates, ConfigError as ScanConfigError, HeardCalls, HeardReports,
    NetworkProfile, Outcome, OutcomeKind, Percentiles, ScanConfig, ScanDepth, ScanError, ScanEvent,
    ScanFailure, ScanOrder, ScanReport, ScanStep, ScanStream, ScanTargets, SourceCounts, SourceError,
    TargetError,
};
pub use bitlink_transport::{Call, CallKind, ListenConfig, ListenError, ListenEvent, ListenStream};
pub use error::Error;
pub use fleet::Fleet;
pub use quick::{DEFAULT_PORT, DEFAULT_TIMEOUT_MS, get_summary, scan_range, start_monitor};
pub use registry::{FleetRegistry, Imported, RegistryFailure, StoreJournal, sheet_edits};
pub use replay::replay_alerts;
pub use service::control::{Refusal, order_alert};
pub use service::{
    Alerting, AlertingError, AlertsFiring, AlertsNow, AmendError, ChannelNow, Pulse, Service, ServiceConfig,
    ServiceEvent, ServiceEvents, ServiceHandle, ServiceStats, ServiceStream,
};

/// The programs of README.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmePrograms;
