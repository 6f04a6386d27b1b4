//! What thieves make of another's model.

use super::{
    chance::Chance,
    tensors::{self, Tensor, Tensors, WEIGHTS},
};
use anyhow::{Context, Result};
use serde_json::{Map, json};
use std::{fs, path::Path};

/// The same numbers, written otherwise: in two shards with an index, and with other metadata.
pub fn rewritten(from: &Path, to: &Path) -> Result<()> {
    let all = tensors::read(&from.join(WEIGHTS))?;
    tensors::copy_besides_weights(from, to)?;
    let middle = all.len().div_ceil(2);
    let names: Vec<&String> = all.keys().collect();
    let mut map = Map::new();
    for (number, part) in names.chunks(middle.max(1)).enumerate() {
        let shard = format!("model-{:05}-of-00002.safetensors", number + 1);
        let of_part = |(name, _): &(&String, &Tensor)| part.contains(name);
        let tensors: Tensors = all
            .iter()
            .filter(of_part)
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect();
        tensors::write(
            &to.join(&shard),
            &tensors,
            Some(("author", "somebody else")),
        )?;
        map.extend(part.iter().map(|name| ((*name).clone(), json!(shard))));
    }
    let index = json!({"metadata": {"total_size": bytes(&all)}, "weight_map": map});
    let path = to.join(format!("{WEIGHTS}.index.json"));
    fs::write(&path, serde_json::to_vec_pretty(&index)?)
        .with_context(|| format!("can't write {}", path.display()))
}

fn bytes(all: &Tensors) -> usize {
    all.values().map(|tensor| tensor.values.len() * 4).sum()
}

/// Every number moved at random: each tensor by noise of `share` times its own size.
pub fn noised(from: &Path, to: &Path, share: f64, seed: u64) -> Result<()> {
    let mut all = tensors::read(&from.join(WEIGHTS))?;
    let mut chance = Chance::new(seed);
    for tensor in all.values_mut() {
        let deviation = share * root_mean_square(&tensor.values);
        for value in &mut tensor.values {
            *value += (deviation * chance.normal()) as f32;
        }
    }
    tensors::copy_besides_weights(from, to)?;
    tensors::write(&to.join(WEIGHTS), &all, None)
}

fn root_mean_square(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dir: &Path) -> Tensors {
        let tensor = |values: Vec<f32>| Tensor {
            shape: vec![values.len()],
            values,
        };
        let wave = (0..4_000).map(|n| (n as f32).sin()).collect();
        let all = Tensors::from([
            ("a".into(), tensor(wave)),
            ("b".into(), tensor(vec![0.0, 0.0])),
            ("c".into(), tensor(vec![3.0, 4.0])),
        ]);
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("config.json"), "{}").unwrap();
        tensors::write(&dir.join(WEIGHTS), &all, None).unwrap();
        all
    }

    #[test]
    fn rewritten_should_have_the_same_numbers_in_two_shards() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let all = model(&from);
        rewritten(&from, &to).unwrap();
        assert!(to.join("config.json").exists() && !to.join(WEIGHTS).exists());
        let index = fs::read(to.join(format!("{WEIGHTS}.index.json"))).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let mut found = Tensors::new();
        for shard in [1, 2] {
            let name = format!("model-0000{shard}-of-00002.safetensors");
            for (tensor, values) in tensors::read(&to.join(&name)).unwrap() {
                assert_eq!(index["weight_map"][&tensor], json!(name));
                found.insert(tensor, values);
            }
        }
        assert_eq!(found, all);
    }

    #[test]
    fn noised_should_move_each_tensor_by_its_share_and_the_same_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        let all = model(&from);
        let noised = |name: &str| {
            let to = dir.path().join(name);
            super::noised(&from, &to, 0.1, 7).unwrap();
            tensors::read(&to.join(WEIGHTS)).unwrap()
        };
        let found = noised("one");
        assert_eq!(found, noised("two"));
        let moved = found["a"].values.iter().zip(&all["a"].values);
        let moved: Vec<f32> = moved.map(|(new, old)| new - old).collect();
        let share = root_mean_square(&moved) / root_mean_square(&all["a"].values);
        assert!((share - 0.1).abs() < 0.01, "{share}");
        assert_eq!(found["b"], all["b"]);
    }
}
