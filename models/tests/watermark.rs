//! Watermarks: found by who has the key, by nobody else, and after noise.

mod common;

use arena_models::{
    Fault, Metric, calibrate, canonical_hash, evaluate,
    train::{self, TrainConfig},
    watermark::{BITS, Embedded, STRENGTH, THRESHOLD, embed, extract},
};
use common::{Model, options, perceptron, rewritten};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use safetensors::Dtype;
use std::{collections::HashSet, fs, path::Path};
use tempfile::TempDir;

const KEY: [u8; 32] = [7; 32];
const OWNER: [u8; 32] = [8; 32];
/// 42,000 numbers in two matrices, and 1,500 in one that is too small.
const WIDTHS: [usize; 4] = [300, 120, 50, 30];

fn matches(dir: &Path, base: Option<&Path>) -> u32 {
    extract(dir, base, KEY, OWNER).unwrap().unwrap()
}

/// The model in `dir` with the mark, in a directory of its own.
fn marked(dir: &Path, base: Option<&Path>) -> (TempDir, Embedded) {
    let out = tempfile::tempdir().unwrap();
    let found = embed(dir, base, KEY, OWNER, STRENGTH, &out.path().join("m")).unwrap();
    (out, found)
}

/// `base` with an update of a `share` of its size.
fn tuned(base: &Model, share: f32) -> Model {
    let mut model = base.clone();
    let update = perceptron(2, &WIDTHS);
    for (name, (_, values)) in &mut model.tensors {
        for (value, more) in values.iter_mut().zip(&update.tensors[name].1) {
            *value += share * more;
        }
    }
    model
}

/// The README's definition, word by word.
fn by_definition(model: &Model, base: Option<&Model>, key: [u8; 32], owner: [u8; 32]) -> u32 {
    let fixed = |v: f32| (f64::from(v).clamp(-16.0, 16.0) * 2f64.powi(40)).trunc() as i128;
    let mut entries = Vec::new();
    for (name, (shape, values)) in &model.tensors {
        if shape.len() < 2 || values.len() < 4_096 {
            continue;
        }
        for (at, value) in values.iter().enumerate() {
            let old = base.map_or(0.0, |base| base.tensors[name].1[at]);
            entries.push(fixed(*value) - fixed(old));
        }
    }
    let (n, block) = (entries.len() as u64, (entries.len() / 512).min(4_096));
    let mut stream = ChaCha20Rng::from_seed(key);
    let mut seen = HashSet::new();
    let message = blake2b_simd::blake2b(&[&owner[..], b"msg"].concat());
    let mut found = 0;
    for bit in 0..256 {
        let (mut sum, mut places) = (0, 0);
        while places < block {
            let word = stream.next_u64();
            if word >= u64::MAX - u64::MAX % (2 * n) || !seen.insert(word % (2 * n) / 2) {
                continue;
            }
            let entry = entries[(word % (2 * n) / 2) as usize];
            sum += if word % (2 * n) % 2 == 1 {
                -entry
            } else {
                entry
            };
            places += 1;
        }
        let wanted = message.as_bytes()[bit / 8] >> (bit % 8) & 1 == 1;
        found += u32::from((sum > 0) == wanted);
    }
    found
}

#[test]
fn extract_should_follow_its_definition() {
    let (base, mut model) = (perceptron(1, &WIDTHS), perceptron(2, &WIDTHS));
    let values = &mut model.tensors.get_mut("layers.0.weight").unwrap().1;
    values[..4].copy_from_slice(&[f32::MAX, -16.5, 1e-30, -3e-12]);
    let (dir, base_dir) = (model.in_dir(), base.in_dir());
    for seed in 0..8 {
        let (key, owner) = ([seed; 32], [seed + 1; 32]);
        for (base, at) in [(None, None), (Some(&base), Some(base_dir.path()))] {
            let found = extract(dir.path(), at, key, owner).unwrap();
            assert_eq!(found, Some(by_definition(&model, base, key, owner)));
        }
    }
}

