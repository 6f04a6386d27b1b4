//! Losses of a language model on texts.

use crate::{
    Fault, ModelConfig, ModelError, SampleLoss,
    decoder::Decoder,
    evaluate::{Collector, WORST_BITS_PER_BYTE},
    gpt2::Gpt2,
    kernels::{Kernels, Linear, are_ours, is_starved, mean, nll, nll_in_chunks},
    text::{Encoded, Sequence},
    weights::Weights,
};
use candle_core::{Device, Result as Computed, Tensor};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

/// A language model with its weights.
pub(crate) struct LanguageModel {
    kind: Kind,
    kernels: Kernels,
    device: Device,
}

enum Kind {
    Decoder(Box<Decoder>),
    Gpt2(Box<Gpt2>),
}

impl LanguageModel {
    /// For sequences of at most `positions` tokens.
    pub(crate) fn new(
        config: &ModelConfig,
        weights: &Weights,
        kernels: Kernels,
        positions: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let kind = match config {
            ModelConfig::Decoder(config) => {
                let decoder = Decoder::new(config, weights, kernels, positions)?;
                Kind::Decoder(Box::new(decoder))
            }
            ModelConfig::Gpt2(config) => Kind::Gpt2(Box::new(Gpt2::new(config, weights, kernels)?)),
            other => {
                return Err(ModelError::new(
                    Fault::Architecture,
                    format!("{} is no language model", other.architecture()),
                ));
            }
        };
        Ok(Self {
            kind,
            kernels,
            device: device.clone(),
        })
    }

    /// Hidden states `[n, hidden]` of the rows that predict a target.
    fn hidden(&self, batch: &Batch) -> Computed<Tensor> {
        let tokens = Tensor::from_slice(&batch.inputs, batch.inputs.len(), &self.device)?;
        let all = batch.rows.len() == batch.inputs.len();
        let wanted = (!all)
            .then(|| Tensor::from_slice(&batch.rows, batch.rows.len(), &self.device))
            .transpose()?;
        match &self.kind {
            Kind::Decoder(model) => model.hidden(&tokens, &batch.lengths, wanted.as_ref()),
            Kind::Gpt2(model) => model.hidden(&tokens, &batch.lengths, wanted.as_ref()),
        }
    }

    fn head(&self) -> &Linear {
        match &self.kind {
            Kind::Decoder(model) => model.head(),
            Kind::Gpt2(model) => model.head(),
        }
    }

    fn cap(&self) -> Option<f32> {
        match &self.kind {
            Kind::Decoder(model) => model.cap(),
            Kind::Gpt2(_) => None,
        }
    }
}

/// Sequences of one pass, one after the other.
pub(crate) struct Batch {
    inputs: Vec<u32>,
    lengths: Vec<usize>,
    /// Rows that predict a target, ascending; all of them where there are as many as inputs.
    rows: Vec<u32>,
    targets: Vec<u32>,
}

impl Batch {
    pub(crate) fn new<'a>(sequences: impl IntoIterator<Item = &'a Sequence>) -> Self {
        let mut batch = Self {
            inputs: Vec::new(),
            lengths: Vec::new(),
            rows: Vec::new(),
            targets: Vec::new(),
        };
        for sequence in sequences {
            let first = batch.inputs.len() as u32;
            batch.inputs.extend_from_slice(&sequence.ids);
            batch.lengths.push(sequence.ids.len());
            for (row, target) in &sequence.targets {
                batch.rows.push(first + row);
                batch.targets.push(*target);
            }
        }
        batch
    }

    /// Mean loss of all targets, for training.
    pub(crate) fn mean_loss(&self, model: &LanguageModel) -> Result<Tensor, ModelError> {
        let logits = model.head().apply(model.kernels, &model.hidden(self)?)?;
        Ok(mean(&nll(&logits, &self.targets)?)?)
    }

    /// Loss of each target, sequence after sequence.
    fn losses(&self, model: &LanguageModel) -> Computed<Vec<f32>> {
        let hidden = model.hidden(self)?;
        nll_in_chunks(
            model.kernels,
            &hidden,
            model.head(),
            model.cap(),
            &self.targets,
        )
    }
}

/// A drawn sample with its tokens.
struct Drawn {
    position: usize,
    sequence: Sequence,
}

/// Losses of the drawn samples: `encode` gives those of an index.
pub(crate) fn losses(
    model: &LanguageModel,
    batch_tokens: usize,
    collector: &mut Collector<'_>,
    encode: impl Fn(usize) -> Result<Encoded, ModelError>,
) -> Result<(), ModelError> {
    let mut drawn = tokenize(collector, encode)?;
    // Longest first: a machine that lacks the memory finds out at once.
    drawn.sort_by_key(|d| (std::cmp::Reverse(d.sequence.ids.len()), d.position));
    let threads = match are_ours(&model.device) {
        true => rayon::current_num_threads(),
        false => 1,
    };
    let sizes = |drawn: &[Drawn]| drawn.iter().map(|d| d.sequence.ids.len()).sum::<usize>();
    // What is longer than a thread's share of everything is computed by all of them, one after
    // the other, before the rest is shared. Neither this nor batches depend on what is known, so
    // that a resumed run computes the same.
    let share = sizes(&drawn).div_ceil(threads);
    let (long, rest) = drawn.split_at(drawn.partition_point(|d| d.sequence.ids.len() > share));
    let compute = |batch: &[Drawn]| losses_of(model, batch);
    one_by_one(&compute, &batched(long, 1, collector), collector)?;
    let budget = batch_tokens.min(sizes(rest).div_ceil(threads));
    let batches = batched(rest, budget, collector);
    match threads {
        1 => one_by_one(&compute, &batches, collector),
        threads => by_threads(&compute, &batches, threads, collector),
    }
}

