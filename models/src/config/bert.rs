//! Config of BERT classifiers under the names that `transformers` uses.

use super::{
    TensorSpec, activation, check_size,
    decoder::{MAX_HEADS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH},
    fields, refuse,
};
use crate::{ModelError, kernels::Activation};
use serde::Deserialize;
use serde_json::Value;

const MAX_LABELS: usize = 1 << 16;

/// A BERT that gives a text one of some labels: encoder, pooler, one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads; divides the width.
    pub num_attention_heads: usize,
    /// Positions that are embedded: the longest sequence with its special tokens.
    pub max_position_embeddings: usize,
    /// Types of tokens; a text's are all of type 0.
    pub type_vocab_size: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Added to the variance in the norms.
    pub layer_norm_eps: f64,
    /// Activation of the feed-forward part.
    pub(crate) activation: Activation,
    /// Labels.
    pub labels: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    vocab_size: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f64,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    id2label: Option<serde_json::Map<String, Value>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn two() -> usize {
    2
}

fn default_eps() -> f64 {
    1e-12
}

impl BertConfig {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let raw: Raw = fields::read(bytes, fields::OF_LANGUAGE_MODELS)?;
        raw.check_neutral()?;
        check_size("hidden_size", raw.hidden_size, MAX_WIDTH)?;
        check_size("intermediate_size", raw.intermediate_size, 8 * MAX_WIDTH)?;
        check_size("num_hidden_layers", raw.num_hidden_layers, 1_024)?;
        check_size("num_attention_heads", raw.num_attention_heads, MAX_HEADS)?;
        let positions = raw.max_position_embeddings;
        check_size("max_position_embeddings", positions, MAX_POSITIONS)?;
        check_size("type_vocab_size", raw.type_vocab_size, 1_024)?;
        check_size("vocab_size", raw.vocab_size, MAX_VOCABULARY)?;
        // Two where a config doesn't say, as in the reference.
        let named = raw.id2label.as_ref().map(serde_json::Map::len);
        let labels = named.or(raw.num_labels).unwrap_or(2);
        check_size("the number of labels", labels, MAX_LABELS)?;
        let eps = raw.layer_norm_eps;
        if !(raw.hidden_size.is_multiple_of(raw.num_attention_heads) && eps > 0.0 && eps < 1.0) {
            return Err(refuse(
                "config.json: num_attention_heads must divide hidden_size, layer_norm_eps be \
                 between 0 and 1",
            ));
        }
        Ok(Self {
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            max_position_embeddings: positions,
            type_vocab_size: raw.type_vocab_size,
            vocab_size: raw.vocab_size,
            layer_norm_eps: eps,
            activation: activation(raw.hidden_act.as_deref().unwrap_or("gelu"))?,
            labels,
        })
    }

    /// Every tensor of the classifier.
    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let mut specs = self.embeddings();
        let mut add = |name: String, shape: Vec<usize>| {
            specs.push((format!("{name}.bias"), vec![shape[0]]));
            specs.push((format!("{name}.weight"), shape));
        };
        for layer in 0..self.num_hidden_layers {
            let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
            for part in ["query", "key", "value"] {
                let part = name(&format!("attention.self.{part}"));
                add(part, vec![width, width]);
            }
            add(name("attention.output.dense"), vec![width, width]);
            add(name("attention.output.LayerNorm"), vec![width]);
            add(name("intermediate.dense"), vec![inner, width]);
            add(name("output.dense"), vec![width, inner]);
            add(name("output.LayerNorm"), vec![width]);
        }
        add("bert.pooler.dense".into(), vec![width, width]);
        add("classifier".into(), vec![self.labels, width]);
        specs
    }

    fn embeddings(&self) -> Vec<TensorSpec> {
        let width = self.hidden_size;
        let table =
            |name: &str, rows: usize| (format!("bert.embeddings.{name}.weight"), vec![rows, width]);
        vec![
            table("word_embeddings", self.vocab_size),
            table("position_embeddings", self.max_position_embeddings),
            table("token_type_embeddings", self.type_vocab_size),
            ("bert.embeddings.LayerNorm.weight".into(), vec![width]),
            ("bert.embeddings.LayerNorm.bias".into(), vec![width]),
        ]
    }
}

impl Raw {
    fn check_neutral(&self) -> Result<(), ModelError> {
        let relative = |kind: &str| kind != "absolute";
        let several = |kind: &str| kind != "single_label_classification";
        let unsupported = if self.is_decoder {
            "a decoder"
        } else if self
            .position_embedding_type
            .as_deref()
            .is_some_and(relative)
        {
            "position_embedding_type other than absolute"
        } else if self.problem_type.as_deref().is_some_and(several) {
            "problem_type other than single_label_classification"
        } else {
            return Ok(());
        };
        Err(refuse(format!(
            "config.json: {unsupported} is not computed by this release"
        )))
    }
}
