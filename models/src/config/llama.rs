//! Config of the Llama family under the names that `transformers` uses.

use super::{
    RopeScaling, TensorSpec, check_size, refuse,
    rope::{RawRope, frequencies},
};
use crate::ModelError;
use serde::{Deserialize, Serialize, de::IgnoredAny};

const MAX_LAYERS: usize = 1_024;
const MAX_WIDTH: usize = 1 << 17;
const MAX_HEADS: usize = 1_024;
const MAX_VOCABULARY: usize = 1 << 20;
const MAX_POSITIONS: usize = 1 << 24;

/// A Llama decoder. Serializes to a `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "Written")]
pub struct LlamaConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Added to the mean square in the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How contexts longer than those of training stretch them.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the four matrices of attention have biases.
    pub attention_bias: bool,
    /// Whether the three matrices of the feed-forward part do.
    pub mlp_bias: bool,
    /// Tokens.
    pub vocab_size: usize,
    /// Longest context the model was made for; does not shorten an evaluation.
    pub max_position_embeddings: usize,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Last token of a text; the first one where a config lists several.
    pub eos_token_id: Option<u32>,
}

/// The fields as `transformers` writes them. Whatever could change the computation and isn't
/// computed here is checked against its neutral value; what can't is ignored by name; any
/// other field is refused, because its meaning is unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "model_type")]
    _model_type: IgnoredAny,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_parameters: Option<RawRope>,
    rope_scaling: Option<RawRope>,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    tie_word_embeddings: bool,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    hidden_act: Option<String>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    quantization_config: Option<serde_json::Value>,
    #[serde(rename = "architectures")]
    _architectures: Option<IgnoredAny>,
    #[serde(rename = "attention_dropout")]
    _attention_dropout: Option<IgnoredAny>,
    #[serde(rename = "dtype")]
    _dtype: Option<IgnoredAny>,
    #[serde(rename = "initializer_range")]
    _initializer_range: Option<IgnoredAny>,
    #[serde(rename = "pad_token_id")]
    _pad_token_id: Option<IgnoredAny>,
    #[serde(rename = "pretraining_tp")]
    _pretraining_tp: Option<IgnoredAny>,
    #[serde(rename = "torch_dtype")]
    _torch_dtype: Option<IgnoredAny>,
    #[serde(rename = "transformers_version")]
    _transformers_version: Option<IgnoredAny>,
    #[serde(rename = "use_cache")]
    _use_cache: Option<IgnoredAny>,
    #[serde(rename = "_name_or_path")]
    _name: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

fn default_eps() -> f64 {
    1e-6
}

