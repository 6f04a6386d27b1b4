//! Fuzzes [`arena_fuzz::targets::header`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arena_fuzz::run(arena_fuzz::targets::header, bytes));