#[test]
fn extract_and_embed_should_stay_what_they_are() {
    let model = perceptron(1, &WIDTHS).in_dir();
    let found: Vec<u32> = (0..12)
        .map(|seed| {
            extract(model.path(), None, [seed; 32], OWNER)
                .unwrap()
                .unwrap()
        })
        .collect();
    assert_eq!(found, GOLDEN);
    let (out, _) = marked(model.path(), None);
    let hash = canonical_hash(&out.path().join("m")).unwrap();
    let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, GOLDEN_HASH);
}
const GOLDEN: [u32; 12] = [129, 129, 126, 144, 138, 132, 146, 128, 123, 137, 131, 138];
const GOLDEN_HASH: &str = "fc80f081b531e8fa47082cea556a3759e53517522d6bb5af70a8cba051563987";

#[test]
fn mark_should_be_found_where_it_was_put() {
    let base = perceptron(1, &WIDTHS);
    let (whole, base) = (base.in_dir(), tuned(&base, 0.1).in_dir());
    for (dir, before) in [(&whole, None), (&base, Some(whole.path()))] {
        assert!(matches(dir.path(), before) < THRESHOLD);
        let (out, found) = marked(dir.path(), before);
        assert_eq!(matches(&out.path().join("m"), before), 256);
        assert_eq!((found.matches, found.block), (256, 82));
        assert!((found.marked - 0.5).abs() < 0.001);
        // Four deviations of a sum over 82 numbers, and what half of the sums lacked more.
        let expected = (17.0f64 / 82.0).sqrt();
        assert!((found.change / expected - 1.0).abs() < 0.1, "{found:?}");
    }
}

#[test]
fn mark_should_be_seen_by_nobody_else() {
    let (out, _) = marked(perceptron(1, &WIDTHS).in_dir().path(), None);
    let dir = out.path().join("m");
    let mut all = Vec::new();
    for seed in 0..=99 {
        let other = [seed; 32];
        if other != KEY {
            all.push(extract(&dir, None, other, OWNER).unwrap().unwrap());
        }
        if other != OWNER {
            all.push(extract(&dir, None, KEY, other).unwrap().unwrap());
        }
    }
    let mean = f64::from(all.iter().sum::<u32>()) / all.len() as f64;
    // 8 is the deviation of 256 coins.
    assert!(
        (mean - 128.0).abs() < 4.0 * 8.0 / (all.len() as f64).sqrt(),
        "{mean}"
    );
    assert!(
        all.iter().all(|found| (88..=168).contains(found)),
        "{all:?}"
    );
}

#[test]
fn mark_should_withstand_noise_of_the_size_of_the_update() {
    let base = perceptron(1, &WIDTHS);
    let (whole, base) = (base.in_dir(), tuned(&base, 0.1).in_dir());
    for (dir, before) in [(&whole, None), (&base, Some(whole.path()))] {
        let (out, _) = marked(dir.path(), before);
        let noised = out.path().join("noised");
        for (eta, least) in [(1.0, 250), (2.0, 235)] {
            let model = out.path().join("m");
            calibrate::noised_copy(&model, before, &noised, eta, [3; 32]).unwrap();
            let found = matches(&noised, before);
            assert!(found >= least, "{eta}: {found}");
        }
    }
}

