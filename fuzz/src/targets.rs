//! What is fuzzed. Each target takes any bytes, and panics where a promise is broken.

use arena_models::{Manifest, ModelConfig, fuzzing, manifest};
use arena_primitives::job::{JobRequest, JobStatus};
use codec::{Decode, DecodeAll, Encode};
use std::{collections::BTreeSet, fmt::Debug};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 6] = [
    ("manifest", manifest),
    ("header", header),
    ("config", config),
    ("job", job),
    ("template", template),
    ("tokenizer", tokenizer),
];

/// `manifest.scale`: what is taken has one spelling and paths that stay in the directory.
pub fn manifest(bytes: &[u8]) {
    let Ok(found) = Manifest::decode(bytes) else {
        return;
    };
    assert_eq!(found.encode(), bytes);
    assert!(found.files.len() <= manifest::MAX_FILES);
    found.total_bytes();
    for file in &found.files {
        let leads_out = file
            .path
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."));
        assert!(!leads_out && !file.path.contains('\\'), "{:?}", file.path);
    }
}

/// The header of a weights file.
pub fn header(bytes: &[u8]) {
    fuzzing::header(bytes, bytes.len() as u64 + 64);
}

/// `config.json` of any family, and `adapter_config.json`: a config that is taken has tensors of
/// distinct names, and a size.
pub fn config(bytes: &[u8]) {
    fuzzing::adapter(bytes);
    let Ok(config) = ModelConfig::parse(bytes) else {
        return;
    };
    let tensors = config
        .tensors()
        .expect("a config that was taken has tensors");
    let names: BTreeSet<&String> = tensors.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), tensors.len());
    let is_shaped = |shape: &Vec<usize>| !shape.is_empty() && shape.iter().all(|d| *d > 0);
    assert!(tensors.iter().all(|(_, shape)| is_shaped(shape)));
    assert!(config.parameters().expect("and a size") > 0);
    for name in names {
        assert_eq!(config.listed_as(name).as_deref(), Some(name.as_str()));
    }
}

/// A job's request and status: what is decoded is encoded as it was.
pub fn job(bytes: &[u8]) {
    identity::<JobRequest>(bytes);
    identity::<JobStatus>(bytes);
    if let Ok(request) = JobRequest::decode_all(&mut &bytes[..]) {
        request.id();
    }
}

fn identity<T: Decode + Encode + PartialEq + Debug>(bytes: &[u8]) {
    let mut rest = bytes;
    let Ok(value) = T::decode(&mut rest) else {
        return;
    };
    let encoded = value.encode();
    assert_eq!(encoded, bytes[..bytes.len() - rest.len()]);
    assert_eq!(T::decode_all(&mut &encoded[..]).as_ref(), Ok(&value));
}

/// A chat template.
pub fn template(bytes: &[u8]) {
    fuzzing::template(bytes);
}

/// `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) {
    fuzzing::tokenizer(bytes);
}
