//! The firmware families. One file each; what they share is in the generic replies and in `base`.

mod antminer;
mod antminer_old;
mod avalon;
mod base;
mod cgminer;
mod sealminer;
mod whatsminer;

pub use antminer::Antminer;
pub use antminer_old::AntminerOld;
pub use avalon::{Avalon, AvalonOld};
pub use cgminer::{BfgMiner, CgMiner};
pub use sealminer::SealMiner;
pub use whatsminer::Whatsminer;

#[cfg(test)]
pub(crate) mod tests;
