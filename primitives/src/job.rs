//! The wire between a node's offchain worker and its executor: SCALE over HTTP on loopback.
//!
//! `POST /jobs` takes a [`JobRequest`] and answers 202 with its [`JobId`]; `GET /jobs/{id}`
//! answers a [`JobStatus`]. Every type here has explicit variant indices, and the request
//! carries a version byte, so that a node and an executor of different releases refuse each
//! other with a reason instead of misreading.

use crate::{
    challenge::{LogLeaf, LossLeaf},
    hash::{Domain, hash},
};
use alloc::{string::String, vec::Vec};
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use sp_core::H256;

/// Version of the wire; the first byte of every request.
pub const WIRE_VERSION: u8 = 4;

/// Longest body of a request in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Bytes per second below which a mirror counts as one that serves nothing.
pub const SLOWEST_MIRROR: u64 = 1024 * 1024;

/// Most bytes of all files of a recipe: what is read of them must fit a juror's memory.
pub const MAX_RECIPE_BYTES: u64 = 1 << 30;

/// Seconds in which anything must be fetched, however short it is.
pub const SECONDS_TO_ANSWER: u64 = 60;

/// Seconds in which mirrors must have served this many bytes.
pub fn fetch_seconds(bytes: u64) -> u64 {
    SECONDS_TO_ANSWER.saturating_add(bytes.div_ceil(SLOWEST_MIRROR))
}

/// A job's id: [`Domain::Job`] hash of the request, so that posting twice is posting once.
pub type JobId = H256;

/// What the offchain worker posts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct JobRequest {
    /// [`WIRE_VERSION`].
    pub version: u8,
    /// Seconds from the posting until the outcome is of no use any more.
    ///
    /// Not part of the id's meaning for the executor's queue order, but of its content: the
    /// worker derives it from the spec, so that it is equal each time a job is posted.
    pub deadline_seconds: u32,
    /// What is to be done.
    pub kind: JobKind,
    /// URIs of hosts that somebody else has to keep than those of the job. Where no host of the
    /// job answers and none of these, the line of this machine is down. Empty: nothing is asked.
    pub others: Vec<String>,
}

impl JobRequest {
    /// The id under which the executor keeps the job.
    pub fn id(&self) -> JobId {
        hash(Domain::Job, self)
    }
}

/// The kinds of work (protocol sections 5 and 7).
#[allow(
    clippy::large_enum_variant,
    reason = "made once per job and sent, never kept in number"
)]
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobKind {
    /// Score a model on a data set.
    #[codec(index = 0)]
    Evaluate(Evaluate),
    /// SimHash of a model's weight update.
    #[codec(index = 1)]
    Sketch(Sketch),
    /// Train the steps between checkpoints again.
    #[codec(index = 2)]
    ReplaySegments(ReplaySegments),
    /// Look for a watermark in a model.
    #[codec(index = 3)]
    ExtractWatermark(ExtractWatermark),
    /// Measure how far two models are apart.
    #[codec(index = 4)]
    Compare(Compare),
    /// Score a model, and compare with what a validator says of it.
    #[codec(index = 5)]
    Recompute(Recompute),
}

impl JobKind {
    /// What the task allows of the models.
    pub fn limits(&self) -> &Limits {
        match self {
            Self::Evaluate(job) => &job.limits,
            Self::Sketch(job) => &job.limits,
            Self::ReplaySegments(job) => &job.limits,
            Self::ExtractWatermark(job) => &job.limits,
            Self::Compare(job) => &job.limits,
            Self::Recompute(job) => &job.evaluate.limits,
        }
    }
}

/// Arguments of [`JobKind::Evaluate`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evaluate {
    /// The model.
    pub model: Artifact,
    /// The model that this task's LoRA adapters are applied to; `None` takes whole models only.
    pub base: Option<Artifact>,
    /// The evaluation data.
    pub data: Data,
    /// What is measured.
    pub metric: Metric,
    /// How it is computed.
    pub profile: NumericProfile,
    /// What the task allows.
    pub limits: Limits,
}

/// Arguments of [`JobKind::Sketch`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sketch {
    /// The model.
    pub model: Artifact,
    /// What the update is counted from, and an adapter applied to; `None` sketches whole weights.
    pub base: Option<Artifact>,
    /// Seed of the planes that the update is projected on.
    pub seed: [u8; 32],
    /// What the task allows.
    pub limits: Limits,
}

