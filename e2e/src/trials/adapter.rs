//! LoRA adapters, made of whole models that were trained from a base.

use super::{
    chance::Chance,
    tensors::{self, Tensor, Tensors, WEIGHTS},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};

/// Numbers that each row is led through.
const RANK: usize = 4;
const CONFIG: &str = "adapter_config.json";
const FACTORS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// Writes an adapter on `base` to `to`: what is left of the way to the model in `tuned` in a few
/// directions.
pub fn of_training(base: &Path, tuned: &Path, to: &Path, seed: u64) -> Result<()> {
    let before = tensors::read(&base.join(WEIGHTS))?;
    let after = tensors::read(&tuned.join(WEIGHTS))?;
    let mut chance = Chance::new(seed);
    let mut factors = Tensors::new();
    let mut modules = BTreeSet::new();
    for (name, old) in &before {
        let Some(module) = name.strip_suffix("_proj.weight") else {
            continue;
        };
        let new = after
            .get(name)
            .with_context(|| format!("no {name} in {}", tuned.display()))?;
        ensure!(
            new.shape == old.shape,
            "{name} has another shape in {}",
            tuned.display()
        );
        let update = Tensor {
            shape: old.shape.clone(),
            values: new
                .values
                .iter()
                .zip(&old.values)
                .map(|(new, old)| new - old)
                .collect(),
        };
        let (a, b) = factorize(&update, &mut chance)?;
        factors.insert(format!("{PREFIX}{module}_proj.lora_A.weight"), a);
        factors.insert(format!("{PREFIX}{module}_proj.lora_B.weight"), b);
        let short = module.rsplit('.').next().unwrap_or(module);
        modules.insert(format!("{short}_proj"));
    }
    ensure!(
        !factors.is_empty(),
        "{} has no matrix to adapt",
        base.display()
    );
    fs::create_dir_all(to).with_context(|| format!("can't create {}", to.display()))?;
    let config = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": RANK,
        "bias": "none", "target_modules": modules,
    });
    fs::write(to.join(CONFIG), serde_json::to_vec_pretty(&config)?)?;
    tensors::write(&to.join(FACTORS), &factors, None)
}

/// `A` and `B` such that `B·A` is the update projected on as many directions as the rank, which
/// are drawn from what the update does to random vectors.
fn factorize(update: &Tensor, chance: &mut Chance) -> Result<(Tensor, Tensor)> {
    let [rows, columns] = update.shape[..] else {
        bail!("a matrix has two axes, not {:?}", update.shape);
    };
    let row = |number: usize| &update.values[number * columns..(number + 1) * columns];
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for _ in 0..RANK.min(rows) {
        let probe: Vec<f64> = (0..columns).map(|_| chance.normal()).collect();
        let seen = (0..rows).map(|number| dot(row(number).iter().copied().map(f64::from), &probe));
        basis.push(orthogonal(seen.collect(), &basis));
    }
    let turned = |direction: &Vec<f64>| {
        let mut sums = vec![0.0; columns];
        for (number, weight) in direction.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(row(number)) {
                *sum += weight * f64::from(*value);
            }
        }
        sums
    };
    let a = basis.iter().flat_map(turned).map(|value| value as f32);
    let b =
        (0..rows).flat_map(|number| basis.iter().map(move |direction| direction[number] as f32));
    let tensor = |shape: [usize; 2], values: Vec<f32>| Tensor {
        shape: shape.to_vec(),
        values,
    };
    Ok((
        tensor([basis.len(), columns], a.collect()),
        tensor([rows, basis.len()], b.collect()),
    ))
}

fn dot(left: impl Iterator<Item = f64>, right: &[f64]) -> f64 {
    left.zip(right).map(|(left, right)| left * right).sum()
}

/// What of `vector` is in no direction of `basis`, at length 1; zeros where nothing is.
fn orthogonal(mut vector: Vec<f64>, basis: &[Vec<f64>]) -> Vec<f64> {
    for direction in basis {
        let part = dot(vector.iter().copied(), direction);
        for (value, other) in vector.iter_mut().zip(direction) {
            *value -= part * other;
        }
    }
    let length = dot(vector.iter().copied(), &vector).sqrt();
    let scale = if length > 1e-12 { 1.0 / length } else { 0.0 };
    vector.iter_mut().for_each(|value| *value *= scale);
    vector
}

