//! Broken models as jobs, by real worker processes: each gets its own fault, and the next job
//! is unharmed.

mod common;

#[path = "broken/damage.rs"]
mod damage;

use arena_executor::Config;
use arena_primitives::job::*;
use common::{model::*, *};
use damage::{BROKEN, CHAT, MLP, config, deep, set, to_directory, weights};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

struct Fixture {
    dir: tempfile::TempDir,
    server: InProcess,
}

impl Fixture {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = common::config(dir.path());
        change(&mut config);
        let server = InProcess::start(config);
        write_jsonl(&dir.path().join("rows.jsonl"), 20, 4);
        Self { dir, server }
    }

    /// A copy of a fixture, or an MLP.
    fn model(&self, name: &str, to: &str) -> PathBuf {
        let to = self.dir.path().join(to);
        match name {
            MLP => write_mlp(&to, &[4, 8]),
            CHAT => copy_dir(&fixtures().join("llama/model"), &to),
            _ => copy_dir(&fixtures().join(name).join("model"), &to),
        }
        to
    }

    /// The evaluation of a model like this fixture, with everything allowed but absurd sizes.
    fn evaluation(&self, name: &str, model: &Path) -> Evaluate {
        let data = match name {
            MLP => self.dir.path().join("rows.jsonl"),
            CHAT => fixtures().join("data/conversations.jsonl"),
            "bert" => fixtures().join("data/labelled.jsonl"),
            _ => fixtures().join("data/texts.jsonl"),
        };
        let mut evaluate = evaluation(model, &data);
        if !matches!(name, MLP | "bert") {
            evaluate.metric = Metric::BitsPerByte;
        }
        evaluate.limits.architectures = Architecture::ALL.to_vec();
        evaluate.limits.max_bytes = 1 << 30;
        evaluate.limits.context = 128;
        evaluate
    }
}

fn job(evaluate: Evaluate) -> JobRequest {
    request(JobKind::Evaluate(evaluate))
}

#[test]
fn broken_models_should_get_their_faults_and_the_next_job_be_unharmed() {
    let f = Fixture::new(|config| {
        config.workers = 2;
        config.memory_bytes = 1 << 30;
    });
    let good = |name: &str, to: &str| job(f.evaluation(name, &f.model(name, to)));
    let before = f.server.client.outcome(&good(MLP, "good"));
    let posted: Vec<_> = BROKEN
        .iter()
        .enumerate()
        .map(|(n, (name, class, damage))| {
            let dir = f.model(name, &format!("broken-{n}"));
            damage(&dir);
            (
                n,
                class,
                f.server.client.post(&job(f.evaluation(name, &dir))),
            )
        })
        .collect();
    for (n, class, id) in posted {
        let status = f.server.client.end(&id);
        let found = matches!(&status, JobStatus::Failed(Fault::Miner(found, _)) if found == class);
        assert!(found, "{n}, {}: {class:?}: {status:?}", BROKEN[n].0);
        if BROKEN[n].0 == CHAT {
            // A model with no template has the same fault.
            let said = format!("{status:?}");
            assert!(said.contains("the chat template runs too long"), "{said}");
        }
    }
    for (n, (name, samples)) in [("llama", 23), ("gpt2", 23), ("bert", 14)]
        .iter()
        .enumerate()
    {
        let found = f.server.client.outcome(&good(name, &format!("whole-{n}")));
        assert_eq!(found.samples, *samples, "{name}");
    }
    // Another id, so that it is computed again.
    let again = JobRequest {
        deadline_seconds: 599,
        ..job(f.evaluation(MLP, &f.dir.path().join("good")))
    };
    let after = f.server.client.outcome(&again);
    assert_eq!(after.samples_root, before.samples_root);
}

/// No job has a symbolic link: a manifest lists files only. But a mirror may have one.
#[test]
fn symlink_at_a_mirror_should_be_the_file_that_it_leads_to() {
    let f = Fixture::new(|_| ());
    let linked = |n: usize, target: &Path| {
        let dir = f.dir.path().join(format!("linked-{n}"));
        // Weights of their own, so that the cache has none of them.
        write_mlp(&dir, &[4, 8 + n]);
        let evaluate = f.evaluation(MLP, &dir);
        let weights = dir.join("model.safetensors");
        fs::rename(&weights, dir.join("true.safetensors")).unwrap();
        symlink(target, &weights).unwrap();
        f.server.client.end(&f.server.client.post(&job(evaluate)))
    };
    let status = linked(0, Path::new("true.safetensors"));
    assert!(matches!(status, JobStatus::Done(_)), "{status:?}");
    let status = linked(1, Path::new("config.json"));
    let other = matches!(
        status,
        JobStatus::Failed(Fault::Miner(MinerFault::HashMismatch, _))
    );
    assert!(other, "{status:?}");
    for (n, target) in [(2, "/dev/zero"), (3, "nowhere"), (4, ".")] {
        let status = linked(n, Path::new(target));
        let unserved = matches!(
            status,
            JobStatus::Failed(Fault::Infra(InfraFault::Download, _))
        );
        assert!(unserved, "{target}: {status:?}");
    }
}

