//! Trains segments of a registered training again.

use super::{
    Worker,
    compute::{Run, named},
};
use crate::{
    fetch::{Kept, kept},
    store,
};
use arena_models::Device;
use arena_primitives::job::{self, Fault, ReplayFinding, ReplaySegments, Replayed};

/// What was found before anything was trained.
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
    let checkpoints = run.path(store::CHECKPOINTS);
    let _ = (kept(&checkpoints, &job.last.weights), Kept::Absent, clock);
    Err(Fault::Unsupported(
        "this release does not train segments again".to_owned(),
    ))
}
