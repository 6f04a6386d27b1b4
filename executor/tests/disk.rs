//! A full disk: the job at hand ends with a fault of this machine, and nothing is lost.
//!
//! A limit on the size of files stands for the full disk: it needs no rights, is real to
//! whoever writes (`EFBIG`), and binds only the executor under test. The last test fills a file
//! system, where this machine lets it mount one.

mod common;

use arena_primitives::job::*;
use common::{model::*, *};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes a write beyond the limit an error, not a death.
const FORGIVING: [&str; 4] = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];

/// From now on the executor writes no byte beyond `size` of any file; its workers may.
fn fill_beyond(served: &Served, size: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = size.or(maximum);
    limit(served, Rlimit { current, maximum });
}

/// As [`fill_beyond`], for good, and for its later workers as well.
fn fill_for_good_beyond(served: &Served, size: u64) {
    let (current, maximum) = (Some(size), Some(size));
    limit(served, Rlimit { current, maximum });
}

fn limit(served: &Served, limit: Rlimit) {
    prlimit(Some(Pid::from_child(&served.child)), Resource::Fsize, limit).unwrap();
}

/// A mirror that takes requests, and answers none until it is dropped.
struct Stalled {
    listener: TcpListener,
    taken: Option<TcpStream>,
}

impl Stalled {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            taken: None,
        }
    }

    fn uri(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    fn until_asked(&mut self) {
        let taken = until("a worker to ask", || self.listener.accept().ok());
        self.taken = Some(taken.0);
    }
}

/// An executor with a job in each state, and one more to post.
struct Busy {
    served: Served,
    mirror: Stalled,
    done: JobRequest,
    found: Evaluated,
    running: JobRequest,
    waiting: JobRequest,
    late: JobRequest,
}

/// A job of this many samples.
fn small(dir: &Path, samples: u32) -> Evaluate {
    write_mlp(&dir.join("model"), &[4, 8]);
    write_jsonl(&dir.join("data.jsonl"), 20, 4);
    let mut evaluate = evaluation(&dir.join("model"), &dir.join("data.jsonl"));
    evaluate.data.samples = samples;
    evaluate
}

impl Busy {
    fn start(dir: &Path, by: &[&str]) -> Self {
        let served = Served::start_by(dir, by);
        let [done, waiting, late] =
            [1, 3, 4].map(|samples| request(JobKind::Evaluate(small(dir, samples))));
        let mut mirror = Stalled::new();
        // A model that no job before it has put into the cache.
        write_mlp(&dir.join("own"), &[4, 9]);
        let mut running = evaluation(&dir.join("own"), &dir.join("data.jsonl"));
        running.data.samples = 2;
        running.model.uris.insert(0, mirror.uri());
        let running = request(JobKind::Evaluate(running));
        let found = served.client.outcome(&done);
        served.client.post(&running);
        mirror.until_asked();
        served.client.post(&waiting);
        Self {
            served,
            mirror,
            done,
            found,
            running,
            waiting,
            late,
        }
    }
}

#[track_caller]
fn assert_full(status: &JobStatus, wanted: &str) {
    let full = matches!(
        status,
        JobStatus::Failed(Fault::Infra(InfraFault::Disk, why)) if why.contains(wanted)
    );
    assert!(full, "{wanted:?}: {status:?}");
}

#[track_caller]
fn assert_samples(status: &JobStatus, samples: u32) {
    let done = matches!(
        status,
        JobStatus::Done(Outcome::Evaluated(found)) if found.samples == samples
    );
    assert!(done, "{samples} samples: {status:?}");
}

