//! Losses of a language model on texts.

use crate::{
    ModelError, SampleLoss,
    data::Sample,
    evaluate::{Collector, WORST_BITS_PER_BYTE},
    fused,
    llama::Llama,
    loss,
    text::{Encoded, Encoder, Sequence},
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
    /// Samples of which none is empty.
    pub(crate) fn new(samples: &[&Sequence]) -> candle_core::Result<Self> {
        let length = samples.iter().map(|s| s.ids.len()).max().unwrap_or(0);
        let (mut inputs, mut rows, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (i, sample) in samples.iter().enumerate() {
            inputs.extend_from_slice(&sample.ids);
            inputs.resize((i + 1) * length, 0);
            for (row, target) in &sample.targets {
                rows.push((i * length) as u32 + row);
                targets.push(*target);
            }
        }
        let count = targets.len();
        Ok(Self {
            inputs: Tensor::from_vec(inputs, (samples.len(), length), &Device::Cpu)?,
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

/// A drawn sample in tokens.
struct Tokenized {
    position: usize,
    sequence: Sequence,
}

/// Losses of the drawn samples.
pub(crate) fn losses(
    model: &Llama,
    encoder: &Encoder,
    samples: &[Sample],
    context: usize,
    batch_tokens: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    let mut tokenized = tokenize(encoder, samples, context, collector)?;
    // Longest first: a machine that lacks the memory finds out at once.
    tokenized.sort_by_key(|t| (std::cmp::Reverse(t.sequence.ids.len()), t.position));
    let mut rest = tokenized.as_slice();
    while let Some(first) = rest.first() {
        // Batches don't depend on what is known, so that a resumed run computes the same.
        let count = (batch_tokens / first.sequence.ids.len().max(1)).clamp(1, rest.len());
        let (batch, later) = rest.split_at(count);
        rest = later;
        let positions: Vec<usize> = batch.iter().map(|t| t.position).collect();
        if collector.knows_all(&positions) {
            continue;
        }
        let sequences: Vec<&Sequence> = batch.iter().map(|t| &t.sequence).collect();
        let values = Batch::new(&sequences)?.losses(model)?;
        let mut values = values.as_slice();
        for sample in batch {
            let tokens = sample.sequence.targets.len();
            let (own, others) = values.split_at(tokens.min(values.len()));
            values = others;
            let loss = SampleLoss {
                index: 0,
                nll: own.iter().map(|v| f64::from(*v)).sum(),
                tokens: tokens as u32,
                bytes: sample.sequence.bytes,
                correct: false,
            };
            collector.put(sample.position, loss)?;
        }
    }
    Ok(())
}

/// Tokens of the drawn samples; those with no target are settled here.
fn tokenize(
    encoder: &Encoder,
    samples: &[Sample],
    context: usize,
    collector: &mut Collector<'_>,
) -> Result<Vec<Tokenized>, ModelError> {
    let mut tokenized = Vec::new();
    for position in collector.positions() {
        let sample = &samples[collector.index(position)];
        let without_target = |bytes: u32| SampleLoss {
            index: 0,
            nll: f64::from(bytes) * f64::from(WORST_BITS_PER_BYTE) * std::f64::consts::LN_2,
            tokens: 0,
            bytes,
            correct: false,
        };
        match encoder.encode(sample, context)? {
            Encoded::Tokens(sequence) => tokenized.push(Tokenized { position, sequence }),
            Encoded::Lossy { bytes } => collector.put(position, without_target(bytes))?,
            Encoded::Empty => collector.put(position, without_target(0))?,
        }
    }
    Ok(tokenized)
}
