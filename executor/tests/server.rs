//! The server's refusals and its queue, with no model computed.

mod common;

use arena_executor::Config;
use arena_primitives::job::*;
use codec::Encode;
use common::*;
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::Command,
};

/// A server that takes jobs and runs none.
fn idle(dir: &std::path::Path) -> InProcess {
    InProcess::start(Config {
        workers: 0,
        ..config(dir)
    })
}

#[test]
fn jobs_should_be_refused_without_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let client = &server.client;
    let path = format!("/jobs/{}", "00".repeat(32));
    assert_eq!(client.get(&path).code, 404);
    let wrong = format!("Bearer {}", "0".repeat(64));
    let basic = format!("Basic {}", client.token);
    for header in [
        None,
        Some("Bearer "),
        Some(wrong.as_str()),
        Some(basic.as_str()),
    ] {
        assert_eq!(client.get_with(&path, header).code, 401, "{header:?}");
    }
    assert_eq!(client.get_with("/healthz", None).code, 200);
    let mode = std::fs::metadata(dir.path().join("token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(client.token.len(), 64);
}

#[test]
fn malformed_requests_should_be_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let client = &server.client;
    let good = unreachable(1).encode();
    let other_version = [&[9], &good[1..]].concat();
    let answer = client.post_bytes(&other_version);
    assert_eq!(answer.code, 400);
    assert!(
        answer.text().contains("wire version 9"),
        "{}",
        answer.text()
    );
    let trailing = [&good[..], &[0]].concat();
    for wrong in [&[][..], &good[..good.len() - 1], &trailing] {
        assert_eq!(client.post_bytes(wrong).code, 400);
    }
    for post in [Client::post_bytes, Client::post_chunked] {
        assert_eq!(post(client, &vec![1; MAX_REQUEST_BYTES + 1]).code, 413);
    }
    assert_eq!(client.get("/jobs/nonsense").code, 404);
    assert_eq!(client.post_chunked(&good).code, 202);
}

#[test]
fn http_that_is_none_should_not_stop_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let mut stream = TcpStream::connect(server.client.addr).unwrap();
    stream
        .write_all(b"\x16\x03\x01 no http at all\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(server.client.get("/healthz").code, 200);
}

#[test]
fn posting_twice_should_be_posting_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let id = server.client.post(&unreachable(1));
    assert_eq!(server.client.post(&unreachable(1)), id);
    assert_eq!(server.client.status(&id), JobStatus::Queued);
    let metrics = server.client.get("/metrics").text();
    assert!(
        metrics.contains("arena_executor_jobs{state=\"queued\"} 1"),
        "{metrics}"
    );
    assert_eq!(server.client.delete(&id), 204);
    assert_eq!(server.client.delete(&id), 404);
    let path = format!("/jobs/{}", hex::encode(id));
    assert_eq!(server.client.get(&path).code, 404);
}

#[test]
fn full_queue_should_refuse_with_429_and_keep_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let server = InProcess::start(Config {
        workers: 0,
        queue_limit: 2,
        ..config(dir.path())
    });
    let ids = [1, 2].map(|n| server.client.post(&unreachable(n)));
    let answer = server.client.post_bytes(&unreachable(3).encode());
    assert_eq!(answer.code, 429);
    assert!(answer.text().contains("queue is full"), "{}", answer.text());
    // One that is there already is still answered.
    assert_eq!(server.client.post(&unreachable(2)), ids[1]);
    server.client.delete(&ids[0]);
    server.client.post(&unreachable(3));
}

#[test]
fn kinds_of_later_releases_should_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let mut later = unreachable(1).encode();
    // After the version and the deadline.
    later[5] = 6;
    let answer = server.client.post_bytes(&later);
    assert_eq!(answer.code, 400);
    assert!(
        answer.text().contains("not a job request"),
        "{}",
        answer.text()
    );
}

/// A job that fails as soon as anybody looks at it.
fn late(n: u32) -> JobRequest {
    JobRequest {
        deadline_seconds: 0,
        ..unreachable(n)
    }
}

