//! The executor's own workers.

use super::{
    CAPTIVE, GROUND, Ground, REACH,
    common::{model::*, *},
    kernel,
};
use arena_executor::Config;
use arena_primitives::job::*;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const MEMORY: u64 = 3 << 30;
const INSECURE: &str = "--insecure-no-isolation";

/// A job of some seconds.
fn slow(dir: &Path) -> Evaluate {
    write_mlp(&dir.join("model"), &[16, 1536, 1536, 1536]);
    write_tensors(&dir.join("data"), 60_000, 16);
    evaluation(&dir.join("model"), &dir.join("data"))
}

fn small(dir: &Path) -> JobRequest {
    write_mlp(&dir.join("small"), &[4, 8]);
    write_jsonl(&dir.join("data.jsonl"), 20, 4);
    request(JobKind::Evaluate(evaluation(
        &dir.join("small"),
        &dir.join("data.jsonl"),
    )))
}

/// The directory in `/proc` of the worker of a job, once it is filtered.
fn worker(phase: &str, job: &Path) -> PathBuf {
    let wanted = format!("worker\0{phase}\0--job\0{}\0", job.display());
    let is_it = |process: &Path| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&wanted)
            && field(&process.join("status"), "Seccomp:") == Some(2)
    };
    until("a confined worker", || {
        let processes = fs::read_dir("/proc").unwrap();
        let mut paths = processes.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|process| is_it(process))
    })
}

/// The first number behind a name.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[track_caller]
fn assert_confined(process: &Path) {
    for thread in fs::read_dir(process.join("task")).unwrap() {
        let status = thread.unwrap().path().join("status");
        assert_eq!(field(&status, "Seccomp:"), Some(2));
        assert_eq!(field(&status, "NoNewPrivs:"), Some(1));
    }
    let limits = process.join("limits");
    assert_eq!(field(&limits, "Max address space"), Some(MEMORY));
    assert_eq!(field(&limits, "Max core file size"), Some(0));
    let dispensable = fs::read_to_string(process.join("oom_score_adj")).unwrap();
    assert_eq!(dispensable.trim(), "500");
}

#[test]
fn real_workers_should_be_confined_and_hold_no_file_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let server = InProcess::start(Config {
        memory_bytes: MEMORY,
        ..config(dir)
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut evaluate = slow(dir);
    let mirror = format!("http://{}", silent.local_addr().unwrap());
    evaluate.model.uris.insert(0, mirror);
    let request = request(JobKind::Evaluate(evaluate));
    let id = server.client.post(&request);
    let job = dir.join("base/jobs").join(hex::encode(id));
    let asked = silent.accept().unwrap();
    assert_confined(&worker("fetch", &job));
    drop((asked, silent));

    let process = worker("compute", &job);
    until("a sample", || match server.client.status(&id) {
        JobStatus::Running { done: 0, .. } => None,
        running @ JobStatus::Running { .. } => Some(running),
        other => panic!("too fast: {other:?}"),
    });
    assert_confined(&process);
    for file in fs::read_dir(process.join("fd")).unwrap() {
        let Ok(to) = fs::read_link(file.unwrap().path()) else {
            continue;
        };
        let own = to.starts_with(&job) || to.to_string_lossy().starts_with("pipe:");
        assert!(own, "{}", to.display());
    }
    let metrics = server.client.get("/metrics").text();
    assert!(metrics.contains("arena_executor_isolated 1"), "{metrics}");
    assert_eq!(server.client.delete(&id), 204);
}

#[test]
fn worker_should_not_inherit_what_the_servers_parents_left_open() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let leaky = ["sh", "-c", "exec 9</etc/passwd; exec \"$@\"", "sh"];
    let served = Served::start_by(dir, &leaky);
    let own = PathBuf::from(format!("/proc/{}/fd/9", served.child.id()));
    assert_eq!(fs::read_link(own).unwrap(), Path::new("/etc/passwd"));
    let id = served.client.post(&request(JobKind::Evaluate(slow(dir))));
    let job = dir.join("base/jobs").join(hex::encode(id));
    let process = worker("compute", &job);
    assert!(fs::read_link(process.join("fd/9")).is_err());
}

