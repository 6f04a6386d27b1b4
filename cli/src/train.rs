//! Training, and hashing of data sets.

use crate::{
    chain::recode,
    fail::bad_input,
    out::{self, Out},
    spec,
    submit::write_recipe,
};
use anyhow::{Context, Result, anyhow};
use arena_models::{
    ModelError,
    train::{
        Progress, TrainConfig, Trained,
        registered::{self, Keep, Logged, Restored},
        run,
    },
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
    /// Which checkpoints of the log stay on disk: all, those of each N-th leaf, or only the last.
    /// --restore trains the others again, which takes as long as it did: jurors ask for all, and
    /// a case is answered within a day.
    #[arg(long, requires = "registered", value_parser = parse_keep, value_name = "all|last|N",
          default_value = "all")]
    keep: Keep,
    /// Trains again the checkpoints that the log in --out has no more, to the same bits.
    #[arg(long, requires = "registered", conflicts_with_all = ["resume", "keep"])]
    restore: bool,
}

/// Which checkpoints stay.
pub(crate) fn parse_keep(text: &str) -> Result<Keep, String> {
    match text {
        "all" => Ok(Keep::All),
        "last" => Ok(Keep::Last),
        number => number
            .parse()
            .map(Keep::Each)
            .map_err(|_| "give all, last, or a number from 1 on".into()),
    }
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

/// What was had again of a log.
#[derive(Serialize)]
struct RestoredView {
    log: PathBuf,
    checkpoints: u64,
    /// Steps that were trained for them.
    steps: u64,
}

/// Trains a model from a JSON config, or as registered.
pub(crate) fn train(out: Out, args: TrainArgs) -> Result<()> {
    match args {
        TrainArgs {
            restore: true,
            recipe: Some(recipe),
            seed: Some(seed),
            ..
        } => restore(out, &recipe, seed, &args.out),
        TrainArgs {
            registered: true,
            recipe: Some(recipe),
            seed: Some(seed),
            every: Some(every),
            ..
        } => {
            let train = |progress: &mut dyn FnMut(&Progress)| {
                let (folder, resume, keep) = (&args.out, args.resume, args.keep);
                registered::run_keeping(&recipe, seed.0, folder, every, resume, keep, progress)
            };
            train_registered(out, &recipe, seed, &args.out, train)
        }
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
    folder: &Path,
    train: impl FnOnce(&mut dyn FnMut(&Progress)) -> Result<Logged, ModelError>,
) -> Result<()> {
    let root = write_recipe(recipe)?;
    let Logged { trained, leaves } =
        with_bar(train).map_err(|why| anyhow!("training in {}: {why}", folder.display()))?;
    let leaves: Vec<LogLeaf> = leaves.iter().map(recode).collect::<Result<_>>()?;
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

fn restore(out: Out, recipe: &Path, seed: Hash, log: &Path) -> Result<()> {
    let Restored { checkpoints, steps } =
        with_bar(|progress| registered::restore(recipe, seed.0, log, progress))
            .map_err(|why| anyhow!("the log in {}: {why}", log.display()))?;
    let view = RestoredView {
        log: log.to_owned(),
        checkpoints,
        steps,
    };
    out.show(&view, |view| {
        format!(
            "✓ {} checkpoints are there again after {} steps: all of {} is whole",
            view.checkpoints,
            view.steps,
            view.log.display()
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_should_be_all_last_or_a_number() {
        assert_eq!(parse_keep("all"), Ok(Keep::All));
        assert_eq!(parse_keep("last"), Ok(Keep::Last));
        let four = std::num::NonZeroU64::new(4).map(Keep::Each);
        assert_eq!(parse_keep("4").ok(), four);
        for wrong in ["", "0", "-1", "some", "1.5"] {
            assert!(parse_keep(wrong).is_err(), "{wrong}");
        }
    }
}
