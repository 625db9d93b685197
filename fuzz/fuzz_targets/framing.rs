//! Fuzz target: one reply as it arrives in pieces. What is done with it and what must be true of it is in `src/lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bitlink_fuzz::framing(data));
