//! Training: determinism, resume, and that it learns.

mod common;

use arena_models::{
    Metric, evaluate,
    train::{self, TrainConfig},
};
use common::{Noise, options};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const WORDS: [&str; 12] = [
    "miner",
    "validator",
    "stake",
    "score",
    "model",
    "round",
    "the",
    "a",
    "trains",
    "checks",
    "and",
    "wins",
];

fn corpus(dir: &Path, count: usize) -> PathBuf {
    let mut noise = Noise(3);
    let lines: Vec<String> = (0..count)
        .map(|_| {
            let words: Vec<&str> = (0..20)
                .map(|_| WORDS[((noise.value() + 1.0) * 6.0) as usize % WORDS.len()])
                .collect();
            serde_json::json!({"text": words.join(" ")}).to_string()
        })
        .collect();
    let path = dir.join("corpus.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn language(data: &Path) -> TrainConfig {
    let json = serde_json::json!({
        "seed": 1, "data": [data], "steps": 30, "batch": 8, "learning_rate": 0.003,
        "warmup": 3, "checkpoint_every": 10, "tokenizer": {"train": {"vocab_size": 300}},
        "model": {"family": "llama", "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "context": 24},
    });
    TrainConfig::parse(json.to_string().as_bytes()).unwrap()
}

/// Every file of a directory with its content.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().into(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    found.sort();
    found
}

fn assert_same(a: &Path, b: &Path) {
    for part in ["", "model"] {
        let (a, b) = (files(&a.join(part)), files(&b.join(part)));
        let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
            files.iter().map(|f| f.0.clone()).collect()
        };
        assert_eq!(names(&a), names(&b));
        for (a, b) in a.iter().zip(&b) {
            assert!(a.1 == b.1, "{} differs", a.0);
        }
    }
}

#[test]
fn resumed_training_should_equal_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = language(&corpus(dir.path(), 100));
    let (whole, again, cut) = (
        dir.path().join("whole"),
        dir.path().join("again"),
        dir.path().join("cut"),
    );
    let trained = train::run(&config, &whole, false, &mut |_| ()).unwrap();
    train::run(&config, &again, false, &mut |_| ()).unwrap();
    assert_same(&whole, &again);
    let killed = catch_unwind(AssertUnwindSafe(|| {
        train::run(&config, &cut, false, &mut |p| {
            assert!(p.step < 17, "killed")
        })
    }));
    assert!(killed.is_err());
    assert!(!cut.join("model").exists());
    let mut steps = vec![];
    train::run(&config, &cut, true, &mut |p| steps.push(p.step)).unwrap();
    assert_eq!(steps, (11..=30).collect::<Vec<_>>());
    assert_same(&whole, &cut);
    let nothing = train::run(&config, &cut, true, &mut |_| panic!("nothing to do")).unwrap();
    assert_eq!(
        (nothing.steps, nothing.parameters),
        (30, trained.parameters)
    );
    assert_same(&whole, &cut);
    let other = TrainConfig { seed: 2, ..config };
    assert!(train::run(&other, &cut, true, &mut |_| ()).is_err());
}

#[test]
fn longer_training_should_score_better() {
    let dir = tempfile::tempdir().unwrap();
    let data = corpus(dir.path(), 100);
    let bits = |steps| {
        let config = TrainConfig {
            steps: Some(steps),
            ..language(&data)
        };
        let out = dir.path().join(steps.to_string());
        let trained = train::run(&config, &out, false, &mut |_| ()).unwrap();
        let found = evaluate(
            &trained.model,
            &data,
            &options(Metric::BitsPerByte),
            &mut (),
        );
        let found = found.unwrap();
        assert_eq!((found.samples, found.skipped), (100, 0));
        found.raw
    };
    let (short, long) = (bits(3), bits(60));
    assert!(long < short * 3 / 4, "{short} {long}");
}

#[test]
fn classifiers_should_learn() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("rows.jsonl");
    let mut noise = Noise(4);
    let lines: Vec<String> = (0..300)
        .map(|i| {
            let label = i % 2;
            let mut x = noise.values(64, 0.5);
            // A bright bar: upright or lying.
            let at = 1 + ((noise.value() + 1.0) * 3.0) as usize;
            for j in 0..8 {
                x[if label == 0 { j * 8 + at } else { at * 8 + j }] += 1.0;
            }
            serde_json::json!({"features": x, "label": label}).to_string()
        })
        .collect();
    fs::write(&data, lines.join("\n")).unwrap();
    for model in [
        serde_json::json!({"family": "mlp", "input_shape": [64], "labels": 2, "layers": [
            {"type": "linear", "out": 32}, {"type": "gelu"}, {"type": "linear", "out": 2}]}),
        serde_json::json!({"family": "cnn", "input_shape": [1, 8, 8], "labels": 2, "layers": [
            {"type": "conv2d", "out": 4, "kernel": 3, "stride": 1, "padding": 1},
            {"type": "relu"}, {"type": "max_pool2d", "kernel": 2, "stride": 2},
            {"type": "conv2d", "out": 8, "kernel": 3, "stride": 2, "padding": 1},
            {"type": "tanh"}, {"type": "flatten"}, {"type": "linear", "out": 2}]}),
    ] {
        let json = serde_json::json!({"seed": 5, "model": model, "data": [data], "epochs": 10,
            "batch": 20, "learning_rate": 0.01, "data_fraction": 0.9});
        let config = TrainConfig::parse(json.to_string().as_bytes()).unwrap();
        let out = dir.path().join("out");
        let trained = train::run(&config, &out, false, &mut |_| ()).unwrap();
        assert_eq!(trained.steps, 135);
        let found = evaluate(&trained.model, &data, &options(Metric::Accuracy), &mut ()).unwrap();
        assert!(found.raw > 900_000_000, "{model}: {found:?}");
    }
}

#[test]
fn training_should_go_on_from_the_model_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let first = TrainConfig {
        steps: Some(5),
        ..language(&corpus(dir.path(), 100))
    };
    let base = train::run(&first, &dir.path().join("base"), false, &mut |_| ()).unwrap();
    let next = |seed, steps, out: &str| {
        let config = TrainConfig {
            seed,
            steps: Some(steps),
            start: Some(base.model.clone()),
            tokenizer: Some(train::TokenizerSource::Path(
                base.model.join("tokenizer.json"),
            )),
            ..first.clone()
        };
        let out = dir.path().join(out);
        train::run(&config, &out, true, &mut |_| ()).map(|trained| trained.model)
    };
    assert!(files(&next(2, 0, "none").unwrap()) == files(&base.model));
    let (a, b) = (next(2, 5, "a").unwrap(), next(3, 5, "b").unwrap());
    let hash = |dir: &Path| arena_models::canonical_hash(dir).unwrap();
    assert!(hash(&a) != hash(&b) && hash(&a) != hash(&base.model));
    let weights = base.model.join("model.safetensors");
    fs::copy(a.join("model.safetensors"), weights).unwrap();
    let error = next(2, 5, "a").unwrap_err();
    assert_eq!(error.fault, arena_models::Fault::Config, "{error}");
}
