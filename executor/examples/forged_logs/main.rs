//! How many forged logs of registered trainings a jury finds, beside how many it should:
//! `cargo run --release -p arena-executor --example forged_logs -- [--logs 1000] [--only jump]`,
//! from the root of the repository; `--only` takes a part of the names of attacks.
//!
//! Trains small models as registered, forges their logs in several ways, draws segments as the
//! chain does, and has each drawn segment trained again by what jurors run. It prints Markdown.
//! `juror_cost` measures what a juror computes for one log.

mod attacks;
mod forgery;
mod judge;
mod statistics;

use anyhow::{Context, Result, ensure};
use arena_models::{
    Limits,
    train::registered::{self, Replayer},
};
use forgery::Log;
use judge::Judge;
use serde_json::json;
use statistics::Row;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Segments of each log, and steps of each.
const SEGMENTS: u64 = 128;
const EVERY: u64 = 2;
/// Draws of segments from each honest log.
const DRAWS: u32 = 100;

/// An honest training.
pub(crate) struct Run {
    pub(crate) seed: [u8; 32],
    pub(crate) dir: PathBuf,
    pub(crate) log: Log,
    pub(crate) replayer: Replayer,
}

/// A recipe with honest trainings of it.
pub(crate) struct Ground {
    work: tempfile::TempDir,
    pub(crate) recipe: PathBuf,
    pub(crate) runs: Vec<Run>,
}

fn main() -> Result<()> {
    let (logs, only) = arguments()?;
    let ground = Ground::new((logs / 10).clamp(2, 100))?;
    honest(&ground, logs)?;
    println!("{}", Row::HEADER);
    for attack in attacks::all() {
        if attack.name.contains(&only) {
            println!("{}", judge::row(&ground, &attack, logs)?);
        }
    }
    Ok(())
}

/// Forged logs of each attack, and what the names of attacks must contain.
fn arguments() -> Result<(usize, String)> {
    let (mut logs, mut only) = (1_000, String::new());
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--logs", Some(count)) => logs = count.parse().context("--logs takes a number")?,
            ("--only", Some(name)) => only = name,
            _ => anyhow::bail!("usage: forged_logs [--logs N] [--only NAME]"),
        }
    }
    ensure!(logs > 0, "--logs takes 1 or more");
    Ok((logs, only))
}

impl Ground {
    fn new(count: usize) -> Result<Self> {
        let work = tempfile::tempdir()?;
        let recipe = work.path().join("recipe");
        fs::create_dir(&recipe)?;
        fs::copy("data/digits/train.jsonl", recipe.join("train.jsonl"))
            .context("data/digits/train.jsonl: run this from the root of the repository")?;
        let config = json!({
            "seed": 0, "data": ["train.jsonl"], "steps": SEGMENTS * EVERY, "batch": 32,
            "learning_rate": 0.003, "warmup": 20, "profile": "exact-cpu-f32",
            "model": {"family": "mlp", "input_shape": [64], "labels": 10, "layers": [
                {"type": "linear", "out": 16}, {"type": "relu"}, {"type": "linear", "out": 10}]},
        });
        fs::write(recipe.join(registered::CONFIG), config.to_string())?;
        let mut ground = Self {
            work,
            recipe,
            runs: Vec::new(),
        };
        for index in 0..count {
            let run = ground.train(index)?;
            ground.runs.push(run);
        }
        Ok(ground)
    }

    fn train(&self, index: usize) -> Result<Run> {
        let seed = *blake3::hash(format!("run {index}").as_bytes()).as_bytes();
        let dir = self.path(&format!("run-{index}"));
        let done = registered::run(&self.recipe, seed, &dir, EVERY, false, &mut |_| ())?;
        ensure!(done.trained.parameters >= 1_000, "the model is too small");
        let steps = SEGMENTS * EVERY;
        registered::check_steps(&done.leaves, steps, EVERY)?;
        Ok(Run {
            seed,
            log: Log::read(&dir, done.leaves)?,
            dir,
            replayer: Replayer::new(&self.recipe, seed, steps, &Limits::unlimited())?,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }
}

/// Draws from honest logs: nobody may be convicted.
fn honest(ground: &Ground, logs: usize) -> Result<()> {
    let (mut judged, mut convicted) = (0u32, 0u32);
    for run in &ground.runs {
        let mut judge = Judge::new(run, Path::new(&ground.path("drawn")))?;
        let draws = DRAWS.min(u32::try_from(logs)?);
        for draw in 0..draws {
            let seed = *blake3::hash(format!("honest {draw}").as_bytes()).as_bytes();
            judged += 1;
            convicted += u32::from(judge.convicts(&run.log, &seed)?);
        }
    }
    println!(
        "{judged} juries of {} honest logs convicted {convicted}.\n",
        ground.runs.len()
    );
    Ok(())
}
