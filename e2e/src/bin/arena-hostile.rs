//! Sends hostile requests to a development node of its own, and says what came of them.

use anyhow::Result;
use arena_e2e::{
    bins::Programs,
    hostile::{self, Options},
    process,
};
use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// Starts a development node on loopback and sends it malformed, oversized and extreme requests
/// and floods of subscriptions. Exits with 0 if each was answered, the node authored on time, and
/// its memory stayed within bounds.
#[derive(Debug, Parser)]
#[command(name = "arena-hostile", version)]
struct Cli {
    /// How many requests.
    #[arg(long, default_value_t = 30_000)]
    requests: usize,
    /// Of the requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory with arena-node, arena-executor and arena.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    process::end_all_on_interrupt()?;
    let dir = tempfile::tempdir()?;
    let report = hostile::run(&Options {
        programs: Programs::find(cli.bin_dir.as_deref())?,
        base: dir.path().into(),
        requests: cli.requests,
        seed: cli.seed,
    })?;
    let json = serde_json::to_string_pretty(&report)?;
    println!("{json}");
    if let Some(path) = cli.json {
        std::fs::write(path, &json)?;
    }
    report.check()
}