/// Arguments of [`JobKind::ReplaySegments`]. Numbers are computed as `exact-cpu-f32` has them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReplaySegments {
    /// What was registered: a manifest over the training's config and all that it reads.
    pub recipe: Artifact,
    /// The model that was submitted.
    pub model: Artifact,
    /// The run's seed.
    pub seed: [u8; 32],
    /// Steps of the whole training, as registered.
    pub steps: u64,
    /// Base URIs of the checkpoints: each file lies under its BLAKE3 in hexadecimal digits.
    pub uris: Vec<String>,
    /// Most bytes of both files of one checkpoint, as registered.
    pub checkpoint_bytes: u64,
    /// Leaves, in the order of their steps, between each two of which the committed norm of the
    /// update is compared with the weights: who understates one hides it from those that are
    /// drawn for their size.
    pub leaves: Vec<LogLeaf>,
    /// What is to be trained again, in the order of the steps.
    pub segments: Vec<Segment>,
    /// The last leaf of the log: its weights must be the model's.
    pub last: LogLeaf,
    /// What the task allows.
    pub limits: Limits,
}

/// The training between two leaves of a log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Segment {
    /// Its first checkpoint. With step 0 it is compared with what the seed gives.
    pub from: LogLeaf,
    /// Its last one.
    pub to: LogLeaf,
}

/// Arguments of [`JobKind::ExtractWatermark`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExtractWatermark {
    /// The model.
    pub model: Artifact,
    /// What its update is counted from; `None` takes whole weights.
    pub base: Option<Artifact>,
    /// [`mark_key`](crate::challenge::mark_key).
    pub key: [u8; 32],
    /// Account whose mark it is.
    pub owner: [u8; 32],
    /// What the task allows.
    pub limits: Limits,
}

/// Arguments of [`JobKind::Compare`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compare {
    /// The model that is accused.
    pub model: Artifact,
    /// The one that was first.
    pub earlier: Artifact,
    /// What updates are counted from; `None` takes whole weights.
    pub base: Option<Artifact>,
    /// What the task allows.
    pub limits: Limits,
}

/// Arguments of [`JobKind::Recompute`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recompute {
    /// What was to be evaluated.
    pub evaluate: Evaluate,
    /// Losses that the validator committed to, in the order of their samples.
    pub leaves: Vec<LossLeaf>,
}

/// A model by the root of its manifest, with the mirrors that may serve it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Artifact {
    /// `H` of `manifest.scale`.
    pub manifest_root: H256,
    /// Base URIs; `manifest.scale` and the files lie under each.
    pub uris: Vec<String>,
}

/// One content-addressed data file and the subset of it that counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Data {
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Full URIs of the file; any may serve it.
    pub uris: Vec<String>,
    /// Samples to draw without replacement; 0 takes all.
    pub samples: u32,
    /// Seed of the draw.
    pub seed: [u8; 32],
}

/// What the score measures.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    codec::DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of samples classified right, in Perbill; the optimum is 1,000,000,000.
    #[codec(index = 0)]
    Accuracy,
    /// Bits per byte of the target text × 10⁹; the optimum is 0.
    #[codec(index = 1)]
    BitsPerByte,
}

/// How a score is computed: by which kernels, in which precision.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    codec::DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
    serde::Serialize,
    serde::Deserialize,
)]
pub enum NumericProfile {
    /// Fixed summation order, on CPUs; bit-identical everywhere.
    #[codec(index = 0)]
    #[serde(rename = "exact-cpu-f32")]
    ExactCpuF32,
    /// The fastest kernels of the machine, in f32; equal up to the task's band.
    #[codec(index = 1)]
    #[serde(rename = "f32")]
    F32,
    /// The same in bf16; equal up to the task's band.
    #[codec(index = 2)]
    #[serde(rename = "bf16")]
    Bf16,
}

