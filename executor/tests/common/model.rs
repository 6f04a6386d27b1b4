//! Small models and data on disk, and the requests that score them.

use super::*;
use std::fs;

/// Models and data of the crate `arena-models`, as `scripts/parity/generate.py` made them.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/tests/fixtures"
    ))
}

/// Copies the files of a directory.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A value in -1..1 that looks like noise.
fn noise(i: usize) -> f32 {
    ((i as f32 * 12.9898).sin() * 43_758.547).fract()
}

/// Bytes of a `safetensors` file with f32 tensors, and u32 ones where the name is `labels`.
pub(crate) fn safetensors(tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut body = Vec::new();
    for (name, shape, values) in tensors {
        let from = body.len();
        let dtype = if *name == "labels" {
            body.extend(values.iter().flat_map(|v| (*v as u32).to_le_bytes()));
            "U32"
        } else {
            body.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            "F32"
        };
        let entry = serde_json::json!({
            "dtype": dtype, "shape": shape, "data_offsets": [from, body.len()]
        });
        header.insert((*name).to_owned(), entry);
    }
    let mut header = serde_json::to_vec(&header).unwrap();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, &body].concat()
}

/// An MLP with two labels: `widths[0]` features and a hidden layer for each other width.
pub(crate) fn write_mlp(dir: &Path, widths: &[usize]) {
    let widths = [widths, &[2]].concat();
    let mut layers: Vec<serde_json::Value> = Vec::new();
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for pair in widths.windows(2) {
        let (width, out) = (pair[0], pair[1]);
        let scale = 1.0 / (width as f32).sqrt();
        let weight = (0..width * out).map(|i| noise(i + out) * scale).collect();
        tensors.push((
            format!("layers.{}.weight", layers.len()),
            vec![out, width],
            weight,
        ));
        let bias = (0..out).map(|i| noise(i) * 0.1).collect();
        tensors.push((format!("layers.{}.bias", layers.len()), vec![out], bias));
        layers.push(serde_json::json!({"type": "linear", "out": out}));
        layers.push(serde_json::json!({"type": "tanh"}));
    }
    layers.pop();
    let config = serde_json::json!({
        "model_type": "arena_mlp", "version": 1, "input_shape": [widths[0]],
        "layers": layers, "labels": 2
    });
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(n, s, v)| (n.as_str(), s.clone(), v.clone()))
        .collect();
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    fs::write(dir.join("model.safetensors"), safetensors(&tensors)).unwrap();
}

/// `n` samples with `width` features, as JSONL.
pub(crate) fn write_jsonl(path: &Path, n: usize, width: usize) {
    let line = |i: usize| {
        let features: Vec<_> = (0..width).map(|j| noise(i * width + j)).collect();
        serde_json::json!({"features": features, "label": i % 2}).to_string() + "\n"
    };
    fs::write(path, (0..n).map(line).collect::<String>()).unwrap();
}

/// `n` samples with `width` features, as `safetensors`.
pub(crate) fn write_tensors(path: &Path, n: usize, width: usize) {
    let features = (0..n * width).map(noise).collect();
    let labels = (0..n).map(|i| (i % 2) as f32).collect();
    let tensors = [
        ("features", vec![n, width], features),
        ("labels", vec![n], labels),
    ];
    fs::write(path, safetensors(&tensors)).unwrap();
}

/// Writes the directory's manifest and gives its root.
pub(crate) fn write_manifest(dir: &Path) -> [u8; 32] {
    let manifest = arena_models::Manifest::of_dir(dir).unwrap();
    fs::write(dir.join("manifest.scale"), manifest.encode()).unwrap();
    manifest.root()
}

pub(crate) fn file_uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The model in `dir`, with a manifest as it is now.
pub(crate) fn artifact(dir: &Path) -> Artifact {
    Artifact {
        manifest_root: write_manifest(dir).into(),
        uris: vec![file_uri(dir)],
    }
}

/// An evaluation of the model in `dir` on `data`, by accuracy, from files.
pub(crate) fn evaluation(dir: &Path, data: &Path) -> Evaluate {
    let bytes = fs::read(data).unwrap();
    Evaluate {
        model: artifact(dir),
        base: None,
        data: Data {
            blake3: *blake3::hash(&bytes).as_bytes(),
            bytes: bytes.len() as u64,
            uris: vec![file_uri(data)],
            samples: 0,
            seed: [0; 32],
        },
        metric: Metric::Accuracy,
        profile: NumericProfile::F32,
        limits: limits(),
    }
}

/// What the binary prints for a model by hand, with the score as a job's outcome has it.
pub(crate) fn by_hand(dir: &Path, data: &Path) -> serde_json::Value {
    let output = Command::new(BINARY)
        .args(["evaluate", "--json", "--model"])
        .arg(dir)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let score = ["accuracy", "bits_per_byte"].map(|name| found[name].as_f64());
    let score = score.into_iter().flatten().next().unwrap();
    found["raw"] = ((score * 1e9).round() as u64).into();
    found
}
