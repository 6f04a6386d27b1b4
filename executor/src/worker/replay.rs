//! Trains segments of a registered training again, in their order, up to the first that is not
//! as its log says.

use super::{
    Worker,
    compute::{Run, fault, named},
    say,
};
use crate::{
    fault::infra,
    fetch::{Kept, kept},
    scoring, store,
};
use arena_models::{
    Device,
    train::registered::{self, Finding, LogLeaf, Replayer},
};
use arena_primitives::{
    challenge,
    job::{self, Fault, InfraFault, ReplayFinding, ReplaySegments, Replayed, Segment},
};
use std::path::Path;

/// What was found without training anything to its end.
pub(super) fn found_at_once(args: &Worker, finding: ReplayFinding) -> Result<job::Outcome, Fault> {
    Ok(job::Outcome::Replayed(Replayed {
        finding,
        same: 0,
        steps: 0,
        device: named(args, Device::Cpu)?,
        millis: 0,
    }))
}

pub(super) fn run(run: &Run<'_>, job: &ReplaySegments) -> Result<Replayed, Fault> {
    let clock = run.start_whole();
    let mut done = Done {
        same: 0,
        steps: 0,
        total: job.segments.iter().map(length).sum(),
    };
    let finding = find(run, job, &mut done)?;
    Ok(Replayed {
        finding,
        same: done.same,
        steps: done.steps,
        device: named(run.args, Device::Cpu)?,
        millis: clock.millis(),
    })
}

/// What was trained so far.
struct Done {
    same: u32,
    steps: u64,
    /// Steps of all segments.
    total: u64,
}

impl Done {
    fn report(&self) {
        let shown = |steps| u32::try_from(steps).unwrap_or(u32::MAX);
        // Nothing is left to be shown as a job that is still fetched.
        let total = shown(self.total).max(1);
        say(format_args!("progress {} {total}", shown(self.steps)));
    }
}

fn length(segment: &Segment) -> u64 {
    segment.to.step.saturating_sub(segment.from.step)
}

fn find(run: &Run<'_>, job: &ReplaySegments, done: &mut Done) -> Result<ReplayFinding, Fault> {
    let model = run.path(store::MODEL);
    run.check(&model, None)?;
    // First, as it takes no training.
    if !registered::is_model(&leaf(&job.last), &model).map_err(fault)? {
        return Ok(ReplayFinding::WrongModel);
    }
    let limits = scoring::limits(&job.limits);
    let opened = Replayer::new(&run.path(store::RECIPE), job.seed, job.steps, &limits);
    let replayer = match opened {
        Ok(replayer) => replayer,
        Err(error) if error.fault.is_models() => {
            tracing::warn!("the recipe: {error}");
            return Ok(ReplayFinding::BadRecipe);
        }
        Err(error) => return Err(fault(error)),
    };
    let checkpoints = run.path(store::CHECKPOINTS);
    for (from, to) in job.leaves.iter().zip(job.leaves.iter().skip(1)) {
        match check_norm(&replayer, from, to, &checkpoints)? {
            ReplayFinding::Same => {}
            other => return Ok(other),
        }
    }
    for segment in &job.segments {
        done.report();
        match replay(&replayer, segment, &checkpoints, done)? {
            ReplayFinding::Same => done.same = done.same.saturating_add(1),
            other => return Ok(other),
        }
    }
    done.report();
    Ok(ReplayFinding::Same)
}

/// Compares the norm of an update with the weights before and after it.
fn check_norm(
    replayer: &Replayer,
    from: &challenge::LogLeaf,
    to: &challenge::LogLeaf,
    checkpoints: &Path,
) -> Result<ReplayFinding, Fault> {
    let mut files = Vec::new();
    for end in [from, to] {
        let step = end.step;
        match kept(checkpoints, &end.weights) {
            Kept::There(path) => files.push(path),
            Kept::TooLarge => return Ok(ReplayFinding::BadCheckpoint { step }),
            Kept::Absent => return Err(lost(step)),
        }
    }
    let segment = registered::Segment {
        from: leaf(from),
        to: leaf(to),
    };
    let found = replayer.check_update(&segment, &files[0], &files[1]);
    Ok(finding(found.map_err(fault)?))
}

fn finding(found: Finding) -> ReplayFinding {
    match found {
        Finding::Same => ReplayFinding::Same,
        Finding::Differs { from } => ReplayFinding::Differs { from },
        Finding::WrongStart => ReplayFinding::WrongStart,
        Finding::BadCheckpoint { step } => ReplayFinding::BadCheckpoint { step },
    }
}

fn replay(
    replayer: &Replayer,
    segment: &Segment,
    checkpoints: &Path,
    done: &mut Done,
) -> Result<ReplayFinding, Fault> {
    let step = segment.from.step;
    let again = registered::Segment {
        from: leaf(&segment.from),
        to: leaf(&segment.to),
    };
    let files = [segment.from.weights, segment.from.optimizer].map(|file| kept(checkpoints, &file));
    let replayed = match &files {
        _ if step == 0 => replayer.replay_start(&again),
        [Kept::There(weights), Kept::There(optimizer)] => {
            replayer.replay(&again, weights, optimizer)
        }
        [Kept::TooLarge, _] | [_, Kept::TooLarge] => {
            return Ok(ReplayFinding::BadCheckpoint { step });
        }
        _ => return Err(lost(step)),
    };
    let replayed = replayed.map_err(fault)?;
    done.steps = done.steps.saturating_add(replayed.steps);
    Ok(finding(replayed.finding))
}

/// All checkpoints were there when they had been fetched.
fn lost(step: u64) -> Fault {
    let why = format!("the checkpoint of step {step} was fetched, and is gone");
    infra(InfraFault::Disk, why)
}

fn leaf(wire: &challenge::LogLeaf) -> LogLeaf {
    LogLeaf {
        step: wire.step,
        weights: wire.weights,
        optimizer: wire.optimizer,
        update: wire.update,
    }
}
