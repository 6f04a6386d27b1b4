//! Watermarks of LoRA adapters: those of the merged models, whatever the factors are.

mod common;

use arena_models::{
    Fault, calibrate,
    watermark::{STRENGTH, embed, extract},
};
use common::{Model, Noise, perceptron, weights};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const KEY: [u8; 32] = [7; 32];
const OWNER: [u8; 32] = [8; 32];
const RANK: usize = 16;
const WIDTHS: [usize; 4] = [64, 600, 64, 10];
const MODULES: [(&str, usize, usize); 2] = [("layers.0", 600, 64), ("layers.2", 64, 600)];

fn base() -> Model {
    perceptron(1, &WIDTHS)
}

/// By module: A `[rank, inputs]` and B `[outputs, rank]`.
type Factors = BTreeMap<&'static str, (Vec<f32>, Vec<f32>)>;

fn factors(seed: u64) -> Factors {
    let mut noise = Noise(seed);
    let both = |(name, outputs, inputs)| {
        let a = noise.values(RANK * inputs, 0.1);
        (name, (a, noise.values(outputs * RANK, 0.05)))
    };
    MODULES.into_iter().map(both).collect()
}

/// Of α = 32, which makes s = 2.
fn write(factors: &Factors, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let mut tensors = BTreeMap::new();
    for (name, outputs, inputs) in MODULES {
        let (a, b) = &factors[name];
        tensors.insert(full(name, "A"), (vec![RANK, inputs], a.clone()));
        tensors.insert(full(name, "B"), (vec![outputs, RANK], b.clone()));
    }
    write_tensors(&tensors, false, dir);
}

fn write_tensors(tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>, is_turned: bool, dir: &Path) {
    let config = json!({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 32, "bias": "none",
        "fan_in_fan_out": is_turned,
    });
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("adapter_config.json"), config.to_string()).unwrap();
    fs::write(dir.join("adapter_model.safetensors"), weights(tensors)).unwrap();
}

fn full(name: &str, factor: &str) -> String {
    format!("base_model.model.{name}.lora_{factor}.weight")
}

fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |c| values.iter().skip(c).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

fn read(dir: &Path) -> Factors {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = |name, factor| {
        let data = tensors.tensor(&full(name, factor)).unwrap().data().to_vec();
        let chunks = data.chunks_exact(4);
        chunks
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    MODULES
        .iter()
        .map(|(name, ..)| (*name, (values(name, "A"), values(name, "B"))))
        .collect()
}

/// The base with the update added.
fn merged(factors: &Factors) -> Model {
    let mut model = base();
    for (name, _, inputs) in MODULES {
        let (a, b) = &factors[name];
        let weight = format!("{name}.weight");
        let values = &mut model.tensors.get_mut(&weight).unwrap().1;
        for (at, value) in values.iter_mut().enumerate() {
            let (row, column) = (at / inputs, at % inputs);
            let product = |k| f64::from(b[row * RANK + k]) * f64::from(a[k * inputs + column]);
            *value = (f64::from(*value) + 2.0 * (0..RANK).map(product).sum::<f64>()) as f32;
        }
    }
    model
}

/// Directories of the base and of an adapter.
fn written(seed: u64) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (base_dir, adapter) = (dir.path().join("base"), dir.path().join("adapter"));
    fs::create_dir(&base_dir).unwrap();
    base().write(&base_dir);
    write(&factors(seed), &adapter);
    (dir, base_dir, adapter)
}

fn found(dir: &Path, base: &Path, seed: u8) -> u32 {
    extract(dir, Some(base), [seed; 32], OWNER)
        .unwrap()
        .unwrap()
}

#[test]
fn adapter_should_have_the_mark_of_its_merged_model() {
    let (_dir, base, adapter) = written(3);
    let merged = merged(&factors(3)).in_dir();
    for seed in 0..16 {
        let (one, other) = (
            found(&adapter, &base, seed),
            found(merged.path(), &base, seed),
        );
        // A sum that is nearly 0 may turn with the rounding of the merge.
        assert!(one.abs_diff(other) <= 1, "{one} {other}");
    }
}

