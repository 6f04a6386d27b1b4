//! Distances between models: of their updates, whatever the files and the factors are.

mod common;

use arena_models::{Comparison, Fault, ModelError, compare};
use common::{Model, Noise, llama, mlp, weights};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path};

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

const RANK: usize = 3;
/// A distance of 1.
const ONE: u32 = 1_000_000_000;

fn between(a: &Model, b: &Model, base: Option<&Model>) -> Result<Comparison, ModelError> {
    let base = base.map(Model::in_dir);
    let base = base.as_ref().map(tempfile::TempDir::path);
    compare(a.in_dir().path(), b.in_dir().path(), base)
}

fn distance(a: &Model, b: &Model, base: Option<&Model>) -> Option<u32> {
    between(a, b, base).unwrap().distance
}

fn fault(a: &Model, b: &Model, base: Option<&Model>) -> ModelError {
    between(a, b, base).unwrap_err()
}

/// The model with `factor` of another's weights added.
fn moved(model: &Model, factor: f32, by: &Model) -> Model {
    let mut moved = model.clone();
    for (name, (_, values)) in &mut moved.tensors {
        let by = &by.tensors[name].1;
        values
            .iter_mut()
            .zip(by)
            .for_each(|(value, by)| *value += factor * by);
    }
    moved
}

/// The distance by its definition, in one loop over all values.
fn by_definition(a: &Model, b: &Model, base: &Model) -> f64 {
    let (mut above, mut below) = (0.0, 0.0);
    for (name, (_, values)) in &a.tensors {
        let (b, base) = (&b.tensors[name].1, &base.tensors[name].1);
        for ((a, b), base) in values.iter().zip(b).zip(base) {
            let (a, b, base) = (f64::from(*a), f64::from(*b), f64::from(*base));
            above += (a - b).powi(2);
            below += (b - base).powi(2);
        }
    }
    (above / below).sqrt()
}

#[track_caller]
fn assert_near(found: Option<u32>, wanted: f64, within: f64) {
    let found = f64::from(found.unwrap()) / f64::from(ONE);
    assert!(
        (found - wanted).abs() <= within,
        "{found} is not {wanted} ± {within}"
    );
}

#[test]
fn copy_should_be_0_apart_and_the_same() {
    let (base, model) = (llama(0.1, true), llama(0.2, true));
    for base in [None, Some(&base)] {
        let found = between(&model, &model, base).unwrap();
        assert_eq!((found.distance, found.same), (Some(0), true));
        assert_eq!(found.tensors.len(), model.tensors.len());
        assert!(found.tensors.iter().all(|tensor| tensor.distance == 0));
    }
}

#[test]
fn distance_should_follow_its_definition_and_be_of_the_update() {
    let (base, noise) = (llama(0.1, true), llama(0.3, true));
    let trained = moved(&base, 0.01, &llama(0.2, true));
    let copy = moved(&trained, 0.001, &noise);
    let wanted = by_definition(&copy, &trained, &base);
    assert_near(distance(&copy, &trained, Some(&base)), wanted, 2e-9);
    let zero = moved(&base, -1.0, &base);
    let whole = by_definition(&copy, &trained, &zero);
    assert_near(distance(&copy, &trained, None), whole, 2e-9);
    assert!(whole < 0.1 * wanted, "{whole} {wanted}");
}

#[test]
fn noise_of_a_tenth_of_the_update_should_be_a_tenth_apart() {
    let base = llama(0.1, true);
    let drawn = |seed| {
        let (mut noise, mut drawn) = (Noise(seed), base.clone());
        let tensors = drawn.tensors.values_mut();
        tensors.for_each(|(_, values)| *values = noise.values(values.len(), 1.0));
        drawn
    };
    let trained = moved(&base, 0.01, &drawn(1));
    let copy = moved(&trained, 0.001, &drawn(2));
    assert_near(distance(&copy, &trained, Some(&base)), 0.1, 0.005);
}

#[test]
fn distance_should_tell_which_tensor_differs_and_grow_no_further_than_fits() {
    let model = mlp();
    let mut other = model.clone();
    let bias = &mut other.tensors.get_mut("layers.0.bias").unwrap().1;
    bias.iter_mut().for_each(|value| *value *= 2.0);
    let found = between(&other, &model, None).unwrap();
    let of: Vec<_> = found
        .tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.values, tensor.distance))
        .collect();
    let wanted = [
        ("layers.0.bias", 5, ONE),
        ("layers.0.weight", 15, 0),
        ("layers.2.bias", 2, 0),
        ("layers.2.weight", 10, 0),
    ];
    assert_eq!(of, wanted);
    let far = moved(&model, 100.0, &model);
    assert_eq!(distance(&far, &model, None), Some(u32::MAX));
}

