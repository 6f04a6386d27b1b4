//! Sketches of LoRA adapters: those of the merged models, whatever the factors are.

mod common;

use arena_models::{
    Fault, calibrate, canonical_hash,
    sketch::{distance, sketch},
};
use common::{Model, Noise, llama, weights};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

const SEED: [u8; 32] = [4; 32];
const RANK: usize = 3;

type Matrix = Vec<Vec<f64>>;
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// An adapter of every projection of [`llama`], as exact numbers.
#[derive(Clone)]
struct Adapter {
    config: Value,
    /// By module: A `[rank, inputs]` and B `[outputs, rank]`.
    factors: BTreeMap<String, (Matrix, Matrix)>,
}

fn matrix(noise: &mut Noise, rows: usize, columns: usize) -> Matrix {
    (0..rows)
        .map(|_| {
            noise
                .values(columns, 0.3)
                .into_iter()
                .map(f64::from)
                .collect()
        })
        .collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = b[0].len();
    let cell = |row: &Vec<f64>, c: usize| row.iter().zip(b).map(|(x, line)| x * line[c]).sum();
    a.iter()
        .map(|row| (0..columns).map(|c| cell(row, c)).collect())
        .collect()
}

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len())
        .map(|c| a.iter().map(|row| row[c]).collect())
        .collect()
}

fn base() -> Model {
    llama(0.1, true)
}

impl Adapter {
    /// Of rank 3, with an α of 6 but for the values' 3.
    fn new(seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut factors = BTreeMap::new();
        for (name, (shape, _)) in base().tensors.iter().filter(|t| t.0.contains("_proj")) {
            let module = name.strip_suffix(".weight").unwrap().to_owned();
            let a = matrix(&mut noise, RANK, shape[1]);
            factors.insert(module, (a, matrix(&mut noise, shape[0], RANK)));
        }
        let config = json!({
            "peft_type": "LORA", "r": RANK, "lora_alpha": 6, "bias": "none",
            "alpha_pattern": {"v_proj": 3.0}, "target_modules": ["q_proj"],
        });
        Self { config, factors }
    }

    fn scale(module: &str) -> f64 {
        if module.ends_with("v_proj") { 1.0 } else { 2.0 }
    }

    fn tensors(&self) -> Tensors {
        let flat = |m: &Matrix| {
            let values = m.iter().flatten().map(|v| *v as f32).collect();
            (vec![m.len(), m[0].len()], values)
        };
        let mut tensors = BTreeMap::new();
        for (module, (a, b)) in &self.factors {
            tensors.insert(format!("base_model.model.{module}.lora_A.weight"), flat(a));
            tensors.insert(format!("base_model.model.{module}.lora_B.weight"), flat(b));
        }
        tensors
    }

    fn in_dir(&self) -> tempfile::TempDir {
        written(&self.config, &self.tensors())
    }

    fn sketch(&self) -> [u8; 32] {
        sketch(self.in_dir().path(), Some(base().in_dir().path()), SEED).unwrap()
    }

    /// The base with the update added, in f32.
    fn merged(&self, transpose: bool) -> Model {
        let mut model = base();
        for (module, (a, b)) in &self.factors {
            let update = product(b, a);
            let update = if transpose {
                transposed(&update)
            } else {
                update
            };
            let values = &mut model
                .tensors
                .get_mut(&format!("{module}.weight"))
                .unwrap()
                .1;
            for (value, more) in values.iter_mut().zip(update.iter().flatten()) {
                *value = (f64::from(*value) + Self::scale(module) * more) as f32;
            }
        }
        model
    }
}

fn written(config: &Value, tensors: &Tensors) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
    fs::write(
        dir.path().join("adapter_model.safetensors"),
        weights(tensors),
    )
    .unwrap();
    dir
}

fn dense(model: &Model) -> [u8; 32] {
    sketch(model.in_dir().path(), Some(base().in_dir().path()), SEED).unwrap()
}

#[test]
fn adapter_should_have_the_sketch_of_its_merged_model() {
    let adapter = Adapter::new(1);
    let merged = dense(&adapter.merged(false));
    // A sum that is nearly 0 may turn with the rounding of the merge.
    assert!(distance(&adapter.sketch(), &merged) <= 1);
    assert!(distance(&adapter.sketch(), &dense(&Adapter::new(2).merged(false))) > 90);
    let unfit = sketch(adapter.in_dir().path(), None, SEED).unwrap();
    assert_eq!(unfit, adapter.sketch(), "a base is asked for shapes alone");
}

