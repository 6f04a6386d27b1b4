//! Models and data made by hand.
#![allow(dead_code, reason = "each test file takes what it needs")]

use arena_models::{Device, EvalOptions, Limits, Metric, Profile};
use safetensors::{Dtype, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// A model directory in memory.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) config: serde_json::Value,
    pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub(crate) tokenizer: Option<String>,
}

impl Model {
    pub(crate) fn write(&self, dir: &Path) {
        fs::write(dir.join("config.json"), self.config.to_string()).unwrap();
        fs::write(dir.join("model.safetensors"), weights(&self.tensors)).unwrap();
        if let Some(tokenizer) = &self.tokenizer {
            fs::write(dir.join("tokenizer.json"), tokenizer).unwrap();
        }
    }

    pub(crate) fn in_dir(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        dir
    }
}

pub(crate) fn weights(tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, (shape, _)), data)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}

/// Numbers in (−1, 1) that are no pattern.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn value(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as f64 / (1u64 << 31) as f64 * 2.0 - 1.0) as f32
    }

    pub(crate) fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * scale).collect()
    }
}

/// Two linear layers with tanh between.
pub(crate) fn mlp() -> Model {
    let mut noise = Noise(1);
    let mut tensors = BTreeMap::new();
    tensors.insert(
        "layers.0.weight".into(),
        (vec![5, 3], noise.values(15, 1.0)),
    );
    tensors.insert("layers.0.bias".into(), (vec![5], noise.values(5, 1.0)));
    tensors.insert(
        "layers.2.weight".into(),
        (vec![2, 5], noise.values(10, 1.0)),
    );
    tensors.insert("layers.2.bias".into(), (vec![2], noise.values(2, 1.0)));
    let config = serde_json::json!({
        "model_type": "arena_mlp", "version": 1, "input_shape": [3], "labels": 2,
        "layers": [{"type": "linear", "out": 5}, {"type": "tanh"}, {"type": "linear", "out": 2}],
    });
    Model {
        config,
        tensors,
        tokenizer: None,
    }
}

/// Standard normal.
pub(crate) fn normal(noise: &mut Noise) -> f32 {
    // Twelve uniform numbers in (−1, 1) have a variance of four.
    (0..12).map(|_| noise.value()).sum::<f32>() / 2.0
}

/// Linear layers of so many inputs and outputs, with tanh between; `seed` draws the weights.
pub(crate) fn perceptron(seed: u64, widths: &[usize]) -> Model {
    let mut noise = Noise(seed);
    let (mut layers, mut tensors) = (Vec::new(), BTreeMap::new());
    for pair in widths.windows(2) {
        let [inputs, outputs] = [pair[0], pair[1]];
        if !layers.is_empty() {
            layers.push(serde_json::json!({"type": "tanh"}));
        }
        let layer = layers.len();
        layers.push(serde_json::json!({"type": "linear", "out": outputs}));
        let values = (0..outputs * inputs)
            .map(|_| 0.1 * normal(&mut noise))
            .collect();
        tensors.insert(
            format!("layers.{layer}.weight"),
            (vec![outputs, inputs], values),
        );
        let bias = noise.values(outputs, 0.1);
        tensors.insert(format!("layers.{layer}.bias"), (vec![outputs], bias));
    }
    let config = serde_json::json!({
        "model_type": "arena_mlp", "version": 1, "input_shape": [widths[0]],
        "labels": widths[widths.len() - 1], "layers": layers,
    });
    Model {
        config,
        tensors,
        tokenizer: None,
    }
}

/// The model in another way of writing it.
pub(crate) fn rewritten(model: &Model, dir: &Path, dtype: Dtype, shards: bool) {
    model.write(dir);
    fs::remove_file(dir.join("model.safetensors")).unwrap();
    let bytes = |v: &f32| match dtype {
        Dtype::F32 => (if *v == 0.0 { -0.0 } else { *v }).to_le_bytes().to_vec(),
        Dtype::BF16 => v.to_le_bytes()[2..].to_vec(),
        Dtype::F16 if v.abs() < 2f32.powi(-14) => vec![0, 0],
        // Exponent less 112, above ten bits of fraction.
        _ => ((v.to_bits() >> 16 & 0x8000) | (((v.to_bits() & 0x7FFF_FFFF) >> 13) - (112 << 10)))
            .to_le_bytes()[..2]
            .to_vec(),
    };
    let mut map = serde_json::Map::new();
    let files = if shards { 2 } else { 1 };
    for file in 0..files {
        let name = if shards {
            format!("part-{file}.safetensors")
        } else {
            "model.safetensors".into()
        };
        let chosen: Vec<_> = model.tensors.iter().skip(file).step_by(files).collect();
        let data: Vec<Vec<u8>> = chosen
            .iter()
            .map(|t| t.1.1.iter().flat_map(bytes).collect())
            .collect();
        let views = chosen.iter().zip(&data).map(|((name, (shape, _)), data)| {
            (
                name.as_str(),
                TensorView::new(dtype, shape.clone(), data).unwrap(),
            )
        });
        let metadata = HashMap::from([("made by".to_owned(), format!("{file}"))]);
        fs::write(
            dir.join(&name),
            safetensors::serialize(views, Some(metadata)).unwrap(),
        )
        .unwrap();
        map.extend(chosen.iter().map(|t| (t.0.clone(), name.clone().into())));
    }
    if shards {
        let index = serde_json::json!({"metadata": {"x": 1}, "weight_map": map}).to_string();
        fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
    }
}