/// The words that start a command as on a kernel without Landlock, with another flag or none.
fn without_landlock(flag: &str) -> Vec<String> {
    let own = std::env::current_exe().unwrap();
    let mut words = vec![
        "env".to_owned(),
        format!("{CAPTIVE}={}", kernel::WITHOUT_LANDLOCK),
        format!("{}={flag}", kernel::FLAG),
        own.to_str().unwrap().to_owned(),
    ];
    words.extend(["--exact", "--ignored", "--nocapture", "captive", "--"].map(str::to_owned));
    words
}

#[test]
fn serve_should_refuse_a_kernel_without_landlock_and_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let words = without_landlock("");
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args([BINARY, "serve", "--supervised", "--listen", "127.0.0.1:0"])
        .arg("--base")
        .arg(dir.path().join("base"))
        .arg("--token-file")
        .arg(dir.path().join("token"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in ["this kernel has no Landlock", "5.19", INSECURE] {
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn outcome_should_say_that_it_was_not_isolated() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let request = small(dir);
    let words = without_landlock(INSECURE);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let served = Served::start_by(dir, &words);
    assert_eq!(served.client.outcome(&request).device, "cpu (not isolated)");
    let log = fs::read_to_string(dir.join("log")).unwrap();
    assert!(log.contains("workers are not isolated"), "{log}");
    let metrics = served.client.get("/metrics").text();
    assert!(metrics.contains("arena_executor_isolated 0"), "{metrics}");
}

/// A server whose workers are a shell's.
fn served_by(dir: &Path, script: &str) -> InProcess {
    let worker = dir.join("worker");
    fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&worker, all).unwrap();
    InProcess::start(Config {
        worker: Some(worker),
        ..config(dir)
    })
}

#[test]
fn worker_that_is_ended_should_be_the_right_fault_and_the_next_one_unharmed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let ground = Ground::new();
    let (act, own) = (dir.join("act"), std::env::current_exe().unwrap());
    // Workers do what the file says, confined as workers are, or else their job.
    let environment = format!(
        "{GROUND}='{}' {REACH}=job VICTIM=1 PORT=1 UDP_PORT=1",
        ground.root().display()
    );
    let script = format!(
        "[ -e '{act}' ] || exec '{BINARY}' \"$@\"\n\
         export {environment} {CAPTIVE}=\"$(cat '{act}')\"\n\
         exec '{own}' --exact --ignored --nocapture captive",
        act = act.display(),
        own = own.display()
    );
    let server = served_by(dir, &script);
    let request = small(dir);
    for (name, wanted, why) in [
        ("allocate too much", InfraFault::Memory, "memory limit"),
        ("write too much", InfraFault::Disk, "limit on a file's size"),
        ("compute for long", InfraFault::Timeout, "processor time"),
        ("connect", InfraFault::Device, "what no worker may have"),
        ("fork", InfraFault::Device, "what no worker may have"),
    ] {
        fs::write(&act, name).unwrap();
        let mut job = request.clone();
        // Another job each time: that of memory is not run again.
        job.deadline_seconds += u32::try_from(name.len()).unwrap();
        let fault = server.client.fault(&job);
        let as_wanted = matches!(
            &fault,
            Fault::Infra(class, said) if *class == wanted && said.contains(why)
        );
        assert!(as_wanted, "{name}: {fault:?}");
    }
    fs::remove_file(&act).unwrap();
    assert_eq!(server.client.outcome(&request).samples, 20);
}

#[test]
fn worker_that_cannot_be_isolated_should_fail_the_job() {
    // A kernel that loses Landlock under a server that runs: as good as one that lies.
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let words = without_landlock("").join("' '");
    let server = served_by(dir, &format!("exec '{words}' '{BINARY}' \"$@\""));
    let fault = server.client.fault(&small(dir));
    let as_wanted = matches!(
        &fault,
        Fault::Infra(InfraFault::Device, why) if why.contains("cannot isolate this process")
    );
    assert!(as_wanted, "{fault:?}");
}