#[test]
fn update_of_nothing_should_be_0_from_itself_and_far_from_all_else() {
    let (base, other) = (mlp(), moved(&mlp(), 0.5, &mlp()));
    assert_eq!(distance(&base, &base, Some(&base)), Some(0));
    assert_eq!(distance(&other, &base, Some(&base)), Some(u32::MAX));
    // The other way round, it is as far from the update as the update is long.
    assert_eq!(distance(&base, &other, Some(&base)), Some(ONE));
}

#[test]
fn models_of_other_tensors_should_have_no_distance() {
    let found = between(&mlp(), &llama(0.1, true), None).unwrap();
    assert_eq!((found.distance, found.same), (None, false));
    assert!(found.tensors.is_empty());
    let mut narrow = mlp();
    narrow.config["labels"] = 3.into();
    narrow.config["layers"][2]["out"] = 3.into();
    let weight = (vec![3, 5], vec![1.0; 15]);
    narrow.tensors.insert("layers.2.weight".into(), weight);
    let bias = (vec![3], vec![1.0; 3]);
    narrow.tensors.insert("layers.2.bias".into(), bias);
    assert_eq!(distance(&narrow, &mlp(), None), None);
    assert_eq!(distance(&llama(0.1, false), &llama(0.1, true), None), None);
}

#[test]
fn base_of_other_tensors_should_count_as_none_for_these() {
    let model = moved(&mlp(), 0.1, &mlp());
    let apart = distance(&model, &mlp(), None);
    assert_eq!(distance(&model, &mlp(), Some(&llama(0.1, true))), apart);
}

#[test]
fn shards_and_signs_of_zeros_should_not_matter() {
    let mut model = llama(0.1, true);
    let mut first = |value: f32| {
        model.tensors.get_mut("model.norm.weight").unwrap().1[0] = value;
        model.clone()
    };
    let (plain, model) = (first(0.0).in_dir(), first(-0.0));
    let sharded = tempfile::tempdir().unwrap();
    model.write(sharded.path());
    fs::remove_file(sharded.path().join("model.safetensors")).unwrap();
    let mut map = serde_json::Map::new();
    for part in 0..2 {
        let name = format!("part-{part}.safetensors");
        let tensors: Tensors = model
            .tensors
            .iter()
            .skip(part)
            .step_by(2)
            .map(owned)
            .collect();
        fs::write(sharded.path().join(&name), weights(&tensors)).unwrap();
        map.extend(tensors.keys().map(|of| (of.clone(), name.clone().into())));
    }
    let index = json!({"weight_map": map}).to_string();
    fs::write(sharded.path().join("model.safetensors.index.json"), index).unwrap();
    let found = compare(sharded.path(), plain.path(), None).unwrap();
    assert_eq!((found.distance, found.same), (Some(0), true));
}

fn owned<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

#[test]
fn what_is_broken_should_be_told_apart() {
    let mut broken = mlp();
    broken.tensors.get_mut("layers.2.bias").unwrap().1[1] = f32::NAN;
    let own = fault(&broken, &mlp(), None);
    assert_eq!(own.fault, Fault::NonFinite);
    assert!(!own.detail.contains("earlier"), "{own}");
    let earlier = fault(&mlp(), &broken, None);
    assert_eq!(earlier.fault, Fault::NonFinite);
    assert!(earlier.detail.contains("the earlier model"), "{earlier}");
    // Also where shapes alone say that there is no distance.
    assert_eq!(
        fault(&llama(0.1, true), &broken, None).fault,
        Fault::NonFinite
    );
    assert_eq!(fault(&mlp(), &mlp(), Some(&broken)).fault, Fault::Data);
    let mut missing = mlp();
    missing.tensors.remove("layers.2.bias");
    assert_eq!(fault(&missing, &mlp(), None).fault, Fault::Config);
    assert_eq!(fault(&mlp(), &mlp(), Some(&missing)).fault, Fault::Data);
}

/// An adapter to [`llama`]: A and B by module.
#[derive(Clone)]
struct Lora(BTreeMap<String, (Vec<f64>, Vec<f64>)>);

fn shape(module: &str) -> (usize, usize) {
    let base = llama(0.1, true);
    let shape = &base.tensors[&format!("{module}.weight")].0;
    (shape[0], shape[1])
}

impl Lora {
    fn new(seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut of = |count| {
            noise
                .values(count, 0.3)
                .into_iter()
                .map(f64::from)
                .collect()
        };
        let base = llama(0.1, true);
        let names = base.tensors.keys().filter(|name| name.contains("_proj"));
        let modules = names.map(|name| name.strip_suffix(".weight").unwrap().to_owned());
        let each = |module: String| {
            let (rows, columns) = shape(&module);
            (module, (of(RANK * columns), of(rows * RANK)))
        };
        Self(modules.map(each).collect())
    }

