//! The whole state of a training in one file.

use super::{
    adamw::AdamW,
    output::{to_safetensors, write_whole},
};
use crate::{Fault, ModelError};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fs, path::Path};

const FILE: &str = "checkpoint.safetensors";
/// One key: several would be written in random order.
const KEY: &str = "training";

#[derive(Serialize, Deserialize)]
struct State {
    step: u64,
    digest: String,
}

pub(super) fn save(
    out: &Path,
    digest: &str,
    step: u64,
    optimizer: &AdamW,
) -> Result<(), ModelError> {
    let state = serde_json::to_string(&State {
        step,
        digest: digest.into(),
    })
    .map_err(|e| ModelError::new(Fault::Io, e.to_string()))?;
    let mut tensors = Vec::new();
    for (name, parameter) in &optimizer.parameters {
        let shape = parameter.variable.dims();
        tensors.push((format!("weight.{name}"), shape, parameter.values.as_slice()));
        tensors.push((format!("mean.{name}"), shape, parameter.mean.as_slice()));
        tensors.push((format!("square.{name}"), shape, parameter.square.as_slice()));
    }
    let metadata = HashMap::from([(KEY.to_string(), state)]);
    write_whole(&out.join(FILE), &to_safetensors(&tensors, Some(metadata))?)
}

/// Puts the state of the checkpoint into `optimizer` and returns its step; 0 without one.
pub(super) fn load(out: &Path, digest: &str, optimizer: &mut AdamW) -> Result<u64, ModelError> {
    let path = out.join(FILE);
    let refuse =
        |detail: String| ModelError::new(Fault::Config, format!("{}: {detail}", path.display()));
    if !path.exists() {
        return Ok(0);
    }
    let bytes = fs::read(&path).map_err(|e| ModelError::io(&path, &e))?;
    let damaged = |e: &dyn std::fmt::Display| refuse(format!("{e}; remove it to start over"));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(&e))?;
    let state = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .cloned();
    let state: State = serde_json::from_str(&state.unwrap_or_default()).map_err(|e| damaged(&e))?;
    if state.digest != digest {
        return Err(refuse(
            "made with another config or other data; take another directory".into(),
        ));
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&e))?;
    for (name, parameter) in &mut optimizer.parameters {
        let kinds = [
            ("weight", &mut parameter.values),
            ("mean", &mut parameter.mean),
            ("square", &mut parameter.square),
        ];
        for (kind, values) in kinds {
            let view = tensors
                .tensor(&format!("{kind}.{name}"))
                .map_err(|e| damaged(&e))?;
            let read = crate::weights::le_floats(view.data());
            if read.len() != values.len() {
                return Err(damaged(&format!("{kind}.{name} has another size")));
            }
            *values = read;
        }
        parameter.publish()?;
    }
    Ok(state.step)
}
