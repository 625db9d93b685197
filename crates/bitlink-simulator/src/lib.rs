//! Simulated miners and fleets from one seed, in memory and on the wire.
//!
//! Clients of every kind are pointed at these machines: this product's own, and other people's. So they answer with
//! the keys, types and mistakes of the firmware they stand for, and with numbers that a real machine could give.
//!
//! * A [`SimMiner`] is a pure function: the same specification at the same time answers the same bytes. Nothing is
//!   stepped, so any moment can be asked for in any order, and days pass in no time. Counters only grow until the
//!   machine reboots.
//! * A [`SimHost`] puts a miner on a [`SimClock`] (real, the async runtime's, or moved by hand) and is a
//!   [`Host`](bitlink_transport::Host) for any transport. [`Fault`]s and [`Defect`]s can be switched while it runs.
//! * A [`FleetSpec`] builds many of them at consecutive addresses, and a [`SimFleet`] knows the [`Truth`] about each.
//! * A [`FleetServer`] listens for them on real sockets, one listener for each address, so that every other address of
//!   the network refuses. Web servers over TLS have a certificate of their own
//!   making.
//! * [`Access`] says what has become of a machine's login and of its API's port: a changed password, sessions that end, a lock.
//!
//! A firmware is a *face*: one file under `src/faces/` and one row in `src/face.rs`.
//!
//! * Commands change a machine as they do on the firmware: pools, light, modes and limits, sleep, reboots, passwords.
//!   [`Settings`] holds what was set; [`Obedience`] lets a machine say yes and do nothing, lose its reply, or stay away.
//!
//! # Example
//!
//! ```
//! use bitlink_simulator::{Condition, Fault, FleetSpec, SimClock};
//! use bitlink_transport::{Act, Host};
//! use std::time::Duration;
//!
//! let clock = SimClock::manual();
//! let fleet = FleetSpec::new(10).with_mix("antminer=3,whatsminer".parse()?).with_sick(0.0).build(&clock)?;
//! let miner = fleet.host("127.0.10.1".parse()?).ok_or("no such miner")?;
//! assert_eq!(miner.truth().condition, Condition::Healthy);
//!
//! // A day later a fan fails.
//! clock.advance(Duration::from_hours(24));
//! miner.break_with(Fault::FanFailed { fan: 0 });
//! assert!(miner.state().fans_rpm.contains(&0));
//!
//! // What a client is sent who asks for a summary.
//! let script = miner.respond(4028, br#"{"command":"summary"}"#);
//! assert!(matches!(script.acts.last(), Some(Act::Send(bytes)) if bytes.starts_with(b"{\"STATUS\":[{")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod announce;
mod calendar;
mod call;
mod clock;
mod crypt;
mod daemon;
mod defect;
mod digest;
mod dynamics;
mod face;
mod faces;
mod fault;
mod fleet;
mod frame;
mod graphql;
mod host;
mod http;
mod miner;
mod node;
mod number;
mod orders;
mod seed;
mod serve;
mod state;
mod work;

#[cfg(test)]
mod tests;

pub use access::{Access, ApiDoor, UnknownApiDoor};
pub use announce::{AnnounceError, AnnounceOptions, Announcer};
pub use clock::SimClock;
pub use defect::{Defect, UnknownDefect};
pub use face::{FaceName, UnknownFace};
pub use fault::{Episode, Fault, FaultKind, Schedule, UnknownFault};
pub use fleet::{FleetError, FleetSpec, Mix, MixError, SimFleet};
pub use host::SimHost;
pub use miner::{Condition, MinerSpec, Model, PoolSpec, SimMiner, Truth};
pub use orders::{Obedience, Settings};
pub use serve::{FleetServer, ServeError, ServeOptions};
pub use state::{BoardState, MinerState, Phase, PoolState};
