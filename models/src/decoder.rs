//! Decoders of the Llama family.
//!
//! Only operations with gradients, so that evaluation and training run the same code.
//! Sequences lie one after the other with no padding between them.

use crate::{
    ModelError,
    config::{DecoderConfig, RopeConfig},
    kernels::{
        Attention, Kernels, Linear, Rotary, add, are_ours, attend, gate, rms_norm, rotary_table,
        rotate, widened,
    },
    weights::Weights,
};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

struct Block {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    /// Of each head of queries, and of keys.
    head_norms: Option<(Tensor, Tensor)>,
    feed_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
    /// Of what attention adds, and of what the feed-forward part adds.
    after: Option<(Tensor, Tensor)>,
}

/// A decoder with its weights.
pub(crate) struct Decoder {
    kernels: Kernels,
    config: DecoderConfig,
    embedding: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Linear,
    angles: Angles,
    local_angles: Angles,
}

/// Cosines and sines of all positions that are asked for.
struct Angles {
    table: Arc<Vec<f32>>,
    half: usize,
    /// Sequences of more tokens than this use the second half of the table.
    trained: Option<usize>,
    positions: usize,
}

impl Angles {
    fn new(rope: &RopeConfig, positions: usize) -> Self {
        let scale = rope.factor();
        let mut table = rotary_table(&rope.frequencies(false), positions, scale);
        let trained = rope.trained().filter(|trained| positions > *trained);
        if trained.is_some() {
            table.extend(rotary_table(&rope.frequencies(true), positions, scale));
        }
        Self {
            table: Arc::new(table),
            half: rope.width / 2,
            trained,
            positions,
        }
    }

    /// For sequences of these lengths, each from position 0.
    fn of(&self, lengths: &[usize], head: usize, device: &Device) -> Result<Rotary> {
        let mut rows = Vec::with_capacity(lengths.iter().sum());
        for length in lengths {
            let is_long = self.trained.is_some_and(|trained| *length > trained);
            let first = if is_long { self.positions } else { 0 };
            rows.extend((first..first + length).map(|row| row as u32));
        }
        Rotary::new(self.table.clone(), self.half, head, rows, device)
    }
}

/// Loads what a config describes.
struct Loader<'a> {
    config: &'a DecoderConfig,
    weights: &'a Weights<'a>,
    kernels: Kernels,
    device: &'a Device,
}

type Loaded<T> = std::result::Result<T, ModelError>;

impl Loader<'_> {
    fn norm(&self, name: &str) -> Loaded<Tensor> {
        // In f32, or 1 + weight would be rounded away.
        let weight = widened(&self.weights.get(&format!("{name}.weight"))?)?;
        if self.config.norm_plus_one {
            return Ok((weight + 1.0)?);
        }
        Ok(weight)
    }

    fn linear(&self, name: &str, has_bias: bool) -> Loaded<Linear> {
        match self.weights.are_trained() {
            true => Linear::load(self.weights, name, has_bias),
            false => Linear::load_turned(self.weights, name, has_bias, self.kernels),
        }
    }

    fn settled(&self, linear: Linear) -> Loaded<Linear> {
        match self.weights.are_trained() {
            true => Ok(linear),
            false => Ok(linear.turned(self.kernels)?),
        }
    }

    /// Rows of a matrix that holds several.
    fn parts(&self, name: &str, rows: &[usize]) -> Loaded<Vec<Linear>> {
        let whole = self.weights.get(&format!("{name}.weight"))?;
        let mut start = 0;
        rows.iter()
            .map(|rows| {
                let weight = whole.narrow(0, start, *rows)?;
                start += rows;
                self.settled(Linear::new(weight, None))
            })
            .collect()
    }

    /// All blocks, some at a time; of what is wrong with several the first is told.
    fn blocks(&self) -> Loaded<Vec<Block>> {
        let layers = 0..self.config.num_hidden_layers;
        let blocks: Vec<_> = match are_ours(self.device) {
            true => layers.into_par_iter().map(|n| self.block(n)).collect(),
            false => layers.map(|n| self.block(n)).collect(),
        };
        blocks.into_iter().collect()
    }

    fn block(&self, layer: usize) -> Loaded<Block> {
        let config = self.config;
        let name = |name: &str| format!("model.layers.{layer}.{name}");
        let heads = config.num_attention_heads * config.head_dim;
        let kv = config.num_key_value_heads * config.head_dim;
        let inner = config.intermediate_size;
        let (attention, feed) = if config.is_fused {
            (
                self.parts(&name("self_attn.qkv_proj"), &[heads, kv, kv])?,
                self.parts(&name("mlp.gate_up_proj"), &[inner, inner])?,
            )
        } else {
            let attention = ["q_proj", "k_proj", "v_proj"]
                .map(|part| self.linear(&name(&format!("self_attn.{part}")), config.qkv_bias));
            let feed = ["gate_proj", "up_proj"]
                .map(|part| self.linear(&name(&format!("mlp.{part}")), config.mlp_bias));
            (
                attention.into_iter().collect::<Loaded<_>>()?,
                feed.into_iter().collect::<Loaded<_>>()?,
            )
        };
        let (Ok([query, key, value]), Ok([gate, up])) = (
            <[Linear; 3]>::try_from(attention),
            <[Linear; 2]>::try_from(feed),
        ) else {
            return Err(crate::config::refuse("a block of other matrices"));
        };
        let both = |one: &str, other: &str| -> Loaded<(Tensor, Tensor)> {
            Ok((self.norm(&name(one))?, self.norm(&name(other))?))
        };
        let head_norms = config
            .qk_norm
            .then(|| both("self_attn.q_norm", "self_attn.k_norm"));
        // What comes after attention is named alike, and is the next norm in one kind of block
        // and the last one of this part in the other.
        let (feed_norm, after) = if config.norms_after {
            let after = both("post_attention_layernorm", "post_feedforward_layernorm");
            ("pre_feedforward_layernorm", Some(after))
        } else {
            ("post_attention_layernorm", None)
        };
        Ok(Block {
            attention_norm: self.norm(&name("input_layernorm"))?,
            query,
            key,
            value,
            output: self.linear(&name("self_attn.o_proj"), config.output_bias)?,
            head_norms: head_norms.transpose()?,
            feed_norm: self.norm(&name(feed_norm))?,
            gate,
            up,
            down: self.linear(&name("mlp.down_proj"), config.mlp_bias)?,
            after: after.transpose()?,
        })
    }
}

