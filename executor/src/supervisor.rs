//! The server's side of worker processes: start, watch, end, and say why one died.
//!
//! A job is two processes: one fetches, one computes. While one job computes, the next one is
//! fetched.

mod autopsy;
mod words;

use crate::{
    fault::infra,
    metrics::Metrics,
    queue::{Queue, Ticket, failed},
    server::Config,
    store::{self, Ended, now_millis},
    worker::Phase,
};
use arena_models::Device;
use arena_primitives::job::{Fault, InfraFault, JobStatus};
use autopsy::autopsy;
use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::BufReader,
    process::{Child, Command},
    sync::{Semaphore, watch},
};
use words::{line, listen};

/// Times that a phase is started before the death of its worker is the job's end.
const ATTEMPTS: u32 = 2;
/// What a worker sees of the server's environment.
const ENVIRONMENT: [&str; 11] = [
    "HF_ENDPOINT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "RUST_LOG",
    "RAYON_NUM_THREADS",
];

/// What a worker on an NVIDIA device sees besides: where the libraries of CUDA are, which devices
/// there are, and where the driver keeps the kernels that it compiled.
const CUDA_ENVIRONMENT: [&str; 7] = [
    "LD_LIBRARY_PATH",
    "HOME",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_CACHE_PATH",
    "CUDA_CACHE_DISABLE",
    "CUDA_CACHE_MAXSIZE",
];

fn environment(device: Device) -> impl Iterator<Item = &'static str> {
    let more: &[&str] = match device {
        Device::Cpu => &[],
        Device::Cuda(_) => &CUDA_ENVIRONMENT,
    };
    ENVIRONMENT.into_iter().chain(more.iter().copied())
}

/// What the parts of a server share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: Config,
    pub(crate) worker: PathBuf,
}

/// How one worker process came to its end.
enum End {
    /// With the samples that it said it skipped.
    Outcome(Ended, u32),
    /// All that the job needs is there.
    Fetched,
    Died(Fault),
    Deadline,
    Cancelled,
    Stopped,
}

/// Returns once the server is to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error is a server that was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Fetches what jobs need, one after the other, until the server stops; a permit of `ahead` is
/// a job that is fetched before there is a worker to compute it.
pub(crate) async fn fetch(shared: Arc<Shared>, ahead: Arc<Semaphore>, stop: watch::Receiver<bool>) {
    loop {
        let next = async {
            let permit = ahead.clone().acquire_owned().await;
            (permit, shared.queue.next().await)
        };
        let (permit, ticket) = tokio::select! {
            biased;
            () = stopped(stop.clone()) => return,
            next = next => next,
        };
        // Nobody closes it.
        let Ok(permit) = permit else { return };
        if run(&shared, &ticket, Phase::Fetch, &stop).await {
            shared.queue.fetched(&ticket, permit);
        }
    }
}

/// Computes jobs that are fetched, one after the other, until the server stops.
pub(crate) async fn compute(shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    loop {
        let ticket = tokio::select! {
            biased;
            () = stopped(stop.clone()) => return,
            ticket = shared.queue.next_fetched() => ticket,
        };
        run(&shared, &ticket, Phase::Compute, &stop).await;
    }
}

/// Runs one phase; whether the next one is due. Else the job has ended, or is back in the queue.
async fn run(
    shared: &Arc<Shared>,
    ticket: &Ticket,
    phase: Phase,
    stop: &watch::Receiver<bool>,
) -> bool {
    let job = hex::encode(ticket.id.as_bytes());
    tracing::info!(%job, phase = phase.name(), "job goes on");
    let mut attempt = 1;
    let mut skipped = 0;
    let ended = loop {
        match attend(shared, ticket, phase, stop).await {
            End::Fetched => return true,
            End::Outcome(ended, said) => {
                skipped = said;
                break ended;
            }
            End::Deadline => {
                break failed(infra(InfraFault::Timeout, "the job's deadline passed"));
            }
            End::Died(fault) => {
                shared.metrics.died();
                tracing::warn!(%job, phase = phase.name(), attempt, ?fault, "the worker died");
                if attempt == ATTEMPTS {
                    break failed(fault);
                }
                attempt += 1;
            }
            End::Stopped => {
                shared.queue.put_back(ticket);
                return false;
            }
            End::Cancelled => {
                tracing::info!(%job, "job cancelled");
                shared.queue.cancelled(&ticket.id);
                return false;
            }
        }
    };
    let status = crate::fault::describe_status(&ended.status);
    tracing::info!(%job, skipped, %status, "job ended");
    // Before anybody sees that it is done.
    if matches!(ended.status, JobStatus::Done(_)) {
        shared.metrics.skipped(skipped);
    }
    let (shared, ticket) = (shared.clone(), ticket.clone());
    let kept = tokio::task::spawn_blocking(move || {
        shared.queue.finish(&ticket, ended, phase.name());
    })
    .await;
    if kept.is_err() {
        tracing::error!(%job, "keeping the outcome panicked");
    }
    false
}

