//! The training itself.

use super::{
    LogLeaf, count,
    course::Course,
    log::{Last, Log},
};
use crate::{
    Limits, Manifest, ModelError,
    train::{Progress, Trained, output},
};
use std::{path::Path, time::Instant};

/// A finished registered training.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// The model, in `model` of the log's directory.
    pub trained: Trained,
    /// The whole log.
    pub leaves: Vec<LogLeaf>,
}

/// Trains the recipe from the seed, and writes into `log` a checkpoint and a leaf for the initial
/// state, each `every` steps and the last one, and at the end `model`.
///
/// With `resume` it goes on from the last leaf whose checkpoint is there, and comes to the same
/// bits as if it had never stopped. A directory with another run's log is refused; without
/// `resume`, any that has one.
pub fn run(
    recipe: &Path,
    seed: [u8; 32],
    log: &Path,
    every: u64,
    resume: bool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Logged, ModelError> {
    let course = Course::open(recipe, seed, &Limits::unlimited())?;
    let steps = course.steps;
    count(steps, every)?;
    let named = name(recipe, seed, every)?;
    let (mut kept, last) = Log::open(log, &named, resume, &course.forms, (steps, every))?;
    let last = match last {
        Some(last) => last,
        None => begin(&course, &mut kept)?,
    };
    let (mut step, mut before, mut optimizer) = (last.step, last.checkpoint, last.optimizer);
    let task = course.task(&optimizer)?;
    let begun = Instant::now();
    let mut loss = None;
    while step < steps {
        let learning_rate = course.learning_rate(step);
        let found = course.step(&task, &mut optimizer, step)?;
        loss = Some(found);
        step += 1;
        if step % every == 0 || step == steps {
            let after = course.forms.encode(step, &optimizer)?;
            let update = course.forms.update(&before.weights, &after.weights);
            kept.put(after.leaf(step, update), &after)?;
            before = after;
        }
        progress(&Progress {
            step,
            steps,
            loss: found,
            learning_rate,
            elapsed: begun.elapsed(),
        });
    }
    let prepared = &course.prepared;
    let trained = Trained {
        model: output::publish(log, &prepared.config, prepared.tokenizer(), &optimizer)?,
        parameters: prepared.model.parameters()?,
        steps,
        loss,
    };
    Ok(Logged {
        trained,
        leaves: kept.leaves,
    })
}

/// Writes the leaf of the initial state.
fn begin(course: &Course, log: &mut Log) -> Result<Last, ModelError> {
    let optimizer = course.start()?;
    let checkpoint = course.forms.encode(0, &optimizer)?;
    log.put(checkpoint.leaf(0, 0), &checkpoint)?;
    Ok(Last {
        step: 0,
        checkpoint,
        optimizer,
    })
}

/// Names what fixes a log: equal names have equal leaves.
fn name(recipe: &Path, seed: [u8; 32], every: u64) -> Result<String, ModelError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&Manifest::of_dir(recipe)?.root());
    hasher.update(&seed);
    hasher.update(&every.to_le_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}
