//! The wire's words in those of `arena_models`, and back.

use crate::fault::{infra, miner};
use arena_models::{Device, EvalOptions, Limits, Metric, ModelError, Profile, manifest};
use arena_primitives::job::{self, Fault, InfraFault, MinerFault, NumericProfile};

/// Longest `manifest.scale`, in bytes.
pub(crate) const LONGEST_MANIFEST: u64 = 1 << 20;
/// Tokens (classifiers: samples) of one forward pass.
const BATCH_TOKENS: u32 = 1024;
/// The same on a CUDA device, which fewer leave idle.
const CUDA_BATCH_TOKENS: u32 = 8192;

/// What decides a loss beside the job, of a device as it describes itself; in the head of every
/// file of losses.
pub(crate) fn made_by(device: &str) -> String {
    // Batches are cut so that every thread has some.
    let threads = arena_models::threads();
    format!(
        "arena-executor {} {device} {threads} threads",
        env!("CARGO_PKG_VERSION")
    )
}

/// Tokens of one forward pass on a device.
pub(crate) fn batch_tokens(device: Device) -> u32 {
    match device {
        Device::Cpu => BATCH_TOKENS,
        Device::Cuda(_) => CUDA_BATCH_TOKENS,
    }
}

/// Whose fault a model's error is.
pub(crate) fn fault(error: &ModelError) -> Fault {
    use arena_models::Fault as F;
    let why = &error.detail;
    match error.fault {
        F::HashMismatch => miner(MinerFault::HashMismatch, why),
        F::Manifest => miner(MinerFault::Manifest, why),
        F::Architecture => miner(MinerFault::Architecture, why),
        F::Config => miner(MinerFault::Config, why),
        F::Tokenizer => miner(MinerFault::Tokenizer, why),
        F::TooLarge => miner(MinerFault::TooLarge, why),
        F::NonFinite => miner(MinerFault::NonFinite, why),
        F::Weights => miner(MinerFault::Weights, why),
        F::Data => infra(
            InfraFault::Download,
            format_args!("what the task gives: {why}"),
        ),
        F::Unstable | F::Device => infra(InfraFault::Device, why),
        F::Memory => infra(InfraFault::Memory, why),
        F::Io => infra(InfraFault::Disk, why),
    }
}

/// Fault of a manifest that is refused.
pub(crate) fn manifest_fault(error: manifest::Error) -> Fault {
    fault(&error.into())
}

fn architecture(wire: job::Architecture) -> arena_models::Architecture {
    match wire {
        job::Architecture::Mlp => arena_models::Architecture::Mlp,
        job::Architecture::Cnn => arena_models::Architecture::Cnn,
        job::Architecture::Llama => arena_models::Architecture::Llama,
        job::Architecture::Mistral => arena_models::Architecture::Mistral,
        job::Architecture::Qwen2 => arena_models::Architecture::Qwen2,
        job::Architecture::Qwen3 => arena_models::Architecture::Qwen3,
        job::Architecture::Phi3 => arena_models::Architecture::Phi3,
        job::Architecture::Gemma2 => arena_models::Architecture::Gemma2,
        job::Architecture::Gemma3 => arena_models::Architecture::Gemma3,
        job::Architecture::Gpt2 => arena_models::Architecture::Gpt2,
        job::Architecture::Bert => arena_models::Architecture::Bert,
    }
}

/// The metric of the wire.
pub(crate) fn metric(wire: job::Metric) -> Metric {
    match wire {
        job::Metric::Accuracy => Metric::Accuracy,
        job::Metric::BitsPerByte => Metric::BitsPerByte,
    }
}

/// The profile of the wire.
fn profile(wire: NumericProfile) -> Profile {
    match wire {
        NumericProfile::ExactCpuF32 => Profile::ExactCpuF32,
        NumericProfile::F32 => Profile::F32,
        NumericProfile::Bf16 => Profile::Bf16,
    }
}

fn size(wire: u32) -> usize {
    usize::try_from(wire).unwrap_or(usize::MAX)
}

/// What a task allows.
pub(crate) fn limits(wire: &job::Limits) -> Limits {
    Limits {
        architectures: wire
            .architectures
            .iter()
            .copied()
            .map(architecture)
            .collect(),
        max_parameters: wire.max_parameters,
        max_bytes: wire.max_bytes,
        context: size(wire.context),
        tokenizer: wire.tokenizer,
    }
}

/// How a job is evaluated on a device; a base that was fetched is for the caller to add.
pub(crate) fn options(evaluate: &job::Evaluate, device: Device) -> EvalOptions {
    EvalOptions {
        metric: metric(evaluate.metric),
        samples: size(evaluate.data.samples),
        seed: evaluate.data.seed,
        context: size(evaluate.limits.context),
        batch_tokens: size(batch_tokens(device)),
        profile: profile(evaluate.profile),
        device,
        base: None,
        limits: limits(&evaluate.limits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_another_device_should_be_of_another_maker() {
        let cards = ["cpu", "cuda:0 NVIDIA A", "cuda:0 NVIDIA B"].map(made_by);
        assert_ne!(cards[0], cards[1]);
        assert_ne!(cards[1], cards[2]);
    }

    #[test]
    fn device_that_failed_should_be_no_fault_of_the_model() {
        let error = ModelError::new(arena_models::Fault::Device, "no such card");
        let expected = infra(InfraFault::Device, "no such card");
        assert_eq!(fault(&error), expected);
    }
}