#[test]
fn adapter_of_transposed_matrices_should_have_the_sketch_of_its_merged_model() {
    let mut adapter = Adapter::new(1);
    adapter.config["fan_in_fan_out"] = true.into();
    for (a, b) in adapter.factors.values_mut() {
        (*a, *b) = (transposed(b), transposed(a));
    }
    assert!(distance(&adapter.sketch(), &dense(&adapter.merged(true))) <= 1);
}

/// A → GA and B → BG⁻¹ change every factor and nothing else.
#[test]
fn sketch_should_not_see_another_pair_of_factors_with_the_same_product() {
    let adapter = Adapter::new(1);
    let mut other = adapter.clone();
    let g = vec![
        vec![2.0, 1.0, 0.0],
        vec![0.0, -1.0, 3.0],
        vec![1.0, 0.0, 1.0],
    ];
    // G·inverse is the unit matrix: determinant 1.
    let inverse = vec![
        vec![-1.0, -1.0, 3.0],
        vec![3.0, 2.0, -6.0],
        vec![1.0, 1.0, -2.0],
    ];
    assert_eq!(
        product(&g, &inverse),
        vec![
            vec![1.0, 0.0, 0.0],
            vec![0.0, 1.0, 0.0],
            vec![0.0, 0.0, 1.0]
        ]
    );
    for (a, b) in other.factors.values_mut() {
        (*a, *b) = (product(&g, a), product(b, &inverse));
    }
    assert!(distance(&adapter.sketch(), &other.sketch()) <= 1);
    assert_ne!(
        canonical_hash(adapter.in_dir().path()).unwrap(),
        canonical_hash(other.in_dir().path()).unwrap()
    );
}

#[test]
fn scale_should_be_part_of_the_hash_and_move_factors_against_each_other() {
    let adapter = Adapter::new(1);
    let mut doubled = adapter.clone();
    doubled.config["lora_alpha"] = 12.into();
    doubled.config["alpha_pattern"]["v_proj"] = 6.into();
    assert_eq!(
        adapter.sketch(),
        doubled.sketch(),
        "twice the update is no other direction"
    );
    let hash = |adapter: &Adapter| canonical_hash(adapter.in_dir().path()).unwrap();
    assert_ne!(hash(&adapter), hash(&doubled));
    doubled.config["alpha_pattern"]["v_proj"] = 600.into();
    assert!(distance(&adapter.sketch(), &doubled.sketch()) > 60);
    let mut renamed = adapter.clone();
    renamed.config["inference_mode"] = true.into();
    assert_eq!(hash(&adapter), hash(&renamed));
}

#[test]
fn sketch_should_be_the_same_for_any_number_of_threads() {
    let dir = Adapter::new(1).in_dir();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| sketch(dir.path(), None, SEED).unwrap())
    };
    assert!([2, 5].into_iter().all(|threads| with(threads) == with(1)));
}

#[test]
fn sketch_should_stay_what_it_is() {
    let hex: String = Adapter::new(1)
        .sketch()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(hex, GOLDEN);
}
const GOLDEN: &str = "b7a8f731e18c3ff5c5fdd878fc36b8bd6915eb5ba7f0998dec2c2b6db285f776";

#[test]
fn noised_copy_of_an_adapter_should_be_about_as_far_as_its_noise() {
    let (adapter, out) = (Adapter::new(1).in_dir(), tempfile::tempdir().unwrap());
    for (eta, most) in [(0.1, 20), (1.0, 110)] {
        calibrate::noised_copy(adapter.path(), None, out.path(), eta, [2; 32]).unwrap();
        let of = |dir: &Path| sketch(dir, None, SEED).unwrap();
        let bits = distance(&of(adapter.path()), &of(out.path()));
        assert!((1..most).contains(&bits), "{eta}: {bits}");
    }
}

fn refused(dir: &tempfile::TempDir) -> Fault {
    sketch(dir.path(), Some(base().in_dir().path()), SEED)
        .unwrap_err()
        .fault
}

