//! Training, and hashing of data sets.

use crate::{
    fail::bad_input,
    out::{self, Out},
    spec,
    submit::write_manifest,
};
use anyhow::{Context, Result, anyhow};
use arena_models::train::{
    Progress, TrainConfig, Trained,
    registered::{self, Logged},
    run,
};
use arena_primitives::{Hash, LogLeaf, log_root};
use clap::Args;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is trained.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Training config, JSON.
    #[arg(long, required_unless_present = "registered")]
    config: Option<PathBuf>,
    /// Directory for checkpoints and the model.
    #[arg(long)]
    out: PathBuf,
    /// Goes on from the last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Trains a registered run, and keeps the log that jurors may ask for.
    #[arg(long, conflicts_with = "config", requires_all = ["recipe", "seed", "every"])]
    registered: bool,
    /// Directory with what was registered: `train.json` and all that it reads. `manifest.scale`
    /// is written into it.
    #[arg(long, requires = "registered")]
    recipe: Option<PathBuf>,
    /// The run's seed, 64 hexadecimal digits.
    #[arg(long, requires = "registered", value_parser = parse_seed)]
    seed: Option<Hash>,
    /// Steps from one checkpoint of the log to the next, as registered.
    #[arg(long, requires = "registered")]
    every: Option<u64>,
}

fn parse_seed(text: &str) -> Result<Hash, String> {
    let mut seed = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut seed)
        .map_err(|why| format!("a seed is 64 hexadecimal digits: {why}"))?;
    Ok(seed.into())
}

/// A finished training.
#[derive(Serialize)]
struct TrainedView {
    model: PathBuf,
    parameters: u64,
    steps: u64,
    loss: Option<f32>,
}

/// A finished registered training.
#[derive(Serialize)]
struct RegisteredView {
    #[serde(flatten)]
    trained: TrainedView,
    /// Root of the recipe's manifest.
    recipe: Hash,
    /// Leaves of the log.
    leaves: usize,
    /// Root of the log, which a heartbeat posts.
    log_root: Hash,
}

impl From<Trained> for TrainedView {
    fn from(trained: Trained) -> Self {
        Self {
            model: trained.model,
            parameters: trained.parameters,
            steps: trained.steps,
            loss: trained.loss,
        }
    }
}

impl TrainedView {
    fn line(&self) -> String {
        let loss = self
            .loss
            .map(|loss| format!(", last loss {loss:.4}"))
            .unwrap_or_default();
        format!(
            "✓ {} parameters after {} steps{loss}: {}",
            self.parameters,
            self.steps,
            self.model.display()
        )
    }
}

/// Trains a model from a JSON config, or as registered.
pub(crate) fn train(out: Out, args: TrainArgs) -> Result<()> {
    match args {
        TrainArgs {
            registered: true,
            recipe: Some(recipe),
            seed: Some(seed),
            every: Some(every),
            ..
        } => train_registered(out, &recipe, seed, every, &args.out, args.resume),
        TrainArgs {
            config: Some(config),
            ..
        } => train_config(out, &config, &args.out, args.resume),
        _ => Err(bad_input(
            "give --config, or --registered with what it needs",
        )),
    }
}

fn train_config(out: Out, config: &Path, folder: &Path, resume: bool) -> Result<()> {
    let json =
        fs::read(config).with_context(|| format!("can't read the config {}", config.display()))?;
    let config = TrainConfig::parse(&json)
        .map_err(|why| bad_input(format!("{}: {why}", config.display())))?;
    let trained = with_bar(|progress| run(&config, folder, resume, progress))
        .map_err(|why| anyhow!("training in {}: {why}", folder.display()))?;
    out.show(&TrainedView::from(trained), TrainedView::line)
}

fn train_registered(
    out: Out,
    recipe: &Path,
    seed: Hash,
    every: u64,
    folder: &Path,
    resume: bool,
) -> Result<()> {
    let root = write_manifest(recipe)?;
    let Logged { trained, leaves } =
        with_bar(|progress| registered::run(recipe, seed.0, folder, every, resume, progress))
            .map_err(|why| anyhow!("training in {}: {why}", folder.display()))?;
    let leaves: Vec<LogLeaf> = leaves
        .into_iter()
        .map(|leaf| LogLeaf {
            step: leaf.step,
            weights: leaf.weights,
            optimizer: leaf.optimizer,
            update: leaf.update,
        })
        .collect();
    let view = RegisteredView {
        trained: trained.into(),
        recipe: root,
        leaves: leaves.len(),
        log_root: log_root(&seed, &leaves),
    };
    out.show(&view, |view| {
        let pairs = out::pairs([
            ("recipe", format!("{:?}", view.recipe)),
            ("leaves", view.leaves.to_string()),
            ("log root", format!("{:?}", view.log_root)),
        ]);
        format!("{}\n{pairs}", view.trained.line())
    })
}

/// Shows how a training goes on.
fn with_bar<T>(train: impl FnOnce(&mut dyn FnMut(&Progress)) -> T) -> T {
    let bar = out::bar(0, "{bar:30} step {pos}/{len} {msg} [{elapsed}, {eta} left]");
    let done = train(&mut |progress: &Progress| {
        bar.set_length(progress.steps);
        bar.set_position(progress.step);
        bar.set_message(format!("loss {:.4}", progress.loss));
    });
    bar.finish_and_clear();
    done
}

/// A data set's content.
#[derive(Serialize)]
struct DatasetView {
    file: PathBuf,
    blake3: String,
    bytes: u64,
}

/// Shows the hash and size of a file, as a spec names them.
pub(crate) fn hash(out: Out, file: &Path) -> Result<()> {
    let (blake3, bytes) = spec::hash_file(file)?;
    let view = DatasetView {
        file: file.to_path_buf(),
        blake3: hex::encode(blake3),
        bytes,
    };
    out.show(&view, |view| {
        out::pairs([
            ("blake3", view.blake3.clone()),
            ("bytes", view.bytes.to_string()),
        ])
    })
}