/// What computes the losses of a batch.
trait Compute: Fn(&[Drawn]) -> Computed<Vec<f32>> + Sync {}
impl<F: Fn(&[Drawn]) -> Computed<Vec<f32>> + Sync> Compute for F {}

fn one_by_one(
    compute: &impl Compute,
    batches: &[&[Drawn]],
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    for batch in batches {
        settle(compute, batch, compute(batch), collector)?;
    }
    Ok(())
}

/// Batches of at most so many tokens, but for those of which all is known.
fn batched<'a>(
    mut drawn: &'a [Drawn],
    tokens: usize,
    collector: &Collector<'_>,
) -> Vec<&'a [Drawn]> {
    let mut batches = Vec::new();
    while !drawn.is_empty() {
        let (batch, rest) = drawn.split_at(fitting(drawn, tokens, |d| d.sequence.ids.len()));
        drawn = rest;
        let positions: Vec<usize> = batch.iter().map(|d| d.position).collect();
        if !collector.knows_all(&positions) {
            batches.push(batch);
        }
    }
    batches
}

/// Each thread computes a batch for itself, and takes the next one when it is done: nobody waits
/// for others but at the end. What lacked memory is then tried again by all of them together.
fn by_threads(
    compute: &impl Compute,
    batches: &[&[Drawn]],
    threads: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    // In a pool of its own a thread shares nothing of its batch, and takes nothing of another's.
    let pool = |_| rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pools: Result<Vec<_>, _> = (0..threads.min(batches.len())).map(pool).collect();
    let Ok(pools) = pools else {
        return one_by_one(compute, batches, collector);
    };
    let next = AtomicUsize::new(0);
    let mut starved = Vec::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for pool in &pools {
            let (sender, next) = (sender.clone(), &next);
            let work = move || {
                let _stop = StopAll(next, batches.len());
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(batch) = batches.get(at) else { break };
                    // Whoever listens no longer has found an error.
                    if sender.send((at, compute(batch))).is_err() {
                        break;
                    }
                }
            };
            let thread = std::thread::Builder::new();
            thread
                .spawn_scoped(scope, move || pool.install(work))
                .map_err(|e| ModelError::new(Fault::Memory, format!("a thread: {e}")))?;
        }
        drop(sender);
        // Told in their order, whoever is done first.
        let mut early = BTreeMap::new();
        let mut told = 0;
        for (at, values) in receiver {
            early.insert(at, values);
            while let Some(values) = early.remove(&told) {
                let batch = batches[told];
                told += 1;
                match values {
                    Err(error) if is_starved(&error) => starved.push(batch),
                    // With no lack of memory there is nothing to compute.
                    values => settle(compute, batch, values, collector)?,
                }
            }
        }
        Ok::<_, ModelError>(())
    })?;
    drop(pools);
    one_by_one(compute, &starved, collector)
}

/// Leaves nothing to others when a thread panics.
struct StopAll<'a>(&'a AtomicUsize, usize);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }
}

fn losses_of(model: &LanguageModel, batch: &[Drawn]) -> Computed<Vec<f32>> {
    Batch::new(batch.iter().map(|d| &d.sequence)).losses(model)
}

/// How many of the first have at most `tokens` together; one at least.
pub(crate) fn fitting<T>(drawn: &[T], tokens: usize, length: impl Fn(&T) -> usize) -> usize {
    let mut sum = 0usize;
    let fits = drawn.iter().take_while(|d| {
        sum = sum.saturating_add(length(d));
        sum <= tokens
    });
    fits.count().max(1)
}

/// Takes a batch's losses; where memory lacked, each half of it is computed for itself.
fn settle(
    compute: &impl Compute,
    batch: &[Drawn],
    values: Computed<Vec<f32>>,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    let values = match values {
        Err(error) if is_starved(&error) && batch.len() > 1 => {
            let (one, other) = batch.split_at(batch.len() / 2);
            settle(compute, one, compute(one), collector)?;
            return settle(compute, other, compute(other), collector);
        }
        values => values?,
    };
    let mut values = values.as_slice();
    for Drawn { position, sequence } in batch {
        let (own, others) = values.split_at(sequence.targets.len().min(values.len()));
        values = others;
        let loss = SampleLoss {
            index: 0,
            nll: own.iter().map(|v| f64::from(*v)).sum(),
            tokens: sequence.targets.len() as u32,
            bytes: sequence.bytes,
            correct: false,
        };
        collector.put(*position, loss)?;
    }
    Ok(())
}

/// Tokens of the drawn samples; those with no target are settled here.
fn tokenize(
    collector: &mut Collector<'_>,
    encode: impl Fn(usize) -> Result<Encoded, ModelError>,
) -> Result<Vec<Drawn>, ModelError> {
    let mut drawn = Vec::new();
    for position in collector.positions() {
        let without_target = |bytes: u32| SampleLoss {
            index: 0,
            nll: f64::from(bytes) * f64::from(WORST_BITS_PER_BYTE) * std::f64::consts::LN_2,
            tokens: 0,
            bytes,
            correct: false,
        };
        match encode(collector.index(position))? {
            Encoded::Tokens(sequence) => drawn.push(Drawn { position, sequence }),
            Encoded::Lossy { bytes } => collector.put(position, without_target(bytes))?,
            Encoded::Empty => collector.put(position, without_target(0))?,
        }
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests;