/// What a `config.json` of ours has.
#[derive(Serialize)]
struct Written {
    architectures: [&'static str; 1],
    model_type: &'static str,
    hidden_act: &'static str,
    torch_dtype: &'static str,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    rms_norm_eps: f64,
    rope_theta: f64,
    rope_scaling: Option<RopeScaling>,
    attention_bias: bool,
    mlp_bias: bool,
    vocab_size: usize,
    max_position_embeddings: usize,
    tie_word_embeddings: bool,
    bos_token_id: Option<u32>,
    eos_token_id: Option<u32>,
}

impl From<LlamaConfig> for Written {
    fn from(c: LlamaConfig) -> Self {
        Self {
            architectures: ["LlamaForCausalLM"],
            model_type: "llama",
            hidden_act: "silu",
            torch_dtype: "float32",
            hidden_size: c.hidden_size,
            intermediate_size: c.intermediate_size,
            num_hidden_layers: c.num_hidden_layers,
            num_attention_heads: c.num_attention_heads,
            num_key_value_heads: c.num_key_value_heads,
            head_dim: c.head_dim,
            rms_norm_eps: c.rms_norm_eps,
            rope_theta: c.rope_theta,
            rope_scaling: c.rope_scaling,
            attention_bias: c.attention_bias,
            mlp_bias: c.mlp_bias,
            vocab_size: c.vocab_size,
            max_position_embeddings: c.max_position_embeddings,
            tie_word_embeddings: c.tie_word_embeddings,
            bos_token_id: c.bos_token_id,
            eos_token_id: c.eos_token_id,
        }
    }
}

impl Raw {
    fn check_neutral(&self) -> Result<(), ModelError> {
        let unsupported = if self.hidden_act.as_deref().is_some_and(|act| act != "silu") {
            "hidden_act other than silu"
        } else if self.quantization_config.is_some() {
            "quantization"
        } else {
            return Ok(());
        };
        Err(refuse(format!(
            "config.json: {unsupported} is not computed by this release"
        )))
    }
}

impl Raw {
    /// Newer configs say it in `rope_parameters`, older ones in `rope_scaling`.
    fn scaling(&self) -> Result<Option<RopeScaling>, ModelError> {
        let of = |rope: &Option<RawRope>| rope.as_ref().map_or(Ok(None), RawRope::scaling);
        match (of(&self.rope_parameters)?, of(&self.rope_scaling)?) {
            (Some(one), Some(other)) if one != other => Err(refuse(
                "config.json: rope_parameters and rope_scaling differ",
            )),
            (one, other) => Ok(one.or(other)),
        }
    }
}

impl LlamaConfig {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|e| refuse(format!("config.json: {e}")))?;
        raw.check_neutral()?;
        let heads = raw.num_attention_heads;
        check_size("num_attention_heads", heads, MAX_HEADS)?;
        if raw.head_dim.is_none() && !raw.hidden_size.is_multiple_of(heads) {
            return Err(refuse(
                "config.json: hidden_size is no multiple of num_attention_heads",
            ));
        }
        let rope_scaling = raw.scaling()?;
        let in_rope = raw.rope_parameters.and_then(|rope| rope.rope_theta);
        let config = Self {
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(heads),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / heads),
            rms_norm_eps: raw.rms_norm_eps,
            rope_theta: in_rope.or(raw.rope_theta).unwrap_or(10_000.0),
            rope_scaling,
            attention_bias: raw.attention_bias,
            mlp_bias: raw.mlp_bias,
            vocab_size: raw.vocab_size,
            max_position_embeddings: raw.max_position_embeddings,
            tie_word_embeddings: raw.tie_word_embeddings,
            bos_token_id: raw.bos_token_id,
            eos_token_id: match raw.eos_token_id {
                Some(OneOrMany::One(id)) => Some(id),
                Some(OneOrMany::Many(ids)) => ids.first().copied(),
                None => None,
            },
        };
        config.check()?;
        Ok(config)
    }

    pub(crate) fn check(&self) -> Result<(), ModelError> {
        check_size("hidden_size", self.hidden_size, MAX_WIDTH)?;
        check_size("intermediate_size", self.intermediate_size, 8 * MAX_WIDTH)?;
        check_size("num_hidden_layers", self.num_hidden_layers, MAX_LAYERS)?;
        check_size("num_attention_heads", self.num_attention_heads, MAX_HEADS)?;
        check_size(
            "num_key_value_heads",
            self.num_key_value_heads,
            self.num_attention_heads,
        )?;
        check_size("head_dim", self.head_dim, MAX_WIDTH)?;
        check_size("vocab_size", self.vocab_size, MAX_VOCABULARY)?;
        check_size(
            "max_position_embeddings",
            self.max_position_embeddings,
            MAX_POSITIONS,
        )?;
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return Err(refuse(
                "config.json: num_key_value_heads must divide num_attention_heads",
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(refuse("config.json: head_dim must be even"));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return Err(refuse("config.json: rms_norm_eps is not between 0 and 1"));
        }
        if !(self.rope_theta >= 1.0 && self.rope_theta <= 1e12) {
            return Err(refuse("config.json: rope_theta is not between 1 and 10¹²"));
        }
        self.start_token().map(|_| ())
    }

    /// Token that a text is fed after: `bos_token_id`, else `eos_token_id`.
    pub fn start_token(&self) -> Result<u32, ModelError> {
        match self.bos_token_id.or(self.eos_token_id) {
            Some(id) if (id as usize) < self.vocab_size => Ok(id),
            Some(id) => Err(refuse(format!(
                "config.json: start token {id} is not in vocab_size"
            ))),
            None => Err(refuse(
                "config.json: has neither bos_token_id nor eos_token_id",
            )),
        }
    }

    /// Rotary frequencies of a head, in radians per position.
    pub(crate) fn frequencies(&self) -> Vec<f32> {
        frequencies(self.head_dim, self.rope_theta, self.rope_scaling)
    }

    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let width = self.hidden_size;
        let query = self.num_attention_heads * self.head_dim;
        let key = self.num_key_value_heads * self.head_dim;
        let inner = self.intermediate_size;
        let mut specs = vec![(
            "model.embed_tokens.weight".into(),
            vec![self.vocab_size, width],
        )];
        for layer in 0..self.num_hidden_layers {
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                specs.push((format!("model.layers.{layer}.{norm}.weight"), vec![width]));
            }
            let mut add = |name: &str, out: usize, width: usize, has_bias: bool| {
                let name = format!("model.layers.{layer}.{name}");
                specs.push((format!("{name}.weight"), vec![out, width]));
                if has_bias {
                    specs.push((format!("{name}.bias"), vec![out]));
                }
            };
            add("self_attn.q_proj", query, width, self.attention_bias);
            add("self_attn.k_proj", key, width, self.attention_bias);
            add("self_attn.v_proj", key, width, self.attention_bias);
            add("self_attn.o_proj", width, query, self.attention_bias);
            add("mlp.gate_proj", inner, width, self.mlp_bias);
            add("mlp.up_proj", inner, width, self.mlp_bias);
            add("mlp.down_proj", width, inner, self.mlp_bias);
        }
        specs.push(("model.norm.weight".into(), vec![width]));
        if !self.tie_word_embeddings {
            specs.push(("lm_head.weight".into(), vec![self.vocab_size, width]));
        }
        specs
    }
}

