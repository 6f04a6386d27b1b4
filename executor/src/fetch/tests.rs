//! Models, adapters and bases from mirrors, with no server and no worker.

use super::*;
use crate::mock::{Manner, Mock};
use arena_primitives::job::{Architecture, Evaluate, JobKind};
use serde_json::json;

/// Bytes of a safetensors file of one f32 tensor.
fn factors() -> Vec<u8> {
    let header = json!({
        "base_model.model.layers.0.lora_A.weight":
            {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]},
        "base_model.model.layers.0.lora_B.weight":
            {"dtype": "F32", "shape": [2, 1], "data_offsets": [16, 24]},
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..6).flat_map(|n| (n as f32).to_le_bytes()));
    bytes
}

struct Fixture {
    dir: tempfile::TempDir,
    fetcher: Fetcher,
}

fn patience() -> Patience {
    Patience {
        pause: Duration::from_millis(1),
        ..Patience::default()
    }
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let job = dir.path().join("job");
    fs::create_dir(&job).unwrap();
    let cache = Cache::open(&dir.path().join("cache"), 1 << 20).unwrap();
    let origins = Origins {
        allow_file: true,
        hub: String::new(),
    };
    let fetcher = Fetcher::with(Client::new(patience(), None), origins, cache, &job);
    Fixture { dir, fetcher }
}

fn limits() -> Limits {
    Limits {
        architectures: vec![Architecture::Mlp],
        max_parameters: 1000,
        max_bytes: 100_000,
        max_seconds: 60,
        context: 0,
        tokenizer: None,
    }
}

/// An MLP of one layer.
const CONFIG: &str = r#"{"model_type":"arena_mlp","version":1,"input_shape":[4],"layers":[{"type":"linear","out":2}],"labels":2}"#;

/// Both tensors of [`CONFIG`].
fn mlp() -> Vec<u8> {
    let header = r#"{"layers.0.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"layers.0.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[8,40]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 40]);
    bytes
}

