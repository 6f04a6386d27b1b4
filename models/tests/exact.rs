//! The exact profile gives the same bits with any number of threads, and those of the machine
//! that `tests/vectors/exact.json` was written on.
//!
//! `scripts/determinism.sh` runs this again on processors without wide vectors. With
//! `ARENA_WRITE_VECTORS` set, the file is written anew.

mod common;
mod reference;

use arena_models::{
    Device, Profile, samples_root,
    train::{self, TrainConfig},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

type Found = BTreeMap<String, String>;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

/// Roots of the samples' losses of every fixture.
fn evaluated() -> Found {
    let root = here("fixtures");
    let exact = (Profile::ExactCpuF32, Device::Cpu);
    let mut found = Found::new();
    for (name, expected) in reference::fixtures(&root) {
        for run in &expected.runs {
            let losses = reference::losses(&root.join(&name), &expected, run, exact, 2).unwrap();
            let digits = samples_root(&losses).map(|byte| format!("{byte:02x}"));
            found.insert(
                format!("{name}/{}/{}", run.data, run.context),
                digits.concat(),
            );
        }
    }
    found
}

/// Hashes of the weights that short trainings end with.
fn trained() -> Found {
    let dir = tempfile::tempdir().unwrap();
    let texts = ["one two three", "vier fünf sechs", "seven eight nine ten"];
    let texts = common::texts(dir.path(), &texts);
    let rows = dir.path().join("rows.jsonl");
    let row = |i: u32| {
        let features: Vec<f64> = (0..48)
            .map(|j| f64::from((i * 7 + j * 5) % 11) / 11.0)
            .collect();
        json!({"features": features, "label": i % 3}).to_string()
    };
    fs::write(&rows, (0..12).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let classifier =
        |layers: Value| json!({"input_shape": [3, 4, 4], "labels": 3, "layers": layers});
    let mlp = classifier(json!([{"type": "linear", "out": 8}, {"type": "gelu"},
        {"type": "linear", "out": 3}]));
    let cnn = classifier(
        json!([{"type": "conv2d", "out": 4, "kernel": 3, "stride": 1,
        "padding": 1}, {"type": "tanh"}, {"type": "max_pool2d", "kernel": 2, "stride": 2},
        {"type": "flatten"}, {"type": "linear", "out": 3}]),
    );
    let llama = json!({"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "context": 12});
    // Longer than the queries that are scored at a time.
    let mut long = llama.clone();
    long["context"] = 300.into();
    let line = |i: usize| format!("{i} {} ", ["rain", "Regen", "pluie"][i % 3]);
    let lines: String = (0..60).map(line).collect();
    fs::create_dir(dir.path().join("long")).unwrap();
    let lines = common::texts(&dir.path().join("long"), &[lines.as_str()]);
    let mut found = Found::new();
    for (name, family, mut model, data) in [
        ("mlp", "mlp", mlp, &rows),
        ("cnn", "cnn", cnn, &rows),
        ("llama", "llama", llama, &texts),
        ("llama-long", "llama", long, &lines),
    ] {
        model["family"] = family.into();
        let mut config = json!({"seed": 7, "data": [data], "steps": 6, "batch": 4,
            "learning_rate": 0.01, "warmup": 2, "profile": "exact-cpu-f32", "model": model});
        if family == "llama" {
            config["tokenizer"] = json!({"train": {"vocab_size": 270}});
        } else {
            let shape = match family {
                "mlp" => json!([48]),
                _ => json!([3, 4, 4]),
            };
            config["model"]["input_shape"] = shape;
        }
        let config = TrainConfig::parse(config.to_string().as_bytes()).unwrap();
        let out = dir.path().join(format!("out-{name}"));
        let done = train::run(&config, &out, false, &mut |_| {}).unwrap();
        let weights = fs::read(done.model.join("model.safetensors")).unwrap();
        found.insert(
            format!("trained/{name}"),
            blake3::hash(&weights).to_hex().to_string(),
        );
    }
    found
}

fn with_threads(threads: usize) -> Found {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(|| {
        let mut found = evaluated();
        found.extend(trained());
        found
    })
}

#[test]
fn losses_and_weights_should_have_the_same_bits_everywhere() {
    let path = here("vectors/exact.json");
    let one = with_threads(1);
    if std::env::var_os("ARENA_WRITE_VECTORS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut json = serde_json::to_string_pretty(&one).unwrap();
        json.push('\n');
        fs::write(&path, json).unwrap();
    }
    let expected: Found = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(expected.len() > 70, "{} vectors", expected.len());
    assert_eq!(one, expected);
    for threads in [2, 3] {
        assert_eq!(with_threads(threads), expected, "{threads} threads");
    }
}
