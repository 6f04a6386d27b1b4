//! Fuzzes [`arena_fuzz::targets::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arena_fuzz::run(arena_fuzz::targets::manifest, bytes));
