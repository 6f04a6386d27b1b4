//! What an executor's answers stand for, told a second time.

use super::*;
use arena_primitives::job::Sketched;

/// Whether a view is all that can be had of a sketch, told a second time.
pub(super) fn is_final(view: &JobView) -> bool {
    match view {
        JobView::Known(JobStatus::Failed(Fault::Infra(fault, _))) => *fault == InfraFault::Memory,
        JobView::Known(status) => !matches!(status, JobStatus::Queued),
        _ => false,
    }
}

/// What an executor says of a sketch that is done.
pub(super) fn sketched(sketch: [u8; 32]) -> JobStatus {
    JobStatus::Done(Outcome::Sketched(Sketched {
        sketch,
        canonical: [0; 32],
        device: "cpu".into(),
        millis: 1,
    }))
}

/// The sketch that a view stands for.
pub(super) fn sketch_in(view: &JobView) -> Option<[u8; 32]> {
    match view {
        JobView::Known(JobStatus::Done(Outcome::Sketched(it))) => Some(it.sketch),
        _ => None,
    }
}

/// The outcome that a view stands for, told a second time: `None` where it must be waited for.
pub(super) fn answer(view: &JobView, late: bool) -> Option<ScoreOutcome> {
    use ScoreOutcome::{Invalid, Scored, Skipped};
    match view {
        JobView::Known(JobStatus::Done(Outcome::Evaluated(it))) if it.raw <= 1_000_000_000 => {
            Some(Scored(it.raw))
        }
        JobView::Known(JobStatus::Failed(Fault::Miner(fault, _))) => Some(Invalid(*fault)),
        JobView::Known(JobStatus::Failed(Fault::Infra(InfraFault::Memory, _))) => {
            Some(Skipped(InfraFault::Memory))
        }
        JobView::Known(JobStatus::Failed(Fault::Infra(fault, _))) => {
            late.then_some(Skipped(*fault))
        }
        JobView::Known(JobStatus::Done(_) | JobStatus::Failed(Fault::Unsupported(_))) => {
            Some(Skipped(InfraFault::Device))
        }
        _ => late.then_some(Skipped(InfraFault::Timeout)),
    }
}

/// Whether the sketch at this place is only asked of a model that is invalid.
pub(super) fn is_spared(duty: &Duty, at: usize, invalid: &impl Fn(usize) -> bool) -> bool {
    let sketching = duty.sketching.as_ref();
    let earlier = sketching.into_iter().flat_map(|some| &some.earlier);
    let mut earlier = earlier.map(|model| model.manifest_root);
    let drawn = duty.drawn.get(at);
    drawn.is_some_and(|model| invalid(at) && !earlier.any(|root| root == model.manifest_root))
}

/// Whether a line is the validator's own fault.
pub(super) fn is_skip(line: &ScoreEntry) -> bool {
    matches!(line.outcome, ScoreOutcome::Skipped(_))
}
