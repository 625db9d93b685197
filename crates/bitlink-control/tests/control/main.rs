//! Plans carried out on scripted fleets over virtual time, from seeds: every fault has its outcome, nobody is commanded twice, and no
//! more are down at once than may be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

mod cuts;
mod faults;
mod files;
mod fleet;
mod limits;
mod plans;
mod undoing;
