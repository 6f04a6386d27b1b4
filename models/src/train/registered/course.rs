//! The training that a recipe and a seed fix.

use super::{form::Forms, memory, recipe};
use crate::{
    Fault, Limits, ModelError,
    train::{
        Prepared, TrainConfig,
        adamw::AdamW,
        init::{self, Seed},
        task::{self, Task},
        train_step,
    },
};
use std::path::Path;

/// A training with its data.
pub(super) struct Course {
    pub(super) config: TrainConfig,
    seed: Seed,
    pub(super) prepared: Prepared,
    pub(super) steps: u64,
    pub(super) forms: Forms,
    /// Bytes that all of it needs in memory at the most.
    pub(super) memory: u64,
}

impl Course {
    pub(super) fn open(recipe: &Path, seed: [u8; 32], limits: &Limits) -> Result<Self, ModelError> {
        let config = recipe::read(recipe)?;
        let seed = Seed::Run(seed);
        let files = memory::of_files(&config)?;
        memory::check(files)?;
        let prepared = task::prepare(&config, seed, None)?;
        limits.check_architecture(prepared.model.architecture())?;
        limits.check_size(prepared.model.parameters()?, 0)?;
        check_tokenizer(&prepared, limits)?;
        let memory = memory::of_steps(&config, &prepared)?.saturating_add(files);
        memory::check(memory)?;
        Ok(Self {
            memory,
            steps: config.total_steps(prepared.samples()),
            forms: Forms::new(&prepared.model)?,
            config,
            seed,
            prepared,
        })
    }

    /// The state that the seed gives.
    pub(super) fn start(&self) -> Result<AdamW, ModelError> {
        AdamW::new(init::variables(
            &self.prepared.model,
            &self.config,
            self.seed,
        )?)
    }

    pub(super) fn task(&self, optimizer: &AdamW) -> Result<Task<'_>, ModelError> {
        self.prepared.build(&optimizer.weights())
    }

    pub(super) fn learning_rate(&self, step: u64) -> f64 {
        self.config.learning_rate_at(step, self.steps)
    }

    /// Does all steps from number `first` on, the training's first being 0, and before
    /// `end`; `told` hears how many are done, and each one's loss.
    pub(super) fn advance(
        &self,
        task: &Task<'_>,
        optimizer: &mut AdamW,
        (first, end): (u64, u64),
        told: &mut dyn FnMut(u64, f32),
    ) -> Result<(), ModelError> {
        for step in first..end {
            let loss = self.step(task, optimizer, step)?;
            told(step + 1, loss);
        }
        Ok(())
    }

    /// Does step number `step`, the first being 0, and gives its loss.
    fn step(&self, task: &Task<'_>, optimizer: &mut AdamW, step: u64) -> Result<f32, ModelError> {
        let rate = self.learning_rate(step);
        train_step(&self.config, self.seed, task, optimizer, step, rate)
    }
}

fn check_tokenizer(prepared: &Prepared, limits: &Limits) -> Result<(), ModelError> {
    let (Some(tokenizer), Some(pinned)) = (prepared.tokenizer(), limits.tokenizer) else {
        return Ok(());
    };
    if *blake3::hash(tokenizer).as_bytes() == pinned {
        return Ok(());
    }
    let detail = "the recipe's tokenizer is not the one that the task pins; train with the task's";
    Err(ModelError::new(Fault::Tokenizer, detail))
}
