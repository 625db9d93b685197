//! One module for each command: its arguments, and what it does with the libraries. No rules of the business in here.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod credentials;
pub(crate) mod demo;
pub(crate) mod detect;
pub(crate) mod diff;
pub(crate) mod fleet;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod listen;
pub(crate) mod monitor;
pub(crate) mod pools;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod top;
pub(crate) mod users;