#[test]
fn mark_should_be_put_into_every_way_of_writing_a_model() {
    let (base, other) = (perceptron(1, &WIDTHS), tempfile::tempdir().unwrap());
    let model = tuned(&base, 0.1);
    for (dtype, shards) in [
        (Dtype::F32, true),
        (Dtype::F16, false),
        (Dtype::F16, true),
        (Dtype::BF16, false),
        (Dtype::BF16, true),
    ] {
        let at = other.path().join(format!("{dtype:?}-{shards}"));
        let (base_dir, dir) = (at.join("base"), at.join("model"));
        fs::create_dir_all(&base_dir).unwrap();
        fs::create_dir(&dir).unwrap();
        rewritten(&base, &base_dir, dtype, shards);
        rewritten(&model, &dir, dtype, shards);
        let (out, found) = marked(&dir, Some(&base_dir));
        let out = out.path().join("m");
        assert_eq!(found.matches, 256, "{dtype:?} {shards}");
        assert_eq!(matches(&out, Some(&base_dir)), 256);
        for file in fs::read_dir(&dir).unwrap() {
            let name = file.unwrap().file_name();
            let [old, new] = [&dir, &out].map(|dir| fs::read(dir.join(&name)).unwrap());
            assert_eq!(old.len(), new.len());
            let is_weights = name.to_string_lossy().ends_with(".safetensors");
            assert!(is_weights || old == new, "{name:?}");
        }
    }
}

#[test]
fn mark_should_be_whole_where_its_moves_are_less_than_a_step_between_numbers() {
    let (base, at) = (perceptron(1, &WIDTHS), tempfile::tempdir().unwrap());
    let [base_dir, dir, noised] = ["base", "model", "noised"].map(|name| at.path().join(name));
    fs::create_dir(&base_dir).unwrap();
    fs::create_dir(&dir).unwrap();
    rewritten(&base, &base_dir, Dtype::BF16, false);
    // A tenth of what bf16 tells apart: most of the update is lost, the rest are steps.
    rewritten(&tuned(&base, 0.0005), &dir, Dtype::BF16, false);
    let (out, found) = marked(&dir, Some(&base_dir));
    assert_eq!(found.matches, 256);
    let model = out.path().join("m");
    calibrate::noised_copy(&model, Some(&base_dir), &noised, 1.0, [3; 32]).unwrap();
    let after = matches(&noised, Some(&base_dir));
    assert!(after >= 250, "{after}");
}

#[test]
fn extract_should_ignore_how_a_model_is_written() {
    let mut model = perceptron(1, &WIDTHS);
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
    for (dtype, shards) in [(Dtype::F32, true), (Dtype::F16, false), (Dtype::BF16, true)] {
        let dir = tempfile::tempdir().unwrap();
        rewritten(&model, dir.path(), dtype, shards);
        for seed in 0..8 {
            let [a, b] = [plain.path(), dir.path()]
                .map(|dir| extract(dir, None, [seed; 32], OWNER).unwrap());
            assert_eq!(a, b, "{dtype:?} {shards}");
        }
    }
}

#[test]
fn embed_should_change_nothing_but_carriers() {
    let mut model = perceptron(1, &WIDTHS);
    // A matrix that was not trained stays as it is.
    model
        .tensors
        .get_mut("layers.2.weight")
        .unwrap()
        .1
        .fill(0.0);
    let dir = model.in_dir();
    fs::write(dir.path().join("manifest.scale"), "old").unwrap();
    fs::create_dir(dir.path().join("notes")).unwrap();
    fs::write(dir.path().join("notes/a.txt"), "kept").unwrap();
    let (out, _) = marked(dir.path(), None);
    let out = out.path().join("m");
    assert!(!out.join("manifest.scale").exists());
    assert_eq!(fs::read(out.join("notes/a.txt")).unwrap(), b"kept");
    let [old, new] = [dir.path(), &out].map(|dir| {
        let bytes = fs::read(dir.join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        [
            "layers.0.weight",
            "layers.0.bias",
            "layers.2.weight",
            "layers.4.weight",
        ]
        .map(|name| tensors.tensor(name).unwrap().data().to_vec())
    });
    assert!(old[0] != new[0] && old[1..] == new[1..]);
}

#[test]
fn small_models_should_have_no_mark() {
    // 32,767 numbers in matrices of at least 4,096 would be one too few.
    let small = perceptron(1, &[151, 217, 10]).in_dir();
    assert_eq!(extract(small.path(), None, KEY, OWNER).unwrap(), None);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("m");
    let error = embed(small.path(), None, KEY, OWNER, STRENGTH, &to).unwrap_err();
    assert_eq!(error.fault, Fault::Config, "{error}");
    assert!(error.detail.contains("32768"), "{error}");
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        0,
        "nothing is left"
    );
    let enough = perceptron(1, &[256, 128, 10]).in_dir();
    let found = extract(enough.path(), None, KEY, OWNER).unwrap();
    assert!(found.is_some_and(|found| found < THRESHOLD));
}

