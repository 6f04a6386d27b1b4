//! Takes two real tasks from proposal to payout on a development chain of its own.

use anyhow::Result;
use arena_e2e::{
    bins::{self, Programs},
    demo::{self, Options},
    process,
    spec::Kind,
};
use clap::{Parser, ValueEnum};
use std::{path::PathBuf, process::ExitCode};

/// Starts a development chain with executors, trains models, and takes a task of digits and
/// one of language models from proposal to payout; exits with 0 if everything held.
#[derive(Debug, Parser)]
#[command(name = "arena-demo", version)]
struct Cli {
    /// Write the result as JSON, read from finalized state.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave the chain running.
    #[arg(long)]
    keep: bool,
    /// Directory of everything that is written; by default a temporary one.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Which tasks to run.
    #[arg(long, value_enum, default_value = "both")]
    tasks: Tasks,
    /// Directory with arena-node, arena-executor and arena.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Directory with the data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seconds that set-up took, for the report.
    #[arg(
        long,
        env = "ARENA_SETUP_SECONDS",
        default_value_t = 0.0,
        value_name = "SECONDS"
    )]
    setup_seconds: f64,
    /// Seconds that the build took, for the report.
    #[arg(
        long,
        env = "ARENA_BUILD_SECONDS",
        default_value_t = 0.0,
        value_name = "SECONDS"
    )]
    build_seconds: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tasks {
    Both,
    Digits,
    Language,
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
    let base = std::path::absolute(cli.base.unwrap_or_else(demo::run::default_base))?;
    let options = Options {
        programs: Programs::find(cli.bin_dir.as_deref())?,
        data: std::path::absolute(cli.data.unwrap_or_else(bins::data_dir))?,
        base: base.clone(),
        kinds: match cli.tasks {
            Tasks::Both => vec![Kind::Digits, Kind::Language],
            Tasks::Digits => vec![Kind::Digits],
            Tasks::Language => vec![Kind::Language],
        },
        json: cli.json,
        keep: cli.keep,
        before: vec![("setup", cli.setup_seconds), ("build", cli.build_seconds)],
    };
    let done = demo::run(&options);
    // What went wrong is in the logs.
    if done.is_ok() && is_temporary && !options.keep {
        std::fs::remove_dir_all(&base)?;
    } else {
        eprintln!("logs are in {}", base.join("logs").display());
    }
    done
}
