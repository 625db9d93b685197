//! Simulated miners and fleets, in memory and on the wire, from one seed.

mod calendar;
mod call;
mod clock;
mod daemon;
mod defect;
mod digest;
mod dynamics;
mod face;
mod faces;
mod fault;
mod fleet;
mod host;
mod http;
mod miner;
mod node;
mod number;
mod seed;
mod serve;
mod state;
mod work;

#[cfg(test)]
mod tests;

pub use clock::SimClock;
pub use defect::{Defect, UnknownDefect};
pub use face::{FaceName, UnknownFace};
pub use fault::{Episode, Fault, FaultKind, Schedule, UnknownFault};
pub use fleet::{FleetError, FleetSpec, Mix, MixError, SimFleet};
pub use host::SimHost;
pub use miner::{Condition, MinerSpec, Model, PoolSpec, SimMiner, Truth};
pub use serve::{FleetServer, ServeError, ServeOptions};
pub use state::{BoardState, MinerState, Phase, PoolState};
