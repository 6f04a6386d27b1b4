//! Every kind of broken adapter: each is refused with its fault.

mod common;

use arena_models::{
    EvalOptions, Evaluation, Fault, Limits, Metric, ModelConfig, ModelError, evaluate, inspect,
};
use common::{llama, options, texts, weights};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

fn model(name: &str) -> PathBuf {
    fixtures().join(name).join("model")
}

fn score(dir: &Path, base: Option<&Path>) -> Result<Evaluation, ModelError> {
    let data = tempfile::tempdir().unwrap();
    let options = EvalOptions {
        base: base.map(Path::to_owned),
        ..options(Metric::BitsPerByte)
    };
    let lines = texts(data.path(), &["the quick brown fox"]);
    evaluate(dir, &lines, &options, &mut ())
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

const A: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const B: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

/// A pair of rank 2 for a projection of [`llama`].
fn factors() -> Tensors {
    let a = (vec![2, common::WIDTH], vec![0.1; 2 * common::WIDTH]);
    let b = (vec![common::WIDTH, 2], vec![0.1; 2 * common::WIDTH]);
    [(A.to_owned(), a), (B.to_owned(), b)].into()
}

/// An adapter of rank 2, with changes to its config.
fn adapter(changes: &Value, tensors: &Tensors) -> tempfile::TempDir {
    let mut config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4});
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
    let path = dir.path().join("adapter_model.safetensors");
    fs::write(path, weights(tensors)).unwrap();
    dir
}

/// The fault of an adapter to [`llama`].
#[track_caller]
fn adapter_fault(adapter: &tempfile::TempDir) -> Fault {
    let base = llama(0.1, true).in_dir();
    let error = score(adapter.path(), Some(base.as_ref())).unwrap_err();
    error.fault
}

#[test]
fn adapters_that_do_not_fit_should_be_refused() {
    let good = adapter(&json!({}), &factors());
    let base = llama(0.1, true).in_dir();
    score(good.path(), Some(base.as_ref())).unwrap();
    let alone = inspect(good.path(), None, &Limits::unlimited()).unwrap_err();
    assert_eq!(alone.fault, Fault::Architecture, "{alone}");
    for changes in [
        json!({"r": 3}),
        json!({"r": 0}),
        json!({"r": u64::MAX}),
        json!({"r": -1}),
        json!({"lora_alpha": 1e9}),
        json!({"lora_alpha": null}),
        json!({"rank_pattern": {"q_proj": 1}}),
        json!({"alpha_pattern": {"q_proj": 1e300}}),
        json!({"fan_in_fan_out": 7}),
    ] {
        let fault = adapter_fault(&adapter(&changes, &factors()));
        assert_eq!(fault, Fault::Config, "{changes}");
    }
    let with = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = factors();
        change(&mut tensors);
        adapter_fault(&adapter(&json!({}), &tensors))
    };
    let surplus = (vec![1], vec![1.0]);
    assert_eq!(
        with(&|t| drop(t.insert("x".into(), surplus.clone()))),
        Fault::Config
    );
    assert_eq!(with(&|t| drop(t.remove(A))), Fault::Config);
    assert_eq!(with(&|t| drop(t.remove(B))), Fault::Config);
    assert_eq!(
        with(&|t| t.get_mut(A).unwrap().1[3] = f32::NAN),
        Fault::NonFinite
    );
    assert_eq!(
        with(&|t| t.get_mut(B).unwrap().1[3] = f32::INFINITY),
        Fault::NonFinite
    );
    // Of another base: its matrix is wider, or has another name.
    let wide = (vec![2, common::WIDTH + 1], vec![0.1; 2 * common::WIDTH + 2]);
    assert_eq!(
        with(&|t| drop(t.insert(A.into(), wide.clone()))),
        Fault::Config
    );
    for base in ["gpt2", "phi3", "bert"] {
        let error = score(good.path(), Some(model(base).as_path())).unwrap_err();
        assert_eq!(error.fault, Fault::Config, "{base}: {error}");
    }
}

