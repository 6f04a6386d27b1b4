#![doc = include_str!("../README.md")]

pub mod calibrate;
mod canonical;
mod classifier;
mod config;
mod data;
mod draw;
mod evaluate;
mod fault;
mod fused;
mod header;
mod inspect;
mod language;
mod limits;
mod llama;
mod loss;
pub mod manifest;
mod merkle;
pub mod sketch;
mod text;
pub mod train;
mod weights;

pub use canonical::canonical_hash;
pub use config::{
    Classifier, ClassifierKind, Layer, LlamaConfig, ModelConfig, RopeScaling, TensorSpec,
};
pub use draw::draw;
pub use evaluate::{
    EvalOptions, Evaluation, Metric, Profile, SampleLoss, Sink, WORST_BITS_PER_BYTE, evaluate,
};
pub use fault::{Fault, ModelError};
pub use inspect::{ModelInfo, inspect};
pub use limits::{Architecture, Limits};
pub use manifest::{FileEntry, Manifest};
pub use merkle::samples_root;
