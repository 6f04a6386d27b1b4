//! A 256-bit SimHash of a model's weight update, the same on every machine.
//!
//! Bit j is whether Σ over matrices of u_jᵀ·ΔW·v_j is above 0, for ΔW = W − W₀ and signs u_j
//! and v_j that the seed draws. Updates at an angle θ differ in 256·θ/π bits on average. The
//! README has the definition to the bit; `docs/sketch.md` what the distances mean.

mod dense;
mod lora;
mod probe;
pub(crate) mod source;

use crate::{Fault, Limits, ModelError, inspect, is_adapter};
use std::path::Path;

pub(crate) use dense::{check_finite, check_same_tensors};
pub(crate) use lora::{Adapter, Module, SCALE_BITS};

/// Bits of a sketch.
pub const BITS: usize = 256;
/// Seed of all probes, drawn after the models are fixed.
pub type Seed = [u8; 32];

/// The sketch of the model or LoRA adapter in `dir`: bit j is bit `j % 8` of byte `j / 8`.
///
/// Without a base, W₀ is 0. An adapter is its own update, so that its base is only asked for
/// names and shapes. Refuses what isn't an update of `base` ([`Fault::Config`]) and weights
/// that are not finite; a base that is malformed itself is [`Fault::Data`]. All threads of
/// the current rayon pool compute; memory is bounded whatever the size of a matrix (for an
/// adapter: by its largest factor).
pub fn sketch(dir: &Path, base: Option<&Path>, seed: Seed) -> Result<[u8; 32], ModelError> {
    let base = base.map(source::of_base).transpose()?;
    let sums = if is_adapter(dir) {
        Adapter::read(dir)?.sums(base.as_ref(), &seed)?
    } else {
        let checked = inspect::check(dir, None, &Limits::unlimited())?;
        dense::sums(&source::of(&checked)?, base.as_ref(), &seed)?
    };
    Ok(bits(&sums))
}

/// Number of bits in which two sketches differ.
pub fn distance(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

fn bits(sums: &probe::Sums) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (j, sum) in sums.iter().enumerate() {
        bytes[j / 8] |= u8::from(*sum > 0) << (j % 8);
    }
    bytes
}

/// The base is the task's: what is wrong with it is no fault of the model.
pub(crate) fn blame_base(error: ModelError) -> ModelError {
    match error.fault.is_models() {
        true => ModelError::new(Fault::Data, format!("the base: {error}")),
        false => error,
    }
}
