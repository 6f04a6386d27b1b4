//! Jobs as a task's spec makes them. Equal each time they are made, so that their ids are.

use alloc::{string::String, vec::Vec};
use arena_primitives::{
    BaseModel, ModelBounds, PublicData, TaskSpec, Uris,
    job::{Artifact, Data, Evaluate, JobKind, JobRequest, Limits, WIRE_VERSION},
};
use sp_core::H256;

/// A request that is of no use after so many seconds.
pub fn request(kind: JobKind, deadline_seconds: u32) -> JobRequest {
    JobRequest {
        version: WIRE_VERSION,
        deadline_seconds,
        kind,
        others: Vec::new(),
    }
}

/// A model with its mirrors.
pub fn artifact(manifest_root: H256, uris: &Uris) -> Artifact {
    Artifact {
        manifest_root,
        uris: texts(uris),
    }
}

/// The model that the task's adapters are applied to.
pub fn base(spec: &TaskSpec) -> Option<Artifact> {
    let of = |base: &BaseModel| artifact(base.manifest_root, &base.uris);
    spec.model.base.as_ref().map(of)
}

/// What the task allows of a model.
pub fn limits(model: &ModelBounds) -> Limits {
    Limits {
        architectures: model.architectures.to_vec(),
        max_parameters: model.max_parameters,
        max_bytes: model.max_bytes,
        max_seconds: model.max_seconds,
        context: model.context,
        tokenizer: model.tokenizer,
    }
}

/// What a model's score in a round is: on this data, with the subset of this seed.
pub fn evaluate(spec: &TaskSpec, data: &PublicData, seed: H256, model: Artifact) -> Evaluate {
    Evaluate {
        model,
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
        limits: limits(&spec.model),
    }
}

/// Mirrors as texts; what is none is left out.
pub fn texts(uris: &Uris) -> Vec<String> {
    uris.iter()
        .filter_map(|uri| String::from_utf8(uri.to_vec()).ok())
        .collect()
}
