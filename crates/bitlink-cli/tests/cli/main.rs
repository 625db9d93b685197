//! The program from outside: started as people and programs start it, against simulated miners on loopback addresses.
//! Every test has a network of its own in 127.0.0.0/8 and takes a free port.

#![cfg(unix)]

mod bad_input;
mod demo;
mod get;
mod monitor;
mod output;
mod scan;
mod signals;
mod strangers;
mod support;
