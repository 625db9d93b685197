//! The program from outside: started as people and programs start it, against simulated miners on loopback addresses.
//! Every test has a network of its own in 127.0.0.0/8 and takes a free port.

#![cfg(unix)]
// A helper that cannot go on stops its test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod bad_input;
mod control;
mod demo;
mod fleet;
mod get;
mod listen;
mod monitor;
mod output;
mod scan;
mod serve;
mod signals;
mod strangers;
mod support;
mod terminal;
mod top;