/// Runs one worker process to its end.
async fn attend(
    shared: &Arc<Shared>,
    ticket: &Ticket,
    phase: Phase,
    stop: &watch::Receiver<bool>,
) -> End {
    let left = Duration::from_millis(ticket.deadline.saturating_sub(now_millis()));
    let mut child = match spawn(shared, ticket, phase, left) {
        Ok(child) => child,
        Err(error) => {
            let why = format!("cannot start a worker: {error}");
            return End::Died(infra(InfraFault::Device, why));
        }
    };
    let last_words = listen(&mut child);
    let mut skipped = 0;
    let watched = {
        let follow = follow(shared, ticket, &mut child, &mut skipped);
        tokio::pin!(follow);
        tokio::select! {
            biased;
            status = &mut follow => Ok(status),
            () = stopped(stop.clone()) => Err(End::Stopped),
            () = ticket.cancel.notified() => Err(End::Cancelled),
            () = tokio::time::sleep(left) => Err(End::Deadline),
        }
    };
    let status = match watched {
        Ok(status) => status,
        Err(end) => {
            if let Err(error) = child.kill().await {
                tracing::error!(%error, "cannot end a worker");
            }
            return end;
        }
    };
    // What it wrote counts, however it ended afterwards.
    match store::read_scale::<Ended>(&ticket.dir, store::OUTCOME) {
        Ok(Some(ended)) => End::Outcome(ended, skipped),
        Ok(None) if phase == Phase::Fetch && succeeded(&status) => End::Fetched,
        Ok(None) => End::Died(autopsy(status, &last_words.take().await)),
        Err(error) => End::Died(infra(
            InfraFault::Disk,
            format!("cannot read its outcome: {error}"),
        )),
    }
}

fn succeeded(status: &io::Result<ExitStatus>) -> bool {
    status.as_ref().is_ok_and(ExitStatus::success)
}

fn spawn(shared: &Shared, ticket: &Ticket, phase: Phase, left: Duration) -> io::Result<Child> {
    let config = &shared.config;
    let mut command = Command::new(&shared.worker);
    command
        .args(["worker", phase.name()])
        .arg("--job")
        .arg(&ticket.dir)
        .arg("--cache")
        .arg(config.base.join("cache"))
        .arg("--cache-bytes")
        .arg(config.cache_bytes.to_string())
        .arg("--memory-bytes")
        .arg(config.memory_bytes.to_string())
        .arg("--seconds")
        .arg(left.as_secs().to_string())
        .arg("--device")
        .arg(config.device.to_string());
    if config.allow_file {
        command.arg("--allow-file");
    }
    if config.insecure_no_isolation {
        command.arg("--not-isolated");
    }
    command.env_clear();
    for name in environment(config.device) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Its standard input is the sign that the server lives: the worker ends at its end.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command.spawn()
}

/// Reads what a worker reports until it ends.
async fn follow(
    shared: &Shared,
    ticket: &Ticket,
    child: &mut Child,
    skipped: &mut u32,
) -> io::Result<ExitStatus> {
    // Taken out and kept: waiting for the child would close it.
    let alive = child.stdin.take();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        while let Some(line) = line(&mut lines).await? {
            report(shared, ticket, &line, skipped);
        }
    }
    let status = child.wait().await;
    drop(alive);
    status
}

/// `progress DONE TOTAL`, `phase NAME SECONDS` and `skipped SAMPLES`; anything else is no report.
fn report(shared: &Shared, ticket: &Ticket, line: &str, skipped: &mut u32) {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("progress"), Some(done), Some(total)) => {
            if let (Ok(done), Ok(total)) = (done.parse(), total.parse()) {
                shared.queue.progress(ticket, done, total);
            }
        }
        (Some("phase"), Some(name @ ("fetch" | "compute")), Some(seconds)) => {
            if let Ok(seconds) = seconds.parse() {
                shared.metrics.spent(name, seconds);
            }
        }
        (Some("skipped"), Some(samples), None) => {
            if let Ok(samples) = samples.parse() {
                *skipped = samples;
            }
        }
        _ => tracing::debug!(%line, "a worker said something else"),
    }
}
