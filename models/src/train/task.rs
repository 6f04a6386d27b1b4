//! Data, batches and the loss of a training.

use super::{
    Prepared, TrainConfig,
    init::{self, Seed},
    tokenizer,
};
use crate::{
    Fault, ModelConfig, ModelError, canonical_hash,
    classifier::Network,
    config::Classifier,
    data::{Rows, Sample, read_texts},
    draw::below,
    language::{Batch, LanguageModel},
    text::{Encoded, Encoder, Ends, Sequence},
    train::Family,
    weights::Weights,
};
use candle_core::{Device, Tensor};
use rand_chacha::rand_core::RngCore;
use std::path::Path;

/// Samples to train on.
pub(super) enum Data {
    Rows {
        rows: Rows,
        chosen: Vec<usize>,
    },
    Windows {
        windows: Vec<Sequence>,
        /// Most tokens of a window.
        context: usize,
        tokenizer: Vec<u8>,
    },
}

/// A model in training with its data.
pub(super) enum Task<'a> {
    Classifier {
        network: Network,
        rows: &'a Rows,
        chosen: &'a [usize],
    },
    Language {
        model: Box<LanguageModel>,
        windows: &'a [Sequence],
    },
}

/// Reads the data, and trains the tokenizer unless an earlier run left it in `out`.
pub(super) fn prepare(
    config: &TrainConfig,
    seed: Seed,
    out: Option<&Path>,
) -> Result<Prepared, ModelError> {
    let Family::Llama { context, .. } = config.model else {
        let json = config.model_config(0, 0)?;
        let model = ModelConfig::parse(&json)?;
        let ModelConfig::Classifier(classifier) = &model else {
            return Err(crate::config::refuse("training config: not a classifier"));
        };
        let rows = read_rows(config, classifier)?;
        let chosen = choose(config, seed, rows.labels.len());
        return Ok(Prepared {
            model,
            config: json,
            kernels: config.profile.kernels(),
            data: Data::Rows { rows, chosen },
        });
    };
    let mut texts = Vec::new();
    for path in &config.data {
        texts.extend(read_texts(path)?);
    }
    let chosen: Vec<&str> = choose(config, seed, texts.len())
        .into_iter()
        .map(|i| texts[i].as_str())
        .collect();
    let (tokenizer, vocabulary, start) = tokenizer::obtain(config, out, &chosen)?;
    let json = config.model_config(vocabulary, start)?;
    let model = ModelConfig::parse(&json)?;
    let encoder = Encoder::new(&tokenizer, vocabulary, Ends { start, end: start })?;
    let mut windows = Vec::new();
    for text in chosen {
        match encoder.encode(&Sample::Text(text.to_owned()), usize::MAX)? {
            Encoded::Tokens(whole) => {
                let tokens: Vec<u32> = whole.targets.iter().map(|(_, token)| *token).collect();
                let window = |tokens: &[u32]| Sequence::of_text(start, tokens);
                windows.extend(tokens.chunks(context).map(window));
            }
            Encoded::Empty => {}
            Encoded::Lossy { .. } => {
                let detail = "the tokenizer doesn't give a training text back; take a lossless one";
                return Err(ModelError::new(Fault::Tokenizer, detail));
            }
        }
    }
    if windows.is_empty() {
        return Err(ModelError::new(Fault::Data, "no text to train on"));
    }
    Ok(Prepared {
        model,
        config: json,
        kernels: config.profile.kernels(),
        data: Data::Windows {
            windows,
            context,
            tokenizer,
        },
    })
}

fn read_rows(config: &TrainConfig, model: &Classifier) -> Result<Rows, ModelError> {
    let mut all: Option<Rows> = None;
    for path in &config.data {
        let rows = Rows::read(path)?;
        match &mut all {
            Some(all) => all.append(rows)?,
            None => all = Some(rows),
        }
    }
    let all = all.ok_or_else(|| ModelError::new(Fault::Data, "no data"))?;
    if all.width != model.features() || all.labels.iter().any(|l| *l as usize >= model.labels) {
        let detail = format!(
            "the data have {} features and labels up to {}, the model takes {} and {} labels",
            all.width,
            all.labels.iter().max().copied().unwrap_or(0),
            model.features(),
            model.labels
        );
        return Err(ModelError::new(Fault::Data, detail));
    }
    Ok(all)
}

/// The share of `total` samples that is trained on.
fn choose(config: &TrainConfig, seed: Seed, total: usize) -> Vec<usize> {
    let count = (total as f64 * config.data_fraction).ceil() as usize;
    let mut bytes = [0; 32];
    init::rng(seed, init::SUBSET).fill_bytes(&mut bytes);
    crate::draw(total, count.clamp(1, total.max(1)), bytes)
}