#[cfg(test)]
mod tests {
    use crate::{Fault, ModelConfig, RopeScaling};

    fn json(extra: &str) -> String {
        format!(
            r#"{{"model_type":"llama","hidden_size":16,"intermediate_size":32,
            "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
            "rms_norm_eps":1e-5,"rope_theta":10000.0,"vocab_size":64,
            "max_position_embeddings":32{extra}}}"#
        )
    }

    #[test]
    fn config_should_round_trip() {
        let config = ModelConfig::parse(json(r#","eos_token_id":[3,4]"#).as_bytes()).unwrap();
        let ModelConfig::Llama(llama) = &config else {
            panic!("not a llama")
        };
        assert_eq!((llama.head_dim, llama.start_token().unwrap()), (4, 3));
        assert_eq!(config.tensors().unwrap().len(), 1 + 2 * 9 + 2);
        let written = |config: &ModelConfig| ModelConfig::parse(&config.to_json().unwrap());
        assert_eq!(written(&config).unwrap(), config);
        let more = r#","eos_token_id":3,"attention_bias":true,"mlp_bias":true,"rope_scaling":
            {"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
            "original_max_position_embeddings":8192}"#;
        let config = ModelConfig::parse(json(more).as_bytes()).unwrap();
        assert_eq!(config.tensors().unwrap().len(), 1 + 2 * (9 + 7) + 2);
        assert_eq!(written(&config).unwrap(), config);
    }

    #[test]
    fn rope_should_be_read_from_both_places_it_is_written_in() {
        let scaling = |extra: &str| {
            let json = json(&format!(r#","eos_token_id":3{extra}"#));
            ModelConfig::parse(json.as_bytes()).map(|config| match config {
                ModelConfig::Llama(llama) => llama.rope_scaling,
                other => panic!("{other:?}"),
            })
        };
        let linear = Some(RopeScaling::Linear { factor: 2.0 });
        let two = r#"{"rope_type":"linear","factor":2.0}"#;
        for extra in [
            r#","rope_scaling":{"type":"linear","factor":2.0}"#.to_string(),
            format!(r#","rope_parameters":{two}"#),
            format!(r#","rope_parameters":{two},"rope_scaling":{two}"#),
        ] {
            assert_eq!(scaling(&extra).unwrap(), linear, "{extra}");
        }
        for extra in [
            r#","rope_scaling":null"#,
            r#","rope_scaling":{"type":"default"}"#,
        ] {
            assert_eq!(scaling(extra).unwrap(), None, "{extra}");
        }
        let four = two.replace("2.0", "4.0");
        let both = format!(r#","rope_parameters":{two},"rope_scaling":{four}"#);
        assert!(scaling(&both).is_err());
    }

    #[test]
    fn what_is_not_computed_should_be_refused() {
        for extra in [
            r#","bos_token_id":64"#,
            "",
            r#","bos_token_id":0,"hidden_act":"gelu""#,
            r#","bos_token_id":0,"rope_scaling":{"rope_type":"llama3","factor":8.0}"#,
            r#","bos_token_id":0,"rope_scaling":{"type":"linear"}"#,
            r#","bos_token_id":0,"rope_scaling":{"type":"linear","factor":0.0}"#,
            r#","bos_token_id":0,"rope_scaling":{"type":"yarn","factor":2.0}"#,
            r#","bos_token_id":0,"rope_scaling":{"rope_type":"llama3","factor":8.0,
                "low_freq_factor":4.0,"high_freq_factor":4.0,
                "original_max_position_embeddings":8192}"#,
            r#","bos_token_id":0,"sliding_window":7"#,
            r#","bos_token_id":0,"head_dim":3"#,
            r#","bos_token_id":0,"vocab_size":64"#,
        ] {
            let error = ModelConfig::parse(json(extra).as_bytes()).unwrap_err();
            assert_eq!(error.fault, Fault::Config, "{extra}");
        }
        let absurd = json(r#","bos_token_id":0"#).replace(":16,", ":18446744073709551615,");
        assert_eq!(
            ModelConfig::parse(absurd.as_bytes()).unwrap_err().fault,
            Fault::Config
        );
    }
}
