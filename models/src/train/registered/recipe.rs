//! What a training is registered with: a directory with its config and all files that it reads.

use crate::{
    Fault, ModelError, Profile,
    config::{MAX_CONFIG_BYTES, refuse},
    inspect::read_capped,
    manifest::check_path,
    train::{TokenizerSource, TrainConfig},
};
use std::path::{Path, PathBuf};

/// The config of a recipe, a [`TrainConfig`] whose `seed` and `checkpoint_every` don't count.
pub const CONFIG: &str = "train.json";

/// The config in `dir`, its paths led there.
pub(super) fn read(dir: &Path) -> Result<TrainConfig, ModelError> {
    let json = read_capped(dir, CONFIG, MAX_CONFIG_BYTES, Fault::Config)?;
    let mut config = TrainConfig::parse(&json)?;
    if config.profile != Profile::ExactCpuF32 {
        return Err(refuse(
            "train.json: a registered training needs \"profile\": \"exact-cpu-f32\"",
        ));
    }
    for path in &mut config.data {
        *path = file(dir, path)?;
    }
    match &mut config.tokenizer {
        Some(TokenizerSource::Path(path)) => *path = file(dir, path)?,
        Some(TokenizerSource::Train { .. }) => {
            return Err(refuse(
                "train.json: a recipe holds its tokenizer; give a path to a tokenizer.json in it",
            ));
        }
        None => {}
    }
    if config.start.is_some() {
        return Err(refuse(
            "train.json: a registered training begins with what its run's seed gives; leave out \
             start",
        ));
    }
    Ok(config)
}

fn file(dir: &Path, path: &Path) -> Result<PathBuf, ModelError> {
    let full = inside(dir, path)?;
    if !full.is_file() {
        return Err(absent(path));
    }
    Ok(full)
}

/// Where `path` lies, which must not lead out of the recipe.
fn inside(dir: &Path, path: &Path) -> Result<PathBuf, ModelError> {
    let text = path.to_str().unwrap_or_default();
    check_path(text).map_err(|e| refuse(format!("train.json: {e}")))?;
    Ok(dir.join(text))
}

fn absent(path: &Path) -> ModelError {
    refuse(format!(
        "train.json: {} is not in the recipe; put it there",
        path.display()
    ))
}