/// Samples of a step: each epoch is a fresh shuffle, and a batch may reach into the next one.
/// Depends on the step alone, so that a resumed run goes on with the same.
pub(super) fn batch(seed: Seed, step: u64, size: usize, samples: usize) -> Vec<usize> {
    let mut batch = Vec::with_capacity(size);
    let mut shuffled: Option<(u64, Vec<usize>)> = None;
    for i in 0..size as u64 {
        let place = step.saturating_mul(size as u64).saturating_add(i);
        let epoch = place / samples as u64;
        let order = match shuffled.take() {
            Some((of, order)) if of == epoch => order,
            _ => shuffle(seed, epoch, samples),
        };
        batch.push(order[(place % samples as u64) as usize]);
        shuffled = Some((epoch, order));
    }
    batch
}

fn shuffle(seed: Seed, epoch: u64, samples: usize) -> Vec<usize> {
    let mut rng = init::rng(seed, init::FIRST_EPOCH.saturating_add(epoch));
    let mut order: Vec<usize> = (0..samples).collect();
    for i in 0..samples {
        order.swap(i, i + below(&mut rng, (samples - i) as u64) as usize);
    }
    order
}

impl Prepared {
    pub(super) fn samples(&self) -> usize {
        match &self.data {
            Data::Rows { chosen, .. } => chosen.len(),
            Data::Windows { windows, .. } => windows.len(),
        }
    }

    pub(super) fn tokenizer(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Rows { .. } => None,
            Data::Windows { tokenizer, .. } => Some(tokenizer),
        }
    }

    /// Hash of all that decides the weights; a checkpoint of another is refused.
    ///
    /// Files are hashed by content, so that a resumed run may find them elsewhere.
    pub(super) fn digest(&self, config: &TrainConfig) -> Result<String, ModelError> {
        let mut hasher = blake3::Hasher::new();
        let start = config.start.as_deref();
        let config = TrainConfig {
            data: Vec::new(),
            tokenizer: None,
            start: None,
            checkpoint_every: 0,
            ..config.clone()
        };
        let json = serde_json::to_vec(&config)
            .map_err(|e| ModelError::new(Fault::Config, e.to_string()))?;
        hasher.update(&json);
        if let Some(start) = start {
            hasher.update(&canonical_hash(start)?);
        }
        match &self.data {
            Data::Rows { rows, chosen } => {
                let (features, labels) = rows.batch(chosen)?;
                for value in features.flatten_all()?.to_vec1::<f32>()? {
                    hasher.update(&value.to_le_bytes());
                }
                labels.iter().for_each(|label| {
                    hasher.update(&label.to_le_bytes());
                });
            }
            Data::Windows {
                windows, tokenizer, ..
            } => {
                hasher.update(tokenizer);
                for window in windows {
                    hasher.update(&(window.targets.len() as u64).to_le_bytes());
                    window.targets.iter().for_each(|(_, id)| {
                        hasher.update(&id.to_le_bytes());
                    });
                }
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    pub(super) fn build(&self, weights: &Weights) -> Result<Task<'_>, ModelError> {
        match (&self.model, &self.data) {
            (ModelConfig::Classifier(config), Data::Rows { rows, chosen }) => {
                Ok(Task::Classifier {
                    network: Network::new(config, weights, self.kernels)?,
                    rows,
                    chosen,
                })
            }
            (
                config,
                Data::Windows {
                    windows, context, ..
                },
            ) => {
                let cpu = Device::Cpu;
                let model = LanguageModel::new(config, weights, self.kernels, *context, &cpu)?;
                Ok(Task::Language {
                    model: Box::new(model),
                    windows,
                })
            }
            _ => Err(crate::config::refuse(
                "the data don't fit the model's family",
            )),
        }
    }
}

impl Task<'_> {
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Classifier { chosen, .. } => chosen.len(),
            Self::Language { windows, .. } => windows.len(),
        }
    }

    /// Mean loss of a batch, with its graph.
    pub(super) fn loss(&self, batch: &[usize]) -> Result<Tensor, ModelError> {
        match self {
            Self::Classifier {
                network,
                rows,
                chosen,
            } => {
                let batch: Vec<usize> = batch.iter().map(|i| chosen[*i]).collect();
                network.batch_loss(rows, &batch)
            }
            Self::Language { model, windows } => {
                Batch::new(batch.iter().map(|i| &windows[*i])).mean_loss(model)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed::Number(3);

    #[test]
    fn batches_of_an_epoch_should_take_every_sample_once() {
        let mut seen: Vec<usize> = (0..5).flat_map(|step| batch(SEED, step, 2, 10)).collect();
        assert_ne!(seen, (0..10).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(batch(SEED, 0, 7, 3).len(), 7);
    }
}
