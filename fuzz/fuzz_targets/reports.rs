//! Fuzz target: one datagram of a machine that shows itself. What is done with it and what must be true of it is in
//! `src/lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bitlink_fuzz::reports(data));
