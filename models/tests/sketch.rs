//! Sketches: exact, the same whatever the files look like, and as far apart as updates are.

mod common;

use arena_math::sketch::{Likeness, Sketch, Thresholds};
use arena_models::{
    Fault, calibrate, canonical_hash,
    sketch::{distance, sketch},
};
use common::{Model, llama, mlp, perceptron, rewritten};
use safetensors::Dtype;
use std::{fs, path::Path};

const SEED: [u8; 32] = [9; 32];

fn of(model: &Model) -> [u8; 32] {
    sketch(model.in_dir().path(), None, SEED).unwrap()
}

fn fault(model: &Model, base: Option<&Model>) -> Fault {
    let base = base.map(Model::in_dir);
    let base = base.as_ref().map(tempfile::TempDir::path);
    sketch(model.in_dir().path(), base, SEED).unwrap_err().fault
}

/// A perceptron of three matrices; `seed` draws its weights.
fn wide(seed: u64) -> Model {
    perceptron(seed, &[300, 70, 50, 30])
}

/// `a + factor·b`, weight by weight.
fn combined(a: &Model, factor: f32, b: &Model) -> Model {
    let mut sum = a.clone();
    for (name, (_, values)) in &mut sum.tensors {
        for (value, other) in values.iter_mut().zip(&b.tensors[name].1) {
            *value += factor * other;
        }
    }
    sum
}

/// The README's definition, word by word.
fn by_definition(model: &Model, base: Option<&Model>, probe: usize) -> i128 {
    let fixed = |v: f32| (f64::from(v).clamp(-16.0, 16.0) * 2f64.powi(40)).trunc() as i128;
    let mut sum = 0;
    for (name, (shape, values)) in model.tensors.iter().filter(|t| t.1.0.len() > 1) {
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let stream = |side: u8, length: usize| {
            let mut message = b"arena/sketch/1".to_vec();
            message.push(side);
            message.extend((rows as u64).to_le_bytes());
            message.extend((columns as u64).to_le_bytes());
            message.extend(name.bytes());
            let mut stream = vec![0; length];
            let mut hasher = blake3::Hasher::new_keyed(&SEED);
            hasher.update(&message).finalize_xof().fill(&mut stream);
            stream
        };
        let sign = |minus: bool| if minus { -1 } else { 1 };
        let us = stream(0, rows.div_ceil(64) * 2_048);
        let u = |row: usize| {
            let byte = us[row / 64 * 2_048 + probe * 8 + row % 64 / 8];
            sign(byte >> (row % 8) & 1 == 0)
        };
        let vs = stream(1, columns.div_ceil(256) * 64);
        let v = |column: usize| {
            let (block, at) = (&vs[column / 256 * 64..], column % 256);
            let place = (at + usize::from(block[32])) % 256;
            let odd = (probe & place).count_ones() % 2 == 1;
            sign(block[at / 8] >> (at % 8) & 1 == 0) * sign(odd)
        };
        for (at, value) in values.iter().enumerate() {
            let old = base.map_or(0.0, |base| base.tensors[name].1[at]);
            sum += u(at / columns) * (fixed(*value) - fixed(old)) * v(at % columns);
        }
    }
    sum
}

#[test]
fn sketch_should_follow_its_definition() {
    let (base, mut model) = (wide(1), wide(2));
    let values = &mut model.tensors.get_mut("layers.0.weight").unwrap().1;
    values[..4].copy_from_slice(&[f32::MAX, -16.5, 1e-30, -3e-12]);
    for base in [None, Some(&base)] {
        let at = base.map(Model::in_dir);
        let at = at.as_ref().map(tempfile::TempDir::path);
        let bits = sketch(model.in_dir().path(), at, SEED).unwrap();
        for probe in (0..256).step_by(5) {
            let wanted = by_definition(&model, base, probe) > 0;
            assert_eq!(bits[probe / 8] >> (probe % 8) & 1 == 1, wanted, "{probe}");
        }
    }
}

#[test]
fn sketch_should_stay_what_it_is() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let hash = canonical_hash(mlp().in_dir().path()).unwrap();
    let found = [of(&mlp()), of(&llama(0.1, true)), hash].map(hex);
    assert_eq!(found, GOLDEN);
}
const GOLDEN: [&str; 3] = [
    "2650cf65ea74aed051a828bcb77997d97219cac6f940d6a0f2bcf3b40d50682e",
    "ef9259d703316dd570cd789920411e6098bc4000f084d1f80997cad78c3cd703",
    "ec5419c2683b861d39c1b850b2453144c334eec4d5aae1ffaa7646e433c3be79",
];

