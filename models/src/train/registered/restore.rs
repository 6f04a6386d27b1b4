//! Has removed checkpoints of a log again.

use super::{
    LogLeaf,
    course::Course,
    log::{self, Last},
    run::{begin, name},
};
use crate::{Fault, Limits, ModelError, train::Progress};
use std::{path::Path, time::Instant};

/// What [`restore`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Checkpoints that are there again.
    pub checkpoints: u64,
    /// Steps that were trained for them.
    pub steps: u64,
}

/// Makes the checkpoints of a log whole that [`super::prune`] removed, or that are damaged: each
/// is trained again from the one before it, or drawn from the seed, and comes to the same bits.
///
/// One that was cut off goes on where it was. A log that is not of this recipe and seed is
/// refused, and so is one with a leaf that training again does not come to.
pub fn restore(
    recipe: &Path,
    seed: [u8; 32],
    log: &Path,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Restored, ModelError> {
    let leaves = log::leaves(log)?;
    let Some(every) = leaves.get(1).map(|leaf| leaf.step) else {
        return Ok(Restored::default());
    };
    log::check_run(log, &name(recipe, seed, every)?)?;
    let course = Course::open(recipe, seed, &Limits::unlimited())?;
    let mut done = Restored::default();
    let mut whole: Option<&LogLeaf> = None;
    let mut last: Option<Last> = None;
    let begun = Instant::now();
    for leaf in &leaves {
        if log::stored(log, leaf)?.is_some() {
            (whole, last) = (Some(leaf), None);
            continue;
        }
        let from = match (last.take(), whole) {
            (Some(last), _) => last,
            (None, Some(leaf)) => {
                log::state(log, leaf, &course.forms)?.ok_or_else(|| lost(leaf))?
            }
            (None, None) => begin(&course)?,
        };
        let trained = again(&course, from, leaf, &mut |step, loss| {
            progress(&Progress {
                step,
                steps: course.steps,
                loss,
                learning_rate: course.learning_rate(step - 1),
                elapsed: begun.elapsed(),
            });
            done.steps += 1;
        })?;
        log::write(log, leaf, &trained.checkpoint)?;
        last = Some(trained);
        done.checkpoints += 1;
    }
    Ok(done)
}

/// Trains from a state to a leaf.
fn again(
    course: &Course,
    from: Last,
    leaf: &LogLeaf,
    told: &mut dyn FnMut(u64, f32),
) -> Result<Last, ModelError> {
    let mut optimizer = from.optimizer;
    let task = course.task(&optimizer)?;
    course.advance(&task, &mut optimizer, (from.step, leaf.step), told)?;
    let checkpoint = course.forms.encode(leaf.step, &optimizer)?;
    let update = course
        .forms
        .update(&from.checkpoint.weights, &checkpoint.weights);
    if checkpoint.leaf(leaf.step, update) != *leaf {
        let detail = format!(
            "training again comes to another checkpoint after step {} than the log's leaf; jurors \
             would find the same",
            leaf.step
        );
        return Err(ModelError::new(Fault::Config, detail));
    }
    Ok(Last {
        step: leaf.step,
        checkpoint,
        optimizer,
    })
}

fn lost(leaf: &LogLeaf) -> ModelError {
    let detail = format!(
        "the checkpoint after step {} changed while it was read; try again",
        leaf.step
    );
    ModelError::new(Fault::Config, detail)
}
