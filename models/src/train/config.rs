//! What a training is told, as JSON.

use crate::{Classifier, ClassifierKind, Fault, Layer, ModelError, Profile, config::refuse};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The learning rate ends at this share of its peak.
const FINAL_SHARE: f64 = 0.1;

/// A training. Two equal ones on equal data give equal weights on the same machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of the initial weights, the choice of data and its order.
    pub seed: u64,
    /// What is trained.
    pub model: Family,
    /// Data files of the train split, read in order.
    pub data: Vec<PathBuf>,
    /// Share of the samples to train on, in (0, 1]; a seeded choice.
    #[serde(default = "one")]
    pub data_fraction: f64,
    /// Steps; or give `epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Passes over the data; or give `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Samples per step (language models: windows of the context).
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decay of matrices.
    #[serde(default = "default_weight_decay")]
    pub weight_decay: f64,
    /// Steps until the peak learning rate; then a cosine down to a tenth of it.
    #[serde(default)]
    pub warmup: u64,
    /// Steps between checkpoints; 0 keeps only the last state.
    #[serde(default)]
    pub checkpoint_every: u64,
    /// How numbers are computed: `f32`, or `exact-cpu-f32` for the same weights on every machine.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub profile: Profile,
    /// Model to go on from, of the same shapes; by default the weights are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Tokenizer of a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerSource>,
}

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
pub enum Family {
    /// An `arena_mlp`.
    Mlp {
        /// Shape of a sample's features.
        input_shape: Vec<usize>,
        /// Layers; the last gives one number per label.
        layers: Vec<Layer>,
        /// Classes.
        labels: usize,
    },
    /// An `arena_cnn`.
    Cnn {
        /// `[channels, height, width]`.
        input_shape: Vec<usize>,
        /// Layers; the last gives one number per label.
        layers: Vec<Layer>,
        /// Classes.
        labels: usize,
    },
    /// A `llama`; the vocabulary is the tokenizer's.
    Llama {
        /// Width.
        hidden_size: usize,
        /// Inner width of the feed-forward part.
        intermediate_size: usize,
        /// Blocks.
        num_hidden_layers: usize,
        /// Query heads.
        num_attention_heads: usize,
        /// Key and value heads.
        num_key_value_heads: usize,
        /// Most tokens of a training window.
        context: usize,
        /// Base of the rotary frequencies.
        #[serde(default = "default_rope_theta")]
        rope_theta: f64,
        /// Whether the output matrix is the embedding.
        #[serde(default = "yes")]
        tie_word_embeddings: bool,
    },
}

/// Where a tokenizer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenizerSource {
    /// A `tokenizer.json`; its token of id 0 starts a text unless it has a `<s>`,
    /// `<|begin_of_text|>`, `<|endoftext|>` or `<|start|>`.
    Path(PathBuf),
    /// Trains a lossless byte-level BPE on the training texts.
    Train {
        /// Its settings.
        train: TokenizerTraining,
    },
}

/// Settings of a tokenizer's training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerTraining {
    /// Most tokens; at least 257 (256 bytes and the start token).
    pub vocab_size: usize,
}

fn one() -> f64 {
    1.0
}

fn is_usual(profile: &Profile) -> bool {
    *profile == Profile::F32
}

fn yes() -> bool {
    true
}

fn default_weight_decay() -> f64 {
    0.01
}

fn default_rope_theta() -> f64 {
    10_000.0
}

