//! Registered trainings that are trained again, as jobs: what each lie of a trainer comes to.

mod common;

use arena_models::train::registered::{self, LogLeaf};
use arena_primitives::{challenge, job::*};
use common::{
    mirror::{Manner, Mock},
    model::*,
    *,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const SEED: [u8; 32] = [5; 32];
const STEPS: u64 = 12;
const EVERY: u64 = 4;
/// Both files of a checkpoint have less.
const CHECKPOINT_BYTES: u64 = 8_192;

struct Fixture {
    dir: tempfile::TempDir,
    server: InProcess,
    leaves: Vec<challenge::LogLeaf>,
}

fn leaf(leaf: &LogLeaf) -> challenge::LogLeaf {
    challenge::LogLeaf {
        step: leaf.step,
        weights: leaf.weights,
        optimizer: leaf.optimizer,
        update: leaf.update,
    }
}

fn is_unserved(fault: &Fault) -> bool {
    matches!(fault, Fault::Infra(InfraFault::Download, why) if why.contains("checkpoint"))
}

fn write_recipe(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    write_jsonl(&dir.join("rows.jsonl"), 30, 6);
    let config = json!({
        "seed": 0, "data": ["rows.jsonl"], "steps": STEPS, "batch": 8, "learning_rate": 0.01,
        "profile": "exact-cpu-f32",
        "model": {"family": "mlp", "input_shape": [6], "labels": 2, "layers": [
            {"type": "linear", "out": 8}, {"type": "tanh"}, {"type": "linear", "out": 2}]},
    });
    fs::write(dir.join(registered::CONFIG), config.to_string()).unwrap();
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (recipe, log) = (dir.path().join("recipe"), dir.path().join("log"));
        write_recipe(&recipe);
        let logged = registered::run(&recipe, SEED, &log, EVERY, false, &mut |_| ()).unwrap();
        Self {
            leaves: logged.leaves.iter().map(leaf).collect(),
            server: InProcess::start(config(dir.path())),
            dir,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn object(&self, hash: &[u8; 32]) -> PathBuf {
        registered::object(&self.path("log"), hash)
    }

    fn segment(&self, at: usize) -> Segment {
        Segment {
            from: self.leaves[at],
            to: self.leaves[at + 1],
        }
    }

    /// All segments of an honest trainer.
    fn job(&self) -> ReplaySegments {
        ReplaySegments {
            recipe: artifact(&self.path("recipe")),
            model: artifact(&self.path("log/model")),
            seed: SEED,
            steps: STEPS,
            uris: vec![file_uri(&self.path("log/objects"))],
            checkpoint_bytes: CHECKPOINT_BYTES,
            leaves: vec![],
            segments: (0..self.leaves.len() - 1)
                .map(|at| self.segment(at))
                .collect(),
            last: *self.leaves.last().unwrap(),
            limits: limits(),
        }
    }

    fn request(&self, change: impl FnOnce(&mut ReplaySegments)) -> JobRequest {
        let mut job = self.job();
        change(&mut job);
        request(JobKind::ReplaySegments(job))
    }

    fn replayed(&self, change: impl FnOnce(&mut ReplaySegments)) -> Replayed {
        match self.server.client.found(&self.request(change)) {
            Outcome::Replayed(replayed) => replayed,
            other => panic!("{other:?}"),
        }
    }

    fn finding(&self, change: impl FnOnce(&mut ReplaySegments)) -> ReplayFinding {
        self.replayed(change).finding
    }

    fn fault(&self, change: impl FnOnce(&mut ReplaySegments)) -> Fault {
        self.server.client.fault(&self.request(change))
    }

    /// A leaf whose files are those of another, with other weights.
    fn forged(
        &self,
        of: &challenge::LogLeaf,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> challenge::LogLeaf {
        let mut bytes = fs::read(self.object(&of.weights)).unwrap();
        change(&mut bytes);
        let weights = *blake3::hash(&bytes).as_bytes();
        fs::write(self.object(&weights), bytes).unwrap();
        challenge::LogLeaf { weights, ..*of }
    }

    fn forget_what_was_fetched(&self) {
        fs::remove_dir_all(self.path("base/cache")).unwrap();
    }
}

#[test]
fn honest_training_should_be_the_same_again() {
    let f = Fixture::new();
    let found = f.replayed(|_| ());
    assert_eq!(found.finding, ReplayFinding::Same);
    assert_eq!((found.same, found.steps), (3, STEPS));
    assert_eq!(found.device, "cpu");
    let job = f
        .path("base/jobs")
        .join(hex::encode(f.request(|_| ()).id()));
    let left = ["model", "recipe", "checkpoints"].map(|name| job.join(name).exists());
    assert_eq!(left, [false; 3]);
    let metrics = f.server.client.get("/metrics").text();
    let line = "arena_executor_outcomes_total{device=\"cpu\",kind=\"replay-segments\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn steps_that_were_not_trained_should_differ_where_they_begin() {
    let f = Fixture::new();
    let found = f.replayed(|job| job.segments[1].to.weights = [9; 32]);
    assert_eq!(found.finding, ReplayFinding::Differs { from: EVERY });
    assert_eq!((found.same, found.steps), (1, 2 * EVERY));
    let finding = f.finding(|job| job.segments[2].to.update += 1);
    assert_eq!(finding, ReplayFinding::Differs { from: 2 * EVERY });
    let finding = f.finding(|job| job.segments[0].from.weights = [9; 32]);
    assert_eq!(finding, ReplayFinding::WrongStart);
    let finding = f.finding(|job| job.seed = [6; 32]);
    assert_eq!(finding, ReplayFinding::WrongStart);
}

#[test]
fn norms_should_be_checked_of_all_leaves_without_training() {
    let f = Fixture::new();
    let whole = |job: &mut ReplaySegments| {
        job.leaves = f.leaves.clone();
        job.segments.truncate(1);
    };
    let honest = f.replayed(whole);
    assert_eq!((honest.finding, honest.steps), (ReplayFinding::Same, EVERY));
    let found = f.replayed(|job| {
        whole(job);
        job.leaves[2].update -= 1;
    });
    assert_eq!(found.finding, ReplayFinding::Differs { from: EVERY });
    assert_eq!((found.same, found.steps), (0, 0));
    f.forget_what_was_fetched();
    fs::remove_file(f.object(&f.leaves[2].weights)).unwrap();
    let fault = f.fault(|job| {
        whole(job);
        // Another job than the first one, whose outcome is known.
        job.checkpoint_bytes += 1;
    });
    assert!(is_unserved(&fault), "{fault:?}");
}

#[test]
fn model_of_other_weights_than_the_last_checkpoint_should_be_the_wrong_one() {
    let f = Fixture::new();
    let finding = f.finding(|job| job.last = f.leaves[1]);
    assert_eq!(finding, ReplayFinding::WrongModel);
    write_mlp(&f.path("other"), &[6, 8]);
    let other = artifact(&f.path("other"));
    let finding = f.finding(|job| job.model = other);
    assert_eq!(finding, ReplayFinding::WrongModel);
}

#[test]
fn checkpoint_that_is_broken_should_be_told_by_its_step() {
    let f = Fixture::new();
    let bad = ReplayFinding::BadCheckpoint { step: EVERY };
    let truncated = f.forged(&f.leaves[1], |bytes| bytes.truncate(bytes.len() - 4));
    assert_eq!(f.finding(|job| job.segments[1].from = truncated), bad);
    let nan = f.forged(&f.leaves[1], |bytes| {
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert_eq!(f.finding(|job| job.segments[1].from = nan), bad);
    let empty = f.forged(&f.leaves[1], Vec::clear);
    assert_eq!(f.finding(|job| job.segments[1].from = empty), bad);
    let large = f.forged(&f.leaves[1], |bytes| {
        bytes.resize(CHECKPOINT_BYTES as usize + 1, 0)
    });
    assert_eq!(f.finding(|job| job.segments[1].from = large), bad);
    // Each file fits, and both together don't.
    let sizes = [f.leaves[1].weights, f.leaves[1].optimizer]
        .map(|hash| fs::metadata(f.object(&hash)).unwrap().len());
    let both = sizes[0] + sizes[1];
    assert_eq!(f.finding(|job| job.checkpoint_bytes = both - 1), bad);
    let finding = f.finding(|job| job.checkpoint_bytes = both);
    assert_eq!(finding, ReplayFinding::Same);
}

#[test]
fn checkpoint_that_no_mirror_serves_should_be_looked_for_each_time_the_job_is_posted() {
    let f = Fixture::new();
    for hash in [f.leaves[2].weights, f.leaves[2].optimizer] {
        let away = f.path("away");
        fs::rename(f.object(&hash), &away).unwrap();
        let job = |job: &mut ReplaySegments| job.checkpoint_bytes += u64::from(hash[0]);
        let fault = f.fault(job);
        assert!(is_unserved(&fault), "{fault:?}");
        // Other bytes under its name are not it.
        fs::write(f.object(&hash), b"other bytes").unwrap();
        let fault = f.fault(job);
        assert!(is_unserved(&fault), "{fault:?}");
        fs::rename(&away, f.object(&hash)).unwrap();
        assert_eq!(f.finding(job), ReplayFinding::Same);
        f.forget_what_was_fetched();
    }
    let fault = f.fault(|job| job.uris = vec!["file:///nowhere".to_owned()]);
    assert!(is_unserved(&fault), "{fault:?}");
    f.forget_what_was_fetched();
    // Nothing is asked for that the seed gives.
    let start = f.replayed(|job| {
        job.uris = vec![];
        job.segments.truncate(1);
    });
    assert_eq!((start.finding, start.same), (ReplayFinding::Same, 1));
}

#[test]
fn mirror_that_lies_should_be_passed_over_for_one_that_does_not() {
    let f = Fixture::new();
    let objects = f.path("log/objects");
    let manners = [
        Manner::Endless,
        Manner::CutsAfter(100),
        Manner::Compressed,
        Manner::Undelimited(usize::MAX),
        Manner::NoRanges,
        Manner::Good,
    ];
    let mirrors: Vec<Mock> = manners
        .into_iter()
        .map(|manner| Mock::of_dir(&objects, manner))
        .collect();
    let finding = f.finding(|job| job.uris = mirrors.iter().map(Mock::url).collect());
    assert_eq!(finding, ReplayFinding::Same);
    f.forget_what_was_fetched();
    let endless = Mock::of_dir(&objects, Manner::Endless);
    let fault = f.fault(|job| job.uris = vec![endless.url()]);
    assert!(is_unserved(&fault), "{fault:?}");
}

#[test]
fn recipe_that_cannot_be_trained_should_be_a_finding() {
    let f = Fixture::new();
    let recipe = |name: &str, change: &dyn Fn(&Path)| {
        let dir = f.path(name);
        write_recipe(&dir);
        change(&dir);
        artifact(&dir)
    };
    type Change<'a> = &'a dyn Fn(&Path);
    let broken: [(&str, Change<'_>); 3] = [
        ("no-config", &|dir| {
            fs::remove_file(dir.join(registered::CONFIG)).unwrap()
        }),
        ("no-data", &|dir| {
            fs::remove_file(dir.join("rows.jsonl")).unwrap()
        }),
        ("malformed", &|dir| {
            fs::write(dir.join("rows.jsonl"), "{").unwrap()
        }),
    ];
    for (name, change) in broken {
        let recipe = recipe(name, change);
        assert_eq!(
            f.finding(|job| job.recipe = recipe),
            ReplayFinding::BadRecipe,
            "{name}"
        );
    }
    assert_eq!(f.finding(|job| job.steps += 1), ReplayFinding::BadRecipe);
    // What the hash doesn't ask for isn't the recipe.
    let is_download = |fault: Fault| matches!(fault, Fault::Infra(InfraFault::Download, _));
    let root = [9; 32].into();
    assert!(is_download(f.fault(|job| job.recipe.manifest_root = root)));
    let other = recipe("changed", &|_| ());
    fs::write(f.path("changed/rows.jsonl"), "changed since").unwrap();
    f.forget_what_was_fetched();
    assert!(is_download(f.fault(|job| job.recipe = other.clone())));
}

#[test]
fn what_is_no_checkpoint_should_have_the_faults_of_other_jobs() {
    let f = Fixture::new();
    let is_download = |fault: Fault| matches!(fault, Fault::Infra(InfraFault::Download, _));
    assert!(is_download(f.fault(|job| job.model.uris = vec![])));
    assert!(is_download(f.fault(|job| job.recipe.uris = vec![])));
    let root = [9; 32].into();
    assert!(is_download(f.fault(|job| job.model.manifest_root = root)));
    let fault = f.fault(|job| job.limits.max_parameters = 10);
    assert!(
        matches!(fault, Fault::Miner(MinerFault::TooLarge, _)),
        "{fault:?}"
    );
}

#[test]
fn full_cache_should_be_the_machines_fault_and_not_the_trainers() {
    let f = Fixture::new();
    let Fixture {
        dir,
        server,
        leaves,
    } = f;
    drop(server);
    let server = InProcess::start(arena_executor::Config {
        cache_bytes: 7_000,
        ..config(dir.path())
    });
    let f = Fixture {
        dir,
        server,
        leaves,
    };
    let large = f.forged(&f.leaves[1], |bytes| bytes.resize(7_500, 0));
    let fault = f.fault(|job| job.segments[1].from = large);
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Disk, _)),
        "{fault:?}"
    );
}

#[test]
fn replay_should_be_done_after_a_restart() {
    let f = Fixture::new();
    let Fixture {
        dir,
        server,
        leaves,
    } = f;
    drop(server);
    let idle = InProcess::start(arena_executor::Config {
        workers: 0,
        ..config(dir.path())
    });
    let f = Fixture {
        dir,
        server: idle,
        leaves,
    };
    let request = f.request(|_| ());
    let id = f.server.client.post(&request);
    let Fixture { dir, server, .. } = f;
    drop(server);
    let server = InProcess::start(config(dir.path()));
    let status = server.client.end(&id);
    assert!(
        matches!(&status, JobStatus::Done(Outcome::Replayed(found)) if found.same == 3),
        "{status:?}"
    );
}

/// A job that trains for hours: the honest run's beginning, and a recipe of many more steps.
fn endless(f: &Fixture) -> JobRequest {
    const MANY: u64 = 100_000_000;
    let recipe = f.path("endless");
    write_recipe(&recipe);
    let path = recipe.join(registered::CONFIG);
    let config = fs::read(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["steps"] = MANY.into();
    fs::write(path, config.to_string()).unwrap();
    let to = challenge::LogLeaf {
        step: MANY,
        ..f.leaves[1]
    };
    f.request(|job| {
        job.recipe = artifact(&recipe);
        job.steps = MANY;
        job.segments = vec![Segment {
            from: f.leaves[0],
            to,
        }];
    })
}

/// Waits until a job computes.
fn until_computing(f: &Fixture, id: &JobId) {
    until("the training", || match f.server.client.status(id) {
        JobStatus::Running { total, .. } if total > 1 => Some(()),
        JobStatus::Queued | JobStatus::Running { .. } => None,
        other => panic!("{other:?}"),
    });
}

/// The directory in `/proc` of the worker that computes a job.
fn worker(f: &Fixture, id: &JobId) -> Option<PathBuf> {
    let job = f.path("base/jobs").join(hex::encode(id));
    let wanted = format!("worker\0compute\0--job\0{}\0", job.display());
    let mut processes = fs::read_dir("/proc").unwrap().flatten();
    let is_it = |process: &PathBuf| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&wanted)
    };
    processes.find_map(|process| Some(process.path()).filter(is_it))
}

#[test]
fn replay_should_be_confined_and_end_when_it_is_cancelled() {
    let f = Fixture::new();
    let request = endless(&f);
    let id = f.server.client.post(&request);
    until_computing(&f, &id);
    let status = fs::read_to_string(worker(&f, &id).unwrap().join("status")).unwrap();
    assert!(status.contains("Seccomp:\t2"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(f.server.client.delete(&id), 204);
    until("its end", || worker(&f, &id).is_none().then_some(()));
    assert_eq!(f.finding(|_| ()), ReplayFinding::Same);
}

#[test]
fn replay_should_stop_at_the_seconds_of_its_task_and_at_its_deadline() {
    let f = Fixture::new();
    let mut slow = endless(&f);
    if let JobKind::ReplaySegments(job) = &mut slow.kind {
        job.limits.max_seconds = 1;
    }
    let late = JobRequest {
        deadline_seconds: 3,
        ..endless(&f)
    };
    let found = f.server.client.found(&slow);
    assert!(
        matches!(&found, Outcome::Replayed(found) if found.finding == ReplayFinding::TooSlow),
        "{found:?}"
    );
    let fault = f.server.client.fault(&late);
    assert!(
        matches!(&fault, Fault::Infra(InfraFault::Timeout, said) if said.contains("deadline passed")),
        "{fault:?}"
    );
}