#[test]
fn adapter_with_two_updates_of_a_matrix_should_be_refused() {
    let name = |prefix: &str, factor: &str| {
        format!("base_model.model.{prefix}h.0.attn.c_proj.lora_{factor}.weight")
    };
    let pair = |prefix: &str| -> Tensors {
        [
            (name(prefix, "A"), (vec![2, 24], vec![0.1; 48])),
            (name(prefix, "B"), (vec![24, 2], vec![0.1; 48])),
        ]
        .into()
    };
    let base = model("gpt2");
    let turned = json!({"fan_in_fan_out": true});
    let mut tensors = pair("transformer.");
    score(adapter(&turned, &tensors).path(), Some(base.as_ref())).unwrap();
    tensors.extend(pair(""));
    let adapter = adapter(&turned, &tensors);
    let error = score(adapter.path(), Some(base.as_ref())).unwrap_err();
    assert_eq!(error.fault, Fault::Config, "{error}");
    assert!(error.detail.contains("another pair"), "{error}");
}

#[test]
fn adapter_should_be_merged_beyond_f16_and_refused_beyond_f32() {
    let scaled = |value: f32| {
        let mut tensors = factors();
        let values = tensors.values_mut().flat_map(|(_, values)| values);
        values.for_each(|v| *v = value);
        adapter(&json!({"lora_alpha": 1 << 20}), &tensors)
    };
    // 2 · 10⁴ · 2¹⁹ is far above the largest f16, 65,504.
    let base = llama(0.1, true).in_dir();
    assert!(score(scaled(1e2).path(), Some(base.as_ref())).is_ok());
    assert_eq!(adapter_fault(&scaled(1e17)), Fault::NonFinite);
    let fixture = fixtures().join("llama-f16/model");
    let shape = |name: &str| {
        let config = ModelConfig::parse(&fs::read(fixture.join("config.json")).unwrap()).unwrap();
        let tensors: BTreeMap<String, Vec<usize>> = config.tensors().unwrap().into_iter().collect();
        tensors[name].clone()
    };
    let [out, into] = shape("model.layers.0.self_attn.q_proj.weight")[..] else {
        panic!("no matrix");
    };
    let tensors = [
        (A.to_owned(), (vec![2, into], vec![1e2; 2 * into])),
        (B.to_owned(), (vec![out, 2], vec![1e2; 2 * out])),
    ]
    .into();
    let large = adapter(&json!({"lora_alpha": 1 << 20}), &tensors);
    assert!(score(large.path(), Some(&fixture)).is_ok());
}

#[test]
fn adapter_config_that_is_malformed_should_be_refused() {
    let written = |config: &str| {
        let dir = adapter(&json!({}), &factors());
        fs::write(dir.path().join("adapter_config.json"), config).unwrap();
        adapter_fault(&dir)
    };
    let fields = r#""peft_type":"LORA","r":2,"lora_alpha":4"#;
    for config in [
        format!("{{{fields},\"r\":2}}"),
        format!("{{{fields},\"rank_pattern\":{{\"a\":\"b\"}}}}"),
        format!("{{{fields},\"modules_to_save\":{}", "[".repeat(200_000)),
        format!("{{\"a\":{}", "[".repeat(200_000)),
        format!("{{{fields}}}{}", " ".repeat(1 << 20)),
        "[]".into(),
        String::new(),
    ] {
        assert_eq!(written(&config), Fault::Config);
    }
}

#[test]
fn what_is_wrong_with_the_base_should_not_be_the_adapters_fault() {
    let adapter = adapter(&json!({}), &factors());
    let fault = |change: &dyn Fn(&mut common::Model)| {
        let mut base = llama(0.1, true);
        change(&mut base);
        let base = base.in_dir();
        let error = score(adapter.path(), Some(base.path())).unwrap_err();
        error.fault
    };
    for name in [
        "model.norm.weight",
        "model.layers.0.self_attn.q_proj.weight",
    ] {
        let nan = fault(&|base| base.tensors.get_mut(name).unwrap().1[0] = f32::NAN);
        assert_eq!(nan, Fault::Data, "{name}");
    }
    assert_eq!(
        fault(&|base| base.tokenizer = Some("{}".into())),
        Fault::Data
    );
    // With an id beyond its vocabulary.
    let mut far = common::byte_tokenizer();
    far["model"]["vocab"]["zz"] = 100_000.into();
    assert_eq!(
        fault(&|base| base.tokenizer = Some(far.to_string())),
        Fault::Data
    );
}
