//! What a training writes; every file appears whole or not at all.

use super::adamw::AdamW;
use crate::{
    Fault, ModelError,
    inspect::{CONFIG, TOKENIZER, WEIGHTS},
};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

const LOG: &str = "train.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model";

/// Makes `out`, and clears what an earlier run left unless it is to be resumed.
pub(super) fn prepare(out: &Path, resume: bool) -> Result<(), ModelError> {
    fs::create_dir_all(out).map_err(|e| ModelError::io(out, &e))?;
    if resume {
        return Ok(());
    }
    for name in [LOG, CHECKPOINT, TOKENIZER] {
        let path = out.join(name);
        remove(&path, fs::remove_file(&path))?;
    }
    let model = out.join(MODEL);
    remove(&model, fs::remove_dir_all(&model))
}

/// That there was nothing to remove is no error.
pub(crate) fn remove(path: &Path, result: std::io::Result<()>) -> Result<(), ModelError> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(ModelError::io(path, &e)),
        _ => Ok(()),
    }
}

/// Writes beside and renames.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|e| ModelError::io(path, &e))
}

/// The bytes of a safetensors file of f32 tensors: name, shape, values.
pub(super) fn to_safetensors(
    tensors: &[(String, &[usize], &[f32])],
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, ModelError> {
    let failed = |e| ModelError::new(Fault::Weights, format!("can't be written: {e}"));
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, _), data)| {
            Ok((
                name.as_str(),
                TensorView::new(Dtype::F32, shape.to_vec(), data)?,
            ))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    safetensors::serialize(views, metadata).map_err(failed)
}

/// Writes the finished model's directory.
pub(super) fn publish(
    out: &Path,
    config: &[u8],
    tokenizer: Option<&[u8]>,
    optimizer: &AdamW,
) -> Result<PathBuf, ModelError> {
    let partial = out.join("model.partial");
    let model = out.join(MODEL);
    remove(&partial, fs::remove_dir_all(&partial))?;
    fs::create_dir_all(&partial).map_err(|e| ModelError::io(&partial, &e))?;
    let tensors: Vec<_> = optimizer
        .parameters
        .iter()
        .map(|(name, p)| (name.clone(), p.variable.dims(), p.values.as_slice()))
        .collect();
    write_whole(&partial.join(WEIGHTS), &to_safetensors(&tensors, None)?)?;
    write_whole(&partial.join(CONFIG), config)?;
    if let Some(tokenizer) = tokenizer {
        write_whole(&partial.join(TOKENIZER), tokenizer)?;
    }
    remove(&model, fs::remove_dir_all(&model))?;
    fs::rename(&partial, &model).map_err(|e| ModelError::io(&model, &e))?;
    Ok(model)
}

/// `train.jsonl`: one line per step, with no times, so that equal runs have equal logs.
pub(super) struct Log {
    path: PathBuf,
    file: File,
}

#[derive(Serialize, Deserialize)]
struct Line {
    step: u64,
    loss: f32,
    learning_rate: f64,
}

impl Log {
    /// Opens the log of `out` and drops lines of steps after `step`, which are computed again.
    pub(super) fn open(out: &Path, step: u64) -> Result<Self, ModelError> {
        let path = out.join(LOG);
        let io = |e| ModelError::io(&path, &e);
        let mut kept = String::new();
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(io)?;
            // The last line may be half of one.
            let done = text.lines().take_while(|line| {
                serde_json::from_str(line).is_ok_and(|line: Line| line.step <= step)
            });
            done.for_each(|line| kept.extend([line, "\n"]));
        }
        write_whole(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
        Ok(Self { path, file })
    }

    pub(super) fn line(
        &mut self,
        step: u64,
        loss: f32,
        learning_rate: f64,
    ) -> Result<(), ModelError> {
        let mut line = serde_json::to_vec(&Line {
            step,
            loss,
            learning_rate,
        })
        .map_err(|e| ModelError::new(Fault::Io, e.to_string()))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|e| ModelError::io(&self.path, &e))
    }
}