impl Fixture {
    /// A directory with these files, and the artifact that it is, served by these mirrors.
    fn artifact(&self, name: &str, files: &[(&str, &[u8])]) -> (PathBuf, Artifact) {
        let dir = self.dir.path().join(name);
        fs::create_dir(&dir).unwrap();
        for (path, content) in files {
            let to = dir.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, content).unwrap();
        }
        let manifest = Manifest::of_dir(&dir).unwrap();
        fs::write(dir.join(manifest::FILE_NAME), manifest.encode()).unwrap();
        let artifact = Artifact {
            manifest_root: manifest.root().into(),
            uris: vec![format!("file://{}", dir.display())],
        };
        (dir, artifact)
    }

    fn model(&self, name: &str) -> (PathBuf, Artifact) {
        let files: [(&str, &[u8]); 2] = [
            ("config.json", CONFIG.as_bytes()),
            ("model.safetensors", &mlp()),
        ];
        self.artifact(name, &files)
    }

    fn names(&self, into: &str) -> Vec<String> {
        let entries = fs::read_dir(self.fetcher.job.join(into)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn fetch_model(f: &Fixture, artifact: &Artifact) -> Result<PathBuf, Fault> {
    f.fetcher.artifact(artifact, &limits(), "model", None)
}

#[test]
fn files_that_evaluation_does_not_read_should_not_be_fetched() {
    let f = fixture();
    let (dir, mut artifact) = f.artifact(
        "all",
        &[
            ("config.json", CONFIG.as_bytes()),
            ("model.safetensors", &mlp()),
            ("README.md", b"read me"),
            ("vocab.json", b"{}"),
            ("extra/model.safetensors", b"junk"),
        ],
    );
    let mirror = Mock::of_dir(dir, Manner::Good);
    artifact.uris = vec![mirror.url()];
    fetch_model(&f, &artifact).unwrap();
    let mut asked: Vec<_> = mirror
        .asked()
        .iter()
        .map(|asked| asked.split(' ').next().unwrap().to_owned())
        .collect();
    asked.sort();
    asked.dedup();
    assert_eq!(
        asked,
        ["config.json", "manifest.scale", "model.safetensors"]
    );
    let names = f.names("model");
    let wanted = [
        "config.json",
        "extra",
        "manifest.scale",
        "model.safetensors",
    ];
    assert_eq!(names, wanted);
    // They count all the same, and a pickle is refused by its name.
    let mut tight = limits();
    tight.max_bytes = 250;
    let fault = f.fetcher.artifact(&artifact, &tight, "model", None);
    assert!(
        matches!(fault, Err(Fault::Miner(MinerFault::TooLarge, _))),
        "{fault:?}"
    );
    let (_, pickled) = f.artifact(
        "pickled",
        &[
            ("config.json", CONFIG.as_bytes()),
            ("model.safetensors", &mlp()),
            ("pytorch_model.bin", b"pickle"),
        ],
    );
    let fault = fetch_model(&f, &pickled);
    assert!(
        matches!(&fault, Err(Fault::Miner(MinerFault::Weights, why)) if why.contains("pickle")),
        "{fault:?}"
    );
}

#[test]
fn cached_model_should_need_no_mirror() {
    let f = fixture();
    let (dir, artifact) = f.model("model");
    fetch_model(&f, &artifact).unwrap();
    fs::remove_dir_all(dir).unwrap();
    fetch_model(&f, &artifact).unwrap();
    let nowhere = Artifact {
        uris: vec![],
        ..artifact
    };
    fetch_model(&f, &nowhere).unwrap();
}

#[test]
fn manifest_that_never_ends_should_be_its_own_fault_and_yield_to_the_true_one() {
    let f = fixture();
    let (_, artifact) = f.model("model");
    let endless = Mock::of(b"\x01", Manner::Endless);
    let liar = Mock::of(b"\x01\x00", Manner::Good);
    let absent = Mock::of(&[], Manner::Refuses("404 Not Found"));
    let from = |mirrors: &[&Mock]| Artifact {
        uris: mirrors.iter().map(|mirror| mirror.url()).collect(),
        ..artifact.clone()
    };
    for (mirrors, class) in [
        (&[&endless][..], MinerFault::Manifest),
        (&[&absent, &endless], MinerFault::Manifest),
        (&[&endless, &liar], MinerFault::HashMismatch),
        (&[&liar, &endless], MinerFault::HashMismatch),
    ] {
        let fault = fetch_model(&f, &from(mirrors)).unwrap_err();
        assert!(
            matches!(&fault, Fault::Miner(found, _) if *found == class),
            "{class:?}: {fault:?}"
        );
    }
    let mut both = from(&[&endless]);
    both.uris.extend(artifact.uris.clone());
    fetch_model(&f, &both).unwrap();
}

#[test]
fn header_that_a_mirror_made_up_should_convict_nobody() {
    let f = fixture();
    let (dir, artifact) = f.model("model");
    // Another header of the same size, from a mirror that has all the rest right.
    let lie = String::from_utf8_lossy(&mlp()).replace("layers.0.bias", "layers.9.bias");
    let liar = Mock::new(
        move |path| match path {
            "model.safetensors" => Some(lie.clone().into_bytes()),
            path => fs::read(dir.join(path)).ok(),
        },
        Manner::Good,
    );
    let mut lied = artifact.clone();
    lied.uris.insert(0, liar.url());
    fetch_model(&f, &lied).unwrap();
}

#[test]
fn adapter_should_be_fetched_beside_its_base_and_the_base_stay() {
    let f = fixture();
    let (_, base) = f.model("whole");
    let (_, adapter) = f.artifact(
        "adapter",
        &[
            (
                "adapter_config.json",
                br#"{"peft_type":"LORA","r":1,"lora_alpha":2}"#,
            ),
            ("adapter_model.safetensors", &factors()),
            ("README.md", b"an adapter"),
        ],
    );
    // 10 parameters of the base and 6 of the adapter; of bytes the adapter's alone.
    let limits = Limits {
        max_parameters: 16,
        max_bytes: 400,
        ..limits()
    };
    let base_dir = f.fetcher.base(&base, &limits, store::BASE).unwrap();
    let dir = f
        .fetcher
        .artifact(&adapter, &limits, store::MODEL, Some(&base_dir))
        .unwrap();
    assert_eq!(
        f.names(store::MODEL),
        [
            "adapter_config.json",
            "adapter_model.safetensors",
            "manifest.scale"
        ]
    );
    assert!(dir.is_dir() && base_dir.join("model.safetensors").is_file());
    let pinned = |artifact: &Artifact| f.fetcher.cache.pinned(&artifact.manifest_root.0);
    assert_eq!(pinned(&base), Some(Pin::Base));
    assert_eq!(pinned(&adapter), None);
    let tighter = Limits {
        max_parameters: 15,
        ..limits.clone()
    };
    let fault = f
        .fetcher
        .artifact(&adapter, &tighter, "tighter", Some(&base_dir));
    assert!(
        matches!(&fault, Err(Fault::Miner(MinerFault::TooLarge, _))),
        "{fault:?}"
    );
    // Without a base, a task takes whole models only.
    let fault = f.fetcher.artifact(&adapter, &limits, "other", None);
    assert!(matches!(fault, Err(Fault::Miner(..))), "{fault:?}");
}

#[test]
fn what_is_wrong_with_a_base_should_not_be_the_trainers_fault() {
    let f = fixture();
    let (dir, base) = f.model("base");
    fs::write(dir.join("model.safetensors"), vec![0; mlp().len()]).unwrap();
    let fault = f.fetcher.base(&base, &limits(), store::BASE).unwrap_err();
    assert!(
        matches!(&fault, Fault::Infra(InfraFault::Download, why) if why.starts_with("base model: ")),
        "{fault:?}"
    );
    let (_, junk) = f.artifact(
        "junk",
        &[("config.json", b"{"), ("model.safetensors", b"x")],
    );
    let fault = f.fetcher.base(&junk, &limits(), store::BASE).unwrap_err();
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Download, _)),
        "{fault:?}"
    );
    assert_eq!(f.fetcher.cache.pinned(&junk.manifest_root.0), None);
}

