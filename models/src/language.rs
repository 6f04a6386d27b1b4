//! Losses of a language model on texts.

use crate::{
    LlamaConfig, ModelError, SampleLoss,
    evaluate::{Collector, WORST_BITS_PER_BYTE},
    fused,
    llama::Llama,
    loss,
    text::{Encoded, Encoder},
};
use candle_core::{Device, Tensor};

/// Token sequences of one pass, padded on the right.
pub(crate) struct Batch {
    inputs: Tensor,
    /// Rows of the flat hidden states that predict a target.
    rows: Tensor,
    targets: Tensor,
}

impl Batch {
    /// Each text is fed as `start` and all its tokens but the last, and predicts them all.
    pub(crate) fn new(texts: &[&[u32]], start: u32) -> candle_core::Result<Self> {
        let length = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let (mut inputs, mut rows, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (i, ids) in texts.iter().enumerate() {
            inputs.push(start);
            inputs.extend(ids.iter().take(ids.len().saturating_sub(1)));
            inputs.resize((i + 1) * length, start);
            rows.extend((0..ids.len()).map(|at| (i * length + at) as u32));
            targets.extend_from_slice(ids);
        }
        let count = targets.len();
        Ok(Self {
            inputs: Tensor::from_vec(inputs, (texts.len(), length), &Device::Cpu)?,
            rows: Tensor::from_vec(rows, count, &Device::Cpu)?,
            targets: Tensor::from_vec(targets, count, &Device::Cpu)?,
        })
    }

    /// Hidden states of the rows that predict a target.
    fn hidden(&self, model: &Llama) -> candle_core::Result<Tensor> {
        let hidden = model.hidden(&self.inputs)?;
        if hidden.dim(0)? == self.rows.dim(0)? {
            return Ok(hidden);
        }
        hidden.index_select(&self.rows, 0)
    }

    /// Mean loss of all targets, for training.
    pub(crate) fn mean_loss(&self, model: &Llama) -> Result<Tensor, ModelError> {
        let logits = self.hidden(model)?.matmul(&model.head().t()?)?;
        Ok(fused::nll(&logits, &self.targets)?.mean_all()?)
    }

    /// Loss of each target, text after text.
    fn losses(&self, model: &Llama) -> candle_core::Result<Vec<f32>> {
        loss::nll_in_chunks(&self.hidden(model)?, model.head(), &self.targets)
    }
}

/// A drawn text with its tokens.
struct Tokenized {
    position: usize,
    ids: Vec<u32>,
    bytes: u32,
}

/// Losses of the drawn texts.
pub(crate) fn losses(
    model: &Llama,
    config: &LlamaConfig,
    encoder: &Encoder,
    texts: &[String],
    context: usize,
    batch_tokens: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    let start = config.start_token()?;
    let mut tokenized = tokenize(encoder, texts, context, collector)?;
    // Longest first: a machine that lacks the memory finds out at once.
    tokenized.sort_by_key(|t| (std::cmp::Reverse(t.ids.len()), t.position));
    let mut rest = tokenized.as_slice();
    while let Some(first) = rest.first() {
        // Batches don't depend on what is known, so that a resumed run computes the same.
        let count = (batch_tokens / first.ids.len().max(1)).clamp(1, rest.len());
        let (batch, later) = rest.split_at(count);
        rest = later;
        let positions: Vec<usize> = batch.iter().map(|t| t.position).collect();
        if collector.knows_all(&positions) {
            continue;
        }
        let ids: Vec<&[u32]> = batch.iter().map(|t| t.ids.as_slice()).collect();
        let values = Batch::new(&ids, start)?.losses(model)?;
        let mut values = values.as_slice();
        for text in batch {
            let (own, others) = values.split_at(text.ids.len().min(values.len()));
            values = others;
            let nll = own.iter().map(|v| f64::from(*v)).sum();
            let tokens = text.ids.len() as u32;
            let loss = SampleLoss {
                index: 0,
                nll,
                tokens,
                bytes: text.bytes,
                correct: false,
            };
            collector.put(text.position, loss)?;
        }
    }
    Ok(())
}

/// Tokens of the drawn texts; those with no target are settled here.
fn tokenize(
    encoder: &Encoder,
    texts: &[String],
    context: usize,
    collector: &mut Collector<'_>,
) -> Result<Vec<Tokenized>, ModelError> {
    let mut tokenized = Vec::new();
    for position in collector.positions() {
        let text = &texts[collector.index(position)];
        let without_target = |bytes: usize| SampleLoss {
            index: 0,
            nll: bytes as f64 * f64::from(WORST_BITS_PER_BYTE) * std::f64::consts::LN_2,
            tokens: 0,
            bytes: bytes as u32,
            correct: false,
        };
        match encoder.encode(text, context)? {
            Encoded::Tokens { ids, bytes } => tokenized.push(Tokenized {
                position,
                ids,
                bytes,
            }),
            Encoded::Lossy => collector.put(position, without_target(text.len()))?,
            Encoded::Empty => collector.put(position, without_target(0))?,
        }
    }
    Ok(tokenized)
}
