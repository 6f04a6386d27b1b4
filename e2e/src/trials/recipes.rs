//! What is trained in the trials.

use super::adapter;
use crate::{
    bins::Programs,
    poll,
    train::{model_dir, train_config},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Steps of a registered training.
pub const STEPS: u64 = 60;
/// Steps between two leaves of its log.
pub const EVERY: u64 = 10;
/// Inner numbers of the small classifiers.
pub const NARROW: usize = 64;
/// Inner numbers of a classifier that is large enough for a mark.
pub const WIDE: usize = 512;

/// Models that are trained without a chain.
const BASE: &str = "base";
const TUNED: &str = "tuned";
/// Of the same shapes as the registered models, made otherwise.
const ELSEWHERE: &str = "elsewhere";
const UNREGISTERED: &str = "unregistered";

/// A classifier's training, its data beside the config.
fn classifier(seed: u64, inner: usize, profile: &str) -> Value {
    json!({
        "seed": seed,
        "model": {
            "family": "mlp", "input_shape": [64], "labels": 10,
            "layers": [
                {"type": "linear", "out": inner}, {"type": "relu"}, {"type": "linear", "out": 10},
            ],
        },
        "data": ["train.jsonl"], "steps": STEPS, "batch": 32, "learning_rate": 0.003, "warmup": 5,
        "profile": profile,
    })
}

/// Writes a recipe into `dir`: a config and the data that it reads.
pub fn write(data: &Path, dir: &Path, inner: usize) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
    let config = classifier(0, inner, "exact-cpu-f32");
    fs::write(dir.join("train.json"), serde_json::to_vec_pretty(&config)?)?;
    let samples = data.join("digits/train.jsonl");
    fs::copy(&samples, dir.join("train.jsonl"))
        .with_context(|| format!("can't copy {}", samples.display()))?;
    Ok(())
}

/// Trains below `base` what needs no chain: two classifiers, a language model, and an adapter on
/// it, which is also written by other factors.
pub fn prepare(programs: &Programs, data: &Path, base: &Path) -> Result<Prepared> {
    let digits = data.join("digits");
    let classifiers = [(ELSEWHERE, 21), (UNREGISTERED, 22)];
    poll::side_by_side(2, classifiers.into(), |(name, seed)| {
        let config = classifier(seed, NARROW, "f32");
        train_config(programs, &config, &digits, base, name)
    })?;
    let dir = data.parent().unwrap_or(data);
    let mut config = read(&data.join("text/narrow.json"))?;
    train_config(programs, &config, dir, base, BASE)?;
    config["start"] = json!(model_dir(base, BASE));
    config["seed"] = json!(31);
    config["steps"] = json!(30);
    train_config(programs, &config, dir, base, TUNED)?;
    let prepared = Prepared::below(base);
    adapter::of_training(
        &prepared.base,
        &model_dir(base, TUNED),
        &prepared.adapter,
        41,
    )?;
    adapter::regauged(&prepared.adapter, &prepared.regauged, 42)?;
    Ok(prepared)
}

/// Where the models that need no chain are.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// A language model.
    pub base: PathBuf,
    /// An adapter on it.
    pub adapter: PathBuf,
    /// The same adapter by other factors.
    pub regauged: PathBuf,
    /// A classifier that comes at the end of a log that it doesn't belong to.
    pub elsewhere: PathBuf,
    /// A classifier without a log.
    pub unregistered: PathBuf,
}

impl Prepared {
    fn below(base: &Path) -> Self {
        Self {
            base: model_dir(base, BASE),
            adapter: model_dir(base, "adapter"),
            regauged: model_dir(base, "regauged"),
            elsewhere: model_dir(base, ELSEWHERE),
            unregistered: model_dir(base, UNREGISTERED),
        }
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
