//! What a killed, stopped or cancelled executor leaves.

mod common;

use arena_primitives::job::*;
use common::{model::*, *};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, path::Path};

/// A job of some seconds, for the time to interrupt it.
fn slow(dir: &Path) -> JobRequest {
    write_mlp(&dir.join("model"), &[16, 1536, 1536, 1536]);
    write_tensors(&dir.join("data"), 60_000, 16);
    request(JobKind::Evaluate(evaluation(
        &dir.join("model"),
        &dir.join("data"),
    )))
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
    let fault = server.client.fault(&unreachable(1));
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Download, _)),
        "{fault:?}"
    );
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
