//! BERT: an encoder, and a classifier of texts on it.

use crate::{
    Fault, Limits, ModelConfig, ModelError, Profile,
    classifier::settle,
    config::BertConfig,
    evaluate::Collector,
    inspect,
    kernels::{Activation, Attention, Kernels, Linear, Norm, activate, add, attend, widened},
    language::fitting,
    text::{self, Ends},
    weights::{Form, Weights},
};
use candle_core::{Device, Result, Tensor};
use std::{path::Path, sync::Arc};

struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    feed_norm: Norm,
}

/// An encoder with its weights.
pub(crate) struct Encoder {
    kernels: Kernels,
    config: BertConfig,
    tokens: Tensor,
    positions: Tensor,
    /// Of the only type of token there is in one text.
    kind: Tensor,
    norm: Norm,
    blocks: Vec<Block>,
}

/// A classifier of texts with its weights.
pub(crate) struct TextClassifier {
    encoder: Encoder,
    pooler: Linear,
    classifier: Linear,
}

type Loaded<T> = std::result::Result<T, ModelError>;

fn block(weights: &Weights, prefix: &str, layer: usize) -> Loaded<Block> {
    let name = |name: &str| format!("{prefix}encoder.layer.{layer}.{name}");
    let linear = |part: &str| Linear::load(weights, &name(part), true);
    Ok(Block {
        query: linear("attention.self.query")?,
        key: linear("attention.self.key")?,
        value: linear("attention.self.value")?,
        output: linear("attention.output.dense")?,
        attention_norm: Norm::load(weights, &name("attention.output.LayerNorm"))?,
        up: linear("intermediate.dense")?,
        down: linear("output.dense")?,
        feed_norm: Norm::load(weights, &name("output.LayerNorm"))?,
    })
}

impl Encoder {
    /// From tensors whose names begin with `prefix`.
    pub(crate) fn new(
        config: &BertConfig,
        weights: &Weights,
        prefix: &str,
        kernels: Kernels,
    ) -> Loaded<Self> {
        let table = |name: &str| weights.get(&format!("{prefix}embeddings.{name}.weight"));
        Ok(Self {
            kernels,
            tokens: table("word_embeddings")?,
            positions: table("position_embeddings")?,
            kind: table("token_type_embeddings")?.narrow(0, 0, 1)?,
            norm: Norm::load(weights, &format!("{prefix}embeddings.LayerNorm"))?,
            blocks: (0..config.num_hidden_layers)
                .map(|layer| block(weights, prefix, layer))
                .collect::<Loaded<_>>()?,
            config: config.clone(),
        })
    }

    /// Hidden states `[n, hidden]` of tokens `[n]`, sequence after sequence, each no longer than
    /// `max_position_embeddings`.
    pub(crate) fn hidden(&self, tokens: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let config = &self.config;
        let eps = config.layer_norm_eps;
        let places: Vec<u32> = lengths.iter().flat_map(|n| 0..*n as u32).collect();
        let places = Tensor::from_vec(places, tokens.elem_count(), tokens.device())?;
        let x = widened(&self.tokens.index_select(tokens, 0)?)?;
        // In the reference's order: types, then positions.
        let x = x.broadcast_add(&widened(&self.kind)?)?;
        let x = (x + widened(&self.positions.index_select(&places, 0)?)?)?;
        let mut x = self.norm.apply(&x, eps)?;
        let width = config.hidden_size / config.num_attention_heads;
        let shape = Attention {
            heads: config.num_attention_heads,
            kv_heads: config.num_attention_heads,
            width,
            scale: (1.0 / (width as f64).sqrt()) as f32,
            cap: None,
            causal: false,
            window: None,
            lengths: Arc::new(lengths.to_vec()),
        };
        for block in &self.blocks {
            let mixed = attend(
                self.kernels,
                &block.query.apply(self.kernels, &x)?,
                &block.key.apply(self.kernels, &x)?,
                &block.value.apply(self.kernels, &x)?,
                &shape,
            )?;
            let sum = add(&block.output.apply(self.kernels, &mixed)?, &x)?;
            x = block.attention_norm.apply(&sum, eps)?;
            let inner = activate(&block.up.apply(self.kernels, &x)?, config.activation)?;
            let sum = add(&block.down.apply(self.kernels, &inner)?, &x)?;
            x = block.feed_norm.apply(&sum, eps)?;
        }
        Ok(x)
    }
}

