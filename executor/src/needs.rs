//! What each kind of job reads, and so has to be fetched.

use arena_primitives::job::{Artifact, Data, JobKind, Limits, ReplaySegments};

/// What a job reads.
pub(crate) struct Needs<'a> {
    pub(crate) model: &'a Artifact,
    /// What the model's update is counted from, or an adapter applied to.
    pub(crate) base: Option<&'a Artifact>,
    /// The model that it is compared with.
    pub(crate) earlier: Option<&'a Artifact>,
    /// What it is scored on.
    pub(crate) data: Option<&'a Data>,
    /// Its registered training.
    pub(crate) training: Option<&'a ReplaySegments>,
    /// What the task allows of each model.
    pub(crate) limits: &'a Limits,
}

impl<'a> Needs<'a> {
    pub(crate) fn of(kind: &'a JobKind) -> Self {
        let of = |model, base: &'a Option<Artifact>| Needs {
            model,
            base: base.as_ref(),
            earlier: None,
            data: None,
            training: None,
            limits: kind.limits(),
        };
        match kind {
            JobKind::Evaluate(job) => Needs {
                data: Some(&job.data),
                ..of(&job.model, &job.base)
            },
            JobKind::Recompute(job) => Needs {
                data: Some(&job.evaluate.data),
                ..of(&job.evaluate.model, &job.evaluate.base)
            },
            JobKind::Sketch(job) => of(&job.model, &job.base),
            JobKind::ExtractWatermark(job) => of(&job.model, &job.base),
            JobKind::Compare(job) => Needs {
                earlier: Some(&job.earlier),
                ..of(&job.model, &job.base)
            },
            JobKind::ReplaySegments(job) => Needs {
                training: Some(job),
                ..of(&job.model, &None)
            },
        }
    }
}
