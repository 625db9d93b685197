//! The simulated firmware families, one file each, and the records that most of them print alike.

pub(crate) mod antminer;
pub(crate) mod antminer_old;
pub(crate) mod asicseer;
pub(crate) mod auradine;
pub(crate) mod avalon;
pub(crate) mod axeos;
pub(crate) mod bfgminer;
pub(crate) mod blackminer;
pub(crate) mod braiins;
pub(crate) mod cgminer;
pub(crate) mod custom;
pub(crate) mod epic;
pub(crate) mod futurebit;
pub(crate) mod goldshell;
pub(crate) mod hiveon;
pub(crate) mod iceriver;
pub(crate) mod innosilicon;
pub(crate) mod luxos;
pub(crate) mod mara;
pub(crate) mod mskminer;
pub(crate) mod proto;
pub(crate) mod sealminer;
pub(crate) mod standard;
pub(crate) mod vnish;
pub(crate) mod whatsminer;
pub(crate) mod whatsminer_v3;