#[track_caller]
fn assert_alive(served: &mut Served, dir: &Path) {
    assert_eq!(served.child.try_wait().unwrap(), None);
    assert_eq!(served.client.get("/healthz").code, 200);
    let log = fs::read_to_string(dir.join("log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

fn job_dir(dir: &Path, request: &JobRequest) -> PathBuf {
    dir.join("base/jobs").join(hex::encode(request.id()))
}

#[test]
fn full_disk_should_fail_the_job_that_is_posted_and_none_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let Busy {
        mut served,
        mirror,
        done,
        found,
        running,
        waiting,
        late,
    } = Busy::start(dir, &FORGIVING);
    let on_disk =
        || [&running, &waiting].map(|job| fs::read(job_dir(dir, job).join("status.scale")));
    let before = on_disk().map(Result::unwrap);
    fill_beyond(&served, Some(0));

    let id = served.client.post(&late);
    assert_full(
        &served.client.status(&id),
        "cannot keep the job: File too large",
    );
    let said = Command::new(BINARY)
        .args(["status", "--url", &format!("http://{}", served.client.addr)])
        .arg("--token-file")
        .arg(dir.join("token"))
        .arg(hex::encode(id))
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stdout).unwrap();
    let wanted = "failed: this machine's fault, Disk: cannot keep the job: File too large";
    assert!(said.starts_with(wanted), "{said}");
    let metrics = served.client.get("/metrics").text();
    let wanted = "arena_executor_faults_total{class=\"Disk\",device=\"cpu\",phase=\"queue\",\
                  side=\"infra\"} 1";
    assert!(metrics.contains(wanted), "{metrics}");
    assert_eq!(served.client.outcome(&done), found);
    let status = served.client.status(&running.id());
    assert!(matches!(status, JobStatus::Running { .. }), "{status:?}");
    assert_eq!(served.client.status(&waiting.id()), JobStatus::Queued);

    // Workers write; what the server wants to write of them has to wait.
    drop(mirror);
    assert_samples(&served.client.end(&running.id()), 2);
    assert_samples(&served.client.end(&waiting.id()), 3);
    assert_eq!(on_disk().map(Result::unwrap), before);
    assert_alive(&mut served, dir);

    fill_beyond(&served, None);
    for (job, before) in [&running, &waiting].into_iter().zip(before) {
        let status = job_dir(dir, job).join("status.scale");
        until("the status to be written", || {
            (fs::read(&status).unwrap() != before).then_some(())
        });
    }
    assert_eq!(served.client.outcome(&late).samples, 4);
    assert_alive(&mut served, dir);
}

#[test]
fn outcomes_should_outlive_a_full_disk_and_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let Busy {
        mut served,
        mirror,
        done,
        found,
        running,
        waiting,
        late,
    } = Busy::start(dir, &FORGIVING);
    // The workers can write what the server can't.
    fill_beyond(&served, Some(0));
    let id = served.client.post(&late);
    assert_full(&served.client.status(&id), "cannot keep the job");
    drop(mirror);
    let ended = [&running, &waiting].map(|job| served.client.end(&job.id()));
    assert_samples(&ended[0], 2);
    assert_samples(&ended[1], 3);
    assert_alive(&mut served, dir);
    served.kill();

    let served = Served::start(dir);
    assert_eq!(served.client.outcome(&done), found);
    assert_eq!(
        [&running, &waiting].map(|job| served.client.status(&job.id())),
        ended
    );
    assert_eq!(served.client.outcome(&late).samples, 4);
}

#[test]
fn jobs_should_outlive_workers_that_can_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let Busy {
        mut served,
        mirror,
        done,
        found,
        running,
        waiting,
        late,
    } = Busy::start(dir, &FORGIVING);
    fill_for_good_beyond(&served, 0);
    drop(mirror);
    // The first one is fetched already, and can't be computed.
    for job in [&running, &waiting] {
        assert_full(
            &served.client.end(&job.id()),
            "the disk failed (exit status: 74): cannot write the outcome: File too large",
        );
    }
    assert_alive(&mut served, dir);
    served.kill();

    let served = Served::start(dir);
    assert_eq!(served.client.outcome(&done), found);
    for (job, samples) in [(&running, 2), (&waiting, 3), (&late, 4)] {
        assert_eq!(served.client.outcome(job).samples, samples);
    }
}

#[test]
fn worker_without_its_files_should_be_a_fault_of_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let busy = Busy::start(dir.path(), &FORGIVING);
    let lock = job_dir(dir.path(), &busy.waiting).join("lock");
    fs::create_dir(&lock).unwrap();
    drop(busy.mirror);
    let status = busy.served.client.end(&busy.waiting.id());
    assert_full(&status, "cannot take the job's lock: Is a directory");
    fs::remove_dir(&lock).unwrap();
    assert_eq!(busy.served.client.outcome(&busy.waiting).samples, 3);
}

