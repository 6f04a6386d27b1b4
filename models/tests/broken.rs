//! Every kind of broken model: each is refused with its fault, and none makes this crate panic.

mod common;

use arena_models::{
    EvalOptions, Evaluation, Fault, Limits, Manifest, Metric, ModelConfig, ModelError, Profile,
    evaluate, inspect,
};
use common::{llama, mlp, options, texts};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Decoders and others as the reference implementation writes them.
const FAMILIES: [&str; 11] = [
    "llama",
    "llama-rope-llama3",
    "mistral",
    "qwen2",
    "qwen3",
    "phi3-longrope",
    "phi3-partial",
    "gemma2",
    "gemma3",
    "gpt2",
    "bert",
];

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

/// A copy of the fixture's model.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures().join(name).join("model")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

/// A copy whose config got these values.
fn with_config(name: &str, values: &Value) -> tempfile::TempDir {
    let dir = copy(name);
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value) in values.as_object().unwrap() {
        config[key] = value.clone();
    }
    fs::write(path, config.to_string()).unwrap();
    dir
}

fn inspected(dir: &Path) -> Result<(), ModelError> {
    inspect(dir, None, &Limits::unlimited()).map(drop)
}

#[track_caller]
fn assert_refused(dir: &Path, fault: Fault, why: &str) {
    let error = inspected(dir).unwrap_err();
    assert_eq!(error.fault, fault, "{error}");
    assert!(error.detail.contains(why), "{error}");
}

fn score(dir: &Path) -> Result<Evaluation, ModelError> {
    let data = tempfile::tempdir().unwrap();
    let lines = texts(data.path(), &["the quick brown fox"]);
    evaluate(dir, &lines, &options(Metric::BitsPerByte), &mut ())
}

