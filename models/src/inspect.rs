//! Checks of a model that read no weight.

use crate::{
    Architecture, Fault, Limits, ModelConfig, ModelError,
    config::MAX_CONFIG_BYTES,
    header::{self, Header, PICKLE},
    lora::{Adapter, is_adapter},
    manifest,
    sketch::blame_base,
};
use serde::{Deserialize, de::IgnoredAny};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
const INDEX: &str = "model.safetensors.index.json";
const PICKLE_ENDINGS: [&str; 6] = ["bin", "pt", "pkl", "pickle", "pth", "ckpt"];
/// Longest index of shards, and longest `tokenizer.json`, in bytes.
const MAX_JSON_BYTES: u64 = 1 << 26;

/// What a model claims to be, proven by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Family.
    pub architecture: Architecture,
    /// Numbers in all tensors.
    pub parameters: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// A model that passed [`check`].
pub(crate) struct Checked {
    pub(crate) info: ModelInfo,
    pub(crate) config: ModelConfig,
    /// Weight files with their headers; together they have exactly the config's tensors.
    pub(crate) shards: Vec<(PathBuf, Header)>,
    /// What is added to the weights.
    pub(crate) adapter: Option<Adapter>,
    /// Directory of the tokenizer and its template: the base's, where there is one.
    pub(crate) text: PathBuf,
}

impl Checked {
    /// An error of what isn't weights. An adapter brings weights alone: all else is its base's,
    /// which the task names.
    pub(crate) fn not_own(&self, error: ModelError) -> ModelError {
        match self.adapter {
            Some(_) => blame_base(error),
            None => error,
        }
    }
}

/// Checks the model in `dir` against `limits` without reading a weight: no pickle, a config
/// that describes a computable model, headers with exactly its tensors, sizes in bounds.
///
/// A directory with `adapter_config.json` and no `config.json` is a LoRA adapter on the model in
/// `base`; its bytes are its own, its parameters those of both.
pub fn inspect(dir: &Path, base: Option<&Path>, limits: &Limits) -> Result<ModelInfo, ModelError> {
    check(dir, base, limits).map(|checked| checked.info)
}

pub(crate) fn check(
    dir: &Path,
    base: Option<&Path>,
    limits: &Limits,
) -> Result<Checked, ModelError> {
    let bytes = scan(dir, 0)?;
    if !is_adapter(dir) {
        return check_whole(dir, bytes, limits);
    }
    let Some(base) = base else {
        return Err(ModelError::new(
            Fault::Architecture,
            "an adapter, and no base to apply it to; submit the whole model",
        ));
    };
    // The base is the task's own: its bytes are not the trainer's, and its size alone is no
    // fault of the adapter.
    let unbounded = Limits {
        max_parameters: u64::MAX,
        max_bytes: u64::MAX,
        ..limits.clone()
    };
    let mut checked = check_whole(base, 0, &unbounded)?;
    let adapter = Adapter::check(dir, &checked.config)?;
    checked.info.parameters = checked.info.parameters.saturating_add(adapter.parameters());
    checked.info.bytes = bytes;
    limits.check_size(checked.info.parameters, bytes)?;
    checked.adapter = Some(adapter);
    Ok(checked)
}

/// The config of the model in `dir`.
pub(crate) fn read_config(dir: &Path) -> Result<ModelConfig, ModelError> {
    ModelConfig::parse(&read_capped(dir, CONFIG, MAX_CONFIG_BYTES, Fault::Config)?)
}

fn check_whole(dir: &Path, bytes: u64, limits: &Limits) -> Result<Checked, ModelError> {
    let config = read_config(dir)?;
    limits.check_architecture(config.architecture())?;
    let info = ModelInfo {
        architecture: config.architecture(),
        parameters: config.parameters()?,
        bytes,
    };
    limits.check_size(info.parameters, info.bytes)?;
    let shards = headers(dir)?;
    check_tensors(&config, &shards)?;
    if info.architecture.reads_text() {
        read_tokenizer(dir, limits)?;
    }
    Ok(Checked {
        info,
        config,
        shards,
        adapter: None,
        text: dir.to_owned(),
    })
}

/// The bytes of `tokenizer.json`, which must be the pinned one if there is one.
pub(crate) fn read_tokenizer(dir: &Path, limits: &Limits) -> Result<Vec<u8>, ModelError> {
    let bytes = read_capped(dir, TOKENIZER, MAX_JSON_BYTES, Fault::Tokenizer)?;
    match limits.tokenizer {
        Some(pinned) if *blake3::hash(&bytes).as_bytes() != pinned => Err(ModelError::new(
            Fault::Tokenizer,
            "tokenizer.json is not the one that the task pins; train with the task's tokenizer",
        )),
        _ => Ok(bytes),
    }
}