#[test]
fn what_the_disk_does_not_hold_should_be_its_fault_and_be_computed_later() {
    const SIZE: u64 = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let path = |name: &str| dir.join(name);
    write_mlp(&path("mlp"), &[4, 8]);
    write_mlp(&path("large-mlp"), &[4, 256, 256]);
    write_jsonl(&path("data.jsonl"), 20, 4);
    write_jsonl(&path("large.jsonl"), 3000, 4);
    write_mlp(&path("narrow-mlp"), &[1, 8]);
    write_tensors(&path("many"), 5000, 1);
    let size = |name: &str| fs::metadata(path(name)).unwrap().len();
    assert!(size("large.jsonl") > SIZE && size("large-mlp/model.safetensors") > SIZE);
    assert!(size("many") < SIZE);
    let cases = [
        ("mlp", "large.jsonl", "the cache: File too large"),
        (
            "large-mlp",
            "data.jsonl",
            "the model's directory: File too large",
        ),
        ("narrow-mlp", "many", "the losses: File too large"),
    ]
    .map(|(model, data, wanted)| {
        let evaluate = evaluation(&path(model), &path(data));
        (model, data, wanted, request(JobKind::Evaluate(evaluate)))
    });
    let mut served = Served::start_by(dir, &FORGIVING);
    fill_for_good_beyond(&served, SIZE);
    for (_, _, wanted, request) in &cases {
        assert_full(&served.client.end(&served.client.post(request)), wanted);
    }
    let parts = fs::read_dir(path("base/cache/parts")).unwrap();
    assert_eq!(parts.count(), 0, "an unfinished download takes space");
    assert_eq!(
        served
            .client
            .outcome(&request(JobKind::Evaluate(small(dir, 5))))
            .samples,
        5
    );
    assert_alive(&mut served, dir);
    served.kill();

    let losses = job_dir(dir, &cases[2].3).join("losses.bin");
    let before = fs::read(&losses).unwrap();
    let served = Served::start(dir);
    for (model, data, _, request) in &cases {
        let found = served.client.outcome(request);
        assert_eq!(by_hand(&path(model), &path(data))["raw"], found.raw);
    }
    // But for the one that was cut, none was computed again: its time would be another one.
    let whole = before.len() - 64;
    assert_eq!(before[..whole], fs::read(&losses).unwrap()[..whole]);
}

#[test]
fn executor_should_say_why_it_does_not_start_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh", BINARY, "serve"])
        // Ends it in any case, as its input is at its end.
        .arg("--supervised")
        .args(["--listen", "127.0.0.1:0", "--base"])
        .arg(dir.path().join("base"))
        .arg("--token-file")
        .arg(&token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let wanted = format!(
        "error: cannot write the token file {}: File too large",
        token.display()
    );
    assert!(said.contains(&wanted), "{said}");
    // It leaves nothing that is in the way.
    Served::start(dir.path());
}

/// Writes until the file system is full.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
}

#[test]
fn full_file_system_should_cost_nothing_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let base = dir.join("base");
    fs::create_dir(&base).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let mounting = ["unshare", "-rm", "sh", "-c", script, base.to_str().unwrap()];
    let tried = Command::new(mounting[0])
        .args(&mounting[1..])
        .arg("true")
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this machine lets nobody mount a file system here");
        return;
    }
    let Busy {
        mut served,
        mirror,
        done,
        found,
        running,
        waiting,
        late,
    } = Busy::start(dir, &mounting);
    // Only the executor sees what is mounted.
    let root = PathBuf::from(format!("/proc/{}/root", served.child.id()));
    let filler = root.join(base.strip_prefix("/").unwrap()).join("filler");
    fill(&filler);
    let id = served.client.post(&late);
    assert_full(
        &served.client.status(&id),
        "cannot keep the job: No space left on device",
    );
    drop(mirror);
    for job in [&running, &waiting] {
        assert_full(&served.client.end(&job.id()), "No space left on device");
    }
    assert_eq!(served.client.outcome(&done), found);
    assert_alive(&mut served, dir);
    fs::remove_file(&filler).unwrap();
    for (job, samples) in [(&running, 2), (&waiting, 3), (&late, 4)] {
        assert_eq!(served.client.outcome(job).samples, samples);
    }

    // One that fills the disk by itself makes room for the next one.
    write_tensors(&dir.join("large"), 100_000, 4);
    let large = evaluation(&dir.join("model"), &dir.join("large"));
    let id = served.client.post(&request(JobKind::Evaluate(large)));
    assert_full(
        &served.client.end(&id),
        "the cache: No space left on device",
    );
    let next = request(JobKind::Evaluate(small(dir, 5)));
    assert_eq!(served.client.outcome(&next).samples, 5);
    assert_alive(&mut served, dir);
}
