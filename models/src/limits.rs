//! What a task allows of a model.

use crate::{Fault, Metric, ModelError};
use std::fmt;

/// Model families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `model_type` `arena_mlp`.
    Mlp,
    /// `model_type` `arena_cnn`.
    Cnn,
    /// `model_type` `llama`.
    Llama,
    /// `model_type` `mistral`.
    Mistral,
    /// `model_type` `qwen2`.
    Qwen2,
    /// `model_type` `qwen3`.
    Qwen3,
    /// `model_type` `phi3`.
    Phi3,
    /// `model_type` `gemma2`.
    Gemma2,
    /// `model_type` `gemma3_text`.
    Gemma3,
    /// `model_type` `gpt2`.
    Gpt2,
    /// `model_type` `bert`, for the classification of texts.
    Bert,
}

impl Architecture {
    /// Every family.
    pub const ALL: [Self; 11] = [
        Self::Mlp,
        Self::Cnn,
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Phi3,
        Self::Gemma2,
        Self::Gemma3,
        Self::Gpt2,
        Self::Bert,
    ];

    /// What a model of the family is measured by.
    pub fn metric(self) -> Metric {
        match self {
            Self::Mlp | Self::Cnn | Self::Bert => Metric::Accuracy,
            Self::Llama
            | Self::Mistral
            | Self::Qwen2
            | Self::Qwen3
            | Self::Phi3
            | Self::Gemma2
            | Self::Gemma3
            | Self::Gpt2 => Metric::BitsPerByte,
        }
    }

    /// Whether a model of the family reads text, and so has a tokenizer.
    pub fn reads_text(self) -> bool {
        !matches!(self, Self::Mlp | Self::Cnn)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mlp => "arena_mlp",
            Self::Cnn => "arena_cnn",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Gpt2 => "gpt2",
            Self::Bert => "bert",
        })
    }
}

/// What a task allows; checked before a weight byte is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Families.
    pub architectures: Vec<Architecture>,
    /// Most parameters.
    pub max_parameters: u64,
    /// Most bytes of all files.
    pub max_bytes: u64,
    /// Most target tokens of a sample, longer ones are cut; 0 leaves it to
    /// [`EvalOptions::context`](crate::EvalOptions::context). Language models only.
    pub context: usize,
    /// BLAKE3 of the only `tokenizer.json` allowed; `None` lets a model bring its own.
    pub tokenizer: Option<[u8; 32]>,
}

impl Limits {
    /// No restriction; what a local run has.
    pub fn unlimited() -> Self {
        Self {
            architectures: Architecture::ALL.to_vec(),
            max_parameters: u64::MAX,
            max_bytes: u64::MAX,
            context: 0,
            tokenizer: None,
        }
    }

    pub(crate) fn check_architecture(&self, found: Architecture) -> Result<(), ModelError> {
        if self.architectures.contains(&found) {
            return Ok(());
        }
        let allowed: Vec<_> = self.architectures.iter().map(ToString::to_string).collect();
        Err(ModelError::new(
            Fault::Architecture,
            format!(
                "the model is a {found}, the task takes {}",
                allowed.join(", ")
            ),
        ))
    }

    pub(crate) fn check_size(&self, parameters: u64, bytes: u64) -> Result<(), ModelError> {
        if parameters > self.max_parameters {
            return Err(ModelError::new(
                Fault::TooLarge,
                format!(
                    "{parameters} parameters, the task takes {}",
                    self.max_parameters
                ),
            ));
        }
        if bytes > self.max_bytes {
            return Err(ModelError::new(
                Fault::TooLarge,
                format!("{bytes} bytes, the task takes {}", self.max_bytes),
            ));
        }
        Ok(())
    }
}
