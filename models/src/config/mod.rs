//! `config.json`: which model, and which tensors it implies.

mod classifier;
mod llama;
mod rope;

pub use classifier::{Classifier, ClassifierKind, Layer};
pub use llama::LlamaConfig;
pub use rope::RopeScaling;

use crate::{Architecture, Fault, ModelError};
use serde::Deserialize;

/// Longest `config.json` in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A tensor that a config implies: name and shape.
pub type TensorSpec = (String, Vec<usize>);

/// A checked `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    /// `arena_mlp` or `arena_cnn`.
    Classifier(Classifier),
    /// `llama`.
    Llama(LlamaConfig),
}

#[derive(Deserialize)]
struct Peek {
    model_type: String,
}

impl ModelConfig {
    /// Reads and checks the bytes of a `config.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let malformed = |e: serde_json::Error| refuse(format!("config.json: {e}"));
        let peek: Peek = serde_json::from_slice(bytes).map_err(malformed)?;
        match peek.model_type.as_str() {
            "arena_mlp" | "arena_cnn" => {
                let config: Classifier = serde_json::from_slice(bytes).map_err(malformed)?;
                config.tensors()?;
                Ok(Self::Classifier(config))
            }
            "llama" => LlamaConfig::parse(bytes).map(Self::Llama),
            other => Err(ModelError::new(
                Fault::Architecture,
                format!(
                    "config.json: model_type {other:?} is unknown; \
                     this release computes arena_mlp, arena_cnn and llama"
                ),
            )),
        }
    }

    /// The bytes of `config.json`.
    pub fn to_json(&self) -> Result<Vec<u8>, ModelError> {
        let value = match self {
            Self::Classifier(config) => serde_json::to_value(config),
            Self::Llama(config) => serde_json::to_value(config),
        };
        value
            .and_then(|value| serde_json::to_vec_pretty(&value))
            .map_err(|e| refuse(format!("config.json can't be written: {e}")))
    }

    /// Family.
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Classifier(config) => match config.model_type {
                ClassifierKind::Mlp => Architecture::Mlp,
                ClassifierKind::Cnn => Architecture::Cnn,
            },
            Self::Llama(_) => Architecture::Llama,
        }
    }

    /// Every tensor of the model, no more and no fewer, in a fixed order.
    pub fn tensors(&self) -> Result<Vec<TensorSpec>, ModelError> {
        match self {
            Self::Classifier(config) => config.tensors(),
            Self::Llama(config) => Ok(config.tensors()),
        }
    }

    /// Numbers in all tensors.
    pub fn parameters(&self) -> Result<u64, ModelError> {
        let specs = self.tensors()?;
        Ok(specs.iter().fold(0u64, |sum, (_, shape)| {
            let size = shape.iter().fold(1u64, |p, d| p.saturating_mul(*d as u64));
            sum.saturating_add(size)
        }))
    }
}

pub(crate) fn refuse(detail: impl Into<String>) -> ModelError {
    ModelError::new(Fault::Config, detail)
}

/// Checks that a size of a config is in `1..=most`.
pub(crate) fn check_size(what: &str, value: usize, most: usize) -> Result<(), ModelError> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(refuse(format!(
        "config.json: {what} is {value}, which is not in 1..={most}"
    )))
}
