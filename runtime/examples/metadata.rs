//! Writes the runtime's metadata, version 16, to standard output.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(&arena_runtime::native_metadata())
}
