//! The Llama decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
//!
//! Only differentiable operations, so that evaluation and training run the same code. All in
//! f32; rotary tables in bf16 would be wrong past some 256 positions.

use crate::{
    LlamaConfig, ModelError,
    fused::{causal_softmax, rms_norm},
    weights::Weights,
};
use candle_core::{D, Device, Result, Tensor};

struct Block {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// A matrix `[out, in]`, and what is added to each row of its product.
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn new(weights: &Weights, name: &str, has_bias: bool) -> std::result::Result<Self, ModelError> {
        let bias = has_bias.then(|| weights.get(&format!("{name}.bias")));
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"))?,
            bias: bias.transpose()?,
        })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// A Llama with its weights.
pub(crate) struct Llama {
    config: LlamaConfig,
    embedding: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Tensor,
}

/// What all blocks share in one pass over `length` positions.
struct Positions {
    cos: Tensor,
    sin: Tensor,
}

impl Positions {
    fn new(config: &LlamaConfig, length: usize) -> Result<Self> {
        let frequencies = config.frequencies();
        let half = frequencies.len();
        let mut angles = Vec::with_capacity(length * half);
        for position in 0..length {
            angles.extend(frequencies.iter().map(|each| position as f32 * each));
        }
        let table = |f: fn(f32) -> f32| {
            let values = angles.iter().map(|a| f(*a)).collect();
            Tensor::from_vec(values, (length, half), &Device::Cpu)
        };
        Ok(Self {
            cos: table(f32::cos)?,
            sin: table(f32::sin)?,
        })
    }

    /// Rotates the first against the second half of each head's last dimension.
    fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let half = x.dim(D::Minus1)? / 2;
        let (a, b) = (
            x.narrow(D::Minus1, 0, half)?,
            x.narrow(D::Minus1, half, half)?,
        );
        let left = (a.broadcast_mul(&self.cos)? - b.broadcast_mul(&self.sin)?)?;
        let right = (b.broadcast_mul(&self.cos)? + a.broadcast_mul(&self.sin)?)?;
        Tensor::cat(&[left, right], D::Minus1)
    }
}

impl Llama {
    pub(crate) fn new(
        config: &LlamaConfig,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        let block = |layer: usize| {
            let name = |name: &str| format!("model.layers.{layer}.{name}");
            let norm = |norm: &str| weights.get(&format!("{}.weight", name(norm)));
            let attention = |part: &str| Linear::new(weights, &name(part), config.attention_bias);
            let feed = |part: &str| Linear::new(weights, &name(part), config.mlp_bias);
            Ok(Block {
                attention_norm: norm("input_layernorm")?,
                query: attention("self_attn.q_proj")?,
                key: attention("self_attn.k_proj")?,
                value: attention("self_attn.v_proj")?,
                output: attention("self_attn.o_proj")?,
                feed_norm: norm("post_attention_layernorm")?,
                gate: feed("mlp.gate_proj")?,
                up: feed("mlp.up_proj")?,
                down: feed("mlp.down_proj")?,
            })
        };
        let embedding = weights.get("model.embed_tokens.weight")?;
        Ok(Self {
            config: config.clone(),
            blocks: (0..config.num_hidden_layers)
                .map(block)
                .collect::<std::result::Result<_, ModelError>>()?,
            norm: weights.get("model.norm.weight")?,
            head: if config.tie_word_embeddings {
                embedding.clone()
            } else {
                weights.get("lm_head.weight")?
            },
            embedding,
        })
    }

    /// Output matrix `[vocab, hidden]`.
    pub(crate) fn head(&self) -> &Tensor {
        &self.head
    }

    /// Normed last hidden states `[batch · length, hidden]` of u32 tokens `[batch, length]`.
    ///
    /// Sequences start at position 0 and are padded on the right: what comes after a position
    /// is masked from it, so that padding changes nothing before itself.
    pub(crate) fn hidden(&self, tokens: &Tensor) -> Result<Tensor> {
        let (batch, length) = tokens.dims2()?;
        let positions = Positions::new(&self.config, length)?;
        let eps = self.config.rms_norm_eps;
        let mut x = self.embedding.index_select(&tokens.flatten_all()?, 0)?;
        for block in &self.blocks {
            let normed = rms_norm(&x, &block.attention_norm, eps)?;
            x = (x + self.attention(block, &normed, batch, length, &positions)?)?;
            let normed = rms_norm(&x, &block.feed_norm, eps)?;
            let inner = (block.gate.apply(&normed)?.silu()? * block.up.apply(&normed)?)?;
            x = (x + block.down.apply(&inner)?)?;
        }
        rms_norm(&x, &self.norm, eps)
    }

    fn attention(
        &self,
        block: &Block,
        x: &Tensor,
        batch: usize,
        length: usize,
        positions: &Positions,
    ) -> Result<Tensor> {
        let (width, kv) = (self.config.head_dim, self.config.num_key_value_heads);
        let group = self.config.num_attention_heads / kv;
        let heads = |part: &Linear, n: usize| {
            part.apply(x)?
                .reshape((batch, length, n, width))?
                .transpose(1, 2)?
                .contiguous()
        };
        let scale = 1.0 / (width as f64).sqrt();
        let query = (positions.rotate(&heads(&block.query, kv * group)?)? * scale)?;
        let key = positions.rotate(&heads(&block.key, kv)?)?;
        let value = heads(&block.value, kv)?;
        // The query heads of a group share keys: stacked as rows, they need no copies of them.
        let query = query.reshape((batch, kv, group * length, width))?;
        let scores =
            query
                .matmul(&key.transpose(2, 3)?)?
                .reshape((batch, kv * group, length, length))?;
        let share = causal_softmax(&scores)?.reshape((batch, kv, group * length, length))?;
        let mixed = share
            .matmul(&value)?
            .reshape((batch, kv * group, length, width))?
            .transpose(1, 2)?
            .reshape((batch * length, kv * group * width))?;
        block.output.apply(&mixed)
    }
}
