//! What a killed, stopped or cancelled executor leaves.

mod common;

use arena_primitives::job::*;
use common::{model::*, *};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, path::Path};

/// A job of some seconds, for the time to interrupt it.
fn slow(dir: &Path) -> JobRequest {
    slow_of(dir, 1536, 60_000)
}

fn slow_of(dir: &Path, width: usize, samples: usize) -> JobRequest {
    write_mlp(&dir.join("model"), &[16, width, width, width]);
    write_tensors(&dir.join("data"), samples, 16);
    let mut evaluate = evaluation(&dir.join("model"), &dir.join("data"));
    evaluate.limits.max_parameters = u64::MAX;
    evaluate.limits.max_bytes = u64::MAX;
    request(JobKind::Evaluate(evaluate))
}

/// Waits until some samples are computed, but not all.
fn until_running(client: &Client, id: &JobId) -> u32 {
    until("some samples", || match client.status(id) {
        JobStatus::Running { done, total } if done > 0 => {
            assert!(done < total, "too fast to interrupt");
            Some(done)
        }
        JobStatus::Queued | JobStatus::Running { .. } => None,
        other => panic!("too fast to interrupt: {other:?}"),
    })
}

#[test]
fn killed_executor_should_resume_at_its_last_sample() {
    let dir = tempfile::tempdir().unwrap();
    let request = slow(dir.path());
    let id = request.id();
    let served = Served::start(dir.path());
    served.client.post(&request);
    let done = until_running(&served.client, &id);
    let status = served.client.status(&id);
    assert!(matches!(status, JobStatus::Running { .. }), "{status:?}");
    let losses = dir
        .path()
        .join("base/jobs")
        .join(hex::encode(id))
        .join("losses.bin");
    let before = fs::read(&losses).unwrap();
    served.kill();

    let served = Served::start(dir.path());
    let resumed = until_running(&served.client, &id);
    assert!(resumed >= done, "{resumed} samples after {done}");
    let JobStatus::Done(Outcome::Evaluated(found)) = served.client.end(&id) else {
        panic!("{:?}", served.client.status(&id));
    };
    // A computed sample would have another time, and so other bytes.
    let after = fs::read(&losses).unwrap();
    let frame = 64;
    assert!(before.len() > frame);
    assert_eq!(
        before[..before.len() - frame],
        after[..before.len() - frame]
    );
    let hand = by_hand(&dir.path().join("model"), &dir.path().join("data"));
    assert_eq!(
        hand["samples_root"],
        format!("0x{}", hex::encode(found.samples_root))
    );
    assert_eq!(hand["raw"], found.raw);
}

#[test]
fn terminated_executor_should_exit_with_0_and_keep_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let request = slow(dir.path());
    let id = request.id();
    let mut served = Served::start(dir.path());
    served.client.post(&request);
    until_running(&served.client, &id);
    kill_process(Pid::from_child(&served.child), Signal::TERM).unwrap();
    assert!(served.child.wait().unwrap().success());
    let server = InProcess::start(arena_executor::Config {
        workers: 0,
        ..config(dir.path())
    });
    assert_eq!(server.client.status(&id), JobStatus::Queued);
}

#[test]
fn cancelled_job_should_stop_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let request = slow(dir.path());
    let id = request.id();
    let server = InProcess::start(config(dir.path()));
    server.client.post(&request);
    until_running(&server.client, &id);
    assert_eq!(server.client.delete(&id), 204);
    let path = format!("/jobs/{}", hex::encode(id));
    assert_eq!(server.client.get(&path).code, 404);
    let job = dir.path().join("base/jobs").join(hex::encode(id));
    until("the files to go", || (!job.exists()).then_some(()));
    // The worker is free again.
    assert_eq!(server.client.outcome(&quick(dir.path(), 1)).samples, 1);
}

/// Whether there is a worker process of the job in this directory.
fn has_worker(job: &Path) -> bool {
    let wanted = format!("--job\0{}\0", job.display());
    let mut processes = fs::read_dir("/proc").unwrap().flatten();
    processes.any(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&wanted)
    })
}

#[test]
fn running_worker_should_be_killed_at_the_jobs_deadline_and_the_next_job_unharmed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // 40 TFLOP.
    let request = JobRequest {
        deadline_seconds: 10,
        ..slow_of(dir, 4096, 600_000)
    };
    let server = InProcess::start(config(dir));
    let id = server.client.post(&request);
    until_running(&server.client, &id);
    let job = dir.join("base/jobs").join(hex::encode(id));
    assert!(has_worker(&job));
    let status = server.client.end(&id);
    let JobStatus::Failed(Fault::Infra(InfraFault::Timeout, why)) = &status else {
        panic!("{status:?}");
    };
    // Neither of a job that waits nor of a mirror.
    assert_eq!(why, "the job's deadline passed");
    assert!(!has_worker(&job));
    assert_eq!(server.client.outcome(&quick(dir, 1)).samples, 1);
}

