//! Plays attacks against honest play and prints what they gain.

use anyhow::{Context, Result};
use arena_sim::{
    config::Config,
    report::{Row, table, write_markdown},
    run::{Trial, compare},
};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::{path::PathBuf, process::ExitCode, time::Instant};

/// Plays attacks on the real runtime, natively, each against honest play of the same people.
///
/// A scenario is played twice with each seed: honestly, and as an attack. The table says what the
/// attackers gain by it, what everybody else does, and in how many rounds the order of models is
/// another. The same file and seeds give the same table.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Chain, people and attacks, as TOML
    #[arg(long, value_name = "FILE", default_value = "sim/attacks.toml")]
    config: PathBuf,
    /// Seeds in place of the file's
    #[arg(long, value_name = "N", num_args = 1..)]
    seed: Vec<u64>,
    /// Submission rounds in place of the file's
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Plays only the scenarios of these names
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Writes every seed's figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table between the marks of this Markdown file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

fn config(args: &Args) -> Result<Config> {
    let mut config = Config::read(&args.config)?;
    if !args.seed.is_empty() {
        config.seeds.clone_from(&args.seed);
    }
    if let Some(rounds) = args.rounds {
        config.rounds = rounds;
    }
    config.check().context("--rounds or --seed")?;
    config.only(&args.only)?;
    Ok(config)
}

fn play(config: &Config) -> Result<Vec<Row>> {
    let scenarios = config.scenario.iter();
    let trials: Vec<_> = scenarios
        .flat_map(|scenario| config.seeds.iter().map(move |seed| (scenario, *seed)))
        .collect();
    let bar = ProgressBar::new(trials.len() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} plays, {elapsed} of about {duration}",
    )?);
    let trials: Vec<Trial> = trials
        .into_par_iter()
        .map(|(scenario, seed)| compare(config, scenario, seed).inspect(|_| bar.inc(1)))
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let by_scenario = config
        .scenario
        .iter()
        .zip(trials.chunks(config.seeds.len()));
    Ok(by_scenario
        .map(|(scenario, trials)| Row::new(scenario, trials.to_vec()))
        .collect())
}

fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let config = config(args)?;
    let rows = play(&config)?;
    let table = table(&rows);
    println!("{table}");
    let trials = rows.iter().flat_map(|row| &row.trials);
    let (rounds, blocks) = trials.fold((0, 0), |(rounds, blocks), trial| {
        (rounds + 2 * trial.rounds, blocks + trial.blocks)
    });
    let seconds = started.elapsed().as_secs_f64();
    println!("\n{rounds} rounds of {blocks} blocks in {seconds:.1} s");
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&rows)?;
        std::fs::write(path, json).with_context(|| format!("{}", path.display()))?;
    }
    if let Some(path) = &args.markdown {
        write_markdown(path, &table)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}
