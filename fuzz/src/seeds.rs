//! What the fuzzers begin with, made of the fixtures of `arena-models`.

use arena_models::Manifest;
use arena_primitives::{
    challenge::{LogLeaf, LossLeaf},
    job::*,
};
use codec::Encode;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const CLASSIFIERS: [&str; 2] = [
    r#"{"model_type":"arena_mlp","version":1,"input_shape":[4],"labels":2,"layers":[
        {"type":"linear","out":8},{"type":"tanh"},{"type":"linear","out":2}]}"#,
    r#"{"model_type":"arena_cnn","version":1,"input_shape":[1,8,8],"labels":3,"layers":[
        {"type":"conv2d","out":4,"kernel":3,"stride":1,"padding":1},{"type":"relu"},
        {"type":"max_pool2d","kernel":2,"stride":2},{"type":"gelu"},{"type":"flatten"},
        {"type":"linear","out":3}]}"#,
];
const TEMPLATES: [&str; 3] = [
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'] | trim }}</s>{% endfor %}",
    "{{ bos_token }}{%- set ns = namespace(x=1) %}{%- for m in messages -%}{%- if m.role == \
     'assistant' %}{% generation %}{{ m.content.strip() ~ eos_token }}{% endgeneration %}\
     {%- elif loop.first %}{% set ns.x = ns.x * 2 %}{{ m | tojson(indent=2) }}{%- endif -%}\
     {%- endfor -%}",
    "{% macro f(x, y='z') %}{{ x[1:] | upper | replace('A', y) }}{% endmacro %}{{ f('abc') }}\
     {{ messages | length }}{{ [1, 2] | batch(2) | list }}{{ strftime_now('%d') }}",
];

/// Seeds of a target, each once, in a fixed order.
pub fn of(target: &str, fixtures: &Path) -> Vec<Vec<u8>> {
    let texts =
        |texts: &[&str]| -> Vec<Vec<u8>> { texts.iter().map(|t| t.as_bytes().into()).collect() };
    let files = |ending: &str| {
        let named = found(fixtures, ending);
        named
            .into_iter()
            .map(|path| fs::read(path).expect("a fixture"))
    };
    let seeds: BTreeSet<Vec<u8>> = match target {
        "manifest" => found(fixtures, "safetensors")
            .iter()
            .filter_map(|path| Manifest::of_dir(path.parent()?).ok())
            .map(|manifest| manifest.encode())
            .collect(),
        "header" => files("safetensors").map(beginning).collect(),
        "config" => files("config.json").chain(texts(&CLASSIFIERS)).collect(),
        "job" => jobs().into_iter().collect(),
        "template" => files("chat_template.jinja")
            .chain(texts(&TEMPLATES))
            .collect(),
        "tokenizer" => files("tokenizer.json").collect(),
        _ => BTreeSet::new(),
    };
    seeds.into_iter().collect()
}

/// Files below `dir` whose names end so.
fn found(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(self::found(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Length and header of a weights file.
fn beginning(mut file: Vec<u8>) -> Vec<u8> {
    if let Some(length) = file.first_chunk() {
        file.truncate(u64::from_le_bytes(*length) as usize + 8);
    }
    file
}

fn artifact() -> Artifact {
    Artifact {
        manifest_root: [1; 32].into(),
        uris: vec!["https://example.org/x".into(), "hf://a/b@c".into()],
    }
}

fn limits() -> Limits {
    Limits {
        architectures: Architecture::ALL.to_vec(),
        max_parameters: 1 << 30,
        max_bytes: 1 << 32,
        max_seconds: 600,
        context: 1_024,
        tokenizer: Some([2; 32]),
    }
}

/// A job of each kind.
fn kinds(evaluate: Evaluate) -> [JobKind; 6] {
    let (model, limits) = (artifact(), limits());
    let leaf = |step| LogLeaf {
        step,
        weights: [5; 32],
        optimizer: [6; 32],
        update: 7,
    };
    let loss = LossLeaf {
        index: 1,
        nll: 2.5f64.to_bits(),
        tokens: 3,
        bytes: 4,
        correct: true,
    };
    [
        JobKind::Evaluate(evaluate.clone()),
        JobKind::Sketch(Sketch {
            model: model.clone(),
            base: None,
            seed: [5; 32],
            limits: limits.clone(),
        }),
        JobKind::ReplaySegments(ReplaySegments {
            recipe: artifact(),
            model: model.clone(),
            seed: [8; 32],
            steps: 20,
            uris: vec!["https://example.org/log".into()],
            checkpoint_bytes: 1 << 20,
            leaves: vec![leaf(0), leaf(10)],
            segments: vec![Segment {
                from: leaf(0),
                to: leaf(10),
            }],
            last: leaf(20),
            limits: limits.clone(),
        }),
        JobKind::ExtractWatermark(ExtractWatermark {
            model: model.clone(),
            base: Some(artifact()),
            key: [9; 32],
            owner: [1; 32],
            limits: limits.clone(),
        }),
        JobKind::Compare(Compare {
            model,
            earlier: artifact(),
            base: None,
            limits,
        }),
        JobKind::Recompute(Recompute {
            evaluate,
            leaves: vec![loss],
        }),
    ]
}

fn jobs() -> Vec<Vec<u8>> {
    let evaluate = Evaluate {
        model: artifact(),
        base: Some(artifact()),
        data: Data {
            blake3: [3; 32],
            bytes: 1 << 20,
            uris: vec!["file:///data".into()],
            samples: 100,
            seed: [4; 32],
        },
        metric: Metric::BitsPerByte,
        profile: NumericProfile::ExactCpuF32,
        limits: limits(),
    };
    let requests = kinds(evaluate);
    let evaluated = Evaluated {
        raw: 1,
        samples: 2,
        tokens: 3,
        bytes: 4,
        samples_root: [6; 32].into(),
        device: "cpu".into(),
        millis: 5,
    };
    let statuses = [
        JobStatus::Queued,
        JobStatus::Running { done: 1, total: 2 },
        JobStatus::Done(Outcome::Evaluated(evaluated)),
        JobStatus::Failed(Fault::Miner(MinerFault::Config, "why".into())),
        JobStatus::Failed(Fault::Infra(InfraFault::Memory, "why".into())),
        JobStatus::Failed(Fault::Unsupported("why".into())),
    ];
    let requests = requests.map(|kind| {
        JobRequest {
            version: WIRE_VERSION,
            deadline_seconds: 60,
            kind,
            others: Vec::new(),
        }
        .encode()
    });
    requests
        .into_iter()
        .chain(statuses.map(|status| status.encode()))
        .collect()
}
