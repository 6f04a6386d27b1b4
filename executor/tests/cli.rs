//! What people type, and what they are told.

mod common;

use arena_primitives::job::*;
use common::{model::*, *};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_mlp(&dir.path().join("model"), &[4, 8]);
        write_jsonl(&dir.path().join("data.jsonl"), 20, 4);
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn evaluate(&self, more: &[&str]) -> (i32, String, String) {
        let (model, data) = (self.text("model"), self.text("data.jsonl"));
        let words = ["evaluate", "--model", &model, "--data", &data];
        say(&[&words, more].concat())
    }

    fn json(&self, more: &[&str]) -> Value {
        let (code, out, err) = self.evaluate(&[&["--json"], more].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{more:?}");
        serde_json::from_str(&out).unwrap()
    }
}

#[test]
fn evaluation_should_be_printed_with_these_fields_and_nothing_beside() {
    let f = Fixture::new();
    let found = f.json(&["--profile", "exact-cpu-f32", "--batch-tokens", "7"]);
    let mut names: Vec<_> = found.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let wanted = "accuracy bytes device nll_nats profile samples samples_root seconds skipped \
                  tokens tokens_per_second";
    assert_eq!(names.join(" "), wanted);
    assert_eq!(found["profile"], "exact-cpu-f32");
    assert_eq!(
        (&found["device"], &found["samples"]),
        (&"cpu".into(), &20.into())
    );
    let (code, out, err) = f.evaluate(&[]);
    // No bar where there is no terminal.
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("accuracy") && out.contains("f32 on cpu"),
        "{out}"
    );
}

/// What the reference implementation finds of a fixture's texts.
fn expected(name: &str) -> Value {
    let bytes = fs::read(fixtures().join(name).join("expected.json")).unwrap();
    let mut expected: Value = serde_json::from_slice(&bytes).unwrap();
    let run = expected["runs"][0].take();
    assert_eq!(
        (&run["data"], &run["context"]),
        (&json!("texts.jsonl"), &json!(128))
    );
    run
}

/// What `evaluate` prints of a fixture's texts.
fn scored(model: &str, more: &[&str]) -> Value {
    let [model, data] = [model, "data/texts.jsonl"].map(|name| fixtures().join(name));
    let words = [
        "evaluate",
        "--json",
        "--context",
        "128",
        "--model",
        model.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ];
    let (code, out, err) = say(&[&words, more].concat());
    assert_eq!((code, err.as_str()), (0, ""), "{more:?}");
    serde_json::from_str(&out).unwrap()
}

#[track_caller]
fn assert_close(found: &Value, expected: f64, tolerance: f64) {
    let found = found.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= expected * tolerance,
        "{found} is not {expected}"
    );
}

#[test]
fn decoder_and_adapter_should_be_scored_as_by_the_reference() {
    let base = fixtures().join("llama/model");
    let base = ["--base", base.to_str().unwrap()];
    for (name, model, more) in [
        ("llama", "llama/model", &[][..]),
        ("lora-llama", "lora-llama/adapter", &base),
    ] {
        let found = scored(model, more);
        let mut names: Vec<_> = found.as_object().unwrap().keys().cloned().collect();
        names.sort();
        let wanted = "bits_per_byte bytes device nll_nats profile samples samples_root seconds \
                      skipped tokens tokens_per_second";
        assert_eq!(names.join(" "), wanted, "{name}");
        let run = expected(name);
        let samples = run["samples"].as_array().unwrap();
        let sum = |field: &str| -> u64 {
            let values = samples.iter().map(|sample| sample[field].as_u64().unwrap());
            values.sum()
        };
        let nll = run["nll"].as_f64().unwrap();
        assert_close(&found["nll_nats"], nll, 1e-5);
        let bits = nll / std::f64::consts::LN_2 / sum("bytes") as f64;
        assert_close(&found["bits_per_byte"], bits, 1e-5);
        assert_eq!(found["tokens"], sum("tokens"), "{name}");
        assert_eq!(found["bytes"], sum("bytes"), "{name}");
        // One text is empty.
        assert_eq!(
            (&found["samples"], &found["skipped"]),
            (&json!(23), &json!(1)),
            "{name}"
        );
        assert_eq!(
            (&found["profile"], &found["device"]),
            (&json!("f32"), &json!("cpu"))
        );
        let root = found["samples_root"].as_str().unwrap();
        assert!(root.starts_with("0x") && root.len() == 66, "{root}");
        for field in ["seconds", "tokens_per_second"] {
            assert!(found[field].as_f64().unwrap() > 0.0, "{name}: {field}");
        }
    }
}