impl Decoder {
    /// For sequences of at most `positions` tokens.
    pub(crate) fn new(
        config: &DecoderConfig,
        weights: &Weights,
        kernels: Kernels,
        positions: usize,
    ) -> Loaded<Self> {
        let embedding = weights.get("model.embed_tokens.weight")?;
        let loader = Loader {
            config,
            weights,
            kernels,
            device: embedding.device(),
        };
        let head = if config.tie_word_embeddings {
            // Turned it would be there twice.
            Linear::new(embedding.clone(), None)
        } else {
            loader.linear("lm_head", false)?
        };
        Ok(Self {
            kernels,
            blocks: loader.blocks()?,
            norm: loader.norm("model.norm")?,
            head: head.widened()?,
            angles: Angles::new(&config.rope, positions),
            local_angles: Angles::new(&config.local_rope, positions),
            config: config.clone(),
            embedding,
        })
    }

    /// Output matrix `[vocabulary, hidden]`.
    pub(crate) fn head(&self) -> &Linear {
        &self.head
    }

    /// What logits are capped at.
    pub(crate) fn cap(&self) -> Option<f32> {
        self.config.logit_cap.map(|cap| cap as f32)
    }

    /// Hidden states `[n, hidden]` of the rows `wanted`, or of all, after the last norm.
    ///
    /// `tokens` are `[n]`, sequence after sequence.
    pub(crate) fn hidden(
        &self,
        tokens: &Tensor,
        lengths: &[usize],
        wanted: Option<&Tensor>,
    ) -> Result<Tensor> {
        let config = &self.config;
        let head = config.head_dim;
        let device = tokens.device();
        let global = self.angles.of(lengths, head, device)?;
        let local = self.local_angles.of(lengths, head, device)?;
        let lengths = Arc::new(lengths.to_vec());
        let eps = config.rms_norm_eps;
        let mut x = widened(&self.embedding.index_select(tokens, 0)?)?;
        if config.embedding_factor != 1.0 {
            x = (x * f64::from(config.embedding_factor as f32))?;
        }
        for (block, window) in self.blocks.iter().zip(&config.windows) {
            let shape = self.attention(*window, &lengths);
            let angles = if window.is_some() { &local } else { &global };
            let normed = rms_norm(&x, &block.attention_norm, eps)?;
            let mixed = self.mix(block, &normed, angles, &shape)?;
            let mixed = self.after(mixed, block.after.as_ref().map(|norms| &norms.0))?;
            x = add(&x, &mixed)?;
            let normed = rms_norm(&x, &block.feed_norm, eps)?;
            let inner = gate(
                &block.gate.apply(self.kernels, &normed)?,
                &block.up.apply(self.kernels, &normed)?,
                config.activation,
            )?;
            let fed = block.down.apply(self.kernels, &inner)?;
            let fed = self.after(fed, block.after.as_ref().map(|norms| &norms.1))?;
            x = add(&x, &fed)?;
        }
        if let Some(wanted) = wanted {
            x = x.index_select(wanted, 0)?;
        }
        rms_norm(&x, &self.norm, eps)
    }

    fn attention(&self, window: Option<usize>, lengths: &Arc<Vec<usize>>) -> Attention {
        let config = &self.config;
        Attention {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            width: config.head_dim,
            scale: config.score_factor as f32,
            cap: config.attention_cap.map(|cap| cap as f32),
            causal: true,
            window,
            lengths: lengths.clone(),
        }
    }

    fn after(&self, x: Tensor, norm: Option<&Tensor>) -> Result<Tensor> {
        match norm {
            Some(norm) => rms_norm(&x, norm, self.config.rms_norm_eps),
            None => Ok(x),
        }
    }

    fn mix(&self, block: &Block, x: &Tensor, by: &Rotary, shape: &Attention) -> Result<Tensor> {
        let mut query = block.query.apply(self.kernels, x)?;
        let mut key = block.key.apply(self.kernels, x)?;
        let value = block.value.apply(self.kernels, x)?;
        if let Some((of_query, of_key)) = &block.head_norms {
            let eps = self.config.rms_norm_eps;
            query = rms_norm(&query, of_query, eps)?;
            key = rms_norm(&key, of_key, eps)?;
        }
        let (query, key) = (rotate(&query, by)?, rotate(&key, by)?);
        let mixed = attend(self.kernels, &query, &key, &value, shape)?;
        block.output.apply(self.kernels, &mixed)
    }
}