#[test]
fn broken_adapters_should_get_their_faults() {
    let f = Fixture::new(|_| ());
    let base = f.model("llama", "base");
    let artifact = f.evaluation("llama", &base).model;
    let evaluate = |n: &str, damage: &dyn Fn(&Path)| {
        let dir = f.dir.path().join(n);
        copy_dir(&fixtures().join("lora-llama/adapter"), &dir);
        damage(&dir);
        let mut evaluate = f.evaluation("llama", &dir);
        evaluate.base = Some(artifact.clone());
        job(evaluate)
    };
    let adapter = |dir: &Path, values: Value| set(&dir.join("adapter_config.json"), values);
    let fault = |n: &str, damage: &dyn Fn(&Path)| f.server.client.fault(&evaluate(n, damage));
    let found = f.server.client.outcome(&evaluate("good", &|_| ()));
    type Damage<'a> = &'a dyn Fn(&Path);
    let broken: [(&str, MinerFault, Damage<'_>); 7] = [
        ("rank", MinerFault::Config, &|dir| {
            adapter(dir, json!({"r": 7}))
        }),
        ("alpha", MinerFault::Config, &|dir| {
            adapter(dir, json!({"lora_alpha": 1e9}))
        }),
        ("deep", MinerFault::Config, &|dir| {
            fs::write(dir.join("adapter_config.json"), deep()).unwrap();
        }),
        ("none", MinerFault::Weights, &|dir| {
            fs::remove_file(dir.join("adapter_model.safetensors")).unwrap();
        }),
        ("folder", MinerFault::Weights, &|dir| {
            to_directory(dir, "adapter_model.safetensors")
        }),
        ("nan", MinerFault::NonFinite, &|dir| {
            let path = dir.join("adapter_model.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
            fs::write(path, bytes).unwrap();
        }),
        ("pickle", MinerFault::Weights, &|dir| {
            fs::write(dir.join("x.bin"), "x").unwrap()
        }),
    ];
    for (name, class, damage) in broken {
        let fault = fault(name, damage);
        assert!(
            matches!(&fault, Fault::Miner(found, _) if *found == class),
            "{name}: {fault:?}"
        );
    }
    // To another base, which is the task's.
    let mut other = f.evaluation("llama", &f.dir.path().join("good"));
    other.base = Some(f.evaluation("gpt2", &f.model("gpt2", "other")).model);
    let fault = f.server.client.fault(&job(other));
    assert!(
        matches!(fault, Fault::Miner(MinerFault::Config, _)),
        "{fault:?}"
    );
    // A broken base is the task's fault.
    let broken = f.model("llama", "broken");
    config(&broken, json!({"vocab_size": 0}));
    let mut other = f.evaluation("llama", &f.dir.path().join("good"));
    other.base = Some(f.evaluation("llama", &broken).model);
    let fault = f.server.client.fault(&job(other));
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Download, _)),
        "{fault:?}"
    );
    let again = JobRequest {
        deadline_seconds: 599,
        ..evaluate("good", &|_| ())
    };
    assert_eq!(
        f.server.client.outcome(&again).samples_root,
        found.samples_root
    );
}

#[test]
fn weights_that_make_nan_on_some_inputs_should_be_the_models_fault_where_all_round_alike() {
    let f = Fixture::new(|_| ());
    let dir = f.model(MLP, "model");
    weights(&dir, |bytes| {
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        // The first weights of the first layer: a difference that only large features overflow.
        for (i, value) in [3e38f32, -3e38].into_iter().enumerate() {
            let at = 8 + length + 4 * i;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    });
    let fault = |rows: &[[f32; 4]], profile| {
        let data = f.dir.path().join("some.jsonl");
        let line = |row: &[f32; 4]| json!({"features": row, "label": 0}).to_string() + "\n";
        fs::write(&data, rows.iter().map(line).collect::<String>()).unwrap();
        let mut evaluate = evaluation(&dir, &data);
        evaluate.profile = profile;
        f.server.client.end(&f.server.client.post(&job(evaluate)))
    };
    let (tame, wild) = ([0.5, 0.5, 1.0, 1.0], [2.0, 2.0, 1.0, 1.0]);
    for profile in [NumericProfile::ExactCpuF32, NumericProfile::F32] {
        let status = fault(&[tame], profile);
        assert!(matches!(status, JobStatus::Done(_)), "{status:?}");
    }
    let status = fault(&[tame, wild], NumericProfile::ExactCpuF32);
    let miner = matches!(
        status,
        JobStatus::Failed(Fault::Miner(MinerFault::NonFinite, _))
    );
    assert!(miner, "{status:?}");
    let status = fault(&[tame, wild], NumericProfile::F32);
    let infra = matches!(
        status,
        JobStatus::Failed(Fault::Infra(InfraFault::Device, _))
    );
    assert!(infra, "{status:?}");
}

#[test]
fn batch_that_memory_lacks_for_should_be_computed_in_parts() {
    let f = Fixture::new(|config| config.memory_bytes = 768 << 20);
    let dir = f.model(MLP, "model");
    let layers = json!([
        {"type": "conv2d", "out": 4, "kernel": 15, "stride": 1, "padding": 7},
        {"type": "relu"}, {"type": "max_pool2d", "kernel": 32, "stride": 32},
        {"type": "flatten"}, {"type": "linear", "out": 2},
    ]);
    config(
        &dir,
        json!({"model_type": "arena_cnn", "input_shape": [1, 32, 32], "layers": layers}),
    );
    let values = |count: usize| (0..count).map(|i| (i % 7) as f32 / 7.0 - 0.4).collect();
    let tensors = safetensors(&[
        ("layers.0.bias", vec![4], values(4)),
        ("layers.0.weight", vec![4, 1, 15, 15], values(900)),
        ("layers.4.bias", vec![2], values(2)),
        ("layers.4.weight", vec![2, 4], values(8)),
    ]);
    fs::write(dir.join("model.safetensors"), tensors).unwrap();
    let data = f.dir.path().join("images");
    // 900 MB of patches in one batch.
    write_tensors(&data, 1024, 1024);
    let found = f.server.client.outcome(&job(evaluation(&dir, &data)));
    assert_eq!(found.samples, 1024);
}