#[test]
fn sketch_should_be_the_same_for_any_number_of_threads() {
    let dir = llama(0.1, false).in_dir();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| sketch(dir.path(), None, SEED).unwrap())
    };
    assert!(
        [2, 3, 8]
            .into_iter()
            .all(|threads| with(threads) == with(1))
    );
}

#[test]
fn sketch_should_depend_on_the_seed_and_turn_with_the_sign() {
    let model = wide(3);
    let zero = combined(&model, -1.0, &model);
    assert_eq!(of(&zero), [0; 32]);
    assert_eq!(
        of(&combined(&zero, -1.0, &model)),
        of(&model).map(|byte| !byte)
    );
    let dir = model.in_dir();
    let other = sketch(dir.path(), None, [8; 32]).unwrap();
    // 128 ± 8.
    assert!((90..166).contains(&distance(&of(&model), &other)));
    assert_eq!(sketch(dir.path(), Some(dir.path()), SEED).unwrap(), [0; 32]);
}

#[test]
fn distance_should_be_the_chains_and_so_should_be_the_thresholds() {
    let (a, b) = (of(&wide(1)), of(&wide(2)));
    assert_eq!(distance(&a, &b), Sketch(a).hamming(&Sketch(b)));
    let [matches, flags] = calibrate::THRESHOLDS;
    assert_eq!(Thresholds::new(matches, flags), Some(Thresholds::DEFAULT));
    assert_eq!(
        Thresholds::DEFAULT.compare(&Sketch(a), &Sketch(b)),
        Likeness::Apart
    );
}

/// Bits that differ are a binomial of 256 coins with angle/π, seed by seed.
#[test]
fn distance_should_be_the_angle_between_updates() {
    let (base, update) = (wide(1), wide(2));
    let trained = combined(&base, 0.01, &update);
    let base = base.in_dir();
    let seeds = 40;
    for (kind, eta) in [(3, 0.1f32), (4, 0.25), (5, 0.5), (6, 1.0), (7, 30.0)] {
        let copy = combined(&trained, 0.01 * eta, &wide(kind));
        let (trained, copy) = (trained.in_dir(), copy.in_dir());
        let total: u32 = (0..seeds)
            .map(|seed| {
                let of = |dir: &Path| sketch(dir, Some(base.path()), [seed; 32]).unwrap();
                distance(&of(trained.path()), &of(copy.path()))
            })
            .sum();
        let share = f64::from(eta).atan() / std::f64::consts::PI;
        let coins = f64::from(seeds) * 256.0;
        let deviation = (coins * share * (1.0 - share)).sqrt();
        let off = f64::from(total) - coins * share;
        // The two weights' cosine is 0 but for 1/√26000, which is 0.006.
        assert!(
            off.abs() < 4.0 * deviation + 0.02 * coins * share,
            "{eta}: {off} of {deviation}"
        );
    }
}