#[test]
fn mark_of_an_adapter_should_be_in_its_merged_model_and_withstand_noise() {
    let (dir, base, adapter) = written(3);
    let out = dir.path().join("marked");
    let told = embed(&adapter, Some(&base), KEY, OWNER, STRENGTH, &out).unwrap();
    assert!(told.matches >= 250 && told.change < 0.85, "{told:?}");
    assert_eq!(found(&out, &base, KEY[0]), told.matches);
    assert!((88..=168).contains(&found(&out, &base, 9)));
    let marked = read(&out);
    assert!(found(merged(&marked).in_dir().path(), &base, KEY[0]) >= 250);
    for (name, (a, b)) in &factors(3) {
        assert!(a == &marked[name].0 && b != &marked[name].1);
    }
    let noised = dir.path().join("noised");
    calibrate::noised_copy(&out, None, &noised, 1.0, [5; 32]).unwrap();
    let after = found(&noised, &base, KEY[0]);
    assert!(after >= 250, "{after}");
}

/// A in twos and B in halves, in another order of the rank: the same product.
#[test]
fn mark_should_not_see_another_pair_of_factors_with_the_same_product() {
    let (dir, base, adapter) = written(3);
    let mut other = factors(3);
    for (name, _, inputs) in MODULES {
        let (a, b) = other.get_mut(name).unwrap();
        let turned = |k: usize| RANK - 1 - k;
        let old = (a.clone(), b.clone());
        for (at, value) in a.iter_mut().enumerate() {
            *value = 2.0 * old.0[turned(at / inputs) * inputs + at % inputs];
        }
        for (at, value) in b.iter_mut().enumerate() {
            *value = old.1[at / RANK * RANK + turned(at % RANK)] / 2.0;
        }
    }
    let turned = dir.path().join("turned");
    write(&other, &turned);
    for seed in 0..16 {
        assert_eq!(found(&adapter, &base, seed), found(&turned, &base, seed));
    }
}

/// Aᵀ for B and Bᵀ for A: with inputs for outputs, the same update.
#[test]
fn adapter_of_turned_matrices_should_have_the_same_mark() {
    let (dir, base, adapter) = written(3);
    let mut tensors = BTreeMap::new();
    for (name, (a, b)) in &factors(3) {
        let (_, rows, columns) = MODULES.into_iter().find(|m| m.0 == *name).unwrap();
        tensors.insert(full(name, "A"), (vec![RANK, rows], transposed(b, RANK)));
        tensors.insert(
            full(name, "B"),
            (vec![columns, RANK], transposed(a, columns)),
        );
    }
    let turned = dir.path().join("turned");
    write_tensors(&tensors, true, &turned);
    for seed in 0..16 {
        assert_eq!(found(&adapter, &base, seed), found(&turned, &base, seed));
    }
    let out = dir.path().join("marked");
    embed(&turned, Some(&base), KEY, OWNER, STRENGTH, &out).unwrap();
    assert!(found(&out, &base, KEY[0]) >= 250);
}

#[test]
fn adapter_should_need_its_own_base() {
    let (dir, base, adapter) = written(3);
    let fault = |base: Option<&Path>| extract(&adapter, base, KEY, OWNER).unwrap_err().fault;
    assert_eq!(fault(None), Fault::Architecture);
    let other = perceptron(1, &[64, 500, 64, 10]).in_dir();
    assert_eq!(fault(Some(other.path())), Fault::Config);
    assert_eq!(fault(Some(&adapter)), Fault::Data);
    let mut broken = factors(3);
    broken.get_mut("layers.2").unwrap().1[5] = f32::NAN;
    let at = dir.path().join("broken");
    write(&broken, &at);
    let error = extract(&at, Some(&base), KEY, OWNER).unwrap_err();
    assert_eq!(error.fault, Fault::NonFinite);
}

#[test]
fn factors_with_too_few_numbers_should_carry_no_mark() {
    let (dir, base, adapter) = written(3);
    let mut few = factors(3);
    few.get_mut("layers.0").unwrap().1.fill(0.0);
    // What is left has one number for each of 64 outputs.
    few.get_mut("layers.2").unwrap().0[600..].fill(0.0);
    write(&few, &adapter);
    let out = dir.path().join("marked");
    let error = embed(&adapter, Some(&base), KEY, OWNER, STRENGTH, &out).unwrap_err();
    assert_eq!(error.fault, Fault::Config);
    assert!(error.detail.contains("too few numbers"), "{error}");
    assert!(!out.exists());
}
