//! Fuzz target: the pages and answers of a machine, as each firmware's reader gets them. What is done with them and what
//! must be true is in `src/lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bitlink_fuzz::dialects(data));
