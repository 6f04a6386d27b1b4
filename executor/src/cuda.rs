//! `arena-executor-cuda`: the same program with NVIDIA devices. It links the driver's library,
//! and starts only where there is one.

use std::process::ExitCode;

fn main() -> ExitCode {
    arena_executor::cli::main()
}
