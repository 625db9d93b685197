//! Fuzz target: the text of a recorded conversation. What is done with it and what must be true of it is in `src/lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bitlink_fuzz::transcript(data));
