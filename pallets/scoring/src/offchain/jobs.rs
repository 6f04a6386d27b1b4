//! The jobs of a duty, as the executor gets them.

use super::decide::{Drawn, Duty, Sketching};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use arena_primitives::{
    PublicData, TaskSpec, Uris,
    job::{Artifact, Data, Evaluate, JobKind, JobRequest, Limits, Sketch, WIRE_VERSION},
};
use sp_core::H256;

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
        let request = |kind| JobRequest {
            version: WIRE_VERSION,
            deadline_seconds,
            kind,
        };
        let sketch = |some: &Sketching, model: &Drawn| {
            request(JobKind::Sketch(Sketch {
                model: artifact(model.manifest_root, &model.uris),
                base: base(&duty.spec),
                seed: some.seed.0,
                limits: limits(&duty.spec),
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
                .map(|model| request(evaluate(&duty.spec, model, data, seed)))
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

fn evaluate(spec: &TaskSpec, model: &Drawn, data: &PublicData, seed: H256) -> JobKind {
    JobKind::Evaluate(Evaluate {
        model: artifact(model.manifest_root, &model.uris),
        base: base(spec),
        data: Data {
            blake3: data.blake3,
            bytes: data.bytes,
            uris: texts(&data.uris),
            samples: data.samples,
            seed: seed.0,
        },
        metric: spec.metric,
        profile: spec.profile,
        limits: limits(spec),
    })
}

fn limits(spec: &TaskSpec) -> Limits {
    let model = &spec.model;
    Limits {
        architectures: model.architectures.to_vec(),
        max_parameters: model.max_parameters,
        max_bytes: model.max_bytes,
        max_seconds: model.max_seconds,
        context: model.context,
        tokenizer: model.tokenizer,
    }
}

fn base(spec: &TaskSpec) -> Option<Artifact> {
    let base = spec.model.base.as_ref()?;
    Some(artifact(base.manifest_root, &base.uris))
}

fn artifact(manifest_root: H256, uris: &Uris) -> Artifact {
    Artifact {
        manifest_root,
        uris: texts(uris),
    }
}

fn texts(uris: &Uris) -> Vec<String> {
    uris.iter()
        .filter_map(|uri| String::from_utf8(uri.to_vec()).ok())
        .collect()
}
