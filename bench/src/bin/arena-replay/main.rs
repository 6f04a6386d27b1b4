//! Drives the runtime through the tasks of the paper's Table 1: real blocks of the embedded wasm,
//! signed extrinsics, every hook; seven months of days of 40 blocks.

mod cast;
mod drive;
mod ledger;
mod people;
mod play;
mod report;
mod table;

use crate::{cast::Cast, drive::Drive, people::People};
use anyhow::{Context, Result};
use arena_bench::{chain::Wasm, progress::Progress};
use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// Drives the runtime through the tasks of the paper's Table 1, in the runtime's wasm.
///
/// The accounts are those of the paper's testnet: 603 trainers, 1,051 validators, 63,265
/// delegators, with stakes by a heavy-tailed law. Scores are made up; everything else is real:
/// extrinsics are signed and applied in blocks of the embedded wasm, draws come from the author's
/// VRF outputs, rounds are settled by the hook. The database is in memory.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Days over which the tasks are spread
    #[arg(long, default_value_t = 210, value_parser = clap::value_parser!(u32).range(36..=2000))]
    span: u32,
    /// Takes only the first tasks of the table
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=16))]
    tasks: u32,
    /// Every so many blocks one is executed again, over a copy of the state
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    again: u32,
    /// Of stakes, scores and times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn run(args: &Args) -> Result<()> {
    let progress = Progress::start();
    let wasm = Wasm::embedded()?;
    let mut rows = table::rows()?;
    rows.truncate(args.tasks as usize);
    let cast = Cast::new(&rows, args.span, args.seed);
    progress.say("making keys and genesis");
    let people = People::new()?;
    let drive = Drive::new(&wasm, people, cast, args.again, args.seed, &progress)?;
    let report = drive.run()?;
    report.print();
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena-replay: {error:#}");
            ExitCode::from(2)
        }
    }
}
