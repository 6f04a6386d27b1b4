//! Checks files of golden vectors against this crate:
//! `cargo run -p arena-math --release --example golden -- FILE…`
//!
//! One line per section with the number of values compared; the first
//! difference, or anything unreadable, ends it with status 1.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

fn run(path: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut total = 0;
    for (section, count) in support::check(&text)? {
        println!("{section:<28} {count:>6} values agree");
        total += count;
    }
    println!("{:<28} {total:>6} values agree", "all sections");
    Ok(())
}

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: golden FILE…");
        return ExitCode::FAILURE;
    }
    for file in files {
        println!("{file}");
        if let Err(error) = run(&file) {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
