//! What a juror computes for an honest log of a registered training, beside the training itself:
//! `juror_cost DIR (perceptron|llama)[:SEGMENTS] (recipe|train|judge)`, or `… time N`, from the root
//! of the repository.
//!
//! `recipe` writes the recipe into DIR, `train` trains it there, and `judge` does all that a juror
//! does for the log: it takes every file and checks its hash, opens the recipe, checks the model
//! and all norms, and trains drawn segments again. Each is a process of its own, so that its
//! instructions can be counted; `scripts/juror-cost.sh` does. `time` does both N times, and prints
//! the medians of their CPU times.

use anyhow::{Context, Result, bail, ensure};
use arena_models::{
    Limits,
    train::registered::{self, Finding, LogLeaf, Replayer, Segment},
};
use arena_primitives::{Hash, Sampling, drawn_segments};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

const SEED: [u8; 32] = [7; 32];
/// Segments of a log where none are named.
const SEGMENTS: u64 = 128;

/// A training and where it lies.
struct Ground {
    dir: PathBuf,
    data: &'static [&'static str],
    every: u64,
    segments: u64,
    config: Value,
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (dir, model, rest) = match words.as_slice() {
        [dir, model, rest @ ..] => (dir, model, rest),
        _ => bail!("usage: juror_cost DIR (perceptron|llama)[:SEGMENTS] recipe|train|judge|time N"),
    };
    let ground = Ground::new(Path::new(dir), model)?;
    match rest {
        ["recipe"] => ground.write_recipe(),
        ["train"] => ground.train(),
        ["judge"] => ground.judge(),
        ["time", times] => ground.time(times.parse().context("time takes a number")?),
        _ => bail!("give recipe, train, judge, or time N"),
    }
}

impl Ground {
    fn new(dir: &Path, model: &str) -> Result<Self> {
        let (model, segments) = match model.split_once(':') {
            Some((model, segments)) => (model, segments.parse().context("SEGMENTS is a number")?),
            None => (model, SEGMENTS),
        };
        let (data, every, mut config): (&[_], _, _) = match model {
            "perceptron" => (
                &["data/digits/train.jsonl"],
                2,
                json!({"batch": 32, "model": {"family": "mlp", "input_shape": [64], "labels": 10,
                    "layers": [{"type": "linear", "out": 16}, {"type": "relu"},
                        {"type": "linear", "out": 10}]}}),
            ),
            "llama" => (
                &["data/text/train.jsonl", "data/text/tokenizer.json"],
                1,
                json!({"batch": 4, "data_fraction": 0.25, "tokenizer": "tokenizer.json", "model": {"family": "llama",
                    "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2,
                    "num_attention_heads": 4, "num_key_value_heads": 2, "context": 64}}),
            ),
            other => bail!("{other} is neither perceptron nor llama"),
        };
        config["seed"] = 0.into();
        config["data"] = json!(["train.jsonl"]);
        config["steps"] = (segments * every).into();
        config["learning_rate"] = 0.003.into();
        config["warmup"] = 20.into();
        config["profile"] = "exact-cpu-f32".into();
        Ok(Self {
            dir: dir.to_owned(),
            data,
            every,
            segments,
            config,
        })
    }

    fn recipe(&self) -> PathBuf {
        self.dir.join("recipe")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn steps(&self) -> u64 {
        self.segments * self.every
    }

    fn write_recipe(&self) -> Result<()> {
        let recipe = self.recipe();
        fs::create_dir_all(&recipe)?;
        for path in self.data.iter().map(Path::new) {
            let name = path.file_name().context("a file of data has no name")?;
            fs::copy(path, recipe.join(name))
                .with_context(|| format!("{}: run this from the repository", path.display()))?;
        }
        let config = self.config.to_string();
        Ok(fs::write(recipe.join(registered::CONFIG), config)?)
    }

    fn train(&self) -> Result<()> {
        let log = self.log();
        if log.exists() {
            fs::remove_dir_all(&log)?;
        }
        registered::run(&self.recipe(), SEED, &log, self.every, false, &mut |_| ())?;
        Ok(())
    }

    /// Everything for one log, in a juror's order.
    fn judge(&self) -> Result<()> {
        let leaves = registered::leaves(&self.log())?;
        let drawn = drawn(&leaves);
        let taken = self.dir.join("taken");
        fs::create_dir_all(&taken)?;
        let last = leaves.last().context("the log is empty")?;
        for leaf in &leaves {
            self.take(&taken, &leaf.weights)?;
        }
        for at in &drawn {
            self.take(&taken, &leaves[*at].optimizer)?;
        }
        ensure!(registered::is_model(last, &self.log().join("model"))?);
        let limits = Limits::unlimited();
        let replayer = Replayer::new(&self.recipe(), SEED, self.steps(), &limits)?;
        let file = |hash: &[u8; 32]| taken.join(hex::encode(hash));
        for pair in leaves.windows(2) {
            let segment = segment(pair);
            let (before, after) = (file(&segment.from.weights), file(&segment.to.weights));
            let found = replayer.check_update(&segment, &before, &after)?;
            ensure!(found == Finding::Same, "{found:?}");
        }
        for at in drawn {
            let segment = segment(&leaves[at..at + 2]);
            let LogLeaf {
                weights, optimizer, ..
            } = &segment.from;
            let found = match segment.from.step {
                0 => replayer.replay_start(&segment)?,
                _ => replayer.replay(&segment, &file(weights), &file(optimizer))?,
            };
            ensure!(found.finding == Finding::Same, "{found:?}");
        }
        Ok(fs::remove_dir_all(&taken)?)
    }

    /// Takes a file as from a mirror.
    fn take(&self, to: &Path, hash: &[u8; 32]) -> Result<()> {
        let bytes = fs::read(registered::object(&self.log(), hash))?;
        ensure!(blake3::hash(&bytes).as_bytes() == hash);
        Ok(fs::write(to.join(hex::encode(hash)), bytes)?)
    }

    fn time(&self, times: usize) -> Result<()> {
        self.write_recipe()?;
        let [mut trained, mut judged] = [const { Vec::new() }; 2];
        for _ in 0..times.max(1) {
            trained.push(timed(|| self.train())?);
            judged.push(timed(|| self.judge())?);
        }
        let (trained, judged) = (median(trained), median(judged));
        println!(
            "medians of {times}: training {:.1} ms, a juror {:.1} ms, {:.2} %",
            trained * 1e3,
            judged * 1e3,
            100.0 * judged / trained
        );
        Ok(())
    }
}

fn segment(pair: &[LogLeaf]) -> Segment {
    Segment {
        from: pair[0],
        to: pair[1],
    }
}

/// The segments that the chain draws.
fn drawn(leaves: &[LogLeaf]) -> Vec<usize> {
    let leaves: Vec<_> = leaves
        .iter()
        .map(|leaf| arena_primitives::LogLeaf {
            step: leaf.step,
            weights: leaf.weights,
            optimizer: leaf.optimizer,
            update: leaf.update,
        })
        .collect();
    let drawn = drawn_segments(&Hash::zero(), &leaves, Sampling::DEFAULT);
    drawn.into_iter().map(|at| at as usize).collect()
}

/// CPU seconds that something takes.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = cpu_seconds()?;
    work()?;
    Ok(cpu_seconds()? - begun)
}

/// CPU time of all threads of this process, as the kernel's scheduler counts it.
fn cpu_seconds() -> Result<f64> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = stat.split_whitespace().next();
        nanos += first.context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(nanos as f64 / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
