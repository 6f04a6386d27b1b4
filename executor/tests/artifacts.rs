//! Artifacts from the mirror to the outcome, each job by a real worker process.

mod common;

use arena_models::{Manifest, manifest::FileEntry};
use arena_primitives::job::*;
use common::{
    mirror::{Manner, Mock},
    model::*,
    *,
};
use std::{
    fs,
    path::{Path, PathBuf},
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

    fn outcome(&self, evaluate: Evaluate) -> Evaluated {
        let request = request(JobKind::Evaluate(evaluate));
        self.server.client.outcome(&request)
    }

    fn fault(&self, evaluate: Evaluate) -> Fault {
        let request = request(JobKind::Evaluate(evaluate));
        self.server.client.fault(&request)
    }

    /// `cache` with these words, which must succeed.
    fn cache(&self, words: &[&str]) -> String {
        let base = self.path("base");
        let all = [&["cache", "--base", base.to_str().unwrap()], words].concat();
        let (code, out, err) = say(&all);
        assert_eq!(code, 0, "{words:?}: {err}");
        out
    }

    fn list(&self) -> serde_json::Value {
        serde_json::from_str(&self.cache(&["list", "--json"])).unwrap()
    }
}

#[track_caller]
fn assert_miner(fault: &Fault, class: MinerFault) {
    assert!(
        matches!(fault, Fault::Miner(found, _) if *found == class),
        "{class:?}: {fault:?}"
    );
}

/// Serves a directory as the files of a repository at one revision.
fn hub_of(dir: &Path, repo: &'static str) -> Mock {
    let dir = dir.to_owned();
    Mock::new(
        move |path| {
            let file = path.strip_prefix(repo)?.strip_prefix("/resolve/0123abc/")?;
            fs::read(dir.join(file)).ok()
        },
        Manner::Good,
    )
}

#[test]
fn hub_should_be_any_endpoint_and_may_redirect_to_another_host() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_mlp(&dir.join("repo"), &[4, 8]);
    write_jsonl(&dir.join("repo/data.jsonl"), 20, 4);
    let mut evaluate = evaluation(&dir.join("repo"), &dir.join("repo/data.jsonl"));
    evaluate.model.uris = vec!["hf://org/name@0123abc".to_owned()];
    evaluate.data.uris = vec!["hf://org/name@0123abc/data.jsonl".to_owned()];
    let store = hub_of(&dir.join("repo"), "org/name");
    let hub = Mock::of(&[], Manner::RedirectTo(store.url()));
    let endpoint = format!("HF_ENDPOINT={}/", hub.url());
    let served = Served::start_by(dir, &["env", &endpoint]);
    let found = served.client.outcome(&request(JobKind::Evaluate(evaluate)));
    assert_eq!(found.samples, 20);
    let asked = hub.asked();
    assert!(
        asked
            .iter()
            .any(|asked| asked.starts_with("org/name/resolve/0123abc/model.safetensors ")),
        "{asked:?}"
    );
    assert_eq!(store.asked().len(), asked.len());
}

#[test]
fn hub_of_data_sets_should_be_reached_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_mlp(&dir.join("model"), &[4, 8]);
    fs::create_dir(dir.join("set")).unwrap();
    write_jsonl(&dir.join("set/data.jsonl"), 20, 4);
    let mut evaluate = evaluation(&dir.join("model"), &dir.join("set/data.jsonl"));
    evaluate.data.uris = vec!["hf://datasets/org/set@0123abc/data.jsonl".to_owned()];
    let hub = hub_of(&dir.join("set"), "datasets/org/set");
    let endpoint = format!("HF_ENDPOINT={}", hub.url());
    let served = Served::start_by(dir, &["env", &endpoint]);
    let found = served.client.outcome(&request(JobKind::Evaluate(evaluate)));
    assert_eq!(found.samples, 20);
}

