//! The training itself.

use super::{
    LogLeaf, count_leaves,
    course::Course,
    log::{Keep, Last, Log},
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
    run_keeping(recipe, seed, log, every, resume, Keep::All, progress)
}

/// The same, with only some checkpoints on disk at any time. Before the others can be asked for,
/// [`super::restore`] must have made them again.
pub fn run_keeping(
    recipe: &Path,
    seed: [u8; 32],
    log: &Path,
    every: u64,
    resume: bool,
    keep: Keep,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Logged, ModelError> {
    let course = Course::open(recipe, seed, &Limits::unlimited())?;
    let steps = course.steps;
    count_leaves(steps, every)?;
    let named = name(recipe, seed, every)?;
    let (mut kept, last) = Log::open(log, &named, resume, &course.forms, every, keep)?;
    let last = match last {
        Some(last) => last,
        None => {
            let first = begin(&course)?;
            kept.put(first.checkpoint.leaf(0, 0), &first.checkpoint)?;
            first
        }
    };
    let (mut before, mut optimizer) = (last.checkpoint, last.optimizer);
    let task = course.task(&optimizer)?;
    let begun = Instant::now();
    let mut loss = None;
    for first in (last.step..steps).step_by(usize::try_from(every).unwrap_or(usize::MAX)) {
        let end = first.saturating_add(every);
        course.advance(&task, &mut optimizer, (first, end), &mut |step, found| {
            loss = Some(found);
            progress(&Progress {
                step,
                steps,
                loss: found,
                learning_rate: course.learning_rate(step - 1),
                elapsed: begun.elapsed(),
            });
        })?;
        let after = course.forms.encode(end, &optimizer)?;
        let update = course.forms.update(&before.weights, &after.weights);
        kept.put(after.leaf(end, update), &after)?;
        before = after;
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

/// The initial state.
pub(super) fn begin(course: &Course) -> Result<Last, ModelError> {
    let optimizer = course.start()?;
    let checkpoint = course.forms.encode(0, &optimizer)?;
    Ok(Last {
        step: 0,
        checkpoint,
        optimizer,
    })
}

/// Names what fixes a log: equal names have equal leaves.
pub(super) fn name(recipe: &Path, seed: [u8; 32], every: u64) -> Result<String, ModelError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&Manifest::of_dir(recipe)?.root());
    hasher.update(&seed);
    hasher.update(&every.to_le_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}
