//! The store from outside, on a real disk: what is acknowledged is there whatever happens, and bad days are told by name.

// A helper that cannot go on stops its test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "small numbers"
)]

mod damage;
mod history;
mod kill;
mod kill_history;
mod power_cut;
mod refusals;
mod support;
