//! Decoders of the Llama family: one description for all of them.

use super::{
    TensorSpec, activation, check_size,
    raw::Raw,
    refuse,
    rope::{self, Outside, Rope},
};
use crate::{Architecture, ModelError, kernels::Activation};

const MAX_LAYERS: usize = 1_024;
pub(super) const MAX_WIDTH: usize = 1 << 17;
pub(super) const MAX_HEADS: usize = 1_024;
pub(super) const MAX_VOCABULARY: usize = 1 << 20;
pub(super) const MAX_POSITIONS: usize = 1 << 24;

/// A decoder: RMS norms, rotary positions, grouped-query attention, a gated feed-forward part.
/// What a family does differently is a field.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// `llama`, `mistral`, `qwen2`, `qwen3`, `phi3`, `gemma2` or `gemma3_text`.
    pub family: Architecture,
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
    /// Width of a head.
    pub head_dim: usize,
    /// Added to the mean square in the norms.
    pub rms_norm_eps: f64,
    /// Rotary positions of layers that see everything before.
    pub rope: Rope,
    /// Rotary positions of layers with a window.
    pub local_rope: Rope,
    /// Most positions that one sees, itself included, by layer.
    pub windows: Vec<Option<usize>>,
    /// Whether the matrices of queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the output matrix of attention has one.
    pub output_bias: bool,
    /// Whether the matrices of the feed-forward part do.
    pub mlp_bias: bool,
    /// Whether each head of queries and keys is normed.
    pub qk_norm: bool,
    /// Whether queries, keys and values lie in one matrix, and gate and up in another.
    pub is_fused: bool,
    /// Whether attention and the feed-forward part are normed before and after.
    pub norms_after: bool,
    /// Whether norms multiply by 1 more than their weight.
    pub norm_plus_one: bool,
    /// Activation of the gate.
    pub(crate) activation: Activation,
    /// Factor of attention's scores.
    pub score_factor: f64,
    /// Scores become `cap · tanh(score / cap)`.
    pub attention_cap: Option<f64>,
    /// Logits do.
    pub logit_cap: Option<f64>,
    /// Factor of the embeddings.
    pub embedding_factor: f64,
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

/// What a family has where its config doesn't say.
struct Defaults {
    head_dim: Option<usize>,
    eps: f64,
    ties: bool,
    theta: f64,
    act: &'static str,
}

fn defaults(family: Architecture) -> Defaults {
    let llama = Defaults {
        head_dim: None,
        eps: 1e-6,
        ties: false,
        theta: 10_000.0,
        act: "silu",
    };
    let gemma = Defaults {
        head_dim: Some(256),
        ties: true,
        act: "gelu_pytorch_tanh",
        ..llama
    };
    match family {
        Architecture::Qwen3 => Defaults {
            head_dim: Some(128),
            ..llama
        },
        Architecture::Phi3 => Defaults { eps: 1e-5, ..llama },
        Architecture::Gemma2 => gemma,
        Architecture::Gemma3 => Defaults {
            theta: 1_000_000.0,
            ..gemma
        },
        _ => llama,
    }
}