/// The same update by other factors: `G·A` and `B·G⁻¹`, `G` made of random steps that each add a
/// multiple of one row of `A` to another or stretch one.
pub fn regauged(from: &Path, to: &Path, seed: u64) -> Result<()> {
    let mut factors = tensors::read(&from.join(FACTORS))?;
    let modules: Vec<String> = factors
        .keys()
        .filter_map(|name| name.strip_suffix(".lora_A.weight").map(Into::into))
        .collect();
    let mut chance = Chance::new(seed);
    for module in modules {
        let name = |factor: &str| format!("{module}.lora_{factor}.weight");
        let (mut a, mut b) = match (factors.remove(&name("A")), factors.remove(&name("B"))) {
            (Some(a), Some(b)) => (a, b),
            _ => bail!("{module} lacks a factor in {}", from.display()),
        };
        regauge(&mut a, &mut b, &mut chance);
        factors.insert(name("A"), a);
        factors.insert(name("B"), b);
    }
    tensors::copy_besides_weights(from, to)?;
    tensors::write(
        &to.join(FACTORS),
        &factors,
        Some(("author", "somebody else")),
    )
}

fn regauge(a: &mut Tensor, b: &mut Tensor, chance: &mut Chance) {
    let rank = a.shape.first().copied().unwrap_or(0);
    let columns = a.values.len() / rank.max(1);
    for from in 0..rank {
        for to in (0..rank).filter(|to| *to != from) {
            let share = (chance.uniform() - 0.5) as f32;
            for column in 0..columns {
                a.values[to * columns + column] += share * a.values[from * columns + column];
            }
            for row in b.values.chunks_mut(rank) {
                row[from] -= share * row[to];
            }
        }
        let stretch = (0.5 + chance.uniform()) as f32;
        a.values[from * columns..(from + 1) * columns]
            .iter_mut()
            .for_each(|value| *value *= stretch);
        b.values
            .chunks_mut(rank)
            .for_each(|row| row[from] /= stretch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: &Tensor, b: &Tensor) -> Vec<f32> {
        let (rank, columns) = (a.shape[0], a.shape[1]);
        let cell = |row: &[f32], column: usize| -> f32 {
            row.iter()
                .zip(0..)
                .map(|(b, k): (_, usize)| b * a.values[k * columns + column])
                .sum()
        };
        let rows = b.values.chunks(rank);
        rows.flat_map(|row| (0..columns).map(move |column| cell(row, column)))
            .collect()
    }

    fn is_near(left: &[f32], right: &[f32]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-4)
    }

    /// 6 × 5, made of two directions.
    fn update() -> Tensor {
        let cell = |row: usize, column: usize| {
            let (row, column) = (row as f32, column as f32);
            (row - 2.0) * (column + 1.0) + (row * row) * (1.0 - column)
        };
        Tensor {
            shape: vec![6, 5],
            values: (0..30)
                .map(|place| cell(place / 5, place % 5) / 10.0)
                .collect(),
        }
    }

    #[test]
    fn factors_should_give_an_update_of_low_rank_in_every_gauge() {
        let mut chance = Chance::new(3);
        let (mut a, mut b) = factorize(&update(), &mut chance).unwrap();
        assert!(is_near(&product(&a, &b), &update().values));
        let before = (a.clone(), b.clone());
        regauge(&mut a, &mut b, &mut chance);
        assert!(is_near(&product(&a, &b), &update().values));
        assert!(!is_near(&a.values, &before.0.values) && !is_near(&b.values, &before.1.values));
    }

    #[test]
    fn adapters_should_be_written_for_each_matrix_and_regauged() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let name = "model.layers.0.mlp.up_proj.weight";
        for (model, factor) in [("base", 1.0), ("tuned", 2.0)] {
            let mut tensor = update();
            tensor.values.iter_mut().for_each(|value| *value *= factor);
            let all = Tensors::from([(name.into(), tensor.clone()), ("norm".into(), tensor)]);
            fs::create_dir(path(model)).unwrap();
            tensors::write(&path(model).join(WEIGHTS), &all, None).unwrap();
        }
        of_training(&path("base"), &path("tuned"), &path("one"), 1).unwrap();
        regauged(&path("one"), &path("other"), 2).unwrap();
        let read = |adapter: &str| tensors::read(&path(adapter).join(FACTORS)).unwrap();
        let (one, other) = (read("one"), read("other"));
        let module = "base_model.model.model.layers.0.mlp.up_proj";
        let (a, b) = (
            format!("{module}.lora_A.weight"),
            format!("{module}.lora_B.weight"),
        );
        assert_eq!(one.keys().collect::<Vec<_>>(), [&a, &b]);
        assert!(is_near(&product(&one[&a], &one[&b]), &update().values));
        assert!(is_near(&product(&other[&a], &other[&b]), &update().values));
        assert_ne!(one, other);
        assert!(path("other").join(CONFIG).exists());
    }
}
