//! GPT-2.

use crate::{
    ModelError,
    config::Gpt2Config,
    kernels::{Attention, Kernels, Linear, Norm, activate, add, attend, widened},
    weights::Weights,
};
use candle_core::{Result, Tensor};
use std::sync::Arc;

struct Block {
    attention_norm: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_norm: Norm,
    up: Linear,
    down: Linear,
}

/// A GPT-2 with its weights.
pub(crate) struct Gpt2 {
    kernels: Kernels,
    config: Gpt2Config,
    tokens: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
}

type Loaded<T> = std::result::Result<T, ModelError>;

/// A matrix that lies as `[in, out]`.
fn turned(weights: &Weights, name: &str) -> Loaded<Linear> {
    let linear = Linear::load(weights, name, true)?;
    let weight = linear.weight().t()?.contiguous()?;
    Ok(Linear::new(weight, linear.bias().cloned()))
}

fn block(weights: &Weights, layer: usize, width: usize) -> Loaded<Block> {
    let name = |name: &str| format!("h.{layer}.{name}");
    let whole = turned(weights, &name("attn.c_attn"))?;
    let third = |i: usize| -> Result<Linear> {
        let bias = whole.bias().map(|b| b.narrow(0, i * width, width));
        let weight = whole.weight().narrow(0, i * width, width)?;
        Ok(Linear::new(weight, bias.transpose()?))
    };
    Ok(Block {
        attention_norm: Norm::load(weights, &name("ln_1"))?,
        query: third(0)?,
        key: third(1)?,
        value: third(2)?,
        output: turned(weights, &name("attn.c_proj"))?,
        feed_norm: Norm::load(weights, &name("ln_2"))?,
        up: turned(weights, &name("mlp.c_fc"))?,
        down: turned(weights, &name("mlp.c_proj"))?,
    })
}

impl Gpt2 {
    pub(crate) fn new(config: &Gpt2Config, weights: &Weights, kernels: Kernels) -> Loaded<Self> {
        let tokens = weights.get("wte.weight")?;
        Ok(Self {
            kernels,
            positions: weights.get("wpe.weight")?,
            blocks: (0..config.n_layer)
                .map(|layer| block(weights, layer, config.n_embd))
                .collect::<Loaded<_>>()?,
            norm: Norm::load(weights, "ln_f")?,
            head: Linear::new(
                match config.tie_word_embeddings {
                    true => tokens.clone(),
                    false => weights.get("lm_head.weight")?,
                },
                None,
            )
            .widened()?,
            tokens,
            config: config.clone(),
        })
    }

    /// Output matrix `[vocabulary, hidden]`.
    pub(crate) fn head(&self) -> &Linear {
        &self.head
    }

    /// Hidden states `[n, hidden]` of the rows `wanted`, or of all, after the last norm.
    ///
    /// `tokens` are `[n]`, sequence after sequence, each no longer than `n_positions`.
    pub(crate) fn hidden(
        &self,
        tokens: &Tensor,
        lengths: &[usize],
        wanted: Option<&Tensor>,
    ) -> Result<Tensor> {
        let eps = self.config.layer_norm_epsilon;
        let lengths = Arc::new(lengths.to_vec());
        let places = lengths.iter().flat_map(|length| 0..*length as u32);
        let places: Vec<u32> = places.collect();
        let places = Tensor::from_vec(places, tokens.elem_count(), tokens.device())?;
        let mut x = (widened(&self.tokens.index_select(tokens, 0)?)?
            + widened(&self.positions.index_select(&places, 0)?)?)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let normed = block.attention_norm.apply(&x, eps)?;
            let mixed = self.mix(block, &normed, &self.attention(layer, &lengths))?;
            x = add(&x, &mixed)?;
            let normed = block.feed_norm.apply(&x, eps)?;
            let inner = activate(
                &block.up.apply(self.kernels, &normed)?,
                self.config.activation,
            )?;
            x = add(&x, &block.down.apply(self.kernels, &inner)?)?;
        }
        if let Some(wanted) = wanted {
            x = x.index_select(wanted, 0)?;
        }
        self.norm.apply(&x, eps)
    }

    fn attention(&self, layer: usize, lengths: &Arc<Vec<usize>>) -> Attention {
        let config = &self.config;
        let width = config.n_embd / config.n_head;
        let mut scale = 1.0;
        if config.scale_attn_weights {
            scale /= (width as f64).sqrt();
        }
        if config.scale_attn_by_inverse_layer_idx {
            scale /= (layer + 1) as f64;
        }
        Attention {
            heads: config.n_head,
            kv_heads: config.n_head,
            width,
            scale: scale as f32,
            cap: None,
            causal: true,
            window: None,
            lengths: lengths.clone(),
        }
    }

    fn mix(&self, block: &Block, x: &Tensor, shape: &Attention) -> Result<Tensor> {
        let mixed = attend(
            self.kernels,
            &block.query.apply(self.kernels, x)?,
            &block.key.apply(self.kernels, x)?,
            &block.value.apply(self.kernels, x)?,
            shape,
        )?;
        block.output.apply(self.kernels, &mixed)
    }
}