impl DecoderConfig {
    pub(super) fn parse(family: Architecture, bytes: &[u8]) -> Result<Self, ModelError> {
        let raw = Raw::parse(bytes)?;
        let usual = defaults(family);
        let is_gemma = matches!(family, Architecture::Gemma2 | Architecture::Gemma3);
        let heads = raw.num_attention_heads;
        check_size("num_attention_heads", heads, MAX_HEADS)?;
        check_size("num_hidden_layers", raw.num_hidden_layers, MAX_LAYERS)?;
        let named = raw.head_dim.or(usual.head_dim);
        if named.is_none() && !raw.hidden_size.is_multiple_of(heads) {
            return Err(refuse(
                "config.json: hidden_size is no multiple of num_attention_heads",
            ));
        }
        let head_dim = named.unwrap_or(raw.hidden_size / heads);
        check_size("head_dim", head_dim, MAX_WIDTH)?;
        let (rope, local_rope) = ropes(&raw, family, head_dim, usual.theta)?;
        let act = if is_gemma {
            raw.hidden_activation.as_deref()
        } else {
            raw.hidden_act.as_deref()
        };
        let scored_by = match raw.query_pre_attn_scalar {
            Some(scalar) if is_gemma => scalar,
            _ if is_gemma => 256.0,
            _ => head_dim as f64,
        };
        let config = Self {
            family,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(heads),
            head_dim,
            rms_norm_eps: raw.rms_norm_eps.unwrap_or(usual.eps),
            rope,
            local_rope,
            windows: windows(&raw, family)?,
            qkv_bias: raw.attention_bias || family == Architecture::Qwen2,
            output_bias: raw.attention_bias,
            mlp_bias: raw.mlp_bias,
            qk_norm: matches!(family, Architecture::Qwen3 | Architecture::Gemma3),
            is_fused: family == Architecture::Phi3,
            norms_after: is_gemma,
            norm_plus_one: is_gemma,
            activation: activation(act.unwrap_or(usual.act))?,
            score_factor: 1.0 / scored_by.sqrt(),
            attention_cap: raw.attn_logit_softcapping,
            logit_cap: raw.final_logit_softcapping,
            embedding_factor: if is_gemma {
                (raw.hidden_size as f64).sqrt()
            } else {
                1.0
            },
            vocab_size: raw.vocab_size,
            max_position_embeddings: raw.max_position_embeddings,
            tie_word_embeddings: raw.tie_word_embeddings.unwrap_or(usual.ties),
            bos_token_id: raw.bos_token_id,
            eos_token_id: raw.eos_token_id.as_ref().and_then(|id| id.first()),
        };
        config.check_neutral(&raw)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what the family's reference doesn't compute, though another family's does.
    fn check_neutral(&self, raw: &Raw) -> Result<(), ModelError> {
        let is_gemma = self.norms_after;
        let has_windows = !matches!(self.family, Architecture::Llama);
        let foreign = if !is_gemma
            && (raw.attn_logit_softcapping.is_some() || raw.final_logit_softcapping.is_some())
        {
            "soft-capping"
        } else if self.family == Architecture::Gemma3 && raw.attn_logit_softcapping.is_some() {
            "attn_logit_softcapping"
        } else if !is_gemma && raw.query_pre_attn_scalar.is_some() {
            "query_pre_attn_scalar"
        } else if self.family != Architecture::Llama && raw.mlp_bias {
            "mlp_bias"
        } else if raw.attention_bias
            && matches!(
                self.family,
                Architecture::Mistral | Architecture::Qwen2 | Architecture::Phi3
            )
        {
            "attention_bias"
        } else if !has_windows && raw.sliding_window.flatten().is_some() {
            "sliding_window"
        } else if self.family != Architecture::Gemma3 && raw.rope_local_base_freq.is_some() {
            "rope_local_base_freq"
        } else {
            return Ok(());
        };
        Err(refuse(format!(
            "config.json: {} has no {foreign}",
            self.family
        )))
    }

    fn check(&self) -> Result<(), ModelError> {
        check_size("hidden_size", self.hidden_size, MAX_WIDTH)?;
        check_size("intermediate_size", self.intermediate_size, 8 * MAX_WIDTH)?;
        check_size(
            "num_key_value_heads",
            self.num_key_value_heads,
            self.num_attention_heads,
        )?;
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
        let eps = self.rms_norm_eps;
        if !(eps > 0.0 && eps < 1.0) {
            return Err(refuse(format!(
                "config.json: rms_norm_eps is {eps}, which is not between 0 and 1"
            )));
        }
        for (name, cap) in [
            ("attn_logit_softcapping", self.attention_cap),
            ("final_logit_softcapping", self.logit_cap),
            ("query_pre_attn_scalar", Some(self.score_factor)),
        ] {
            if cap.is_some_and(|cap| !(1e-3..=1e6).contains(&cap)) {
                return Err(refuse(format!(
                    "config.json: {name} is not between 10⁻³ and 10⁶"
                )));
            }
        }
        super::check_start(self.bos_token_id, self.eos_token_id, self.vocab_size)
    }

    /// Every tensor of the model under its name in the files.
    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        let width = self.hidden_size;
        let mut specs = vec![(
            "model.embed_tokens.weight".into(),
            vec![self.vocab_size, width],
        )];
        for layer in 0..self.num_hidden_layers {
            self.block(&format!("model.layers.{layer}"), &mut specs);
        }
        specs.push(("model.norm.weight".into(), vec![width]));
        if !self.tie_word_embeddings {
            specs.push(("lm_head.weight".into(), vec![self.vocab_size, width]));
        }
        specs
    }

    fn block(&self, prefix: &str, specs: &mut Vec<TensorSpec>) {
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let query = self.num_attention_heads * self.head_dim;
        let key = self.num_key_value_heads * self.head_dim;
        for norm in self.norms() {
            specs.push((format!("{prefix}.{norm}.weight"), vec![width]));
        }
        if self.qk_norm {
            for norm in ["q_norm", "k_norm"] {
                let name = format!("{prefix}.self_attn.{norm}.weight");
                specs.push((name, vec![self.head_dim]));
            }
        }
        let mut add = |name: &str, out: usize, width: usize, has_bias: bool| {
            specs.push((format!("{prefix}.{name}.weight"), vec![out, width]));
            if has_bias {
                specs.push((format!("{prefix}.{name}.bias"), vec![out]));
            }
        };
        if self.is_fused {
            add("self_attn.qkv_proj", query + 2 * key, width, false);
            add("mlp.gate_up_proj", 2 * inner, width, false);
        } else {
            add("self_attn.q_proj", query, width, self.qkv_bias);
            add("self_attn.k_proj", key, width, self.qkv_bias);
            add("self_attn.v_proj", key, width, self.qkv_bias);
            add("mlp.gate_proj", inner, width, self.mlp_bias);
            add("mlp.up_proj", inner, width, self.mlp_bias);
        }
        add("self_attn.o_proj", width, query, self.output_bias);
        add("mlp.down_proj", width, inner, self.mlp_bias);
    }

