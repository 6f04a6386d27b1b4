//! What can be wrong with a model's files.

use arena_primitives::job::MinerFault;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Sets fields of a JSON file.
pub(super) fn set(path: &Path, values: Value) {
    let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for (key, value) in values.as_object().unwrap() {
        json[key] = value.clone();
    }
    fs::write(path, json.to_string()).unwrap();
}

pub(super) fn config(dir: &Path, values: Value) {
    set(&dir.join("config.json"), values);
}

/// Changes the bytes of the weights.
pub(super) fn weights(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Changes the header of the weights, and the bytes after it.
pub(super) fn tensors(dir: &Path, change: impl FnOnce(&mut Value, &mut Vec<u8>)) {
    weights(dir, |file| {
        let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
        let mut body = file.split_off(8 + length);
        let mut header: Value = serde_json::from_slice(&file[8..]).unwrap();
        change(&mut header, &mut body);
        let header = header.to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        *file = [&length[..], &header, &body].concat();
    });
}

/// A weights file of one tensor with this entry, and 8 bytes.
pub(super) fn header(dir: &Path, entry: &str) {
    let header = format!(r#"{{"layers.0.bias":{entry}}}"#);
    let length = (header.len() as u64).to_le_bytes();
    weights(dir, |file| {
        *file = [&length, header.as_bytes(), &[0; 8]].concat()
    });
}

pub(super) fn to_directory(dir: &Path, name: &str) {
    fs::remove_file(dir.join(name)).unwrap();
    fs::create_dir(dir.join(name)).unwrap();
    fs::write(dir.join(name).join("x"), "x").unwrap();
}

pub(super) fn deep() -> String {
    format!("{{\"a\":{}", "[".repeat(100_000))
}

/// A convolution of this kernel and padding, on the tensors of the MLP.
pub(super) fn convolution(dir: &Path, kernel: usize, padding: usize) {
    let layers = json!([{"type": "conv2d", "out": 1, "kernel": kernel, "stride": 1,
        "padding": padding}, {"type": "flatten"}, {"type": "linear", "out": 2}]);
    config(
        dir,
        json!({"model_type": "arena_cnn", "input_shape": [1, 2, 2], "layers": layers}),
    );
}

/// The fixture, the fault, and what was done to it.
pub(super) type Broken = (&'static str, MinerFault, fn(&Path));

pub(super) const MLP: &str = "an mlp";
/// A llama, on conversations.
pub(super) const CHAT: &str = "a chat model";

pub(super) const BROKEN: &[Broken] = &[
    (MLP, MinerFault::Weights, |dir| {
        fs::rename(dir.join("model.safetensors"), dir.join("model.pt")).unwrap();
    }),
    (MLP, MinerFault::Weights, |dir| {
        weights(dir, |w| w.splice(.., *b"PK\x03\x04pickle").for_each(drop))
    }),
    (MLP, MinerFault::Weights, |dir| {
        weights(dir, |w| w.truncate(w.len() - 1))
    }),
    (MLP, MinerFault::Weights, |dir| weights(dir, |w| w.push(0))),
    (MLP, MinerFault::Weights, |dir| weights(dir, Vec::clear)),
    (MLP, MinerFault::Weights, |dir| {
        weights(dir, |w| w[..8].copy_from_slice(&(1u64 << 60).to_le_bytes()));
    }),
    (MLP, MinerFault::Weights, |dir| {
        header(dir, r#"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#);
    }),
    (MLP, MinerFault::Weights, |dir| {
        header(
            dir,
            r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
        );
    }),
    (MLP, MinerFault::Weights, |dir| header(dir, &deep())),
    (MLP, MinerFault::Weights, |dir| {
        to_directory(dir, "model.safetensors")
    }),
    (MLP, MinerFault::Config, |dir| {
        header(dir, r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#);
    }),
    (MLP, MinerFault::NonFinite, |dir| {
        weights(dir, |w| {
            let end = w.len() - 4;
            w[end..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        });
    }),
    (MLP, MinerFault::Config, |dir| {
        to_directory(dir, "config.json")
    }),
    (MLP, MinerFault::Config, |dir| {
        fs::write(dir.join("config.json"), deep()).unwrap()
    }),
    (MLP, MinerFault::Config, |dir| {
        config(dir, json!({"x": "y".repeat(2 << 20)}))
    }),
    (MLP, MinerFault::Config, |dir| {
        config(dir, json!({"labels": u64::MAX}))
    }),
    (MLP, MinerFault::Config, |dir| {
        convolution(dir, usize::MAX, usize::MAX - 1)
    }),
    (MLP, MinerFault::Config, |dir| {
        convolution(dir, 1 << 40, 1 << 39)
    }),
    ("llama", MinerFault::TooLarge, |dir| {
        config(
            dir,
            json!({"hidden_size": 1 << 17, "vocab_size": 1 << 20,
            "num_hidden_layers": 1024, "num_attention_heads": 1024,
            "num_key_value_heads": 1024, "head_dim": 1 << 17, "layer_types": null}),
        );
    }),
    ("llama", MinerFault::Config, |dir| {
        config(dir, json!({"num_hidden_layers": 20, "layer_types": null}))
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        fs::remove_file(dir.join("tokenizer.json")).unwrap()
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        fs::write(dir.join("tokenizer.json"), deep()).unwrap()
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        fs::write(dir.join("tokenizer.json"), "[".repeat(1 << 26)).unwrap();
    }),
    ("llama", MinerFault::TooLarge, |dir| {
        fs::write(dir.join("tokenizer.json"), " ".repeat((1 << 26) + 1)).unwrap();
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        let tenfold =
            json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
        let bomb = json!({"type": "Sequence", "normalizers": vec![tenfold; 40]});
        set(&dir.join("tokenizer.json"), json!({"normalizer": bomb}));
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        let split = json!({"type": "Split", "pattern": {"Regex": "(a+)+$"},
            "behavior": "Isolated", "invert": false});
        set(&dir.join("tokenizer.json"), json!({"pre_tokenizer": split}));
    }),
    ("llama", MinerFault::Tokenizer, |dir| {
        let token = json!({"id": 1_000_000, "content": "<far>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true});
        set(
            &dir.join("tokenizer.json"),
            json!({"added_tokens": [token]}),
        );
        let path = dir.join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json["model"]["vocab"]["<far>"] = 1_000_000.into();
        fs::write(path, json.to_string()).unwrap();
    }),
    ("llama", MinerFault::Config, |dir| {
        tensors(dir, |header, body| {
            let (from, to) = (body.len(), body.len() + 4);
            body.extend([0; 4]);
            header["model.surplus"] =
                json!({"dtype": "F32", "shape": [1], "data_offsets": [from, to]});
        });
    }),
    // As many numbers, turned.
    ("llama", MinerFault::Config, |dir| {
        tensors(dir, |header, _| {
            header["model.layers.0.mlp.down_proj.weight"]["shape"] = json!([32, 24]);
        });
    }),
    (CHAT, MinerFault::Tokenizer, |dir| {
        let within = "{% for b in range(90000) %}{% endfor %}";
        let template = format!("{{% for a in range(90000) %}}{within}{{% endfor %}}");
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
    }),
    ("gpt2", MinerFault::Config, |dir| {
        config(dir, json!({"n_positions": 64}))
    }),
    ("gpt2", MinerFault::Config, |dir| {
        config(dir, json!({"vocab_size": 100}))
    }),
    ("gemma2", MinerFault::Config, |dir| {
        config(dir, json!({"layer_types": ["full_attention"]}))
    }),
    ("qwen3", MinerFault::Config, |dir| {
        config(dir, json!({"head_dim": 3}))
    }),
    ("bert", MinerFault::Config, |dir| {
        config(dir, json!({"id2label": {"0": "a"}}))
    }),
    ("bert", MinerFault::TooLarge, |dir| {
        config(dir, json!({"max_position_embeddings": 1 << 24}))
    }),
    ("llama-shards", MinerFault::Weights, |dir| {
        fs::write(dir.join("model.safetensors.index.json"), deep()).unwrap();
    }),
    ("llama-shards", MinerFault::Weights, |dir| {
        let map = json!({"x": "../../outcome.scale"});
        set(
            &dir.join("model.safetensors.index.json"),
            json!({"weight_map": map}),
        );
    }),
    ("llama-shards", MinerFault::Weights, |dir| {
        fs::remove_file(dir.join("model-00002-of-00002.safetensors")).unwrap();
    }),
];