impl TextClassifier {
    pub(crate) fn new(config: &BertConfig, weights: &Weights, kernels: Kernels) -> Loaded<Self> {
        Ok(Self {
            encoder: Encoder::new(config, weights, "bert.", kernels)?,
            pooler: Linear::load(weights, "bert.pooler.dense", true)?.widened()?,
            classifier: Linear::load(weights, "classifier", true)?.widened()?,
        })
    }

    /// Logits `[sequences, labels]` of tokens `[n]`, sequence after sequence.
    pub(crate) fn logits(&self, tokens: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let mut start = 0;
        let first = |length: &usize| {
            let at = start;
            start += *length as u32;
            at
        };
        let first: Vec<u32> = lengths.iter().map(first).collect();
        let first = Tensor::from_vec(first, lengths.len(), tokens.device())?;
        let hidden = self.encoder.hidden(tokens, lengths)?;
        let kernels = self.encoder.kernels;
        let pooled = self
            .pooler
            .apply(kernels, &hidden.index_select(&first, 0)?)?;
        self.classifier
            .apply(kernels, &activate(&pooled, Activation::Tanh)?)
    }
}

/// Losses of the drawn texts: `encode` gives the tokens of an index, `label` its label.
pub(crate) fn losses(
    model: &TextClassifier,
    batch_tokens: usize,
    collector: &mut Collector<'_>,
    encode: impl Fn(usize) -> Loaded<Vec<u32>>,
    label: impl Fn(usize) -> u32,
) -> Loaded<()> {
    let mut drawn = Vec::new();
    for position in collector.positions() {
        drawn.push((position, encode(collector.index(position))?));
    }
    drawn.sort_by_key(|(position, ids)| (std::cmp::Reverse(ids.len()), *position));
    let mut rest = drawn.as_slice();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(fitting(rest, batch_tokens, |(_, ids)| ids.len()));
        rest = later;
        let positions: Vec<usize> = batch.iter().map(|(position, _)| *position).collect();
        if collector.knows_all(&positions) {
            continue;
        }
        let lengths: Vec<usize> = batch.iter().map(|(_, ids)| ids.len()).collect();
        let tokens: Vec<u32> = batch.iter().flat_map(|(_, ids)| ids.clone()).collect();
        let device = model.encoder.tokens.device();
        let tokens = Tensor::from_vec(tokens, lengths.iter().sum::<usize>(), device)?;
        let labels: Vec<u32> = positions
            .iter()
            .map(|p| label(collector.index(*p)))
            .collect();
        let logits = model.logits(&tokens, &lengths)?;
        settle(&logits, &labels, &positions, collector)?;
    }
    Ok(())
}

/// Hidden states of an encoder on texts, each with the tokenizer's special tokens: `[tokens,
/// hidden]` of each text, row after row.
///
/// The directory needs no classifier.
pub fn hidden_states(dir: &Path, texts: &[String]) -> Loaded<Vec<Vec<f32>>> {
    let limits = Limits::unlimited();
    let config = inspect::read_config(dir)?;
    let ModelConfig::Bert(bert) = &config else {
        let detail = format!("{} is no encoder", config.architecture());
        return Err(ModelError::new(Fault::Architecture, detail));
    };
    let shards = inspect::headers(dir)?;
    let weights = Weights::open(&config, &shards, None, Form::default())?;
    let encoder = Encoder::new(bert, &weights, "bert.", Profile::F32.kernels())?;
    let json = inspect::read_tokenizer(dir, &limits)?;
    // An encoder predicts no text, so that nothing starts or ends one.
    let tokenizer = text::Encoder::new(&json, bert.vocab_size, Ends { start: 0, end: 0 })?;
    let states = |text: &String| {
        let ids = tokenizer.encode_for_classification(text, bert.max_position_embeddings)?;
        let tokens = Tensor::from_slice(&ids, ids.len(), &Device::Cpu)?;
        Ok(encoder
            .hidden(&tokens, &[ids.len()])?
            .flatten_all()?
            .to_vec1()?)
    };
    texts.iter().map(states).collect()
}