#[test]
fn model_should_come_whole_from_mirrors_that_cut_lie_and_lack() {
    let f = Fixture::new();
    write_mlp(&f.path("model"), &[4, 300, 300]);
    let mut evaluate = f.evaluation();
    let missing = Mock::of(&[], Manner::Refuses("404 Not Found"));
    let lie = vec![0; 400_000];
    let liar = Mock::of(&lie, Manner::Good);
    let cut = Mock::of_dir(f.path("model"), Manner::CutsAfter(100_000));
    evaluate.model.uris = [&missing, &liar, &cut].map(Mock::url).to_vec();
    assert_eq!(f.outcome(evaluate).samples, 20);
    // Weights were resumed, not begun again.
    let weights = fs::metadata(f.path("model/model.safetensors")).unwrap();
    assert!(cut.sent() < 2 * usize::try_from(weights.len()).unwrap());
}

/// An artifact with these entries in its manifest, at a mirror of its own.
fn listing(dir: &Path, entries: impl Iterator<Item = (String, u64)>) -> Artifact {
    let files = entries
        .map(|(path, size)| FileEntry {
            path,
            size,
            blake3: [0; 32],
        })
        .collect();
    let bytes = Manifest { files }.encode();
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("manifest.scale"), &bytes).unwrap();
    Artifact {
        manifest_root: arena_models::manifest::root_of(&bytes).into(),
        uris: vec![format!("file://{}", dir.display())],
    }
}