#[test]
fn job_should_stop_at_the_seconds_of_its_task() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = slow(dir.path());
    if let JobKind::Evaluate(evaluate) = &mut request.kind {
        evaluate.limits.max_seconds = 1;
    }
    let server = InProcess::start(config(dir.path()));
    let fault = server.client.fault(&request);
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Timeout, _)),
        "{fault:?}"
    );
    // Posting it again would only spend the time again.
    server.client.post(&request);
    assert!(matches!(
        server.client.status(&request.id()),
        JobStatus::Failed(_)
    ));
}

/// A job of one file of data for each `n`, that is computed at once.
fn quick(dir: &Path, n: u32) -> JobRequest {
    write_mlp(&dir.join("quick"), &[4, 8]);
    write_jsonl(&dir.join("quick.jsonl"), 20, 4);
    let mut evaluate = evaluation(&dir.join("quick"), &dir.join("quick.jsonl"));
    evaluate.data.samples = n;
    request(JobKind::Evaluate(evaluate))
}

/// Waits until a job is fetched, ahead of its turn.
fn until_fetched(client: &Client, id: &JobId) {
    until("a job to be fetched ahead", || {
        let metrics = client.get("/metrics").text();
        metrics
            .contains("arena_executor_fetched_jobs 1")
            .then_some(())
    });
    assert_eq!(
        client.status(id),
        JobStatus::Running { done: 0, total: 0 },
        "fetched"
    );
}

#[track_caller]
fn assert_computing(client: &Client, id: &JobId) {
    let status = client.status(id);
    assert!(
        matches!(status, JobStatus::Running { done, total } if done < total),
        "{status:?}"
    );
}

#[test]
fn one_job_should_be_fetched_while_another_computes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let request = slow(dir);
    let id = request.id();
    let server = InProcess::start(config(dir));
    server.client.post(&request);
    until_running(&server.client, &id);
    let [next, later] = [1, 2].map(|n| quick(dir, n));
    server.client.post(&next);
    server.client.post(&later);
    until_fetched(&server.client, &next.id());
    let job = dir.join("base/jobs").join(hex::encode(next.id()));
    assert!(job.join("model/model.safetensors").exists() && job.join("data").exists());
    assert_eq!(server.client.status(&later.id()), JobStatus::Queued);
    assert_computing(&server.client, &id);
    // Its mirror isn't needed any more.
    fs::remove_dir_all(dir.join("quick")).unwrap();
    assert_eq!(server.client.delete(&id), 204);
    assert_eq!(server.client.outcome(&next).samples, 1);
}

#[test]
fn job_that_is_fetched_should_be_cancelled_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let request = slow(dir);
    let id = request.id();
    let server = InProcess::start(config(dir));
    server.client.post(&request);
    until_running(&server.client, &id);
    let [next, later] = [1, 2].map(|n| quick(dir, n));
    server.client.post(&next);
    until_fetched(&server.client, &next.id());
    assert_eq!(server.client.delete(&next.id()), 204);
    assert!(!dir.join("base/jobs").join(hex::encode(next.id())).exists());
    // Its place is free.
    server.client.post(&later);
    until_fetched(&server.client, &later.id());
    assert_computing(&server.client, &id);
}

#[test]
fn job_that_is_fetched_should_end_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let request = slow(dir);
    let id = request.id();
    let server = InProcess::start(config(dir));
    server.client.post(&request);
    until_running(&server.client, &id);
    let hasty = JobRequest {
        deadline_seconds: 1,
        ..quick(dir, 1)
    };
    let fault = server.client.fault(&hasty);
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Timeout, _)),
        "{fault:?}"
    );
    assert_computing(&server.client, &id);
}

#[test]
fn killed_executor_should_compute_what_was_fetched_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let request = slow(dir);
    let id = request.id();
    let served = Served::start(dir);
    served.client.post(&request);
    until_running(&served.client, &id);
    let next = quick(dir, 3);
    served.client.post(&next);
    until_fetched(&served.client, &next.id());
    served.kill();
    let served = Served::start(dir);
    until_running(&served.client, &id);
    assert_eq!(served.client.delete(&id), 204);
    assert_eq!(served.client.outcome(&next).samples, 3);
}
