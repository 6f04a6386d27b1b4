//! The jobs of a duty, as the executor gets them.

use super::decide::{Drawn, Duty, Sketching};
use alloc::{collections::BTreeSet, vec::Vec};
use arena_offchain::jobs::{artifact, base, evaluate, limits, request};
use arena_primitives::job::{JobKind, JobRequest, Sketch};

/// All that a duty needs of the executor. Equal each time it is made, so that the jobs' ids are.
pub(super) struct Jobs {
    /// The evaluation of each drawn model, in their order.
    pub(super) scores: Vec<JobRequest>,
    /// The sketch of each drawn model, in their order; none where the task asks for none.
    pub(super) sketches: Vec<JobRequest>,
    /// The sketch of each earlier model, in their order.
    pub(super) earlier: Vec<JobRequest>,
}

impl Jobs {
    /// None before seed and data are known.
    pub(super) fn of(duty: &Duty) -> Self {
        let (Some(seed), Some(data)) = (duty.seed, &duty.data) else {
            return Jobs {
                scores: Vec::new(),
                sketches: Vec::new(),
                earlier: Vec::new(),
            };
        };
        let sketching = duty.sketching.as_ref();
        let sketches = sketching.map_or(0, |some| {
            duty.drawn.len().saturating_add(some.earlier.len())
        });
        let count = u32::try_from(duty.drawn.len().saturating_add(sketches)).unwrap_or(u32::MAX);
        let deadline_seconds = duty.spec.model.max_seconds.saturating_mul(count).max(60);
        let request = |kind| request(kind, deadline_seconds);
        let sketch = |some: &Sketching, model: &Drawn| {
            request(JobKind::Sketch(Sketch {
                model: artifact(model.manifest_root, &model.uris),
                base: base(&duty.spec),
                seed: some.seed.0,
                limits: limits(&duty.spec.model),
            }))
        };
        let of_drawn = |some: &Sketching| {
            let models = duty.drawn.iter();
            models.map(|model| sketch(some, model)).collect()
        };
        let of_earlier = |some: &Sketching| {
            let models = some.earlier.iter();
            models.map(|model| sketch(some, model)).collect()
        };
        let scores = duty.drawn.iter();
        Jobs {
            scores: scores
                .map(|model| artifact(model.manifest_root, &model.uris))
                .map(|model| evaluate(&duty.spec, data, seed, model))
                .map(|job| request(JobKind::Evaluate(job)))
                .collect(),
            sketches: sketching.map(of_drawn).unwrap_or_default(),
            earlier: sketching.map(of_earlier).unwrap_or_default(),
        }
    }

    /// All of them in the order in which they are posted, each once: an earlier model may be
    /// drawn too.
    pub(super) fn all(self) -> Vec<JobRequest> {
        let jobs = self.scores.into_iter().chain(self.sketches);
        let mut seen = BTreeSet::new();
        jobs.chain(self.earlier)
            .filter(|job| seen.insert(job.id()))
            .collect()
    }
}