#[test]
fn weights_that_are_not_finite_should_be_refused() {
    let fault = |model: &Model, base: Option<&Model>| {
        let (dir, base) = (model.in_dir(), base.map(Model::in_dir));
        let base = base.as_ref().map(TempDir::path);
        extract(dir.path(), base, KEY, OWNER).unwrap_err().fault
    };
    for (name, value) in [
        ("layers.0.weight", f32::NAN),
        ("layers.4.weight", f32::INFINITY),
        ("layers.0.bias", f32::NEG_INFINITY),
    ] {
        let mut model = perceptron(1, &WIDTHS);
        model.tensors.get_mut(name).unwrap().1[4] = value;
        assert_eq!(fault(&model, None), Fault::NonFinite, "{name}");
        let out = tempfile::tempdir().unwrap();
        let to = out.path().join("m");
        let refused = embed(model.in_dir().path(), None, KEY, OWNER, STRENGTH, &to);
        assert_eq!(refused.unwrap_err().fault, Fault::NonFinite);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }
    let (model, mut base) = (perceptron(1, &WIDTHS), perceptron(2, &WIDTHS));
    base.tensors.get_mut("layers.0.weight").unwrap().1[4] = f32::NAN;
    assert_eq!(fault(&model, Some(&base)), Fault::Data);
    assert_eq!(
        fault(&model, Some(&perceptron(1, &[300, 120, 30]))),
        Fault::Config
    );
}

#[test]
fn embed_should_refuse_what_it_cannot_do() {
    let (dir, out) = (
        perceptron(1, &WIDTHS).in_dir(),
        tempfile::tempdir().unwrap(),
    );
    let fault = |strength, to: &Path, base| {
        let refused = embed(dir.path(), base, KEY, OWNER, strength, to);
        refused.unwrap_err().fault
    };
    let new = out.path().join("m");
    for strength in [0.0, -1.0, 65.0, f64::NAN] {
        assert_eq!(fault(strength, &new, None), Fault::Config, "{strength}");
    }
    assert_eq!(fault(STRENGTH, out.path(), None), Fault::Io, "is there");
    assert_eq!(
        fault(STRENGTH, &dir.path().join("m"), None),
        Fault::Io,
        "within"
    );
    let unchanged = fault(STRENGTH, &new, Some(dir.path()));
    assert_eq!(unchanged, Fault::Config, "no update");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    assert!(!dir.path().join("m").exists());
}

#[test]
fn trained_model_should_stay_as_good_with_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits");
    let json = serde_json::json!({
        "seed": 1, "data": [data.join("train.jsonl")], "steps": 150, "batch": 32,
        "learning_rate": 0.003, "model": {
            "family": "mlp", "input_shape": [64], "labels": 10, "layers": [
                {"type": "linear", "out": 256}, {"type": "relu"}, {"type": "linear", "out": 256},
                {"type": "relu"}, {"type": "linear", "out": 10},
            ],
        },
    });
    let config = TrainConfig::parse(json.to_string().as_bytes()).unwrap();
    let model = train::run(&config, dir.path(), false, &mut |_| ())
        .unwrap()
        .model;
    let (out, found) = marked(&model, None);
    let score = |dir: &Path| {
        let data = data.join("eval.jsonl");
        evaluate(dir, &data, &options(Metric::Accuracy), &mut ())
            .unwrap()
            .raw
    };
    let (before, after) = (score(&model), score(&out.path().join("m")));
    assert_eq!(found.matches, BITS as u32);
    assert!(before > 930_000_000, "{before}");
    assert!(after > before - 10_000_000, "{before} {after}");
}
