//! Jobs of the kinds that judge models for what they are: sketches, marks, distances, and scores
//! that a validator claims.

mod common;

use arena_models::{calibrate, watermark};
use arena_primitives::{challenge::LossLeaf, job::*};
use common::{model::*, *};
use std::{
    fs,
    path::{Path, PathBuf},
};

const KEY: [u8; 32] = [3; 32];
const OWNER: [u8; 32] = [4; 32];

struct Fixture {
    dir: tempfile::TempDir,
    server: InProcess,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = InProcess::start(config(dir.path()));
        let f = Self { dir, server };
        write_mlp(&f.path("origin"), &[64, 256, 128]);
        // Of an update as large as its base, and noise of a tenth of that.
        f.noised("origin", None, "model", 1.0);
        f.noised("model", Some("origin"), "copy", 0.1);
        f
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn noised(&self, of: &str, base: Option<&str>, to: &str, noise: f64) {
        let base = base.map(|base| self.path(base));
        let (of, to) = (self.path(of), self.path(to));
        calibrate::noised_copy(&of, base.as_deref(), &to, noise, [1; 32]).unwrap();
    }

    fn artifact(&self, name: &str) -> Artifact {
        artifact(&self.path(name))
    }

    /// One job of each kind that takes a model and a base, on this model.
    fn of_each_kind(&self, name: &str) -> [JobKind; 3] {
        let (model, base) = (self.artifact(name), Some(self.artifact("origin")));
        let limits = limits();
        [
            JobKind::Sketch(Sketch {
                model: model.clone(),
                base: base.clone(),
                seed: [7; 32],
                limits: limits.clone(),
            }),
            JobKind::ExtractWatermark(ExtractWatermark {
                model: model.clone(),
                base: base.clone(),
                key: KEY,
                owner: OWNER,
                limits: limits.clone(),
            }),
            JobKind::Compare(Compare {
                model,
                earlier: self.artifact("model"),
                base,
                limits,
            }),
        ]
    }

    fn found(&self, kind: JobKind) -> Outcome {
        self.server.client.found(&request(kind))
    }

    fn fault(&self, kind: JobKind) -> Fault {
        self.server.client.fault(&request(kind))
    }

    fn compared(&self, change: impl FnOnce(&mut Compare)) -> Compared {
        match self.found(self.comparison(change)) {
            Outcome::Compared(compared) => compared,
            other => panic!("{other:?}"),
        }
    }

    fn comparison(&self, change: impl FnOnce(&mut Compare)) -> JobKind {
        let mut job = Compare {
            model: self.artifact("copy"),
            earlier: self.artifact("model"),
            base: Some(self.artifact("origin")),
            limits: limits(),
        };
        change(&mut job);
        JobKind::Compare(job)
    }
}

fn limits_of(kind: &mut JobKind) -> &mut Limits {
    match kind {
        JobKind::Evaluate(job) => &mut job.limits,
        JobKind::Sketch(job) => &mut job.limits,
        JobKind::ReplaySegments(job) => &mut job.limits,
        JobKind::ExtractWatermark(job) => &mut job.limits,
        JobKind::Compare(job) => &mut job.limits,
        JobKind::Recompute(job) => &mut job.evaluate.limits,
    }
}

