//! `config.json`: which model, and which tensors it implies.

mod bert;
mod classifier;
mod decoder;
mod fields;
mod gpt2;
#[cfg(test)]
mod published_tests;
mod raw;
mod rope;
#[cfg(test)]
mod tests;

pub use bert::BertConfig;
pub use classifier::{Classifier, ClassifierKind, Layer};
pub use decoder::DecoderConfig;
pub use gpt2::Gpt2Config;
pub use rope::{Rope, RopeScaling};

pub(crate) use rope::Rope as RopeConfig;

use crate::{Architecture, Fault, ModelError, kernels::Activation};
use serde::Deserialize;
use std::borrow::Cow;

/// Longest `config.json` in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A tensor that a config implies: name and shape.
pub type TensorSpec = (String, Vec<usize>);

/// A checked `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    /// `arena_mlp` or `arena_cnn`.
    Classifier(Classifier),
    /// `llama` and its relatives.
    Decoder(Box<DecoderConfig>),
    /// `gpt2`.
    Gpt2(Gpt2Config),
    /// `bert`.
    Bert(BertConfig),
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
        let named = |family: &&Architecture| family.to_string() == peek.model_type;
        let Some(family) = Architecture::ALL.iter().find(named) else {
            let known: Vec<String> = Architecture::ALL.iter().map(ToString::to_string).collect();
            return Err(ModelError::new(
                Fault::Architecture,
                format!(
                    "config.json: model_type {:?} is unknown; this release computes {}",
                    peek.model_type,
                    known.join(", ")
                ),
            ));
        };
        Ok(match family {
            Architecture::Mlp | Architecture::Cnn => {
                let config: Classifier = serde_json::from_slice(bytes).map_err(malformed)?;
                config.tensors()?;
                Self::Classifier(config)
            }
            Architecture::Gpt2 => Self::Gpt2(Gpt2Config::parse(bytes)?),
            Architecture::Bert => Self::Bert(BertConfig::parse(bytes)?),
            family => Self::Decoder(Box::new(DecoderConfig::parse(*family, bytes)?)),
        })
    }

    /// Family.
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Classifier(config) => match config.model_type {
                ClassifierKind::Mlp => Architecture::Mlp,
                ClassifierKind::Cnn => Architecture::Cnn,
            },
            Self::Decoder(config) => config.family,
            Self::Gpt2(_) => Architecture::Gpt2,
            Self::Bert(_) => Architecture::Bert,
        }
    }

    /// Every tensor of the model, no more and no fewer, in a fixed order.
    pub fn tensors(&self) -> Result<Vec<TensorSpec>, ModelError> {
        match self {
            Self::Classifier(config) => config.tensors(),
            Self::Decoder(config) => Ok(config.tensors()),
            Self::Gpt2(config) => Ok(config.tensors()),
            Self::Bert(config) => Ok(config.tensors()),
        }
    }

    /// The name under which [`ModelConfig::tensors`] lists a tensor of a file; `None` for what
    /// some files hold beside the model and nothing is computed with.
    pub fn listed_as<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        let (ties, name) = match self {
            Self::Classifier(_) => (false, name),
            Self::Decoder(config) => (config.tie_word_embeddings, name),
            Self::Gpt2(config) => (
                config.tie_word_embeddings,
                name.strip_prefix("transformer.").unwrap_or(name),
            ),
            Self::Bert(_) => (false, name),
        };
        // Copies of the embedding, masks and constants.
        let is_idle = match self {
            Self::Classifier(_) => false,
            Self::Decoder(_) => name.ends_with(".rotary_emb.inv_freq"),
            Self::Gpt2(_) => name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"),
            Self::Bert(_) => name.ends_with("embeddings.position_ids"),
        };
        let is_copy = ties && name == "lm_head.weight";
        if is_idle || is_copy {
            return None;
        }
        // An encoder that was saved without its classifier has no prefix.
        let is_bare = matches!(self, Self::Bert(_))
            && ["embeddings.", "encoder.", "pooler."]
                .iter()
                .any(|part| name.starts_with(part));
        Some(if is_bare {
            Cow::Owned(format!("bert.{name}"))
        } else {
            Cow::Borrowed(name)
        })
    }

    /// Numbers in all tensors.
    pub fn parameters(&self) -> Result<u64, ModelError> {
        let specs = self.tensors()?;
        Ok(specs.iter().fold(0u64, |sum, (_, shape)| {
            let size = shape.iter().fold(1u64, |p, d| p.saturating_mul(*d as u64));
            sum.saturating_add(size)
        }))
    }

    /// Size of the vocabulary of a model that reads text.
    pub(crate) fn vocabulary(&self) -> Option<usize> {
        match self {
            Self::Classifier(_) => None,
            Self::Decoder(config) => Some(config.vocab_size),
            Self::Gpt2(config) => Some(config.vocab_size),
            Self::Bert(config) => Some(config.vocab_size),
        }
    }

    /// What a language model is fed before the first token of a text: `bos_token_id`, else
    /// `eos_token_id`.
    pub(crate) fn start_token(&self) -> Option<u32> {
        match self {
            Self::Classifier(_) | Self::Bert(_) => None,
            Self::Decoder(config) => config.bos_token_id.or(config.eos_token_id),
            Self::Gpt2(config) => config.bos_token_id.or(config.eos_token_id),
        }
    }

    /// What ends a completion.
    pub(crate) fn end_token(&self) -> Option<u32> {
        match self {
            Self::Classifier(_) | Self::Bert(_) => None,
            Self::Decoder(config) => config.eos_token_id,
            Self::Gpt2(config) => config.eos_token_id,
        }
    }

    /// Longest sequence that can be computed, where positions are learned.
    pub(crate) fn positions(&self) -> Option<usize> {
        match self {
            Self::Classifier(_) | Self::Decoder(_) => None,
            Self::Gpt2(config) => Some(config.n_positions),
            Self::Bert(config) => Some(config.max_position_embeddings),
        }
    }
}

/// A language model needs a token to begin with, of its vocabulary.
fn check_start(bos: Option<u32>, eos: Option<u32>, vocabulary: usize) -> Result<(), ModelError> {
    if bos.is_none() && eos.is_none() {
        return Err(refuse(
            "config.json: bos_token_id or eos_token_id is needed, a text begins with it",
        ));
    }
    match [bos, eos]
        .into_iter()
        .flatten()
        .find(|id| *id as usize >= vocabulary)
    {
        Some(id) => Err(refuse(format!(
            "config.json: token {id} is not below vocab_size {vocabulary}"
        ))),
        None => Ok(()),
    }
}

/// An activation by its name in `transformers`.
fn activation(name: &str) -> Result<Activation, ModelError> {
    Ok(match name {
        "silu" | "swish" => Activation::Silu,
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        "tanh" => Activation::Tanh,
        other => {
            return Err(refuse(format!(
                "config.json: activation {other:?} is not computed by this release"
            )));
        }
    })
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
