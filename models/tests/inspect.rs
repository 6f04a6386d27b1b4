//! Refusals of malformed and hostile models.

mod common;

use arena_models::{Architecture, Fault, Limits, ModelError, evaluate, inspect};
use arena_models::{Metric, ModelInfo};
use common::{Model, llama, mlp, options, texts};
use std::{fs, path::Path};

fn find(model: &Model) -> Result<ModelInfo, ModelError> {
    inspect(model.in_dir().path(), None, &Limits::unlimited())
}

fn fault(model: &Model) -> Fault {
    find(model).unwrap_err().fault
}

#[test]
fn inspect_should_tell_what_a_model_is() {
    let dir = mlp().in_dir();
    let info = inspect(dir.path(), None, &Limits::unlimited()).unwrap();
    let sizes = fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len());
    assert_eq!(info.architecture, Architecture::Mlp);
    assert_eq!(
        (info.parameters, info.bytes),
        (15 + 5 + 10 + 2, sizes.sum())
    );
    assert_eq!(
        find(&llama(0.1, true)).unwrap().architecture,
        Architecture::Llama
    );
    assert!(find(&llama(0.1, false)).is_ok());
}

#[test]
fn inspect_should_hold_a_model_to_its_limits() {
    let dir = mlp().in_dir();
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::unlimited();
        change(&mut limits);
        inspect(dir.path(), None, &limits).map_err(|e| e.fault)
    };
    assert_eq!(with(|l| l.max_parameters = 31), Err(Fault::TooLarge));
    assert!(with(|l| l.max_parameters = 32).is_ok());
    assert_eq!(with(|l| l.max_bytes = 10), Err(Fault::TooLarge));
    assert_eq!(
        with(|l| l.architectures = vec![Architecture::Llama]),
        Err(Fault::Architecture)
    );
}

#[test]
fn inspect_should_refuse_tensors_that_the_config_does_not_imply() {
    let mut missing = mlp();
    missing.tensors.remove("layers.2.bias");
    assert_eq!(fault(&missing), Fault::Config);
    let mut surplus = mlp();
    surplus.tensors.insert("extra".into(), (vec![1], vec![0.0]));
    assert_eq!(fault(&surplus), Fault::Config);
    let mut shape = mlp();
    shape
        .tensors
        .insert("layers.0.weight".into(), (vec![3, 5], vec![0.0; 15]));
    let error = find(&shape).unwrap_err();
    assert_eq!(error.fault, Fault::Config);
    assert!(error.to_string().contains("[3, 5]"), "{error}");
    let mut tied = llama(0.1, false);
    tied.config["tie_word_embeddings"] = true.into();
    // A copy that some files hold, and that nothing is computed with.
    assert!(find(&tied).is_ok());
    tied.tensors.remove("model.norm.weight");
    assert_eq!(fault(&tied), Fault::Config);
}

#[test]
fn inspect_should_refuse_absurd_and_unknown_configs() {
    let mut absurd = llama(0.1, true);
    absurd.config["vocab_size"] = u64::MAX.into();
    assert_eq!(fault(&absurd), Fault::Config);
    let mut unknown = mlp();
    unknown.config["model_type"] = "arena_oracle".into();
    assert_eq!(fault(&unknown), Fault::Architecture);
    let mut large = mlp();
    large.config["extra"] = "x".repeat(2 << 20).into();
    assert_eq!(fault(&large), Fault::Config);
}

#[test]
fn inspect_should_never_load_a_pickle() {
    for name in ["pytorch_model.bin", "x.PT", "x.pkl", "x.pth", "x.ckpt"] {
        let dir = mlp().in_dir();
        fs::write(dir.path().join(name), "x").unwrap();
        let error = inspect(dir.path(), None, &Limits::unlimited()).unwrap_err();
        assert_eq!(error.fault, Fault::Weights);
        assert!(error.detail.contains("pickle is never loaded"), "{error}");
    }
    let dir = mlp().in_dir();
    fs::write(
        dir.path().join("model.safetensors"),
        b"PK\x03\x04aaaaaaaaaaaa",
    )
    .unwrap();
    let error = inspect(dir.path(), None, &Limits::unlimited()).unwrap_err();
    assert!(error.detail.contains("pickle is never loaded"), "{error}");
}

#[test]
fn missing_files_should_be_the_models_fault_and_a_missing_directory_not() {
    let without = |name: &str| {
        let dir = llama(0.1, true).in_dir();
        fs::remove_file(dir.path().join(name)).unwrap();
        inspect(dir.path(), None, &Limits::unlimited())
            .unwrap_err()
            .fault
    };
    assert_eq!(without("config.json"), Fault::Config);
    assert_eq!(without("model.safetensors"), Fault::Weights);
    assert_eq!(without("tokenizer.json"), Fault::Tokenizer);
    let absent = inspect(Path::new("/nowhere"), None, &Limits::unlimited()).unwrap_err();
    assert!(!absent.fault.is_models());
}

#[test]
fn inspect_should_refuse_another_tokenizer_than_the_pinned() {
    let model = llama(0.1, true);
    let dir = model.in_dir();
    let hash = *blake3::hash(model.tokenizer.unwrap().as_bytes()).as_bytes();
    let mut limits = Limits {
        tokenizer: Some(hash),
        ..Limits::unlimited()
    };
    assert!(inspect(dir.path(), None, &limits).is_ok());
    limits.tokenizer = Some([0; 32]);
    assert_eq!(
        inspect(dir.path(), None, &limits).unwrap_err().fault,
        Fault::Tokenizer
    );
}

#[test]
fn shards_should_be_the_same_as_one_file() {
    let model = llama(0.3, true);
    let whole = model.in_dir();
    let shards = model.in_dir();
    fs::remove_file(shards.path().join("model.safetensors")).unwrap();
    let (mut a, mut b) = (model.tensors.clone(), model.tensors.clone());
    a.retain(|name, _| name.contains("self_attn"));
    b.retain(|name, _| !name.contains("self_attn"));
    let mut map = serde_json::Map::new();
    for (file, tensors) in [("a.safetensors", &a), ("b.safetensors", &b)] {
        fs::write(shards.path().join(file), common::weights(tensors)).unwrap();
        map.extend(tensors.keys().map(|name| (name.clone(), file.into())));
    }
    let index = shards.path().join("model.safetensors.index.json");
    let write = |map: &serde_json::Map<_, _>| {
        fs::write(
            &index,
            serde_json::json!({"metadata": {}, "weight_map": map}).to_string(),
        )
    };
    write(&map).unwrap();
    let data = texts(whole.path(), &["some text", "other text"]);
    let options = options(Metric::BitsPerByte);
    assert_eq!(
        evaluate(whole.path(), &data, &options, &mut ()).unwrap(),
        evaluate(shards.path(), &data, &options, &mut ()).unwrap()
    );
    map.insert("model.norm.weight".into(), "../b.safetensors".into());
    write(&map).unwrap();
    let error = inspect(shards.path(), None, &Limits::unlimited()).unwrap_err();
    assert_eq!(error.fault, Fault::Weights);
}
