//! Jobs from the posting to the outcome, each by a real worker process.

mod common;

use arena_executor::Config;
use arena_primitives::job::*;
use common::{model::*, *};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

struct Fixture {
    dir: tempfile::TempDir,
    server: InProcess,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = InProcess::start(config(dir.path()));
        write_mlp(&dir.path().join("model"), &[4, 8]);
        write_jsonl(&dir.path().join("data.jsonl"), 20, 4);
        Self { dir, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn evaluation(&self) -> Evaluate {
        evaluation(&self.path("model"), &self.path("data.jsonl"))
    }

    /// The fault of a model to which `damage` was done before its manifest was written.
    fn fault_of(&self, damage: impl FnOnce(&Path)) -> Fault {
        let model = self.path("model");
        fs::remove_dir_all(&model).unwrap();
        write_mlp(&model, &[4, 8]);
        damage(&model);
        self.fault(self.evaluation())
    }

    fn fault(&self, evaluate: Evaluate) -> Fault {
        self.server
            .client
            .fault(&request(JobKind::Evaluate(evaluate)))
    }
}

#[track_caller]
fn assert_miner(fault: &Fault, class: MinerFault) {
    assert!(
        matches!(fault, Fault::Miner(found, _) if *found == class),
        "{class:?}: {fault:?}"
    );
}

#[track_caller]
fn assert_infra(fault: &Fault, class: InfraFault) {
    assert!(
        matches!(fault, Fault::Infra(found, _) if *found == class),
        "{class:?}: {fault:?}"
    );
}

#[test]
fn job_should_find_what_is_found_by_hand_and_not_run_twice() {
    let f = Fixture::new();
    let request = request(JobKind::Evaluate(f.evaluation()));
    let found = f.server.client.outcome(&request);
    let hand = by_hand(&f.path("model"), &f.path("data.jsonl"));
    assert_eq!(hand["raw"], found.raw);
    assert_eq!(hand["samples"], 20);
    assert_eq!(
        hand["samples_root"],
        format!("0x{}", hex::encode(found.samples_root))
    );
    assert_eq!((found.samples, found.tokens, found.bytes), (20, 20, 0));
    assert_eq!(found.device, "cpu");
    // Neither its mirrors nor a restart matter any more.
    fs::remove_dir_all(f.path("model")).unwrap();
    assert_eq!(f.server.client.outcome(&request), found);
    let Fixture { dir, server } = f;
    drop(server);
    let server = InProcess::start(config(dir.path()));
    assert_eq!(server.client.outcome(&request), found);
    let metrics = server.client.get("/metrics").text();
    assert!(
        metrics.contains("arena_executor_jobs{state=\"done\"} 1"),
        "{metrics}"
    );
    let job = dir.path().join("base/jobs").join(hex::encode(request.id()));
    assert!(!job.join("model").exists());
    assert!(job.join("losses.bin").exists());
}

#[test]
fn data_as_tensors_and_a_drawn_subset_should_be_scored() {
    let f = Fixture::new();
    write_tensors(&f.path("data"), 20, 4);
    let mut evaluate = evaluation(&f.path("model"), &f.path("data"));
    evaluate.data.samples = 7;
    let found = f
        .server
        .client
        .outcome(&request(JobKind::Evaluate(evaluate)));
    assert_eq!(found.samples, 7);
}

#[test]
fn broken_weights_should_be_the_models_fault() {
    let f = Fixture::new();
    let weights = |model: &Path| model.join("model.safetensors");
    let fault = f.fault_of(|model| {
        let bytes = fs::read(weights(model)).unwrap();
        fs::write(weights(model), &bytes[..bytes.len() - 4]).unwrap();
    });
    assert_miner(&fault, MinerFault::Weights);
    let fault = f.fault_of(|model| fs::write(weights(model), b"junk").unwrap());
    assert_miner(&fault, MinerFault::Weights);
    let fault = f.fault_of(|model| {
        let mut bytes = fs::read(weights(model)).unwrap();
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(weights(model), bytes).unwrap();
    });
    assert_miner(&fault, MinerFault::NonFinite);
    let fault = f.fault_of(|model| {
        fs::rename(weights(model), model.join("pytorch_model.bin")).unwrap();
    });
    assert_miner(&fault, MinerFault::Weights);
    let fault = f.fault_of(|model| fs::remove_file(weights(model)).unwrap());
    assert_miner(&fault, MinerFault::Weights);
}

#[test]
fn broken_config_should_be_the_models_fault() {
    let f = Fixture::new();
    let config = |model: &Path, text: &str| fs::write(model.join("config.json"), text).unwrap();
    let fault = f.fault_of(|model| config(model, "{"));
    assert_miner(&fault, MinerFault::Config);
    let fault = f.fault_of(|model| config(model, r#"{"model_type":"gpt9"}"#));
    assert_miner(&fault, MinerFault::Architecture);
    let fault = f.fault_of(write_mlp_config_only);
    assert_miner(&fault, MinerFault::Config);
}

/// A config of other widths than the weights.
fn write_mlp_config_only(model: &Path) {
    let weights = fs::read(model.join("model.safetensors")).unwrap();
    write_mlp(model, &[4, 9]);
    fs::write(model.join("model.safetensors"), weights).unwrap();
}

#[test]
fn wrong_bytes_should_be_a_hash_mismatch_unless_another_mirror_is_right() {
    let f = Fixture::new();
    let good = f.evaluation();
    for name in ["config.json", "model.safetensors", "manifest.scale"] {
        let liar = f.path(&format!("liar-{name}"));
        copy_dir(&f.path("model"), &liar);
        let mut bytes = fs::read(liar.join(name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(liar.join(name), bytes).unwrap();
        let mut evaluate = good.clone();
        evaluate.model.uris = vec![format!("file://{}", liar.display())];
        assert_miner(&f.fault(evaluate.clone()), MinerFault::HashMismatch);
        evaluate.model.uris.push(good.model.uris[0].clone());
        f.server
            .client
            .outcome(&request(JobKind::Evaluate(evaluate)));
        // The next one has to fetch again.
        fs::remove_dir_all(f.path("base/cache")).unwrap();
    }
}

#[test]
fn malformed_manifest_should_be_the_models_fault() {
    let f = Fixture::new();
    let mut evaluate = f.evaluation();
    let junk = b"\x01 no manifest";
    fs::write(f.path("model/manifest.scale"), junk).unwrap();
    evaluate.model.manifest_root = arena_models::manifest::root_of(junk).into();
    assert_miner(&f.fault(evaluate), MinerFault::Manifest);
}

#[test]
fn what_the_task_forbids_should_be_refused_before_the_weights_are_fetched() {
    let f = Fixture::new();
    let limited = |change: fn(&mut Limits)| {
        let mut evaluate = f.evaluation();
        change(&mut evaluate.limits);
        f.fault(evaluate)
    };
    assert_miner(
        &limited(|limits| limits.max_bytes = 100),
        MinerFault::TooLarge,
    );
    assert_miner(
        &limited(|limits| limits.max_parameters = 10),
        MinerFault::TooLarge,
    );
    let families = |limits: &mut Limits| limits.architectures = vec![Architecture::Llama];
    assert_miner(&limited(families), MinerFault::Architecture);
    let blobs = fs::read_dir(f.path("base/cache/blobs")).unwrap();
    let largest = blobs
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .max()
        .unwrap();
    let weights = fs::metadata(f.path("model/model.safetensors"))
        .unwrap()
        .len();
    assert_ne!(largest, weights);
}

#[test]
fn what_is_missing_should_be_a_download_and_run_again_once_it_is_there() {
    let f = Fixture::new();
    let good = f.evaluation();
    let mut no_model = good.clone();
    no_model.model.uris = vec!["file:///nowhere".to_owned()];
    assert_infra(&f.fault(no_model), InfraFault::Download);
    let mut nowhere = good.clone();
    nowhere.model.uris = vec![];
    assert_infra(&f.fault(nowhere), InfraFault::Download);
    let mut wrong_data = good.clone();
    wrong_data.data.blake3 = [7; 32];
    assert_infra(&f.fault(wrong_data), InfraFault::Download);
    fs::rename(f.path("data.jsonl"), f.path("away")).unwrap();
    assert_infra(&f.fault(good.clone()), InfraFault::Download);
    fs::rename(f.path("away"), f.path("data.jsonl")).unwrap();
    f.server.client.outcome(&request(JobKind::Evaluate(good)));
}

#[test]
fn file_mirrors_should_be_read_only_where_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let server = InProcess::start(Config {
        allow_file: false,
        ..config(dir.path())
    });
    write_mlp(&dir.path().join("model"), &[4, 8]);
    write_jsonl(&dir.path().join("data"), 2, 4);
    let evaluate = evaluation(&dir.path().join("model"), &dir.path().join("data"));
    let fault = server.client.fault(&request(JobKind::Evaluate(evaluate)));
    assert_infra(&fault, InfraFault::Download);
}

#[test]
fn starved_worker_should_be_a_fault_of_memory_and_the_next_job_unharmed() {
    let dir = tempfile::tempdir().unwrap();
    let server = InProcess::start(Config {
        memory_bytes: 256 << 20,
        ..config(dir.path())
    });
    write_mlp(&dir.path().join("large"), &[16, 8192, 8192]);
    write_tensors(&dir.path().join("data"), 10, 16);
    let mut evaluate = evaluation(&dir.path().join("large"), &dir.path().join("data"));
    evaluate.limits.max_parameters = u64::MAX;
    evaluate.limits.max_bytes = u64::MAX;
    let fault = server.client.fault(&request(JobKind::Evaluate(evaluate)));
    assert_infra(&fault, InfraFault::Memory);
    write_mlp(&dir.path().join("small"), &[16, 8]);
    let small = evaluation(&dir.path().join("small"), &dir.path().join("data"));
    let found = server.client.outcome(&request(JobKind::Evaluate(small)));
    assert_eq!(found.samples, 10);
}

#[test]
fn skipped_samples_should_be_counted_and_logged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    copy_dir(&fixtures().join("llama/model"), &dir.join("model"));
    let data = fixtures().join("data/texts.jsonl");
    let mut evaluate = evaluation(&dir.join("model"), &data);
    evaluate.metric = Metric::BitsPerByte;
    let served = Served::start_by(dir, &["env", "RUST_LOG=info"]);
    let metrics = || served.client.get("/metrics").text();
    let before = metrics();
    assert!(
        before.contains("arena_executor_skipped_samples_total{device=\"cpu\"} 0"),
        "{before}"
    );
    // One of 24 texts is empty.
    let found = served.client.outcome(&request(JobKind::Evaluate(evaluate)));
    assert_eq!(found.samples, 23);
    let after = metrics();
    for wanted in [
        "arena_executor_samples_total{device=\"cpu\"} 23",
        "arena_executor_skipped_samples_total{device=\"cpu\"} 1",
    ] {
        assert!(after.contains(wanted), "{after}");
    }
    let log = fs::read_to_string(dir.join("log")).unwrap();
    assert!(log.contains("skipped=1"), "{log}");
}

#[test]
fn manifest_and_inspect_should_say_what_a_model_is() {
    let f = Fixture::new();
    let root = hex::encode(write_manifest(&f.path("model")));
    fs::remove_file(f.path("model/manifest.scale")).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(BINARY)
            .args(args)
            .arg(f.path("model"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["manifest", "--write"]).contains(&root));
    let json: serde_json::Value = serde_json::from_str(&run(&["manifest", "--json"])).unwrap();
    assert_eq!(json["root"], format!("0x{root}"));
    assert_eq!(json["files"].as_array().unwrap().len(), 2);
    assert!(run(&["inspect"]).contains("arena_mlp"));
}

#[test]
fn cuda_should_be_an_error_and_a_fault_should_be_named() {
    let f = Fixture::new();
    let run = |more: &[&str]| {
        let mut command = Command::new(BINARY);
        command.arg("evaluate").arg("--model").arg(f.path("model"));
        let output = command
            .arg("--data")
            .arg(f.path("data.jsonl"))
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["--device", "cuda"]).contains("this build has no CUDA"));
    fs::write(f.path("model/config.json"), "{").unwrap();
    assert!(run(&[]).contains("model's fault, Config"));
}
