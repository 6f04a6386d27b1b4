//! Seeded training with checkpoints: the same config gives the same weights, interrupted or
//! not, on the same machine.
//!
//! Under the output directory: `checkpoint.safetensors` (weights, AdamW's moments, step),
//! `tokenizer.json` of a language model, `train.jsonl` (one line per step), and when all steps
//! are done `model/`. Each appears whole or not at all.

mod adamw;
mod checkpoint;
mod config;
pub(crate) mod init;
pub(crate) mod output;
pub mod registered;
mod task;
mod tokenizer;

pub use config::{Family, TokenizerSource, TokenizerTraining, TrainConfig};

use crate::{Fault, ModelConfig, ModelError, kernels::Kernels};
use adamw::AdamW;
use init::Seed;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use task::Task;

/// State of a training after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done, counting those before a resume.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss of the step's batch in nats per target.
    pub loss: f32,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Since this run began, without the time before a resume.
    pub elapsed: Duration,
}

/// A finished training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Directory with the model.
    pub model: PathBuf,
    /// Numbers in all tensors.
    pub parameters: u64,
    /// Steps in all.
    pub steps: u64,
    /// Loss of the last step that this run computed; `None` if there was nothing left to do.
    pub loss: Option<f32>,
}

/// Trains and writes `out/model`.
///
/// With `resume` it goes on from the checkpoint in `out` if there is one; a checkpoint of
/// another config or other data is refused. Without, it starts over.
pub fn run(
    config: &TrainConfig,
    out: &Path,
    resume: bool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Trained, ModelError> {
    config.check()?;
    output::prepare(out, resume)?;
    let seed = Seed::Number(config.seed);
    let prepared = task::prepare(config, seed, Some(out))?;
    let steps = config.total_steps(prepared.samples());
    let mut optimizer = AdamW::new(init::variables(&prepared.model, config, seed)?)?;
    let digest = prepared.digest(config)?;
    let mut step = match resume {
        true => checkpoint::load(out, &digest, &mut optimizer)?,
        false => 0,
    };
    let task = prepared.build(&optimizer.weights())?;
    let mut log = output::Log::open(out, step)?;
    let begun = Instant::now();
    let mut last = None;
    while step < steps {
        let learning_rate = config.learning_rate_at(step, steps);
        let loss = train_step(config, seed, &task, &mut optimizer, step, learning_rate)?;
        step += 1;
        last = Some(loss);
        log.line(step, loss, learning_rate)?;
        let due = config.checkpoint_every > 0 && step % config.checkpoint_every == 0;
        if due || step == steps {
            checkpoint::save(out, &digest, step, &optimizer)?;
        }
        progress(&Progress {
            step,
            steps,
            loss,
            learning_rate,
            elapsed: begun.elapsed(),
        });
    }
    let model = output::publish(out, &prepared.config, prepared.tokenizer(), &optimizer)?;
    Ok(Trained {
        model,
        parameters: prepared.model.parameters()?,
        steps,
        loss: last,
    })
}

fn train_step(
    config: &TrainConfig,
    seed: Seed,
    task: &Task<'_>,
    optimizer: &mut AdamW,
    step: u64,
    learning_rate: f64,
) -> Result<f32, ModelError> {
    let batch = task::batch(seed, step, config.batch, task.samples());
    let loss = task.loss(&batch)?;
    let value = loss.to_scalar::<f32>()?;
    if !value.is_finite() {
        let detail = format!("the loss of step {step} is not finite; lower the learning rate");
        return Err(ModelError::new(Fault::NonFinite, detail));
    }
    optimizer.step(
        &loss.backward()?,
        learning_rate,
        config.weight_decay,
        step + 1,
    )?;
    Ok(value)
}

/// What `task::prepare` found: everything but the weights.
pub(crate) struct Prepared {
    model: ModelConfig,
    /// The bytes of `config.json`.
    config: Vec<u8>,
    kernels: Kernels,
    data: task::Data,
}
