//! The firmware families. One file each; what they share is in the generic replies and in `base`.

mod antminer;
mod antminer_old;
mod antminer_web;
mod asicseer;
mod auradine;
mod avalon;
mod axeos;
mod base;
mod blackminer;
mod braiins;
mod ccminer;
mod cgminer;
mod elphapex;
mod epic;
mod futurebit;
mod goldshell;
mod hiveon;
mod iceriver;
mod innosilicon;
mod luxos;
mod mara;
mod mskminer;
mod proto;
mod sealminer;
mod vnish;
mod whatsminer;

pub use antminer::Antminer;
pub use antminer_old::AntminerOld;
pub use asicseer::AsicSeer;
pub use auradine::Auradine;
pub use avalon::{Avalon, AvalonOld};
pub use axeos::{AxeOs, NerdAxe};
pub use blackminer::BlackMiner;
pub use braiins::{Braiins, BraiinsRest};
pub use ccminer::CcMiner;
pub(crate) use ccminer::KNOCK as CCMINER_KNOCK;
pub use cgminer::{CgMiner, Fork};
pub use elphapex::Elphapex;
pub use epic::Epic;
pub use futurebit::FutureBit;
pub use goldshell::Goldshell;
pub use hiveon::Hiveon;
pub use iceriver::IceRiver;
pub use innosilicon::Innosilicon;
pub use luxos::LuxOs;
pub use mara::Mara;
pub use mskminer::MskMiner;
pub use proto::Proto;
pub use sealminer::{SealMiner, SealMinerWeb};
pub use vnish::Vnish;
pub(crate) use whatsminer::KNOCK as WHATSMINER_KNOCK;
pub use whatsminer::{Whatsminer, WhatsminerV3};

#[cfg(test)]
pub(crate) mod tests;
