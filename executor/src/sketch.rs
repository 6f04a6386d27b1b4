//! By hand: `sketch`, and the calibration of a task's thresholds.

use crate::{fault::describe, scoring};
use anyhow::{Context, Result, anyhow, ensure};
use arena_models::{
    ModelError,
    calibrate::{self, CHANCES, Calibration, Class, NOISE, THRESHOLDS},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Value, json};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Instant,
};

/// Arguments of `sketch`.
#[derive(Debug, Args)]
pub(crate) struct Sketch {
    /// Directory of a model or LoRA adapter.
    #[arg(long, value_name = "DIR", required_unless_present = "calibrate")]
    model: Option<PathBuf>,
    /// Directory of the model that it was made from; none takes the weights themselves.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Seed of the probes, 32 bytes in hex: the round's.
    #[arg(long, value_parser = seed, value_name = "HEX", required_unless_present = "calibrate")]
    seed: Option<Seed>,
    /// Compare models that were made apart from each other, and copies of them with noise.
    #[arg(long, requires = "models", conflicts_with_all = ["model", "seed"])]
    calibrate: bool,
    /// Directories of the models to compare, at least two.
    #[arg(long, value_name = "DIR", num_args = 2.., requires = "calibrate")]
    models: Vec<PathBuf>,
    /// Seeds to compare them under.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// Where copies with noise are written for a while; by default where temporary files go.
    #[arg(long, value_name = "DIR", requires = "calibrate")]
    scratch: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Seed of a sketch.
#[derive(Clone, Debug)]
struct Seed([u8; 32]);

fn seed(text: &str) -> Result<Seed, String> {
    let mut seed = [0u8; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut seed)
        .map_err(|error| format!("a seed is 32 bytes in hex: {error}"))?;
    Ok(Seed(seed))
}

fn refusal(error: ModelError) -> anyhow::Error {
    anyhow!("{}", describe(&scoring::fault(&error)))
}

/// Prints a model's sketch, or what thresholds are chosen by.
pub(crate) fn sketch(args: &Sketch) -> Result<()> {
    if args.calibrate {
        return calibrate(args);
    }
    let model = args.model.as_deref().context("--model is missing")?;
    let seed = args.seed.as_ref().context("--seed is missing")?.0;
    let started = Instant::now();
    let bits = arena_models::sketch::sketch(model, args.base.as_deref(), seed).map_err(refusal)?;
    let seconds = started.elapsed().as_secs_f64();
    let hash = arena_models::canonical_hash(model).map_err(refusal)?;
    let (bits, hash) = (
        format!("0x{}", hex::encode(bits)),
        format!("0x{}", hex::encode(hash)),
    );
    if args.json {
        let seed = format!("0x{}", hex::encode(seed));
        println!(
            "{}",
            json!({"sketch": bits, "seed": seed, "canonical_hash": hash, "seconds": seconds})
        );
    } else {
        println!("sketch          {bits}");
        println!("canonical hash  {hash}");
    }
    Ok(())
}

fn calibrate(args: &Sketch) -> Result<()> {
    ensure!(
        args.models.len() >= 2,
        "--models takes two directories or more"
    );
    let scratch = match &args.scratch {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .context("cannot make a directory for copies; name another with --scratch")?;
    let models: Vec<&Path> = args.models.iter().map(PathBuf::as_path).collect();
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let found = calibrate::calibrate(
        &models,
        args.base.as_deref(),
        usize::from(args.seeds),
        scratch.path(),
        &mut |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        },
    );
    bar.finish_and_clear();
    let found = found.map_err(refusal)?;
    match args.json {
        true => println!("{}", to_json(&found)),
        false => print(&found),
    }
    Ok(())
}

/// Suggested thresholds of a match and a flag.
fn suggested(found: &Calibration) -> [Option<u32>; 2] {
    CHANCES.map(|chance| found.threshold(chance))
}

fn print(found: &Calibration) {
    let mut classes = found.copies.clone();
    classes.push(found.independent());
    if let Some(closest) = found.closest() {
        let name = format!("closest: {}", closest.name);
        classes.push(Class {
            name,
            ..closest.clone()
        });
    }
    println!(
        "At the default thresholds:\n\n{}",
        calibrate::table(&classes, THRESHOLDS)
    );
    let [Some(matches), Some(flags)] = suggested(found) else {
        println!("The closest models are too alike for any threshold: were they made apart?");
        return;
    };
    println!(
        "Suggested: match {matches}, flag {flags}; models as alike as the closest pair get below \
         with a chance of {:e} and {:e}:\n\n{}",
        CHANCES[0],
        CHANCES[1],
        calibrate::table(&classes, [matches, flags])
    );
}

fn to_json(found: &Calibration) -> Value {
    let suggested = suggested(found);
    let row = |class: &Class| {
        let share = |threshold: Option<u32>| threshold.map(|t| class.share_up_to(t));
        json!({
            "name": class.name, "distances": class.distances, "mean": class.mean(),
            "deviation": class.deviation(),
            "up_to_default": THRESHOLDS.map(|t| class.share_up_to(t)),
            "up_to_suggested": suggested.map(share),
        })
    };
    json!({
        "noise": NOISE, "default": THRESHOLDS, "suggested": suggested, "chances": CHANCES,
        "copies": found.copies.iter().map(row).collect::<Vec<_>>(),
        "pairs": found.pairs.iter().map(row).collect::<Vec<_>>(),
        "independent": row(&found.independent()),
    })
}
