//! Config of GPT-2 under the names that `transformers` uses.

use super::{
    TensorSpec, activation, check_size,
    decoder::{MAX_HEADS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH},
    fields,
    raw::OneOrMany,
    refuse,
};
use crate::{ModelError, kernels::Activation};
use serde::Deserialize;

/// A GPT-2: layer norms, learned positions, attention of all heads, one matrix up and one down.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Config {
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Blocks.
    pub n_layer: usize,
    /// Heads; divides the width.
    pub n_head: usize,
    /// Width inside the feed-forward part.
    pub n_inner: usize,
    /// Positions that are embedded: the longest sequence.
    pub n_positions: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Added to the variance in the norms.
    pub layer_norm_epsilon: f64,
    /// Activation between the two matrices.
    pub(crate) activation: Activation,
    /// Whether scores are divided by the root of a head's width.
    pub scale_attn_weights: bool,
    /// Whether scores are divided by the number of the layer, counted from 1.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Last token of a text.
    pub eos_token_id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(alias = "hidden_size")]
    n_embd: usize,
    #[serde(alias = "num_hidden_layers")]
    n_layer: usize,
    #[serde(alias = "num_attention_heads")]
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(alias = "max_position_embeddings")]
    n_positions: usize,
    vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_epsilon: f64,
    activation_function: Option<String>,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
}

fn default_epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

impl Gpt2Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let raw: Raw = fields::read(bytes, fields::OF_CLASSIFIERS)?;
        check_size("n_embd", raw.n_embd, MAX_WIDTH)?;
        check_size("n_layer", raw.n_layer, 1_024)?;
        check_size("n_head", raw.n_head, MAX_HEADS)?;
        check_size("n_positions", raw.n_positions, MAX_POSITIONS)?;
        check_size("vocab_size", raw.vocab_size, MAX_VOCABULARY)?;
        let inner = raw.n_inner.unwrap_or(4 * raw.n_embd);
        check_size("n_inner", inner, 8 * MAX_WIDTH)?;
        let epsilon = raw.layer_norm_epsilon;
        if !(raw.n_embd.is_multiple_of(raw.n_head) && epsilon > 0.0 && epsilon < 1.0) {
            return Err(refuse(
                "config.json: n_head must divide n_embd, layer_norm_epsilon be between 0 and 1",
            ));
        }
        let config = Self {
            n_embd: raw.n_embd,
            n_layer: raw.n_layer,
            n_head: raw.n_head,
            n_inner: inner,
            n_positions: raw.n_positions,
            vocab_size: raw.vocab_size,
            layer_norm_epsilon: epsilon,
            activation: activation(raw.activation_function.as_deref().unwrap_or("gelu_new"))?,
            scale_attn_weights: raw.scale_attn_weights,
            scale_attn_by_inverse_layer_idx: raw.scale_attn_by_inverse_layer_idx,
            tie_word_embeddings: raw.tie_word_embeddings,
            bos_token_id: raw.bos_token_id,
            eos_token_id: raw.eos_token_id.as_ref().and_then(OneOrMany::first),
        };
        super::check_start(config.bos_token_id, config.eos_token_id, config.vocab_size)?;
        Ok(config)
    }

    /// Every tensor of the model, without the prefix `transformer.` that some files have.
    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        let (width, inner) = (self.n_embd, self.n_inner);
        let mut specs: Vec<TensorSpec> = vec![
            ("wte.weight".into(), vec![self.vocab_size, width]),
            ("wpe.weight".into(), vec![self.n_positions, width]),
        ];
        for layer in 0..self.n_layer {
            let mut add = |name: &str, shape: Vec<usize>| {
                let out = shape.last().copied().unwrap_or(0);
                specs.push((format!("h.{layer}.{name}.weight"), shape));
                specs.push((format!("h.{layer}.{name}.bias"), vec![out]));
            };
            add("ln_1", vec![width]);
            // These matrices lie as [in, out].
            add("attn.c_attn", vec![width, 3 * width]);
            add("attn.c_proj", vec![width, width]);
            add("ln_2", vec![width]);
            add("mlp.c_fc", vec![width, inner]);
            add("mlp.c_proj", vec![inner, width]);
        }
        specs.push(("ln_f.weight".into(), vec![width]));
        specs.push(("ln_f.bias".into(), vec![width]));
        if !self.tie_word_embeddings {
            specs.push(("lm_head.weight".into(), vec![self.vocab_size, width]));
        }
        specs
    }
}