/// Model families that a task may allow.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    codec::DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// `model_type` `arena_mlp`.
    #[codec(index = 0)]
    Mlp,
    /// `model_type` `arena_cnn`.
    #[codec(index = 1)]
    Cnn,
    /// `model_type` `llama`.
    #[codec(index = 2)]
    Llama,
    /// `model_type` `mistral`.
    #[codec(index = 3)]
    Mistral,
    /// `model_type` `qwen2`.
    #[codec(index = 4)]
    Qwen2,
    /// `model_type` `qwen3`.
    #[codec(index = 5)]
    Qwen3,
    /// `model_type` `phi3`.
    #[codec(index = 6)]
    Phi3,
    /// `model_type` `gemma2`.
    #[codec(index = 7)]
    Gemma2,
    /// `model_type` `gemma3_text`.
    #[codec(index = 8)]
    Gemma3,
    /// `model_type` `gpt2`.
    #[codec(index = 9)]
    Gpt2,
    /// `model_type` `bert`, for the classification of texts.
    #[codec(index = 10)]
    Bert,
}

impl Architecture {
    /// Every family.
    pub const ALL: [Self; 11] = [
        Self::Mlp,
        Self::Cnn,
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Phi3,
        Self::Gemma2,
        Self::Gemma3,
        Self::Gpt2,
        Self::Bert,
    ];

    /// What its models are measured by.
    pub fn metric(self) -> Metric {
        match self {
            Self::Mlp | Self::Cnn | Self::Bert => Metric::Accuracy,
            Self::Llama
            | Self::Mistral
            | Self::Qwen2
            | Self::Qwen3
            | Self::Phi3
            | Self::Gemma2
            | Self::Gemma3
            | Self::Gpt2 => Metric::BitsPerByte,
        }
    }

    /// Whether its models read text, and so need a context and have a tokenizer.
    pub fn reads_text(self) -> bool {
        !matches!(self, Self::Mlp | Self::Cnn)
    }
}

/// What a task allows of a model; checked before the first weight byte is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Limits {
    /// Families.
    pub architectures: Vec<Architecture>,
    /// Most parameters.
    pub max_parameters: u64,
    /// Most bytes of all files of the manifest.
    pub max_bytes: u64,
    /// Longest evaluation in seconds of computing.
    pub max_seconds: u32,
    /// Longest sample in tokens; longer ones are cut. Models that read text only.
    pub context: u32,
    /// BLAKE3 of the only `tokenizer.json` allowed; `None` lets a model bring its own.
    pub tokenizer: Option<[u8; 32]>,
}

/// What `GET /jobs/{id}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobStatus {
    /// Waits for its turn.
    #[codec(index = 0)]
    Queued,
    /// A worker process is at it.
    #[codec(index = 1)]
    Running {
        /// Samples computed.
        done: u32,
        /// Samples in all; 0 while the model is being fetched.
        total: u32,
    },
    /// Finished, for good.
    #[codec(index = 2)]
    Done(Outcome),
    /// Came to no outcome.
    #[codec(index = 3)]
    Failed(Fault),
}

/// What a finished job found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// Of an [`JobKind::Evaluate`].
    #[codec(index = 0)]
    Evaluated(Evaluated),
    /// Of a [`JobKind::Sketch`].
    #[codec(index = 1)]
    Sketched(Sketched),
    /// Of a [`JobKind::ReplaySegments`].
    #[codec(index = 2)]
    Replayed(Replayed),
    /// Of an [`JobKind::ExtractWatermark`].
    #[codec(index = 3)]
    Extracted(Extracted),
    /// Of a [`JobKind::Compare`].
    #[codec(index = 4)]
    Compared(Compared),
    /// Of a [`JobKind::Recompute`].
    #[codec(index = 5)]
    Recomputed(Recomputed),
}

/// A model's measured value.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evaluated {
    /// In the metric's unit: bits per byte × 10⁹, or accuracy in Perbill.
    pub raw: u64,
    /// Samples that counted.
    pub samples: u32,
    /// Target tokens (classifiers: samples).
    pub tokens: u64,
    /// Target bytes (classifiers: 0).
    pub bytes: u64,
    /// Merkle root of the per-sample losses.
    pub samples_root: H256,
    /// What computed it, e.g. `cpu`.
    pub device: String,
    /// Computing time.
    pub millis: u64,
}

/// A model's sketch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sketched {
    /// 256-bit SimHash of the weight update; the same on every machine.
    pub sketch: [u8; 32],
    /// Hash of the tensors' names, shapes and values, however they are written.
    pub canonical: [u8; 32],
    /// What computed it, e.g. `cpu`.
    pub device: String,
    /// Computing time.
    pub millis: u64,
}

