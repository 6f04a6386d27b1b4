//! Training, and hashing of data sets.

use crate::{
    fail::bad_input,
    out::{self, Out},
    spec,
};
use anyhow::{Context, Result, anyhow};
use arena_models::train::{Progress, TrainConfig, run};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A finished training.
#[derive(Serialize)]
struct TrainedView {
    model: PathBuf,
    parameters: u64,
    steps: u64,
    loss: Option<f32>,
}

/// Trains a model from a JSON config.
pub(crate) fn train(out: Out, config: &Path, folder: &Path, resume: bool) -> Result<()> {
    let json =
        fs::read(config).with_context(|| format!("can't read the config {}", config.display()))?;
    let config = TrainConfig::parse(&json)
        .map_err(|why| bad_input(format!("{}: {why}", config.display())))?;
    let bar = out::bar(0, "{bar:30} step {pos}/{len} {msg} [{elapsed}, {eta} left]");
    let trained = run(&config, folder, resume, &mut |progress: &Progress| {
        bar.set_length(progress.steps);
        bar.set_position(progress.step);
        bar.set_message(format!("loss {:.4}", progress.loss));
    })
    .map_err(|why| anyhow!("training in {}: {why}", folder.display()))?;
    bar.finish_and_clear();
    let view = TrainedView {
        model: trained.model,
        parameters: trained.parameters,
        steps: trained.steps,
        loss: trained.loss,
    };
    out.show(&view, |view| {
        let loss = view
            .loss
            .map(|loss| format!(", last loss {loss:.4}"))
            .unwrap_or_default();
        format!(
            "✓ {} parameters after {} steps{loss}: {}",
            view.parameters,
            view.steps,
            view.model.display()
        )
    })
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
