//! The fields of a decoder's `config.json` as `transformers` writes them.
//!
//! What could change the computation and isn't computed is refused; what can't is ignored by
//! name; any other field is refused, because its meaning is unknown.

use super::refuse;
use crate::ModelError;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

/// One id or several; the first counts.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    pub(super) fn first(&self) -> Option<u32> {
        match self {
            Self::One(id) => Some(*id),
            Self::Many(ids) => ids.first().copied(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(rename = "model_type")]
    _model_type: IgnoredAny,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_local_base_freq: Option<f64>,
    pub(super) rope_parameters: Option<Value>,
    pub(super) rope_scaling: Option<Value>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<usize>,
    pub(super) vocab_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) tie_word_embeddings: Option<bool>,
    pub(super) bos_token_id: Option<u32>,
    pub(super) eos_token_id: Option<OneOrMany>,
    pub(super) hidden_act: Option<String>,
    pub(super) hidden_activation: Option<String>,
    #[serde(default)]
    pub(super) attention_bias: bool,
    #[serde(default)]
    pub(super) mlp_bias: bool,
    /// Absent and null differ: the first leaves it to the family.
    #[serde(default, deserialize_with = "given")]
    pub(super) sliding_window: Option<Option<usize>>,
    pub(super) use_sliding_window: Option<bool>,
    pub(super) max_window_layers: Option<usize>,
    pub(super) layer_types: Option<Vec<String>>,
    #[serde(alias = "_sliding_window_pattern")]
    pub(super) sliding_window_pattern: Option<usize>,
    pub(super) query_pre_attn_scalar: Option<f64>,
    pub(super) attn_logit_softcapping: Option<f64>,
    pub(super) final_logit_softcapping: Option<f64>,
    use_bidirectional_attention: Option<bool>,
    quantization_config: Option<Value>,
    add_cross_attention: Option<bool>,
    #[serde(rename = "architectures")]
    _architectures: Option<IgnoredAny>,
    #[serde(rename = "attention_dropout")]
    _attention_dropout: Option<IgnoredAny>,
    #[serde(rename = "auto_map")]
    _auto_map: Option<IgnoredAny>,
    #[serde(rename = "cache_implementation")]
    _cache_implementation: Option<IgnoredAny>,
    #[serde(rename = "chunk_size_feed_forward")]
    _chunk_size: Option<IgnoredAny>,
    #[serde(rename = "dtype")]
    _dtype: Option<IgnoredAny>,
    #[serde(rename = "embd_pdrop")]
    _embd_pdrop: Option<IgnoredAny>,
    #[serde(rename = "id2label")]
    _id2label: Option<IgnoredAny>,
    #[serde(rename = "initializer_range")]
    _initializer_range: Option<IgnoredAny>,
    #[serde(rename = "is_decoder")]
    _is_decoder: Option<IgnoredAny>,
    #[serde(rename = "is_encoder_decoder")]
    _is_encoder_decoder: Option<IgnoredAny>,
    #[serde(rename = "label2id")]
    _label2id: Option<IgnoredAny>,
    #[serde(rename = "output_attentions")]
    _output_attentions: Option<IgnoredAny>,
    #[serde(rename = "output_hidden_states")]
    _output_hidden_states: Option<IgnoredAny>,
    #[serde(rename = "pad_token_id")]
    _pad_token_id: Option<IgnoredAny>,
    #[serde(rename = "pretraining_tp")]
    _pretraining_tp: Option<IgnoredAny>,
    #[serde(rename = "problem_type")]
    _problem_type: Option<IgnoredAny>,
    #[serde(rename = "resid_pdrop")]
    _resid_pdrop: Option<IgnoredAny>,
    #[serde(rename = "return_dict")]
    _return_dict: Option<IgnoredAny>,
    #[serde(rename = "torch_dtype")]
    _torch_dtype: Option<IgnoredAny>,
    #[serde(rename = "transformers_version")]
    _transformers_version: Option<IgnoredAny>,
    #[serde(rename = "use_cache")]
    _use_cache: Option<IgnoredAny>,
    #[serde(rename = "_name_or_path")]
    _name: Option<IgnoredAny>,
}

/// Some for a field that is there, whatever it holds.
fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<usize>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Raw {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let raw: Self =
            serde_json::from_slice(bytes).map_err(|e| refuse(format!("config.json: {e}")))?;
        let unsupported = if raw.quantization_config.is_some() {
            "quantization"
        } else if raw.use_bidirectional_attention == Some(true) {
            "use_bidirectional_attention"
        } else if raw.add_cross_attention == Some(true) {
            "add_cross_attention"
        } else {
            return Ok(raw);
        };
        Err(refuse(format!(
            "config.json: {unsupported} is not computed by this release"
        )))
    }
}