/// Reads a small file whole; that it is absent or long is the model's fault.
pub(crate) fn read_capped(
    dir: &Path,
    name: &str,
    most: u64,
    fault: Fault,
) -> Result<Vec<u8>, ModelError> {
    let path = dir.join(name);
    match fs::metadata(&path) {
        Ok(meta) if !meta.is_file() => Err(ModelError::new(fault, format!("{name} is no file"))),
        Ok(meta) if meta.len() > most => Err(ModelError::new(
            fault,
            format!("{name} has {} bytes, at most {most} are read", meta.len()),
        )),
        Ok(_) => fs::read(&path).map_err(|e| ModelError::io(&path, &e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && dir.is_dir() => Err(ModelError::new(
            fault,
            format!("{name} is missing; add it to the model"),
        )),
        Err(e) => Err(ModelError::io(&path, &e)),
    }
}

/// Sums the sizes of all files and refuses pickles by their names.
fn scan(dir: &Path, depth: usize) -> Result<u64, ModelError> {
    if depth > 16 {
        return Err(ModelError::new(
            Fault::Manifest,
            "directories are nested too deep",
        ));
    }
    let io = |e: std::io::Error| ModelError::io(dir, &e);
    let mut bytes = 0u64;
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let meta = fs::metadata(&path).map_err(|e| ModelError::io(&path, &e))?;
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if meta.is_dir() && path.is_symlink() {
            // It may lead back up, and be walked again and again.
            return Err(ModelError::new(
                Fault::Manifest,
                format!("{name} is a link to a directory; put its files there instead"),
            ));
        }
        if meta.is_dir() {
            bytes = bytes.saturating_add(scan(&path, depth + 1)?);
        } else if PICKLE_ENDINGS.iter().any(|e| ending == *e) {
            return Err(ModelError::new(Fault::Weights, format!("{name}: {PICKLE}")));
        } else if !(depth == 0 && name == manifest::FILE_NAME) {
            bytes = bytes.saturating_add(meta.len());
        }
    }
    Ok(bytes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    weight_map: BTreeMap<String, String>,
}

/// Headers of `model.safetensors`, or of the shards that the index names.
pub(crate) fn headers(dir: &Path) -> Result<Vec<(PathBuf, Header)>, ModelError> {
    let refuse = |detail: String| ModelError::new(Fault::Weights, detail);
    let single = dir.join(WEIGHTS);
    if single.is_dir() {
        return Err(refuse(format!("{WEIGHTS} is no file")));
    }
    match (single.exists(), dir.join(INDEX).exists()) {
        (true, true) => return Err(refuse(format!("both {WEIGHTS} and {INDEX}; remove one"))),
        (true, false) => {
            let header = header::read(&single)?;
            return Ok(vec![(single, header)]);
        }
        (false, false) => return Err(refuse(format!("{WEIGHTS} is missing; add it"))),
        (false, true) => {}
    }
    let index = read_capped(dir, INDEX, MAX_JSON_BYTES, Fault::Weights)?;
    let index: Index =
        serde_json::from_slice(&index).map_err(|e| refuse(format!("{INDEX}: {e}")))?;
    let files: BTreeSet<&String> = index.weight_map.values().collect();
    let mut shards = Vec::new();
    for file in files {
        let path = dir.join(file);
        if manifest::check_path(file).is_err() || file.contains('/') || !path.is_file() {
            return Err(refuse(format!("{INDEX}: {file:?} is no file beside it")));
        }
        // Validators fetch no other weights.
        if !file.ends_with(".safetensors") {
            return Err(refuse(format!(
                "{INDEX}: {file:?} does not end in .safetensors"
            )));
        }
        let header = header::read(&path)?;
        let mapped = |name: &String| index.weight_map.get(name) == Some(file);
        if let Some(name) = header.tensors.keys().find(|name| !mapped(name)) {
            return Err(refuse(format!(
                "{file}: {name:?} is not mapped to it by {INDEX}"
            )));
        }
        shards.push((path, header));
    }
    Ok(shards)
}

fn check_tensors(config: &ModelConfig, shards: &[(PathBuf, Header)]) -> Result<(), ModelError> {
    let refuse = |detail: String| Err(ModelError::new(Fault::Config, detail));
    let mut implied: BTreeMap<String, Vec<usize>> = config.tensors()?.into_iter().collect();
    for (name, info) in shards.iter().flat_map(|(_, header)| &header.tensors) {
        let Some(listed) = config.listed_as(name) else {
            continue;
        };
        match implied.remove(listed.as_ref()) {
            None => {
                return refuse(format!(
                    "tensor {name:?} is not one that config.json implies"
                ));
            }
            Some(shape) if shape != info.shape => {
                return refuse(format!(
                    "tensor {name:?} has shape {:?}, config.json implies {shape:?}",
                    info.shape
                ));
            }
            Some(_) => header::check_dtype(name, info)?,
        }
    }
    match implied.keys().next() {
        Some(name) => refuse(format!(
            "tensor {name:?} is missing, config.json implies it"
        )),
        None => Ok(()),
    }
}