impl TrainConfig {
    /// Reads the bytes of a JSON config and checks it.
    pub fn parse(json: &[u8]) -> Result<Self, ModelError> {
        let config: Self =
            serde_json::from_slice(json).map_err(|e| refuse(format!("training config: {e}")))?;
        config.check()?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        let in_unit = self.data_fraction > 0.0 && self.data_fraction <= 1.0;
        let problem = if self.data.is_empty() {
            "data names no file"
        } else if !in_unit {
            "data_fraction is not in (0, 1]"
        } else if self.steps.is_some() == self.epochs.is_some() {
            "give either steps or epochs"
        } else if !(1..=1 << 20).contains(&self.batch) {
            "batch is not in 1..=1048576"
        } else if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            "learning_rate is not a positive number"
        } else if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            "weight_decay is negative or not finite"
        } else if self.tokenizer.is_some() != matches!(self.model, Family::Llama { .. }) {
            "a language model needs a tokenizer, a classifier takes none"
        } else {
            return Ok(());
        };
        Err(ModelError::new(
            Fault::Config,
            format!("training config: {problem}"),
        ))
    }

    /// Steps for `samples` samples after the choice of data.
    pub(super) fn total_steps(&self, samples: usize) -> u64 {
        let passes = |epochs: u64| {
            epochs
                .saturating_mul(samples as u64)
                .div_ceil(self.batch as u64)
        };
        self.steps.unwrap_or_else(|| self.epochs.map_or(0, passes))
    }

    /// Linear warm-up, then a cosine down to a tenth.
    pub(super) fn learning_rate_at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let span = steps.saturating_sub(self.warmup).max(1) as f64;
        let cosine = libm::cos(std::f64::consts::PI * (step - self.warmup) as f64 / span);
        self.learning_rate * (FINAL_SHARE + (1.0 - FINAL_SHARE) * 0.5 * (1.0 + cosine))
    }

    /// The model's `config.json`; `vocabulary` and `start` are those of the tokenizer.
    pub(super) fn model_config(
        &self,
        vocabulary: usize,
        start: u32,
    ) -> Result<Vec<u8>, ModelError> {
        let classifier = |model_type, input_shape: &[usize], layers: &[Layer], labels| {
            let config = Classifier {
                model_type,
                version: 1,
                input_shape: input_shape.to_vec(),
                layers: layers.to_vec(),
                labels,
            };
            config.tensors()?;
            config.check_trainable()?;
            to_json(&config)
        };
        match &self.model {
            Family::Mlp {
                input_shape,
                layers,
                labels,
            } => classifier(ClassifierKind::Mlp, input_shape, layers, *labels),
            Family::Cnn {
                input_shape,
                layers,
                labels,
            } => classifier(ClassifierKind::Cnn, input_shape, layers, *labels),
            Family::Llama { .. } => self.llama_config(vocabulary, start),
        }
    }

    fn llama_config(&self, vocab_size: usize, start: u32) -> Result<Vec<u8>, ModelError> {
        let Family::Llama {
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            context,
            rope_theta,
            tie_word_embeddings,
        } = self.model
        else {
            return Err(refuse("training config: not a llama"));
        };
        to_json(&serde_json::json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "torch_dtype": "float32",
            "hidden_size": hidden_size,
            "intermediate_size": intermediate_size,
            "num_hidden_layers": num_hidden_layers,
            "num_attention_heads": num_attention_heads,
            "num_key_value_heads": num_key_value_heads,
            "rms_norm_eps": 1e-5,
            "rope_theta": rope_theta,
            "vocab_size": vocab_size,
            "max_position_embeddings": context,
            "tie_word_embeddings": tie_word_embeddings,
            "bos_token_id": start,
        }))
    }
}

fn to_json(config: &impl Serialize) -> Result<Vec<u8>, ModelError> {
    serde_json::to_vec_pretty(config)
        .map_err(|e| refuse(format!("config.json can't be written: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"seed":1,"model":{"family":"mlp","input_shape":[2],"labels":2,
        "layers":[{"type":"linear","out":2}]},"data":["x"],"steps":10,"batch":4,
        "learning_rate":0.1,"warmup":2}"#;

    #[test]
    fn config_should_round_trip_and_refuse_contradictions() {
        let config = TrainConfig::parse(JSON.as_bytes()).unwrap();
        let again = serde_json::to_vec(&config).unwrap();
        assert_eq!(TrainConfig::parse(&again).unwrap(), config);
        for (from, to) in [
            ("\"steps\":10", "\"steps\":10,\"epochs\":1"),
            ("\"steps\":10,", ""),
            ("\"batch\":4", "\"batch\":0"),
            ("[\"x\"]", "[]"),
            ("\"learning_rate\":0.1", "\"learning_rate\":-1"),
            ("\"warmup\"", "\"warm\""),
            ("\"warmup\":2", "\"tokenizer\":\"x\""),
        ] {
            let error = TrainConfig::parse(JSON.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error.fault, Fault::Config, "{to}");
        }
    }

    #[test]
    fn learning_rate_should_rise_then_fall_to_a_tenth() {
        let config = TrainConfig::parse(JSON.as_bytes()).unwrap();
        let rates: Vec<f64> = (0..10).map(|s| config.learning_rate_at(s, 10)).collect();
        assert_eq!(rates[0], 0.05);
        assert_eq!(rates[1], 0.1);
        assert!(rates[2..].windows(2).all(|w| w[1] < w[0]));
        assert!(rates[9] > 0.01 && rates[9] < 0.02);
    }
}