#[test]
fn adapter_of_another_base_should_be_refused() {
    let mut named = Adapter::new(1);
    let factors = named.factors.remove("model.layers.1.mlp.up_proj").unwrap();
    named
        .factors
        .insert("model.layers.7.mlp.up_proj".into(), factors);
    assert_eq!(refused(&named.in_dir()), Fault::Config);
    let mut shaped = Adapter::new(1);
    shaped
        .factors
        .get_mut("model.layers.1.mlp.up_proj")
        .unwrap()
        .0[0]
        .push(1.0);
    for row in &mut shaped
        .factors
        .get_mut("model.layers.1.mlp.up_proj")
        .unwrap()
        .0[1..]
    {
        row.push(1.0);
    }
    assert_eq!(refused(&shaped.in_dir()), Fault::Config);
    let dir = Adapter::new(1).in_dir();
    let as_base = sketch(base().in_dir().path(), Some(dir.path()), SEED).unwrap_err();
    assert_eq!(as_base.fault, Fault::Data);
}

#[test]
fn adapter_that_is_no_plain_lora_should_be_refused() {
    let good = Adapter::new(1);
    for (key, value) in [
        ("peft_type", json!("IA3")),
        ("use_dora", json!(true)),
        ("lora_alpha", json!(0)),
        ("lora_alpha", json!("x")),
        ("alpha_pattern", json!({"q.*": 1})),
    ] {
        let mut bad = good.clone();
        bad.config[key] = value;
        assert_eq!(refused(&bad.in_dir()), Fault::Config, "{key}");
    }
    let long = written(&json!({"x": "y".repeat(1 << 20)}), &good.tensors());
    assert_eq!(refused(&long), Fault::Config);
    fs::write(long.path().join("adapter_config.json"), "{").unwrap();
    assert_eq!(refused(&long), Fault::Config);
}

#[test]
fn adapter_with_other_tensors_should_be_refused() {
    let good = Adapter::new(1);
    let with = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = good.tensors();
        change(&mut tensors);
        refused(&written(&good.config, &tensors))
    };
    let b = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight";
    let a = b.replace("lora_B", "lora_A");
    assert_eq!(with(&|t| drop(t.remove(b))), Fault::Config);
    assert_eq!(with(&|t| drop(t.remove(&a))), Fault::Config);
    assert_eq!(
        with(&|t| drop(t.insert("lm_head.weight".into(), (vec![1, 1], vec![1.0])))),
        Fault::Config
    );
    assert_eq!(
        with(&|t| drop(t.insert(a.clone(), (vec![48], vec![1.0; 48])))),
        Fault::Config
    );
    assert_eq!(
        with(&|t| drop(t.insert(a.clone(), (vec![2, 16], vec![1.0; 32])))),
        Fault::Config
    );
    assert_eq!(with(&BTreeMap::clear), Fault::Weights);
    assert_eq!(
        with(&|t| t.get_mut(b).unwrap().1[5] = f32::NAN),
        Fault::NonFinite
    );
    let dir = good.in_dir();
    fs::remove_file(dir.path().join("adapter_model.safetensors")).unwrap();
    assert_eq!(refused(&dir), Fault::Weights);
}

#[test]
fn factors_whose_product_overflows_should_be_refused() {
    let mut huge = Adapter::new(1);
    huge.config["lora_alpha"] = (1 << 20).into();
    huge.config["alpha_pattern"] = json!({});
    for (a, b) in huge.factors.values_mut() {
        a.iter_mut().chain(b).flatten().for_each(|v| *v = 1e30);
    }
    // Clipped to 16, of small matrices: far from 2^47, and no overflow.
    sketch(huge.in_dir().path(), None, SEED).unwrap();
    huge.config["use_rslora"] = true.into();
    let (rank, size) = (1 << 8, 1 << 14);
    huge.config["r"] = rank.into();
    huge.config["rank_pattern"] = json!({});
    huge.factors.clear();
    huge.factors.insert(
        "m".into(),
        (vec![vec![1e30; size]; rank], vec![vec![1e30; rank]; size]),
    );
    let bits = sketch(huge.in_dir().path(), None, SEED);
    assert_eq!(bits.unwrap_err().fault, Fault::Weights);
}