/// Every number in a value, by its path.
fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at.to_owned()),
        Value::Object(fields) => {
            for (key, value) in fields {
                numbers(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                numbers(value, &format!("{at}/{i}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn absurd_numbers_should_be_refused_or_leave_a_size_that_can_be_told() {
    let odd = [
        "0",
        "-1",
        "1",
        "1048576",
        "16777216",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e-320",
        "1e308",
        "0.5",
        "null",
        "\"8\"",
    ];
    for name in FAMILIES {
        let bytes = fs::read(fixtures().join(name).join("model/config.json")).unwrap();
        let config: Value = serde_json::from_slice(&bytes).unwrap();
        let mut places = Vec::new();
        numbers(&config, "", &mut places);
        assert!(places.len() > 5, "{name}");
        for place in &places {
            for odd in odd {
                let mut config = config.clone();
                *config.pointer_mut(place).unwrap() = serde_json::from_str(odd).unwrap();
                match ModelConfig::parse(config.to_string().as_bytes()) {
                    Ok(parsed) => assert!(parsed.parameters().unwrap() > 0, "{place} {odd}"),
                    Err(error) => assert!(error.fault.is_models(), "{place} {odd}: {error}"),
                }
            }
        }
    }
}

#[test]
fn sizes_that_the_file_does_not_have_should_be_refused() {
    let absurd = json!({"hidden_size": 1 << 17, "vocab_size": 1 << 20, "num_hidden_layers": 1024,
        "num_attention_heads": 1024, "num_key_value_heads": 1024, "head_dim": 1 << 17,
        "intermediate_size": 1 << 20, "layer_types": null});
    for name in ["llama", "mistral", "qwen2"] {
        let dir = with_config(name, &absurd);
        assert_refused(dir.path(), Fault::Config, "config.json implies");
        let limits = Limits {
            max_parameters: 1 << 40,
            ..Limits::unlimited()
        };
        let error = inspect(dir.path(), None, &limits).unwrap_err();
        assert_eq!(error.fault, Fault::TooLarge, "{error}");
    }
    let absurd = json!({"n_embd": 1 << 17, "n_inner": null, "n_head": 1024, "n_layer": 1024,
        "n_positions": 1 << 24, "vocab_size": 1 << 20});
    assert_refused(
        with_config("gpt2", &absurd).path(),
        Fault::Config,
        "implies",
    );
    let deep = json!({"num_hidden_layers": 1024, "layer_types": null});
    for name in ["llama", "qwen2"] {
        assert_refused(with_config(name, &deep).path(), Fault::Config, "is missing");
    }
    let deep = json!({"num_hidden_layers": 1024});
    assert_refused(
        with_config("bert", &deep).path(),
        Fault::Config,
        "is missing",
    );
}

#[test]
fn configs_of_new_families_that_do_not_fit_should_be_refused() {
    let factors = json!({"rope_parameters": {"rope_type": "longrope", "long_factor": [1.5, 2.2],
        "short_factor": [1.0, 1.1, 1.2], "original_max_position_embeddings": 16,
        "rope_theta": 100.0}});
    for (name, values, why) in [
        (
            "gemma2",
            json!({"layer_types": ["full_attention"]}),
            "layer_types for",
        ),
        (
            "gemma3",
            json!({"layer_types": vec!["full_attention"; 1000]}),
            "layer_types for",
        ),
        (
            "qwen3",
            json!({"layer_types": ["full_attention", "mamba"]}),
            "layer",
        ),
        ("phi3-longrope", factors, "short_factor"),
        ("bert", json!({"id2label": {"0": "a"}}), "shape"),
        ("bert", json!({"id2label": {}}), "labels"),
        (
            "bert",
            json!({"id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}}),
            "shape",
        ),
        ("bert", json!({"type_vocab_size": 0}), "type_vocab_size"),
        ("gpt2", json!({"n_positions": 256}), "wpe.weight"),
        ("gpt2", json!({"n_embd": 25}), "divide"),
        ("gpt2", json!({"vocab_size": 1}), "not below vocab_size"),
    ] {
        assert_refused(with_config(name, &values).path(), Fault::Config, why);
    }
}

#[test]
fn context_beyond_learned_positions_should_be_refused() {
    let dir = copy("gpt2");
    let data = texts(dir.path(), &["some text"]);
    let with = |context| {
        let options = EvalOptions {
            context,
            ..options(Metric::BitsPerByte)
        };
        evaluate(dir.path(), &data, &options, &mut ())
    };
    assert!(with(128).is_ok());
    let error = with(129).unwrap_err();
    assert_eq!(error.fault, Fault::Config, "{error}");
    assert!(error.detail.contains("positions"), "{error}");
}

#[test]
fn json_that_is_nested_deep_should_be_refused() {
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    let with = |name: &str, model: &str| {
        let dir = copy(model);
        fs::write(dir.path().join(name), &deep).unwrap();
        dir
    };
    assert_refused(
        with("config.json", "llama").path(),
        Fault::Config,
        "config.json",
    );
    let shards = with("model.safetensors.index.json", "llama-shards");
    assert_refused(shards.path(), Fault::Weights, "index.json");
    let dir = with("tokenizer.json", "llama");
    let error = score(dir.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Tokenizer, "{error}");
    let dir = with("tokenizer_config.json", "llama");
    let data = dir.path().join("talk.jsonl");
    let talk = json!({"conversations": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"}]});
    fs::write(&data, talk.to_string()).unwrap();
    let scored = evaluate(dir.path(), &data, &options(Metric::BitsPerByte), &mut ());
    assert_eq!(scored.unwrap_err().fault, Fault::Tokenizer);
}

#[test]
fn keys_that_are_there_twice_should_be_refused() {
    let twice = |name: &str, model: &str, field: &str| {
        let dir = copy(model);
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen('{', &format!("{{{field},"), 1)).unwrap();
        dir
    };
    let dir = twice("config.json", "llama", "\"vocab_size\":288");
    assert_refused(dir.path(), Fault::Config, "duplicate");
    let dir = twice("config.json", "gpt2", "\"hidden_size\":24");
    assert_refused(dir.path(), Fault::Config, "duplicate");
    let dir = twice("config.json", "llama", "\"model_type\":\"gpt2\"");
    assert_refused(dir.path(), Fault::Config, "duplicate");
    let dir = twice(
        "model.safetensors.index.json",
        "llama-shards",
        "\"weight_map\":{}",
    );
    assert_refused(dir.path(), Fault::Weights, "duplicate");
}

/// A weights file with this header and so many bytes after it.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn headers_that_lie_should_be_refused() {
    let entry = |name: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let x = entry("x", "[2]", 0, 8);
    let most = u64::MAX;
    let two = |other: String| format!("{{{x},{other}}}");
    let mut huge = file(&format!("{{{x}}}"), 8);
    huge[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    let mut files = vec![huge, vec![], vec![0; 9], file("{}", 1), file("", 0)];
    for (header, data) in [
        (two(entry("y", "[2]", 4, 12)), 12),
        (two(entry("y", "[2]", 0, 8)), 8),
        (two(entry("y", "[2]", 12, 20)), 20),
        (two(entry("y", "[2]", 16, 8)), 16),
        (two(entry("x", "[2]", 8, 16)), 16),
        (two(entry("y", "[18446744073709551615,2]", 8, 16)), 16),
        (two(entry("y", "[4611686018427387904]", 8, 8)), 8),
        (two(entry("y", "[2]", most - 7, most)), 8),
        (format!("{{{}}}", entry("x", "[2]", most, 8)), 8),
        (
            format!("{{{x},\"__metadata__\":{{}},\"__metadata__\":{{}}}}"),
            8,
        ),
        (format!("{{\"x\":{}", "[".repeat(200_000)), 8),
        (
            format!("{{\"__metadata__\":{{\"a\":{}", "{\"a\":".repeat(200_000)),
            8,
        ),
        (format!("{{{x}}}\0"), 8),
        (format!("{{{x}}}{{}}"), 8),
        ("[]".to_owned(), 0),
        (format!("{{{x}}}"), 7),
        (format!("{{{x}}}"), 9),
    ] {
        files.push(file(&header, data));
    }
    let dir = mlp().in_dir();
    for bytes in files {
        fs::write(dir.path().join("model.safetensors"), &bytes).unwrap();
        assert_refused(dir.path(), Fault::Weights, "model.safetensors");
    }
    // Shapes of many axes, and of none.
    for shape in [
        format!("[{}1]", "1,".repeat(100_000)),
        "[]".to_owned(),
        "[0,9]".to_owned(),
    ] {
        let bytes = if shape == "[0,9]" { 0 } else { 4 };
        let header = format!("{{{}}}", entry("layers.0.bias", &shape, 0, bytes));
        let bytes = file(&header, bytes as usize);
        fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
        assert_refused(dir.path(), Fault::Config, "shape");
    }
}

#[test]
fn directories_that_are_none_should_be_refused() {
    let dir = mlp().in_dir();
    for name in ["model.safetensors", "config.json"] {
        fs::remove_file(dir.path().join(name)).unwrap();
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("x"), "x").unwrap();
        let fault = if name == "config.json" {
            Fault::Config
        } else {
            Fault::Weights
        };
        assert_refused(dir.path(), fault, "is no file");
    }
    // A shard of another name is not what validators fetch.
    let dir = copy("llama-shards");
    let path = dir.path().join("model.safetensors.index.json");
    let index = fs::read_to_string(&path).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    for (_, shard) in index["weight_map"].as_object_mut().unwrap() {
        let named = shard.as_str().unwrap().replace(".safetensors", ".weights");
        let from = dir.path().join(shard.as_str().unwrap());
        if from.exists() {
            fs::rename(from, dir.path().join(&named)).unwrap();
        }
        *shard = named.into();
    }
    fs::write(path, index.to_string()).unwrap();
    assert_refused(dir.path(), Fault::Weights, ".safetensors");
    for shard in [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/x.safetensors",
        "absent.safetensors",
    ] {
        let index = json!({"weight_map": {"x": shard}}).to_string();
        fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
        assert_refused(dir.path(), Fault::Weights, "no file beside it");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_round_and_round_should_be_refused() {
    let dir = mlp().in_dir();
    // Followed, they would be 20 to the power of 16 directories.
    for n in 0..20 {
        std::os::unix::fs::symlink(".", dir.path().join(format!("link-{n}"))).unwrap();
    }
    assert_refused(dir.path(), Fault::Manifest, "link");
}

#[test]
fn more_files_than_a_manifest_takes_should_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..=1_024 {
        fs::write(dir.path().join(n.to_string()), "").unwrap();
    }
    let error = ModelError::from(Manifest::of_dir(dir.path()).unwrap_err());
    assert_eq!(error.fault, Fault::Manifest, "{error}");
}

#[test]
fn tokenizer_of_64_mebibytes_should_be_read_and_a_longer_one_refused() {
    let model = llama(0.1, true);
    let dir = model.in_dir();
    let path = dir.path().join("tokenizer.json");
    let mut json = model.tokenizer.unwrap();
    let end = json.pop().unwrap();
    json.push_str(&" ".repeat((1 << 26) - json.len() - 1));
    json.push(end);
    fs::write(&path, &json).unwrap();
    assert!(score(dir.path()).is_ok());
    json.push(' ');
    fs::write(&path, &json).unwrap();
    assert_refused(dir.path(), Fault::Tokenizer, "at most");
    // The same length in brackets.
    fs::write(&path, "[".repeat(1 << 26)).unwrap();
    let error = score(dir.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Tokenizer, "{error}");
}

#[test]
fn weights_that_make_nan_only_on_some_inputs_should_be_told_apart() {
    let mut model = mlp();
    let first = &mut model.tensors.get_mut("layers.0.weight").unwrap().1;
    (first[0], first[1]) = (3e38, -3e38);
    let dir = model.in_dir();
    let with = |features: [f32; 3], profile| {
        let data = dir.path().join("rows.jsonl");
        let row = |features: [f32; 3]| json!({"features": features, "label": 0}).to_string();
        fs::write(&data, [row([0.5, 0.5, 1.0]), row(features)].join("\n")).unwrap();
        let options = EvalOptions {
            profile,
            ..options(Metric::Accuracy)
        };
        evaluate(dir.path(), &data, &options, &mut ()).map_err(|e| e.fault)
    };
    for profile in [Profile::ExactCpuF32, Profile::F32] {
        assert!(with([1.0, 1.0, 1.0], profile).is_ok());
    }
    // 6e38 - 6e38, beyond f32.
    let nan = [2.0, 2.0, 1.0];
    assert_eq!(with(nan, Profile::ExactCpuF32), Err(Fault::NonFinite));
    assert_eq!(with(nan, Profile::F32), Err(Fault::Unstable));
}

#[test]
fn weights_beyond_bf16_should_be_refused_where_they_are_rounded_to_it() {
    let with = |value: f32, profile| {
        let mut model = llama(0.1, true);
        model.tensors.get_mut("model.norm.weight").unwrap().1[0] = value;
        let dir = model.in_dir();
        let data = texts(dir.path(), &["a"]);
        let options = EvalOptions {
            profile,
            ..options(Metric::BitsPerByte)
        };
        let scored = evaluate(dir.path(), &data, &options, &mut ());
        scored.map(drop).map_err(|e| e.fault)
    };
    // Half a step above the largest bf16, and just below.
    let (above, below) = (f32::from_bits(0x7f7f_8000), f32::from_bits(0x7f7f_7fff));
    assert_eq!(with(above, Profile::Bf16), Err(Fault::NonFinite));
    assert_eq!(with(-above, Profile::Bf16), Err(Fault::NonFinite));
    assert_ne!(with(below, Profile::Bf16), Err(Fault::NonFinite));
    assert_ne!(with(above, Profile::F32), Err(Fault::NonFinite));
}