    /// Names of a block's norms.
    fn norms(&self) -> &'static [&'static str] {
        if self.norms_after {
            &[
                "input_layernorm",
                "post_attention_layernorm",
                "pre_feedforward_layernorm",
                "post_feedforward_layernorm",
            ]
        } else {
            &["input_layernorm", "post_attention_layernorm"]
        }
    }
}

/// Rotary positions of layers that see everything before, and of those with a window.
fn ropes(
    raw: &Raw,
    family: Architecture,
    head_dim: usize,
    theta: f64,
) -> Result<(Rope, Rope), ModelError> {
    let outside = Outside {
        theta: raw.rope_theta.unwrap_or(theta),
        head_dim,
        partial: raw.partial_rotary_factor,
        trained: raw.original_max_position_embeddings,
        positions: raw.max_position_embeddings,
    };
    let is_nested = |value: &serde_json::Value| value.get("full_attention").is_some();
    let nested = raw.rope_parameters.as_ref().filter(|v| is_nested(v));
    if family == Architecture::Gemma3 {
        let local = Outside {
            theta: raw.rope_local_base_freq.unwrap_or(10_000.0),
            ..outside
        };
        return match nested {
            Some(both) => Ok((
                rope::read(both.get("full_attention"), outside)?,
                rope::read(both.get("sliding_attention"), local)?,
            )),
            None if raw.rope_parameters.is_some() => Err(refuse(
                "config.json: rope_parameters without full_attention and sliding_attention",
            )),
            None => Ok((
                rope::read(raw.rope_scaling.as_ref(), outside)?,
                rope::read(None, local)?,
            )),
        };
    }
    // Newer configs say it in `rope_parameters`, older ones in `rope_scaling`.
    let mut rope = rope::read(raw.rope_parameters.as_ref(), outside)?;
    if let Some(older) = &raw.rope_scaling {
        let outside = Outside {
            theta: rope.theta,
            ..outside
        };
        let older = rope::read(Some(older), outside)?;
        if raw.rope_parameters.is_some() && older.scaling != rope.scaling {
            return Err(refuse(
                "config.json: rope_parameters and rope_scaling differ",
            ));
        }
        rope = older;
    }
    Ok((rope.clone(), rope))
}

/// Most positions that one sees, by layer.
fn windows(raw: &Raw, family: Architecture) -> Result<Vec<Option<usize>>, ModelError> {
    let layers = raw.num_hidden_layers;
    let usual = |window: usize| raw.sliding_window.unwrap_or(Some(window));
    let window = match family {
        Architecture::Mistral | Architecture::Gemma2 | Architecture::Gemma3 => usual(4_096),
        Architecture::Qwen2 | Architecture::Qwen3 if raw.use_sliding_window == Some(true) => {
            usual(4_096)
        }
        Architecture::Phi3 => raw.sliding_window.flatten(),
        _ => None,
    };
    if window == Some(0) {
        return Err(refuse("config.json: sliding_window is 0"));
    }
    let from = raw.max_window_layers.unwrap_or(28);
    let pattern = raw.sliding_window_pattern.unwrap_or(6).max(1);
    let slides = |layer: usize| match family {
        Architecture::Qwen2 | Architecture::Qwen3 => layer >= from,
        Architecture::Gemma2 => layer.is_multiple_of(2),
        Architecture::Gemma3 => !(layer + 1).is_multiple_of(pattern),
        _ => true,
    };
    let by_layer: Vec<bool> = match &raw.layer_types {
        None => (0..layers).map(slides).collect(),
        Some(types) if types.len() != layers => {
            return Err(refuse(format!(
                "config.json: {} layer_types for {layers} layers",
                types.len()
            )));
        }
        Some(types) => types
            .iter()
            .map(|kind| match kind.as_str() {
                "full_attention" => Ok(false),
                "sliding_attention" => Ok(true),
                other => Err(refuse(format!(
                    "config.json: layer type {other:?} is not computed by this release"
                ))),
            })
            .collect::<Result<_, _>>()?,
    };
    let takes_types = !matches!(
        family,
        Architecture::Llama | Architecture::Mistral | Architecture::Phi3
    );
    if !takes_types && raw.layer_types.is_some() && by_layer.iter().any(|slides| *slides) {
        return Err(refuse(format!("config.json: {family} has no layer_types")));
    }
    Ok(by_layer
        .into_iter()
        .map(|slides| window.filter(|_| slides))
        .collect())
}