fn model_of(kind: &mut JobKind) -> &mut Artifact {
    match kind {
        JobKind::Evaluate(job) => &mut job.model,
        JobKind::Sketch(job) => &mut job.model,
        JobKind::ReplaySegments(job) => &mut job.model,
        JobKind::ExtractWatermark(job) => &mut job.model,
        JobKind::Compare(job) => &mut job.model,
        JobKind::Recompute(job) => &mut job.evaluate.model,
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

fn damage(model: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = model.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn with_nan(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
}

#[test]
fn jobs_should_find_what_the_library_finds() {
    let f = Fixture::new();
    let (copy, base) = (f.path("copy"), f.path("origin"));
    let [sketch, extract, compare] = f.of_each_kind("copy").map(|kind| f.found(kind));
    let Outcome::Sketched(sketched) = sketch else {
        panic!("{sketch:?}");
    };
    let wanted = arena_models::sketch::sketch(&copy, Some(&base), [7; 32]).unwrap();
    assert_eq!(sketched.sketch, wanted);
    assert_eq!(
        sketched.canonical,
        arena_models::canonical_hash(&copy).unwrap()
    );
    let Outcome::Extracted(extracted) = extract else {
        panic!("{extract:?}");
    };
    let wanted = watermark::extract(&copy, Some(&base), KEY, OWNER).unwrap();
    assert!(wanted.is_some_and(|matches| matches < watermark::THRESHOLD));
    assert_eq!(extracted.matches, wanted);
    let Outcome::Compared(compared) = compare else {
        panic!("{compare:?}");
    };
    let wanted = arena_models::compare(&copy, &f.path("model"), Some(&base)).unwrap();
    assert_eq!((compared.distance, compared.same), (wanted.distance, false));
    let near = compared.distance.unwrap();
    assert!((80_000_000..120_000_000).contains(&near), "{near}");
    for device in [sketched.device, extracted.device, compared.device] {
        assert_eq!(device, "cpu");
    }
    let metrics = f.server.client.get("/metrics").text();
    for kind in ["sketch", "extract-watermark", "compare"] {
        let line = format!("arena_executor_outcomes_total{{device=\"cpu\",kind=\"{kind}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn mark_should_be_found_in_a_copy_and_none_where_there_is_no_room() {
    let f = Fixture::new();
    let (marked, base) = (f.path("marked"), f.path("origin"));
    watermark::embed(
        &f.path("model"),
        Some(&base),
        KEY,
        OWNER,
        watermark::STRENGTH,
        &marked,
    )
    .unwrap();
    f.noised("marked", Some("origin"), "copy-of-marked", 0.1);
    let [_, extract, _] = f.of_each_kind("copy-of-marked");
    let Outcome::Extracted(extracted) = f.found(extract) else {
        panic!("another outcome");
    };
    let matches = extracted.matches.unwrap();
    assert!(matches >= watermark::THRESHOLD, "{matches}");
    write_mlp(&f.path("small"), &[4, 8]);
    let small = JobKind::ExtractWatermark(ExtractWatermark {
        model: f.artifact("small"),
        base: None,
        key: KEY,
        owner: OWNER,
        limits: limits(),
    });
    let Outcome::Extracted(extracted) = f.found(small) else {
        panic!("another outcome");
    };
    assert_eq!(extracted.matches, None);
}

#[test]
fn comparison_should_tell_copies_updates_and_other_models() {
    let f = Fixture::new();
    let same = f.compared(|job| job.model = job.earlier.clone());
    assert_eq!((same.distance, same.same), (Some(0), true));
    let of_update = f.compared(|_| ()).distance.unwrap();
    let of_weights = f.compared(|job| job.base = None).distance.unwrap();
    assert!(of_weights < of_update, "{of_weights} {of_update}");
    write_mlp(&f.path("other"), &[64, 256, 64]);
    let other = f.artifact("other");
    let apart = f.compared(|job| job.earlier = other);
    assert_eq!((apart.distance, apart.same), (None, false));
}

#[test]
fn broken_models_should_get_their_faults_whatever_the_kind() {
    let f = Fixture::new();
    type Damage = fn(&Path);
    let broken: [(&str, MinerFault, Damage); 4] = [
        ("nan", MinerFault::NonFinite, |model| {
            damage(model, |bytes| with_nan(bytes))
        }),
        ("truncated", MinerFault::Weights, |model| {
            damage(model, |bytes| bytes.truncate(bytes.len() - 4))
        }),
        ("none", MinerFault::Weights, |model| {
            fs::remove_file(model.join("model.safetensors")).unwrap()
        }),
        ("config", MinerFault::Config, |model| {
            fs::write(model.join("config.json"), "{").unwrap()
        }),
    ];
    for (name, class, damage) in broken {
        copy_dir(&f.path("model"), &f.path(name));
        fs::remove_file(f.path(name).join("manifest.scale")).ok();
        damage(&f.path(name));
        for kind in f.of_each_kind(name) {
            assert_miner(&f.fault(kind), class);
        }
    }
}

#[test]
fn what_the_task_forbids_should_be_refused_whatever_the_kind() {
    let f = Fixture::new();
    type Change = fn(&mut JobKind);
    let changes: [(MinerFault, Change); 3] = [
        (MinerFault::TooLarge, |kind| {
            limits_of(kind).max_parameters = 10
        }),
        (MinerFault::TooLarge, |kind| limits_of(kind).max_bytes = 100),
        (MinerFault::Architecture, |kind| {
            limits_of(kind).architectures = vec![Architecture::Llama]
        }),
    ];
    for (class, change) in changes {
        for mut kind in f.of_each_kind("model") {
            change(&mut kind);
            // A base that the task forbids is the task's fault.
            if let (MinerFault::Architecture, JobKind::Sketch(job)) = (class, &mut kind) {
                job.base = None;
                assert_miner(&f.fault(kind), class);
            } else if class != MinerFault::Architecture {
                assert_miner(&f.fault(kind), class);
            }
        }
    }
}

#[test]
fn other_bytes_than_the_hash_asks_for_should_be_none_for_jurors_alone() {
    let f = Fixture::new();
    for mut kind in f.of_each_kind("model") {
        model_of(&mut kind).manifest_root = [9; 32].into();
        let fault = f.fault(kind.clone());
        match kind {
            JobKind::Sketch(_) => assert_miner(&fault, MinerFault::HashMismatch),
            _ => assert_infra(&fault, InfraFault::Download),
        }
    }
}

#[test]
fn what_no_mirror_serves_should_be_a_download_whatever_it_is() {
    let f = Fixture::new();
    let nowhere = |artifact: &mut Artifact| artifact.uris = vec!["file:///nowhere".to_owned()];
    for mut kind in f.of_each_kind("copy") {
        nowhere(model_of(&mut kind));
        assert_infra(&f.fault(kind), InfraFault::Download);
    }
    let fault = f.fault(f.comparison(|job| nowhere(&mut job.earlier)));
    assert_infra(&fault, InfraFault::Download);
    assert!(
        format!("{fault:?}").contains("the earlier model"),
        "{fault:?}"
    );
    // What is there already needs no mirror.
    fs::remove_dir_all(f.path("base/cache")).unwrap();
    let fault = f.fault(f.comparison(|job| nowhere(job.base.as_mut().unwrap())));
    assert_infra(&fault, InfraFault::Download);
    // Nothing of what failed is left to harm the next one.
    assert!(f.compared(|_| ()).distance.is_some());
}

#[test]
fn earlier_model_that_is_broken_should_be_told_apart() {
    let f = Fixture::new();
    copy_dir(&f.path("model"), &f.path("nan"));
    damage(&f.path("nan"), |bytes| with_nan(bytes));
    let nan = f.artifact("nan");
    let fault = f.fault(f.comparison(|job| job.earlier = nan));
    assert_miner(&fault, MinerFault::NonFinite);
    assert!(
        format!("{fault:?}").contains("the earlier model"),
        "{fault:?}"
    );
    let fault = f.fault(f.comparison(|job| job.earlier.manifest_root = [9; 32].into()));
    assert_infra(&fault, InfraFault::Download);
    assert!(
        format!("{fault:?}").contains("the earlier model"),
        "{fault:?}"
    );
}

/// Losses that an evaluation finds, by the library.
fn leaves(model: &Path, data: &Path, profile: arena_models::Profile) -> Vec<LossLeaf> {
    struct Kept(Vec<LossLeaf>);
    impl arena_models::Sink for Kept {
        fn start(&mut self, _: usize) -> Vec<arena_models::SampleLoss> {
            Vec::new()
        }
        fn sample(&mut self, loss: &arena_models::SampleLoss) {
            self.0.push(LossLeaf {
                index: loss.index,
                nll: loss.nll.to_bits(),
                tokens: loss.tokens,
                bytes: loss.bytes,
                correct: loss.correct,
            });
        }
    }
    let options = arena_models::EvalOptions {
        metric: arena_models::Metric::Accuracy,
        samples: 12,
        seed: [0; 32],
        context: 0,
        batch_tokens: 1024,
        profile,
        device: arena_models::Device::Cpu,
        base: None,
        limits: arena_models::Limits::unlimited(),
    };
    let mut kept = Kept(Vec::new());
    arena_models::evaluate(model, data, &options, &mut kept).unwrap();
    kept.0.sort_by_key(|leaf| leaf.index);
    kept.0
}

#[test]
fn recomputation_should_count_the_losses_that_were_made_up() {
    let f = Fixture::new();
    write_jsonl(&f.path("data.jsonl"), 20, 64);
    let evaluate = |profile| {
        let mut evaluate = evaluation(&f.path("model"), &f.path("data.jsonl"));
        evaluate.data.samples = 12;
        evaluate.profile = profile;
        evaluate
    };
    let recomputed = |profile, leaves: Vec<LossLeaf>| {
        let evaluate = evaluate(profile);
        match f.found(JobKind::Recompute(Recompute { evaluate, leaves })) {
            Outcome::Recomputed(found) => found,
            other => panic!("{other:?}"),
        }
    };
    let exact = NumericProfile::ExactCpuF32;
    let good = leaves(
        &f.path("model"),
        &f.path("data.jsonl"),
        arena_models::Profile::ExactCpuF32,
    );
    assert_eq!(good.len(), 12);
    let plain = f
        .server
        .client
        .outcome(&request(JobKind::Evaluate(evaluate(exact))));
    let found = recomputed(exact, good.clone());
    assert_eq!(found.wrong, 0);
    assert_eq!(found.evaluated.samples_root, plain.samples_root);
    let mut bad = good.clone();
    bad[0].nll ^= 1;
    bad[1].correct = !bad[1].correct;
    bad[2].tokens = 2;
    let drawn: Vec<u32> = good.iter().map(|leaf| leaf.index).collect();
    bad[3].index = (0..20).find(|index| !drawn.contains(index)).unwrap();
    assert_eq!(recomputed(exact, bad.clone()).wrong, 4);
    // Elsewhere the first two are what rounding may do.
    assert_eq!(recomputed(NumericProfile::F32, bad).wrong, 2);
    assert_eq!(recomputed(exact, Vec::new()).wrong, 0);
}

#[test]
fn recomputation_of_what_is_broken_should_have_the_faults_of_an_evaluation() {
    let f = Fixture::new();
    write_jsonl(&f.path("data.jsonl"), 20, 64);
    let fault = |change: &dyn Fn(&mut Evaluate)| {
        let mut evaluate = evaluation(&f.path("model"), &f.path("data.jsonl"));
        change(&mut evaluate);
        let leaves = Vec::new();
        f.fault(JobKind::Recompute(Recompute { evaluate, leaves }))
    };
    let wrong_root = fault(&|evaluate| evaluate.model.manifest_root = [9; 32].into());
    assert_infra(&wrong_root, InfraFault::Download);
    let no_data = fault(&|evaluate| evaluate.data.uris = vec![]);
    assert_infra(&no_data, InfraFault::Download);
    let wrong_data = fault(&|evaluate| evaluate.data.blake3 = [9; 32]);
    assert_infra(&wrong_data, InfraFault::Download);
}

#[test]
fn queue_should_keep_jobs_and_outcomes_of_all_kinds_over_a_restart() {
    let f = Fixture::new();
    let [sketch, ..] = f.of_each_kind("copy").map(request);
    let found = f.server.client.found(&sketch);
    let Fixture { dir, server } = f;
    drop(server);
    let idle = InProcess::start(arena_executor::Config {
        workers: 0,
        ..config(dir.path())
    });
    // An outcome that is there is not sought again.
    assert_eq!(idle.client.found(&sketch), found);
    let f = Fixture { dir, server: idle };
    let posted: Vec<_> = f.of_each_kind("model").map(request).into();
    let ids: Vec<_> = posted.iter().map(|job| f.server.client.post(job)).collect();
    let Fixture { dir, server } = f;
    drop(server);
    let server = InProcess::start(config(dir.path()));
    for id in ids {
        let status = server.client.end(&id);
        assert!(matches!(status, JobStatus::Done(_)), "{status:?}");
        let job = dir.path().join("base/jobs").join(hex::encode(id));
        let left = ["model", "base", "earlier"].map(|name| job.join(name).exists());
        assert_eq!(left, [false; 3]);
    }
}