#[test]
fn queue_should_outlive_the_server_and_drop_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let [kept, damaged] = [1, 2].map(|n| server.client.post(&unreachable(n)));
    let ended = late(3).id();
    server.client.fault(&late(3));
    drop(server);
    let job = dir.path().join("base/jobs").join(hex::encode(damaged));
    let whole = std::fs::read(job.join("request.scale")).unwrap();
    std::fs::write(job.join("request.scale"), &whole[..whole.len() / 2]).unwrap();
    let server = idle(dir.path());
    assert_eq!(server.client.status(&kept), JobStatus::Queued);
    let status = server.client.status(&ended);
    assert!(
        matches!(
            status,
            JobStatus::Failed(Fault::Infra(InfraFault::Timeout, _))
        ),
        "{status:?}"
    );
    assert_eq!(
        server
            .client
            .get(&format!("/jobs/{}", hex::encode(damaged)))
            .code,
        404
    );
    assert_eq!(server.client.post(&unreachable(2)), damaged);
}

#[test]
fn old_finished_jobs_should_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let server = InProcess::start(Config {
        workers: 0,
        keep_finished: 2,
        ..config(dir.path())
    });
    let ids: Vec<_> = (0..5).map(|n| server.client.post(&late(n))).collect();
    let left = || {
        std::fs::read_dir(dir.path().join("base/jobs"))
            .unwrap()
            .count()
    };
    until("the sweep", || (left() == 2).then_some(()));
    let known = |id: &JobId| {
        server
            .client
            .get(&format!("/jobs/{}", hex::encode(id)))
            .code
            == 200
    };
    assert_eq!(ids.iter().filter(|id| known(id)).count(), 2);
}

#[test]
fn job_past_its_deadline_should_time_out_and_run_again_when_posted_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let request = late(1);
    let fault = server.client.fault(&request);
    assert!(
        matches!(fault, Fault::Infra(InfraFault::Timeout, _)),
        "{fault:?}"
    );
    server.client.post(&request);
    assert_eq!(server.client.status(&request.id()), JobStatus::Queued);
}

fn serve(dir: &std::path::Path, listen: &str) -> std::process::Output {
    Command::new(BINARY)
        .args(["serve", "--listen", listen, "--base"])
        .arg(dir.join("base"))
        .arg("--token-file")
        .arg(dir.join("token"))
        .output()
        .unwrap()
}

#[test]
fn serve_should_exit_with_1_and_say_why_it_cannot_start() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let server = idle(dir.path());
    let refusals = [
        (
            elsewhere.path(),
            server.client.addr.to_string(),
            "cannot listen on",
        ),
        (
            elsewhere.path(),
            "0.0.0.0:0".to_owned(),
            "not a loopback address",
        ),
        (
            dir.path(),
            "127.0.0.1:0".to_owned(),
            "another executor uses",
        ),
    ];
    for (dir, listen, why) in refusals {
        let output = serve(dir, &listen);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn token_file_should_be_refused_when_open_to_others_or_short() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    for (content, mode, why) in [
        ("0".repeat(64), 0o640, "open to others"),
        ("0".repeat(64), 0o604, "open to others"),
        ("short".to_owned(), 0o600, "shorter than"),
    ] {
        std::fs::write(&token, content).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = serve(dir.path(), "127.0.0.1:0");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn wrong_usage_should_exit_with_2_and_doctor_with_0() {
    let code = |args: &[&str]| {
        Command::new(BINARY)
            .args(args)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(code(&["serve"]), Some(2));
    assert_eq!(code(&["dance"]), Some(2));
    let output = Command::new(BINARY).arg("doctor").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("workers are isolated"));
}

#[test]
fn gpu_should_be_refused_where_it_would_not_compute_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let serve = |more: &[&str]| {
        let output = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--device", "cuda:0"])
            .arg("--base")
            .arg(dir.path().join("base"))
            .arg("--token-file")
            .arg(dir.path().join("token"))
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let insecure = "--insecure-no-isolation";
    for (more, why) in [
        (&[][..], "can't be isolated"),
        (&[insecure, "--workers", "2"], "takes one worker, not 2"),
        (&[insecure], "this build has no CUDA"),
    ] {
        let said = serve(more);
        assert!(said.contains(why), "{said}");
    }
    assert!(!dir.path().join("base").exists());
}