#[test]
fn sketch_and_hash_should_ignore_how_a_model_is_written() {
    let mut model = wide(1);
    for (at, value) in model
        .tensors
        .values_mut()
        .flat_map(|t| &mut t.1)
        .enumerate()
    {
        // Powers of two, which every dtype has.
        *value = value.signum() * 2f32.powi(-((at % 7) as i32));
    }
    let plain = model.in_dir();
    let both = |dir: &Path| {
        (
            sketch(dir, None, SEED).unwrap(),
            canonical_hash(dir).unwrap(),
        )
    };
    for (dtype, shards) in [
        (Dtype::F32, true),
        (Dtype::F16, false),
        (Dtype::F16, true),
        (Dtype::BF16, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        rewritten(&model, dir.path(), dtype, shards);
        assert_eq!(both(dir.path()), both(plain.path()), "{dtype:?} {shards}");
    }
    model.tensors.get_mut("layers.0.bias").unwrap().1[3] = 0.0;
    let (zero, minus) = (model.in_dir(), tempfile::tempdir().unwrap());
    rewritten(&model, minus.path(), Dtype::F32, false);
    assert_eq!(both(zero.path()), both(minus.path()));
    // A bias is no part of the sketch, but of the hash.
    assert_eq!(both(zero.path()).0, both(plain.path()).0);
    assert_ne!(both(zero.path()).1, both(plain.path()).1);
}

#[test]
fn hash_should_tell_names_and_shapes_apart() {
    let hash = |model: &Model| canonical_hash(model.in_dir().path()).unwrap();
    let mut square = mlp();
    square.config["input_shape"] = serde_json::json!([5]);
    square
        .tensors
        .insert("layers.0.weight".into(), (vec![5, 5], vec![1.0; 25]));
    let mut swapped = square.clone();
    let bias = swapped.tensors["layers.0.bias"].clone();
    swapped.tensors.get_mut("layers.0.weight").unwrap().1[..5].copy_from_slice(&bias.1);
    swapped
        .tensors
        .insert("layers.0.bias".into(), (vec![5], vec![1.0; 5]));
    assert_ne!(hash(&square), hash(&swapped));
    let error = {
        square.tensors.get_mut("layers.0.bias").unwrap().1[0] = f32::NAN;
        canonical_hash(square.in_dir().path()).unwrap_err()
    };
    assert_eq!(error.fault, Fault::NonFinite);
}

#[test]
fn sketch_should_refuse_weights_that_are_not_finite() {
    for (name, value) in [
        ("layers.0.weight", f32::NAN),
        ("layers.2.weight", f32::INFINITY),
        ("layers.0.bias", f32::NEG_INFINITY),
    ] {
        let mut model = mlp();
        model.tensors.get_mut(name).unwrap().1[4] = value;
        assert_eq!(fault(&model, None), Fault::NonFinite, "{name}");
        if name.ends_with("weight") {
            assert_eq!(fault(&mlp(), Some(&model)), Fault::Data, "{name}");
        }
    }
}

#[test]
fn sketch_should_refuse_another_bases_model() {
    let mut narrow = mlp();
    narrow.config["layers"][0]["out"] = 4.into();
    narrow
        .tensors
        .insert("layers.0.weight".into(), (vec![4, 3], vec![1.0; 12]));
    narrow
        .tensors
        .insert("layers.0.bias".into(), (vec![4], vec![1.0; 4]));
    narrow
        .tensors
        .insert("layers.2.weight".into(), (vec![2, 4], vec![1.0; 8]));
    assert_eq!(fault(&narrow, Some(&mlp())), Fault::Config);
    assert_eq!(fault(&wide(1), Some(&mlp())), Fault::Config);
    assert_eq!(fault(&mlp(), Some(&wide(1))), Fault::Config);
    assert_eq!(
        fault(&llama(0.1, false), Some(&llama(0.1, true))),
        Fault::Config
    );
    assert_eq!(
        fault(&llama(0.1, true), Some(&llama(0.1, false))),
        Fault::Config
    );
}

#[test]
fn sketch_should_blame_a_broken_base_on_nobody_else() {
    let model = mlp().in_dir();
    let mut missing = mlp();
    missing.tensors.remove("layers.2.bias");
    assert_eq!(fault(&missing, None), Fault::Config);
    assert_eq!(fault(&mlp(), Some(&missing)), Fault::Data);
    let empty = tempfile::tempdir().unwrap();
    let find = |base: &Path| sketch(model.path(), Some(base), SEED).unwrap_err().fault;
    assert_eq!(find(empty.path()), Fault::Data);
    assert_eq!(find(&empty.path().join("absent")), Fault::Io);
}

#[test]
fn calibrate_should_find_copies_near_and_models_apart() {
    let base = wide(1);
    let trained = |seed| combined(&combined(&base, 0.01, &wide(2)), 0.02, &wide(seed));
    let models: Vec<_> = (3..6).map(|seed| trained(seed).in_dir()).collect();
    let models: Vec<&Path> = models.iter().map(tempfile::TempDir::path).collect();
    let (base, scratch) = (base.in_dir(), tempfile::tempdir().unwrap());
    let mut last = (0, 0);
    let found = calibrate::calibrate(
        &models,
        Some(base.path()),
        8,
        scratch.path(),
        &mut |d, n| {
            last = (d, n);
        },
    )
    .unwrap();
    assert_eq!(last, (120, 120));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    for (eta, class) in calibrate::NOISE.iter().zip(&found.copies) {
        assert_eq!(class.distances.len(), 24);
        let share = eta.atan() / std::f64::consts::PI;
        let deviation = (256.0 * share * (1.0 - share) / 24.0).sqrt();
        assert!(
            (class.mean() - 256.0 * share).abs() < 4.0 * deviation + 0.5,
            "{class:?}"
        );
    }
    // Updates (a + 2b)/√5 with a in common: a cosine of 0.2, 111.6 bits of 256.
    let independent = found.independent();
    assert_eq!((found.pairs.len(), independent.distances.len()), (3, 24));
    assert!(
        (independent.mean() - 111.6).abs() < 8.0,
        "{}",
        independent.mean()
    );
    assert!(found.closest().unwrap().mean() <= independent.mean());
    let again = calibrate::calibrate(
        &models,
        Some(base.path()),
        8,
        scratch.path(),
        &mut |_, _| (),
    )
    .unwrap();
    assert_eq!(again, found);
}
