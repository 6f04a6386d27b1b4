//! The hash of what a model computes with, whatever way its files are written.

use crate::{
    Limits, ModelError, inspect, is_adapter,
    sketch::{
        Adapter,
        source::{self, PART, Stored},
    },
};
use std::path::Path;

/// Hash of the tensors of the model or LoRA adapter in `dir`: BLAKE3 of their names, shapes
/// and values as f32, in ascending order of name, and of the scales of an adapter.
///
/// Metadata, shards, the order in the file, the dtype of equal values and the sign of a zero
/// don't change it. Weights that are not finite are refused.
pub fn canonical_hash(dir: &Path) -> Result<[u8; 32], ModelError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"arena/canonical/1");
    if is_adapter(dir) {
        for (name, module) in &Adapter::read(dir)?.modules {
            hasher.update(&module.scale.to_le_bytes());
            add(&mut hasher, &format!("{name}.A"), &module.a)?;
            add(&mut hasher, &format!("{name}.B"), &module.b)?;
        }
    } else {
        let checked = inspect::check(dir, None, &Limits::unlimited())?;
        for (name, tensor) in &source::of(&checked)? {
            add(&mut hasher, name, tensor)?;
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

fn add(hasher: &mut blake3::Hasher, name: &str, tensor: &Stored) -> Result<(), ModelError> {
    let mut number = |n: usize| {
        hasher.update(&(n as u64).to_le_bytes());
    };
    number(name.len());
    number(tensor.shape.len());
    tensor.shape.iter().for_each(|n| number(*n));
    hasher.update(name.as_bytes());
    for from in (0..tensor.len()).step_by(PART) {
        let values = tensor.read(from, PART.min(tensor.len() - from))?;
        // −0 + 0 is 0, and everything else stays what it is.
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|v| (v + 0.0).to_le_bytes())
            .collect();
        hasher.update(&bytes);
    }
    Ok(())
}
