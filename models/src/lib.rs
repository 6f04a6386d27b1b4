#![doc = include_str!("../README.md")]

mod bert;
pub mod calibrate;
mod canonical;
mod chat;
mod classifier;
mod compare;
mod config;
mod data;
mod decoder;
mod device;
mod draw;
mod evaluate;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod gpt2;
mod header;
mod inspect;
mod kernels;
mod language;
mod limits;
mod lora;
pub mod manifest;
mod merkle;
pub mod sketch;
mod text;
pub mod train;
pub mod watermark;
mod weights;

#[cfg(test)]
mod composed_tests;
// What tests beside the sources share with those in `tests/` names the crate from outside.
#[cfg(test)]
extern crate self as arena_models;

pub use bert::hidden_states;
pub use canonical::canonical_hash;
pub use compare::{Comparison, TensorDistance, compare};
pub use config::{
    BertConfig, Classifier, ClassifierKind, DecoderConfig, Gpt2Config, Layer, ModelConfig, Rope,
    RopeScaling, TensorSpec,
};
pub use device::{Device, Gpu};
pub use draw::draw;
pub use evaluate::{
    EvalOptions, Evaluation, LossRow, Metric, Profile, SampleLoss, Sink, WORST_BITS_PER_BYTE,
    evaluate,
};
pub use fault::{Fault, ModelError};
pub use inspect::{ModelInfo, inspect};
pub use limits::{Architecture, Limits};
pub use lora::is_adapter;
pub use manifest::{FileEntry, Manifest};
pub use merkle::{samples_proof, samples_root};

/// Threads that an evaluation computes with on a CPU. Outside of the exact profile they are one
/// of the things that decide how sums are rounded.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