#[test]
fn fetch_that_is_late_should_be_a_timeout() {
    let f = fixture();
    let (dir, mut artifact) = f.model("model");
    let mirror = Mock::of_dir(dir, Manner::Stalls(10));
    artifact.uris = vec![mirror.url()];
    let deadline = Instant::now() + Duration::from_millis(200);
    let late = Fetcher {
        client: Client::new(patience(), Some(deadline)),
        ..f.fetcher
    };
    let fault = late.artifact(&artifact, &limits(), "model", None);
    assert!(
        matches!(fault, Err(Fault::Infra(InfraFault::Timeout, _))),
        "{fault:?}"
    );
}

#[test]
fn mirror_that_is_too_slow_should_count_as_one_that_serves_nothing() {
    let f = fixture();
    let (dir, mut artifact) = f.model("model");
    let mirror = Mock::of_dir(dir, Manner::Trickles);
    artifact.uris = vec![mirror.url()];
    let hurried = Patience {
        whole: |_| Duration::from_millis(200),
        ..patience()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let fetcher = Fetcher {
        client: Client::new(hurried, Some(deadline)),
        ..f.fetcher
    };
    let fault = fetcher.artifact(&artifact, &limits(), "model", None);
    assert!(
        matches!(&fault, Err(Fault::Infra(InfraFault::Download, why)) if why.contains("bytes a second")),
        "{fault:?}"
    );
}

#[test]
fn adapter_without_its_base_should_be_fetched_whole_before_it_is_refused() {
    let f = fixture();
    let (dir, mut adapter) = f.artifact(
        "adapter",
        &[
            (
                "adapter_config.json",
                br#"{"peft_type":"LORA","r":1,"lora_alpha":2}"#,
            ),
            ("adapter_model.safetensors", &factors()),
        ],
    );
    // The header alone.
    let header = factors().len() - 24;
    let cut = move |path: &str| {
        let mut content = fs::read(dir.join(path)).ok()?;
        content.truncate(match path {
            "adapter_model.safetensors" => header,
            _ => usize::MAX,
        });
        Some(content)
    };
    let mirrored = std::mem::take(&mut adapter.uris);
    adapter.uris = vec![Mock::new(cut, Manner::Good).url()];
    let fault = fetch_model(&f, &adapter);
    assert!(
        matches!(fault, Err(Fault::Miner(MinerFault::HashMismatch, _))),
        "{fault:?}"
    );
    adapter.uris = mirrored;
    let fault = fetch_model(&f, &adapter);
    assert!(
        matches!(fault, Err(Fault::Miner(MinerFault::Architecture, _))),
        "{fault:?}"
    );
    assert!(
        f.fetcher
            .cache
            .has(blake3::hash(&factors()).as_bytes(), factors().len() as u64)
    );
}

#[test]
fn line_should_be_down_where_nobody_answers_and_up_where_others_do() {
    let nowhere = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let absent = Mock::of(&[], Manner::Refuses("404 Not Found"));
    let proxy = Mock::of(&[], Manner::Refuses("502 Bad Gateway"));
    let ask = |of: &str, others: &[String]| {
        let f = fixture();
        let model = Artifact {
            manifest_root: [1; 32].into(),
            uris: vec![of.to_owned()],
        };
        let job = JobKind::Sketch(arena_primitives::job::Sketch {
            model,
            base: None,
            seed: [0; 32],
            limits: limits(),
        });
        match f.fetcher.all(&Needs::of(&job), others) {
            Err(Halt::Fault(Fault::Infra(class, _))) => class,
            other => panic!("{other:?}"),
        }
    };
    let (download, line) = (InfraFault::Download, InfraFault::Device);
    assert_eq!(ask(&nowhere(), &[nowhere(), nowhere()]), line);
    assert_eq!(ask(&proxy.url(), &[proxy.url()]), line);
    assert_eq!(ask(&nowhere(), &[nowhere(), absent.url()]), download);
    assert_eq!(ask(&absent.url(), &[nowhere()]), download, "it answers");
    assert_eq!(ask(&nowhere(), &[]), download, "nobody can be asked");
}

#[test]
fn deadline_should_be_that_of_the_jobs_request() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(deadline(dir.path()), None);
    let request = JobRequest {
        version: arena_primitives::job::WIRE_VERSION,
        deadline_seconds: 100,
        kind: arena_primitives::job::JobKind::Evaluate(Evaluate {
            model: Artifact {
                manifest_root: Default::default(),
                uris: vec![],
            },
            base: None,
            data: Data {
                blake3: [0; 32],
                bytes: 0,
                uris: vec![],
                samples: 0,
                seed: [0; 32],
            },
            metric: arena_primitives::job::Metric::Accuracy,
            profile: arena_primitives::job::NumericProfile::F32,
            limits: limits(),
        }),
        others: vec![],
    };
    let record = store::Record {
        posted: store::now_millis(),
        ended: 0,
        retry: false,
        status: arena_primitives::job::JobStatus::Queued,
    };
    use codec::Encode;
    store::write_sealed(dir.path(), store::REQUEST, &request.encode()).unwrap();
    store::write_sealed(dir.path(), store::STATUS, &record.encode()).unwrap();
    let left = deadline(dir.path()).unwrap() - Instant::now();
    assert!(
        left <= Duration::from_secs(99) && left > Duration::from_secs(60),
        "{left:?}"
    );
}