#[test]
fn bf16_should_be_close_to_f32_and_not_the_same() {
    let whole = scored("llama/model", &[]);
    let rounded = scored("llama/model", &["--profile", "bf16"]);
    assert_eq!(rounded["profile"], "bf16");
    assert_eq!(
        (&rounded["tokens"], &rounded["bytes"]),
        (&whole["tokens"], &whole["bytes"])
    );
    assert_ne!(rounded["samples_root"], whole["samples_root"]);
    let nll = whole["nll_nats"].as_f64().unwrap();
    assert_close(&rounded["nll_nats"], nll, 5e-3);
}

#[test]
fn seed_should_be_a_number_or_hex_and_decide_the_draw() {
    let f = Fixture::new();
    let root = |seed: &str| f.json(&["--samples", "5", "--seed", seed])["samples_root"].clone();
    let zero = "00".repeat(32);
    assert_eq!(root("0"), root(&zero));
    assert_ne!(root("1"), root("2"));
    let (code, _, err) = f.evaluate(&["--seed", "one"]);
    assert_eq!(code, 2);
    assert!(err.contains("a seed is a number"), "{err}");
}

#[test]
fn wrong_usage_should_be_2_and_say_what_is_right() {
    let f = Fixture::new();
    for (words, wanted) in [
        (["--device", "tpu"], "a device is cpu, cuda or cuda:N"),
        (["--profile", "f64"], "exact-cpu-f32"),
        (["--metric", "loss"], "bits-per-byte"),
        (["--context", "0"], "0 is not in 1.."),
        (["--batch-tokens", "0"], "0 is not in 1.."),
    ] {
        let (code, _, err) = f.evaluate(&words);
        assert_eq!(code, 2);
        assert!(err.contains(wanted), "{err}");
    }
    let (code, _, err) = f.evaluate(&["--device", "cuda:1"]);
    assert_eq!(code, 1);
    assert!(err.contains("this build has no CUDA"), "{err}");
    let (code, out, _) = say(&["--help"]);
    assert_eq!(code, 0);
    for name in [
        "serve", "evaluate", "manifest", "inspect", "doctor", "cache", "watch",
    ] {
        assert!(out.contains(&format!("  {name} ")), "{name}: {out}");
    }
    assert!(!out.contains("\n  worker "), "{out}");
}

#[test]
fn adapter_should_be_scored_with_its_base_only() {
    let f = Fixture::new();
    let adapter = f.path("adapter");
    fs::create_dir(&adapter).unwrap();
    fs::write(adapter.join("adapter_config.json"), "{}").unwrap();
    let (adapter, data) = (f.text("adapter"), f.text("data.jsonl"));
    for words in [
        &["inspect", &adapter][..],
        &["evaluate", "--model", &adapter, "--data", &data],
    ] {
        let (code, _, err) = say(words);
        assert_eq!(code, 1);
        assert!(err.contains("with --base DIR"), "{err}");
    }
    let absent = f.text("absent");
    let words = [
        "evaluate", "--model", &adapter, "--base", &absent, "--data", &data,
    ];
    let (code, _, err) = say(&words);
    assert_eq!(code, 1);
    assert!(err.contains("absent; is the path right?"), "{err}");
}

