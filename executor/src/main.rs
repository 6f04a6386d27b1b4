//! Scores models for AIArena validators.

use std::process::ExitCode;

fn main() -> ExitCode {
    arena_executor::cli::main()
}
