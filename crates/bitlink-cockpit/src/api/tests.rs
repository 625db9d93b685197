//! The interface over a real service with simulated miners in memory.

#![allow(clippy::unwrap_used)] // a test stops where it fails

mod access;
mod guard;
mod live;
mod support;