#[test]
fn inspect_should_speak_json() {
    let f = Fixture::new();
    let (code, out, err) = say(&["inspect", "--json", &f.text("model")]);
    assert_eq!(code, 0, "{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["architecture"], "arena_mlp");
    assert_eq!(found["metric"], "accuracy");
    assert_eq!(found["parameters"], 4 * 8 + 8 + 8 * 2 + 2);
    assert!(found["bytes"].as_u64().unwrap() > 0);
}

/// Every command that takes a directory refuses it with this.
#[track_caller]
fn assert_refused(f: &Fixture, wanted: &str) {
    let (model, data) = (f.text("model"), f.text("data.jsonl"));
    let base = f.text("base");
    for words in [
        &["manifest", &model][..],
        &["manifest", "--write", &model],
        &["inspect", &model],
        &["evaluate", "--model", &model, "--data", &data],
        &["cache", "--base", &base, "add", &model],
    ] {
        let (code, out, err) = say(words);
        assert_eq!((code, out.as_str()), (1, ""), "{words:?}");
        assert!(err.contains(wanted), "{words:?}: {err}");
    }
    assert!(!Path::new(&model).join("manifest.scale").exists());
}

#[test]
fn what_is_no_file_should_be_named_and_not_be_waited_for() {
    let f = Fixture::new();
    let weights = f.path("model/model.safetensors");
    fs::remove_file(&weights).unwrap();
    let made = Command::new("mkfifo").arg(&weights).status();
    assert!(made.unwrap().success());
    assert_refused(&f, "model.safetensors: is a pipe");
    fs::remove_file(&weights).unwrap();
    symlink("/dev/zero", &weights).unwrap();
    assert_refused(&f, "model.safetensors: is a symbolic link");
    fs::remove_file(&weights).unwrap();
    symlink("../data.jsonl", f.path("model/up")).unwrap();
    assert_refused(&f, "up: is a symbolic link");
    let (code, _, err) = say(&[
        "evaluate",
        "--model",
        &f.text("model"),
        "--data",
        "/dev/zero",
    ]);
    assert_eq!(code, 1);
    assert!(
        err.contains("symbolic link") || err.contains("is not a file"),
        "{err}"
    );
}

#[test]
fn data_that_is_no_file_should_be_refused() {
    let f = Fixture::new();
    for data in ["/dev/zero", "/", "/nowhere"] {
        let words = ["evaluate", "--model", &f.text("model"), "--data", data];
        let (code, _, err) = say(&words);
        assert_eq!(code, 1);
        assert!(err.contains(data), "{err}");
    }
}

#[test]
fn directory_of_a_hundred_thousand_files_should_be_refused() {
    let f = Fixture::new();
    for n in 0..100_000 {
        File::create(f.path("model").join(n.to_string())).unwrap();
    }
    assert_refused(&f, "more than 1024 files");
}

#[test]
fn doctor_should_say_what_this_machine_has() {
    let f = Fixture::new();
    let base = f.text("not/there/yet");
    let (code, out, err) = say(&["doctor", "--base", &base]);
    assert_eq!(code, 0, "{err}");
    for wanted in [
        "device     cpu (this build has no CUDA",
        "cores ",
        "speed ",
        "memory ",
        "disk free ",
        "cache      none yet",
        "exact-cpu-f32, f32, bf16",
        "Evaluate",
        "arena_mlp, arena_cnn, llama",
        "isolation ",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    assert!(!Path::new(&base).exists());
    let model = f.text("model");
    let base = f.text("base");
    assert_eq!(say(&["cache", "--base", &base, "add", &model]).0, 0);
    let (code, out, err) = say(&["doctor", "--base", &base, "--json"]);
    assert_eq!(code, 0, "{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["device"], "cpu");
    assert_eq!(
        (&found["cuda"], &found["gpus"]),
        (&json!(false), &json!([]))
    );
    assert!(found["cores"].as_u64().unwrap() > 0);
    assert!(found["gflops"].as_f64().unwrap() > 0.0);
    assert!(found["disk_free_bytes"].as_u64().unwrap() > 0);
    assert_eq!(found["cache"]["models"], 1);
    assert_eq!(found["cache"]["budget_bytes"], 32u64 << 30);
}

#[test]
fn watch_should_show_jobs_that_wait_run_and_end() {
    let f = Fixture::new();
    let token = f.text("token");
    let idle = InProcess::start(arena_executor::Config {
        workers: 0,
        ..config(f.dir.path())
    });
    let watch = |server: &InProcess, more: &[&str]| {
        let url = format!("http://{}", server.client.addr);
        let words = ["watch", "--url", &url, "--token-file", &token];
        let (code, out, err) = say(&[&words, more].concat());
        assert_eq!(code, 0, "{err}");
        out
    };
    assert_eq!(watch(&idle, &["--once"]), "no jobs\n");
    let job = request(JobKind::Evaluate(evaluation(
        &f.path("model"),
        &f.path("data.jsonl"),
    )));
    let id = hex::encode(idle.client.post(&job));
    let waiting = watch(&idle, &["--once"]);
    let wanted = format!("{} evaluate: waiting, deadline in ", &id[..8]);
    assert!(waiting.starts_with(&wanted), "{waiting}");
    let listed: Value = serde_json::from_slice(&idle.client.get("/jobs").body).unwrap();
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["state"], "queued");
    assert_eq!(idle.client.get_with("/jobs", None).code, 401);
    drop(idle);

    let server = InProcess::start(config(f.dir.path()));
    server.client.post(&unreachable(1));
    let out = watch(&server, &["--until-idle", "--interval", "1"]);
    assert!(out.contains(&format!("{} job: done: ", &id[..8])), "{out}");
    assert!(
        out.contains("job: failed: this machine's fault, Download"),
        "{out}"
    );
}

#[test]
fn watch_should_say_that_nobody_answers() {
    let f = Fixture::new();
    fs::write(f.path("token"), "0".repeat(64)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(f.path("token"), mode).unwrap();
    let token = f.text("token");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let (code, _, err) = say(&["watch", "--url", &url, "--token-file", &token]);
    assert_eq!(code, 1);
    assert!(
        err.contains("is `arena-executor serve` running there?"),
        "{err}"
    );
}

#[test]
fn terminal_should_show_progress_and_a_pipe_none() {
    let f = Fixture::new();
    let (_, _, quiet) = f.evaluate(&[]);
    assert!(!quiet.contains("samples,"), "{quiet}");
    // util-linux's `script` gives a program a terminal.
    let command = format!(
        "{BINARY} evaluate --model {} --data {}",
        f.text("model"),
        f.text("data.jsonl")
    );
    let shown = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{text}");
    assert!(text.contains("20 samples,"), "{text}");
    assert!(text.contains("accuracy"), "{text}");
}