#[test]
fn manifest_that_leads_elsewhere_or_never_ends_should_be_the_models_fault() {
    let f = Fixture::new();
    let one = |path: &str, size| vec![(path.to_owned(), size)].into_iter();
    let fault_of = |artifact: Artifact| {
        let mut evaluate = f.evaluation();
        evaluate.model = artifact;
        f.fault(evaluate)
    };
    for (n, path) in ["../../escaped", "/etc/passwd", "a/../../b", "a\\b", "."]
        .into_iter()
        .enumerate()
    {
        let artifact = listing(&f.path(&format!("path-{n}")), one(path, 1));
        assert_miner(&fault_of(artifact), MinerFault::Manifest);
    }
    assert!(!f.path("base/escaped").exists() && !f.path("escaped").exists());
    let tiny = |n: usize| (0..n).map(|i| (format!("{i:06}"), 1));
    let many = listing(&f.path("many"), tiny(2_000));
    assert_miner(&fault_of(many), MinerFault::Manifest);
    let huge = listing(&f.path("huge"), tiny(100_000));
    assert_miner(&fault_of(huge), MinerFault::Manifest);
    let large = listing(&f.path("large"), one("model.safetensors", u64::MAX));
    assert_miner(&fault_of(large), MinerFault::TooLarge);
    let endless = Mock::of(b"\x01", Manner::Endless);
    let mut artifact = listing(&f.path("endless"), one("config.json", 1));
    artifact.uris = vec![endless.url()];
    assert_miner(&fault_of(artifact), MinerFault::Manifest);
    // A manifest's length, and what fits the sockets' buffers.
    assert!(endless.sent() < 32 << 20, "{}", endless.sent());
    // Nothing of all that was fetched.
    let blobs = fs::read_dir(f.path("base/cache/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
    // A mirror that never ends doesn't harm a model that another one serves.
    let mut evaluate = f.evaluation();
    evaluate.model.uris.insert(0, endless.url());
    assert_eq!(f.outcome(evaluate).samples, 20);
}

#[test]
fn stalled_mirror_should_end_with_the_jobs_deadline_and_its_name() {
    let f = Fixture::new();
    let silent = Mock::of(&[], Manner::Silent);
    let mut evaluate = f.evaluation();
    evaluate.model.uris = vec![silent.url()];
    let request = JobRequest {
        deadline_seconds: 4,
        ..request(JobKind::Evaluate(evaluate))
    };
    let fault = f.server.client.fault(&request);
    assert!(
        matches!(
            &fault,
            Fault::Infra(InfraFault::Timeout, why)
                if why.contains(&silent.url()) && why.contains("deadline")
        ),
        "{fault:?}"
    );
}

#[test]
fn cached_model_should_be_scored_with_its_mirrors_gone() {
    let f = Fixture::new();
    let mut evaluate = f.evaluation();
    let found = f.outcome(evaluate.clone());
    evaluate.model.uris.clear();
    evaluate.data.uris.clear();
    let again = f.outcome(evaluate);
    assert_eq!(
        (again.raw, again.samples_root),
        (found.raw, found.samples_root)
    );
}

#[test]
fn cache_should_be_listed_pinned_and_emptied_beside_a_running_executor() {
    let f = Fixture::new();
    let base = f.path("base");
    let base = base.to_str().unwrap();
    let (code, _, err) = say(&["cache", "--base", base, "list"]);
    assert_eq!(code, 1);
    assert!(err.contains("no cache in"), "{err}");
    let evaluate = f.evaluation();
    let root = format!("0x{}", hex::encode(evaluate.model.manifest_root));
    f.outcome(evaluate.clone());
    let list = f.list();
    assert_eq!(list["models"][0]["root"], root);
    assert_eq!(list["models"][0]["files_there"], 2);
    assert_eq!(list["models"][0]["pin"], serde_json::Value::Null);
    assert_eq!(list["other_files"], 1);
    assert!(f.cache(&["list"]).contains(&root));

    f.cache(&["pin", &root]);
    f.cache(&["evict", "--all"]);
    let list = f.list();
    assert_eq!(list["models"][0]["pin"], "hand");
    assert_eq!(list["models"][0]["files_there"], 2);
    assert_eq!(list["other_files"], 0);
    assert_eq!(list["bytes"], list["held_bytes"]);
    let mut unmirrored = evaluate.clone();
    unmirrored.model.uris.clear();
    assert_eq!(f.outcome(unmirrored).samples, 20);

    f.cache(&["unpin", &root]);
    let (code, _, err) = say(&["cache", "--base", base, "unpin", &root]);
    assert_eq!(code, 1);
    assert!(err.contains("is not pinned"), "{err}");
    f.cache(&["evict", "--to", "0"]);
    assert_eq!(f.list()["bytes"], 0);
    let (code, _, err) = say(&["cache", "--base", base, "pin", &root]);
    assert_eq!(code, 1);
    assert!(err.contains("cache add DIR --pin"), "{err}");
    for wrong in [&["pin", "0x12"][..], &["evict"], &["pin"]] {
        let words = [&["cache", "--base", base], wrong].concat();
        assert_eq!(say(&words).0, 2, "{wrong:?}");
    }
}

#[test]
fn model_that_was_added_by_hand_should_need_no_mirror() {
    let f = Fixture::new();
    let mut evaluate = f.evaluation();
    evaluate.model.uris.clear();
    let model = f.path("model");
    let added = f.cache(&["add", model.to_str().unwrap(), "--pin"]);
    assert!(added.contains(&hex::encode(evaluate.model.manifest_root)));
    assert_eq!(f.list()["models"][0]["pin"], "hand");
    assert_eq!(f.outcome(evaluate).samples, 20);
}

#[test]
fn pinned_models_that_leave_no_room_should_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = InProcess::start(arena_executor::Config {
        cache_bytes: 30_000,
        ..config(dir.path())
    });
    let f = Fixture { dir, server };
    write_mlp(&f.path("model"), &[4, 8]);
    write_mlp(&f.path("wide"), &[4, 700]);
    write_jsonl(&f.path("data.jsonl"), 2, 4);
    let wide = evaluation(&f.path("wide"), &f.path("data.jsonl"));
    let root = hex::encode(wide.model.manifest_root);
    // A first one, so that the cache is there with its budget.
    f.outcome(f.evaluation());
    // About 20 kB, as is the next one: the budget takes one of them.
    let (code, _, err) = say(&[
        "cache",
        "--base",
        f.path("base").to_str().unwrap(),
        "add",
        f.path("wide").to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{err}");
    f.cache(&["pin", &root]);
    let another = f.path("another");
    write_mlp(&another, &[4, 701]);
    let fault = f.fault(evaluation(&another, &f.path("data.jsonl")));
    assert!(
        matches!(
            &fault,
            Fault::Infra(InfraFault::Disk, why) if why.contains("arena-executor cache unpin")
        ),
        "{fault:?}"
    );
    f.cache(&["unpin", &root]);
    f.outcome(evaluation(&another, &f.path("data.jsonl")));
}
