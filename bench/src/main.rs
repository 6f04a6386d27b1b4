//! Measures a round of the paper's size in the runtime that nodes execute: the embedded wasm, by
//! the node's executor, over a state with everything in it.

mod claims;
mod report;
mod settlement;

use crate::report::{Code, Report};
use anyhow::{Context, Result};
use arena_bench::{
    chain::Wasm,
    plan::{Plan, Rules},
    progress::Progress,
    world::World,
};
use clap::Parser;
use frame_support::weights::Weight;
use std::{path::PathBuf, process::ExitCode};

/// Measures settlement and claims of a round of the paper's size in the runtime's wasm.
///
/// The state is made natively by the runtime's own calls and hooks, with 1,000 blocks a day and
/// production's limits of stake; signatures are not checked there. From the block in which the
/// round can be settled on, all is executed by the embedded wasm: hooks, extrinsics, storage
/// root. The database is in memory.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Trainers, each with a model
    #[arg(long, default_value_t = 153, value_parser = clap::value_parser!(u32).range(3..=256))]
    trainers: u32,
    /// Validators, each of which scores every model
    #[arg(long, default_value_t = 456, value_parser = clap::value_parser!(u32).range(5..=512))]
    validators: u32,
    /// Accounts that delegate
    #[arg(long, default_value_t = 61_345, value_parser = clap::value_parser!(u32).range(1..))]
    delegators: u32,
    /// Reward parameters of the task
    #[arg(long, value_enum, default_value_t = Rules::Default)]
    rules: Rules,
    /// How often everything is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Of stakes and scores
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only reports: missed targets are no failure
    #[arg(long)]
    no_targets: bool,
}

/// Delegators of the positions in which claims are timed.
fn populations(delegators: u32) -> Vec<u32> {
    let mut populations: Vec<u32> = [100, 10_000].into();
    populations.retain(|population| *population < delegators);
    populations.push(delegators);
    populations
}

fn measure(args: &Args) -> Result<Report> {
    let progress = Progress::start();
    let wasm = Wasm::embedded()?;
    progress.say("making the state of the round");
    let plan = Plan::heavy_tailed(
        args.trainers,
        args.validators,
        args.delegators,
        args.rules,
        args.seed,
    );
    let mut world = World::new(wasm.code, &plan, &progress)?;
    progress.say("settling it in the wasm");
    let settlement = settlement::measure(&wasm, &mut world, args.runs, &progress)?;
    let total = Weight::from_parts((settlement.weight_ms * 1e9) as u64, u64::MAX);
    let forced = settlement::force(&world, total, &progress)?;
    drop(world);

    progress.say("making the state for claims");
    let populations = populations(args.delegators);
    let crowded = Plan::crowded(&populations, args.seed);
    let mut world = World::new(wasm.code, &crowded, &progress)?;
    world.settle_and_free()?;
    progress.say("claiming in the wasm");
    let claims = claims::measure(&wasm, &world, &populations, args.runs, &progress)?;

    Ok(Report {
        code: Code {
            blake2: hex::encode(wasm.hash),
            bytes: wasm.code.len(),
        },
        processor: report::processor(),
        runs: args.runs,
        seed: args.seed,
        rules: format!("{:?}", args.rules).to_lowercase(),
        delegators: plan.delegators(),
        targets: report::targets(&settlement, &forced, &claims),
        settlement,
        forced,
        claims,
    })
}

fn run(args: &Args) -> Result<bool> {
    let report = measure(args)?;
    report.print();
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("{}", path.display()))?;
    }
    Ok(report.is_met() || args.no_targets)
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("arena-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