    /// The same products by other factors: the first two rows of A are turned and stretched.
    fn in_another_gauge(&self) -> Self {
        let mut other = self.clone();
        for (module, (a, b)) in &mut other.0 {
            let (rows, columns) = shape(module);
            for at in 0..columns {
                let (x, y) = (a[at], a[columns + at]);
                (a[at], a[columns + at]) = (8.0 * x + y, 2.0 * y);
            }
            for row in 0..rows {
                let (x, y) = (b[row * RANK], b[row * RANK + 1]);
                (b[row * RANK], b[row * RANK + 1]) = (x / 8.0, y / 2.0 - x / 16.0);
            }
        }
        other
    }

    /// Written with an α that makes the scale 2.
    fn in_dir(&self, turned: bool) -> tempfile::TempDir {
        let mut tensors = Tensors::new();
        for (module, (a, b)) in &self.0 {
            let (rows, columns) = shape(module);
            let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
            let name = |factor| format!("base_model.model.{module}.lora_{factor}.weight");
            tensors.insert(name("A"), (vec![RANK, columns], narrow(a)));
            tensors.insert(name("B"), (vec![rows, RANK], narrow(b)));
        }
        let config = json!({
            "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "fan_in_fan_out": turned,
        });
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
        let path = dir.path().join("adapter_model.safetensors");
        fs::write(path, weights(&tensors)).unwrap();
        dir
    }

    /// [`llama`] with the update added.
    fn merged(&self) -> Model {
        let mut model = llama(0.1, true);
        for (module, (a, b)) in &self.0 {
            let (rows, columns) = shape(module);
            let values = &mut model
                .tensors
                .get_mut(&format!("{module}.weight"))
                .unwrap()
                .1;
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
                let terms = (0..RANK).map(|k| b[row * RANK + k] * a[k * columns + column]);
                let value = &mut values[row * columns + column];
                *value = (f64::from(*value) + 2.0 * terms.sum::<f64>()) as f32;
            }
        }
        model
    }
}

fn of(a: &Path, b: &Path, base: Option<&Path>) -> Comparison {
    compare(a, b, base).unwrap()
}

#[test]
fn adapters_of_one_product_should_be_0_apart_in_any_gauge() {
    let adapter = Lora::new(1);
    let (one, other) = (
        adapter.in_dir(false),
        adapter.in_another_gauge().in_dir(false),
    );
    let copied = of(one.path(), one.path(), None);
    assert_eq!((copied.distance, copied.same), (Some(0), true));
    let turned = of(other.path(), one.path(), None);
    assert!(
        !turned.same && turned.distance.unwrap() < 1_000,
        "{turned:?}"
    );
    let apart = of(Lora::new(2).in_dir(false).path(), one.path(), None);
    assert_near(apart.distance, 2f64.sqrt(), 0.1);
}

#[test]
fn adapters_should_be_as_far_apart_as_their_merged_models() {
    let (one, other, base) = (Lora::new(1), Lora::new(2), llama(0.1, true));
    let wanted = by_definition(&other.merged(), &one.merged(), &base);
    let base = base.in_dir();
    let (adapter, whole) = (one.in_dir(false), one.merged().in_dir());
    for dir in [other.in_dir(false), other.merged().in_dir()] {
        for earlier in [&adapter, &whole] {
            let found = of(dir.path(), earlier.path(), Some(base.path()));
            assert_near(found.distance, wanted, 1e-6);
        }
    }
    // What is merged is the same but for rounding, and not compared without its base.
    let found = of(whole.path(), adapter.path(), Some(base.path()));
    assert!(found.distance.unwrap() < 1_000, "{found:?}");
    assert_eq!(of(whole.path(), adapter.path(), None).distance, None);
}

#[test]
fn module_that_an_adapter_does_not_name_should_be_no_update() {
    let whole = Lora::new(1);
    let mut less = whole.clone();
    let (name, (a, b)) = less.0.pop_first().unwrap();
    let mut zero = less.clone();
    zero.0.insert(name, (a, vec![0.0; b.len()]));
    let [whole, less, zero] = [whole, less, zero].map(|adapter| adapter.in_dir(false));
    assert_eq!(of(zero.path(), less.path(), None).distance, Some(0));
    let [one, other] = [&less, &zero].map(|dir| of(dir.path(), whole.path(), None));
    assert_eq!(one.distance, other.distance);
    assert_eq!(one.tensors[0].distance, ONE);
}

#[test]
fn adapters_of_other_shapes_should_have_no_distance() {
    let adapter = Lora::new(1);
    let (one, turned) = (adapter.in_dir(false), adapter.in_dir(true));
    // Square matrices fit either way round, the others don't.
    assert_eq!(of(turned.path(), one.path(), None).distance, None);
    assert_eq!(of(turned.path(), turned.path(), None).distance, Some(0));
}

#[test]
fn distance_should_be_the_same_for_any_number_of_threads() {
    let dirs = [1, 2].map(|seed| Lora::new(seed).in_dir(false));
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let compared = || of(dirs[0].path(), dirs[1].path(), None);
        pool.build().unwrap().install(compared)
    };
    assert!(
        [2, 3, 8]
            .into_iter()
            .all(|threads| with(threads) == with(1))
    );
}
