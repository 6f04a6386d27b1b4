//! Puts honest people and cheats before juries, on a development chain of its own.

use anyhow::Result;
use arena_e2e::{
    bins::{self, Programs},
    process,
    trials::{self, Options},
};
use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// Starts a development chain whose jurors have executors, has everything claimed that can be
/// claimed, and shows what came of it, read from the chain's events; exits with 0 if every
/// outcome is as expected.
#[derive(Debug, Parser)]
#[command(name = "arena-trials", version)]
struct Cli {
    /// Write the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory of everything that is written; by default a temporary one.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// How many nodes; where they are fewer than validators, some validators share one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=12))]
    nodes: Option<u8>,
    /// Directory with arena-node, arena-executor and arena.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Directory with the data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
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
    let is_temporary = cli.base.is_none();
    let base = std::path::absolute(cli.base.unwrap_or_else(trials::run::default_base))?;
    let options = Options {
        programs: Programs::find(cli.bin_dir.as_deref())?,
        data: std::path::absolute(cli.data.unwrap_or_else(bins::data_dir))?,
        base: base.clone(),
        nodes: cli
            .nodes
            .map_or_else(trials::run::default_nodes, usize::from),
        json: cli.json,
    };
    let done = trials::run(&options);
    // What went wrong is in the logs.
    if done.is_ok() && is_temporary {
        std::fs::remove_dir_all(&base)?;
    } else {
        eprintln!("logs are in {}", base.join("logs").display());
    }
    done
}
