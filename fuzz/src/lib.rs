//! Fuzz targets of the parsers of strangers' bytes; `scripts/fuzz.sh` builds and runs them.

pub mod seeds;
pub mod targets;

use std::{
    panic,
    sync::{Mutex, Once, PoisonError},
};

static LAST: Mutex<String> = Mutex::new(String::new());
static HOOK: Once = Once::new();

/// Runs a target, and ends the process where it panics.
///
/// The fuzzer's own hook ends it at every panic, and so at those that `arena_models` catches and
/// makes faults of.
pub fn run(target: targets::Target, bytes: &[u8]) {
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        }));
    });
    if panic::catch_unwind(|| target(bytes)).is_err() {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{last}");
        std::process::abort();
    }
}
