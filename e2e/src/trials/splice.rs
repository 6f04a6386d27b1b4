//! Logs of trainings that were not done as they say.

use super::tensors::{self, Tensors, WEIGHTS};
use anyhow::{Context, Result, bail};
use arena_primitives::challenge::LogLeaf;
use codec::{Decode, Encode};
use std::{
    fs,
    path::{Path, PathBuf},
};

const LEAVES: &str = "leaves.scale";
/// A norm of 1 in a leaf.
const UNIT: f64 = (1u64 << 32) as f64;

/// Puts the weights of `model` in the place of the last checkpoint of the log in `log`, as if the
/// last steps of the training had led there. The log is as it should be but for that: its leaf
/// names the file, and how far the update went.
pub fn splice(log: &Path, model: &Path) -> Result<()> {
    let path = log.join(LEAVES);
    let mut leaves = read_leaves(&path)?;
    let [.., before, last] = leaves.as_mut_slice() else {
        bail!("{} has no segment", path.display());
    };
    let stolen = tensors::read(&model.join(WEIGHTS))?;
    let earlier = tensors::read(&object(log, &before.weights))?;
    let bytes = tensors::encode(&stolen, None)?;
    last.weights = *blake3::hash(&bytes).as_bytes();
    last.update = (distance(&earlier, &stolen) * UNIT) as u64;
    fs::write(object(log, &last.weights), bytes)?;
    let bytes: Vec<u8> = leaves.iter().flat_map(Encode::encode).collect();
    fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))
}

fn read_leaves(path: &Path) -> Result<Vec<LogLeaf>> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let mut rest = bytes.as_slice();
    let mut leaves = Vec::new();
    while !rest.is_empty() {
        let leaf = LogLeaf::decode(&mut rest);
        leaves.push(leaf.with_context(|| format!("{} is cut", path.display()))?);
    }
    Ok(leaves)
}

/// The file of a log with this BLAKE3.
fn object(log: &Path, hash: &[u8; 32]) -> PathBuf {
    log.join("objects").join(hex::encode(hash))
}

fn distance(from: &Tensors, to: &Tensors) -> f64 {
    let pairs = from.values().zip(to.values());
    let numbers = pairs.flat_map(|(from, to)| from.values.iter().zip(&to.values));
    let squares: f64 = numbers
        .map(|(from, to)| (f64::from(*to) - f64::from(*from)).powi(2))
        .sum();
    squares.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trials::tensors::Tensor;

    fn tensors_of(values: [f32; 2]) -> Tensors {
        let tensor = Tensor {
            shape: vec![2],
            values: values.to_vec(),
        };
        Tensors::from([("w".into(), tensor)])
    }

    #[test]
    fn splice_should_replace_the_last_checkpoint_and_say_how_far_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (log, model) = (dir.path().join("log"), dir.path().join("model"));
        fs::create_dir_all(log.join("objects")).unwrap();
        fs::create_dir(&model).unwrap();
        let put = |values: [f32; 2]| {
            let bytes = tensors::encode(&tensors_of(values), None).unwrap();
            let hash = *blake3::hash(&bytes).as_bytes();
            fs::write(object(&log, &hash), bytes).unwrap();
            hash
        };
        let leaf = |step: u64, weights: [u8; 32]| LogLeaf {
            step,
            weights,
            optimizer: [1; 32],
            update: 9,
        };
        let leaves = [
            leaf(0, put([0.0, 0.0])),
            leaf(5, put([1.0, 1.0])),
            leaf(10, put([2.0, 2.0])),
        ];
        let bytes: Vec<u8> = leaves.iter().flat_map(Encode::encode).collect();
        fs::write(log.join(LEAVES), bytes).unwrap();
        tensors::write(
            &model.join(WEIGHTS),
            &tensors_of([4.0, 5.0]),
            Some(("a", "b")),
        )
        .unwrap();

        splice(&log, &model).unwrap();

        let found = read_leaves(&log.join(LEAVES)).unwrap();
        assert_eq!(found[..2], leaves[..2]);
        assert_eq!((found[2].step, found[2].update), (10, 5 << 32));
        assert_eq!(found[2].optimizer, leaves[2].optimizer);
        let last = tensors::read(&object(&log, &found[2].weights)).unwrap();
        assert_eq!(last, tensors_of([4.0, 5.0]));
    }
}
