//! Fuzzes [`arena_fuzz::targets::template`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arena_fuzz::run(arena_fuzz::targets::template, bytes));