/// A convolution, its largest values, and a linear layer.
pub(crate) fn cnn(noise: &mut Noise) -> Model {
    let mut tensors = BTreeMap::new();
    tensors.insert(
        "layers.0.weight".into(),
        (vec![2, 1, 3, 3], noise.values(18, 1.0)),
    );
    tensors.insert("layers.0.bias".into(), (vec![2], noise.values(2, 1.0)));
    tensors.insert("layers.4.weight".into(), (vec![3, 2], noise.values(6, 1.0)));
    tensors.insert("layers.4.bias".into(), (vec![3], noise.values(3, 1.0)));
    let config = serde_json::json!({
        "model_type": "arena_cnn", "version": 1, "input_shape": [1, 4, 4], "labels": 3,
        "layers": [{"type": "conv2d", "out": 2, "kernel": 3, "stride": 2, "padding": 1},
            {"type": "relu"}, {"type": "max_pool2d", "kernel": 2, "stride": 2},
            {"type": "flatten"}, {"type": "linear", "out": 3}],
    });
    Model {
        config,
        tensors,
        tokenizer: None,
    }
}

pub(crate) const VOCABULARY: usize = 260;
pub(crate) const WIDTH: usize = 16;
pub(crate) const LAYERS: usize = 2;
pub(crate) const HEADS: usize = 4;
pub(crate) const KV_HEADS: usize = 2;
pub(crate) const HEAD: usize = 4;
pub(crate) const INNER: usize = 24;

/// A small Llama with grouped attention; `scale` 0 gives a uniform distribution.
pub(crate) fn llama(scale: f32, tied: bool) -> Model {
    let mut noise = Noise(7);
    let mut tensors = BTreeMap::new();
    let mut add = |name: String, shape: &[usize]| {
        let count = shape.iter().product();
        let values = match shape.len() {
            1 => noise.values(count, 0.2).iter().map(|v| 1.0 + v).collect(),
            _ => noise.values(count, scale),
        };
        tensors.insert(name, (shape.to_vec(), values));
    };
    add("model.embed_tokens.weight".into(), &[VOCABULARY, WIDTH]);
    add("model.norm.weight".into(), &[WIDTH]);
    if !tied {
        add("lm_head.weight".into(), &[VOCABULARY, WIDTH]);
    }
    for layer in 0..LAYERS {
        for (name, shape) in [
            ("input_layernorm", &[WIDTH][..]),
            ("post_attention_layernorm", &[WIDTH]),
            ("self_attn.q_proj", &[HEADS * HEAD, WIDTH]),
            ("self_attn.k_proj", &[KV_HEADS * HEAD, WIDTH]),
            ("self_attn.v_proj", &[KV_HEADS * HEAD, WIDTH]),
            ("self_attn.o_proj", &[WIDTH, HEADS * HEAD]),
            ("mlp.gate_proj", &[INNER, WIDTH]),
            ("mlp.up_proj", &[INNER, WIDTH]),
            ("mlp.down_proj", &[WIDTH, INNER]),
        ] {
            add(format!("model.layers.{layer}.{name}.weight"), shape);
        }
    }
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-5, "rope_theta": 100.0,
        "vocab_size": VOCABULARY, "max_position_embeddings": 64, "hidden_act": "silu",
        "tie_word_embeddings": tied, "bos_token_id": 0, "eos_token_id": 1,
    });
    Model {
        config,
        tensors,
        tokenizer: Some(byte_tokenizer().to_string()),
    }
}

/// One token per byte, ids from 2.
pub(crate) fn byte_tokenizer() -> serde_json::Value {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let vocabulary: serde_json::Map<_, _> = alphabet
        .iter()
        .enumerate()
        .map(|(i, c)| (c.to_string(), (i + 2).into()))
        .collect();
    let level = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
    });
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": [],
        },
    })
}

pub(crate) fn options(metric: Metric) -> EvalOptions {
    EvalOptions {
        metric,
        samples: 0,
        seed: [3; 32],
        context: 64,
        batch_tokens: 256,
        profile: Profile::F32,
        device: Device::Cpu,
        base: None,
        limits: Limits::unlimited(),
    }
}

/// A JSONL file of texts.
pub(crate) fn texts(dir: &Path, texts: &[&str]) -> std::path::PathBuf {
    let path = dir.join("texts.jsonl");
    let lines: Vec<String> = texts
        .iter()
        .map(|text| serde_json::json!({"text": text}).to_string())
        .collect();
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// A JSONL file of features and labels.
pub(crate) fn rows(dir: &Path, rows: &[(Vec<f32>, u32)]) -> std::path::PathBuf {
    let path = dir.join("rows.jsonl");
    let lines: Vec<String> = rows
        .iter()
        .map(|(features, label)| {
            serde_json::json!({"features": features, "label": label}).to_string()
        })
        .collect();
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// An MLP and a CNN in directories, each with twelve rows of data.
pub(crate) fn classifiers() -> [(tempfile::TempDir, std::path::PathBuf); 2] {
    let mut noise = Noise(9);
    let models = [(mlp(), 3, 2), (cnn(&mut noise), 16, 3)];
    models.map(|(model, width, labels)| {
        let dir = model.in_dir();
        let data: Vec<_> = (0..12)
            .map(|i| (noise.values(width, 2.0), i % labels))
            .collect();
        let data = rows(dir.path(), &data);
        (dir, data)
    })
}