/// What came of training segments again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Replayed {
    /// How it ended.
    pub finding: ReplayFinding,
    /// Segments that gave the committed hashes.
    pub same: u32,
    /// Steps that were trained again.
    pub steps: u64,
    /// What computed it.
    pub device: String,
    /// Computing time.
    pub millis: u64,
}

/// How a replay ended: with the first that does not hold, in the order of the segments.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReplayFinding {
    /// All of it is as committed.
    #[codec(index = 0)]
    Same,
    /// Training this segment again gives another checkpoint, or its update another norm.
    #[codec(index = 1)]
    Differs {
        /// Its first step.
        from: u64,
    },
    /// The initial state is not what the seed gives.
    #[codec(index = 2)]
    WrongStart,
    /// The last checkpoint is not the submitted model.
    #[codec(index = 3)]
    WrongModel,
    /// A checkpoint is malformed, not finite, or larger than registered.
    #[codec(index = 4)]
    BadCheckpoint {
        /// Its step.
        step: u64,
    },
    /// The recipe is malformed, or can't be trained.
    #[codec(index = 6)]
    BadRecipe,
    /// It can't be trained again in the seconds that the task allows.
    #[codec(index = 7)]
    TooSlow,
}

/// What was found of a watermark.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Extracted {
    /// Bits of 256 that agree with the owner's message; `None` where the model has too few
    /// weights to carry a mark.
    pub matches: Option<u32>,
    /// What computed it.
    pub device: String,
    /// Computing time.
    pub millis: u64,
}

/// How far two models are apart.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compared {
    /// `‖A − B‖ / ‖B‖` over all weight updates, in Perbill, rounded down, at the most
    /// `u32::MAX`; `None` where the models have other tensors, which nothing can be said of.
    pub distance: Option<u32>,
    /// Whether names, shapes and values are the same, however they are written.
    pub same: bool,
    /// What computed it.
    pub device: String,
    /// Computing time.
    pub millis: u64,
}

/// What came of scoring a model again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recomputed {
    /// What it is worth.
    pub evaluated: Evaluated,
    /// Losses that were given and are not what the sample has, beyond what the profile allows.
    pub wrong: u32,
}

/// Why a job came to no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Fault {
    /// The model's fault; the same on every honest machine. Reveals as `Invalid`.
    #[codec(index = 0)]
    Miner(MinerFault, String),
    /// This machine's fault. Reveals as `Skipped`.
    #[codec(index = 1)]
    Infra(InfraFault, String),
    /// This release does not execute the kind or profile. Reveals as `Skipped`.
    #[codec(index = 2)]
    Unsupported(String),
}

/// Faults of a model.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    codec::DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
    serde::Serialize,
    serde::Deserialize,
)]
pub enum MinerFault {
    /// A file is not what the manifest says, or the manifest is not what the root says.
    #[codec(index = 0)]
    HashMismatch,
    /// The manifest is malformed, or lacks or has surplus files.
    #[codec(index = 1)]
    Manifest,
    /// The family is unknown or not allowed by the task.
    #[codec(index = 2)]
    Architecture,
    /// `config.json` is malformed or contradicts the tensors.
    #[codec(index = 3)]
    Config,
    /// `tokenizer.json` is malformed, not the pinned one, or doesn't fit the vocabulary.
    #[codec(index = 4)]
    Tokenizer,
    /// More parameters, bytes or seconds than the task allows.
    #[codec(index = 5)]
    TooLarge,
    /// A weight or a loss is not finite.
    #[codec(index = 6)]
    NonFinite,
    /// The weights file is malformed: truncated, overlapping, unknown dtype, not safetensors.
    #[codec(index = 7)]
    Weights,
}

/// Faults of a validator's machine.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    codec::DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
    serde::Serialize,
    serde::Deserialize,
)]
pub enum InfraFault {
    /// No mirror served the bytes.
    #[codec(index = 0)]
    Download,
    /// The disk is full or failed.
    #[codec(index = 1)]
    Disk,
    /// Out of memory.
    #[codec(index = 2)]
    Memory,
    /// The deadline passed, or the executor didn't answer.
    #[codec(index = 3)]
    Timeout,
    /// The device or the worker process failed.
    #[codec(index = 4)]
    Device,
}

#[cfg(test)]
mod tests;
