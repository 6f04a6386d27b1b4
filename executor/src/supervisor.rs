//! The server's side of a worker process: start, watch, end, and say why it died.

use crate::{
    fault::{infra, reason},
    metrics::Metrics,
    queue::{Queue, Ticket, failed},
    server::Config,
    store::{self, Ended, now_millis},
};
use arena_primitives::job::{Fault, InfraFault};
use std::{
    collections::VecDeque,
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// Times that a job is started before the death of its worker is its end.
const ATTEMPTS: u32 = 2;
/// Lines of a worker's last words.
const LAST_WORDS: usize = 8;
/// Longest line that is read from a worker, in bytes.
const LONGEST_LINE: u64 = 512;
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

/// What the parts of a server share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: Config,
    pub(crate) worker: PathBuf,
}

/// How one worker process came to its end.
enum End {
    Outcome(Ended),
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

/// Runs jobs, one after the other, until the server stops.
pub(crate) async fn work(shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    loop {
        let ticket = tokio::select! {
            biased;
            () = stopped(stop.clone()) => return,
            ticket = shared.queue.next() => ticket,
        };
        run(&shared, ticket, &stop).await;
    }
}

async fn run(shared: &Arc<Shared>, ticket: Ticket, stop: &watch::Receiver<bool>) {
    let job = hex::encode(ticket.id.as_bytes());
    tracing::info!(%job, "job starts");
    let mut attempt = 1;
    let ended = loop {
        match attend(shared, &ticket, stop).await {
            End::Outcome(ended) => break ended,
            End::Deadline => {
                break failed(infra(InfraFault::Timeout, "the job's deadline passed"));
            }
            End::Died(fault) => {
                shared.metrics.died();
                tracing::warn!(%job, attempt, ?fault, "the worker died");
                if attempt == ATTEMPTS {
                    break failed(fault);
                }
                attempt += 1;
            }
            End::Stopped => return shared.queue.put_back(&ticket),
            End::Cancelled => {
                tracing::info!(%job, "job cancelled");
                if let Err(error) = shared.queue.cancelled(&ticket.id) {
                    tracing::warn!(%job, %error, "cannot remove a cancelled job");
                }
                return;
            }
        }
    };
    tracing::info!(%job, status = %crate::fault::describe_status(&ended.status), "job ended");
    let shared = shared.clone();
    let kept = tokio::task::spawn_blocking(move || shared.queue.finish(&ticket, ended)).await;
    if kept.is_err() {
        tracing::error!(%job, "keeping the outcome panicked");
    }
}

/// Runs one worker process to its end.
async fn attend(shared: &Arc<Shared>, ticket: &Ticket, stop: &watch::Receiver<bool>) -> End {
    let left = ticket.deadline.saturating_sub(now_millis());
    let mut child = match spawn(shared, ticket) {
        Ok(child) => child,
        Err(error) => {
            let why = format!("cannot start a worker: {error}");
            return End::Died(infra(InfraFault::Device, why));
        }
    };
    let last_words = listen(&mut child);
    let watched = {
        let follow = follow(shared, ticket, &mut child);
        tokio::pin!(follow);
        tokio::select! {
            biased;
            status = &mut follow => Ok(status),
            () = stopped(stop.clone()) => Err(End::Stopped),
            () = ticket.cancel.notified() => Err(End::Cancelled),
            () = tokio::time::sleep(Duration::from_millis(left)) => Err(End::Deadline),
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
        Ok(Some(ended)) => End::Outcome(ended),
        Ok(None) => End::Died(autopsy(status, &last_words.take().await)),
        Err(error) => End::Died(infra(
            InfraFault::Disk,
            format!("cannot read its outcome: {error}"),
        )),
    }
}

fn spawn(shared: &Shared, ticket: &Ticket) -> io::Result<Child> {
    let config = &shared.config;
    let mut command = Command::new(&shared.worker);
    command
        .arg("worker")
        .arg("--job")
        .arg(&ticket.dir)
        .arg("--cache")
        .arg(config.base.join("cache"))
        .arg("--cache-bytes")
        .arg(config.cache_bytes.to_string())
        .arg("--memory-bytes")
        .arg(config.memory_bytes.to_string());
    if config.allow_file {
        command.arg("--allow-file");
    }
    command.env_clear();
    for name in ENVIRONMENT {
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
async fn follow(shared: &Shared, ticket: &Ticket, child: &mut Child) -> io::Result<ExitStatus> {
    // Taken out and kept: waiting for the child would close it.
    let alive = child.stdin.take();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        while let Some(line) = line(&mut lines).await? {
            report(shared, ticket, &line);
        }
    }
    let status = child.wait().await;
    drop(alive);
    status
}

/// A line of bounded length; a longer one comes in pieces.
async fn line(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = from
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut bytes)
        .await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// `progress DONE TOTAL` and `phase NAME SECONDS`; anything else is no report.
fn report(shared: &Shared, ticket: &Ticket, line: &str) {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("progress"), Some(done), Some(total)) => {
            if let (Ok(done), Ok(total)) = (done.parse(), total.parse()) {
                shared.queue.progress(ticket, done, total);
            }
        }
        (Some("phase"), Some(name @ ("fetch" | "evaluate")), Some(seconds)) => {
            if let Ok(seconds) = seconds.parse() {
                shared.metrics.spent(name, seconds);
            }
        }
        _ => tracing::debug!(%line, "a worker said something else"),
    }
}

/// The last lines of a worker's standard error.
struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<tokio::task::JoinHandle<()>>,
}

impl LastWords {
    async fn take(self) -> String {
        if let Some(reader) = self.reader {
            let _ = tokio::time::timeout(Duration::from_secs(1), reader).await;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("; ")
    }
}

fn listen(child: &mut Child) -> LastWords {
    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let reader = child
        .stderr
        .take()
        .map(|stderr| tokio::spawn(keep(stderr, lines.clone())));
    LastWords { lines, reader }
}

async fn keep(stderr: impl AsyncRead + Unpin, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut stderr = BufReader::new(stderr);
    while let Ok(Some(line)) = line(&mut stderr).await {
        tracing::debug!(target: "worker", "{}", reason(&line));
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Signals as the kernel numbers them on every Linux that this runs on.
mod signal {
    pub(super) const ABORT: i32 = 6;
    pub(super) const KILL: i32 = 9;
    pub(super) const CPU_TIME: i32 = 24;
    pub(super) const FILE_SIZE: i32 = 25;
}

/// The fault of a worker that left no outcome.
fn autopsy(status: io::Result<ExitStatus>, last_words: &str) -> Fault {
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            return infra(InfraFault::Device, format_args!("lost the worker: {error}"));
        }
    };
    let starved = last_words.contains("memory allocation of");
    let (class, what) = match status.signal() {
        Some(signal::KILL) => (
            InfraFault::Memory,
            "it was killed, as the kernel does for memory",
        ),
        Some(signal::ABORT) if starved => (InfraFault::Memory, "its memory limit was reached"),
        Some(signal::CPU_TIME) => (
            InfraFault::Timeout,
            "its limit of processor time was reached",
        ),
        Some(signal::FILE_SIZE) => (InfraFault::Disk, "its limit on a file's size was reached"),
        None if status.code() == Some(crate::worker::EXIT_DISK) => {
            (InfraFault::Disk, "the disk failed")
        }
        _ if starved => (InfraFault::Memory, "its memory limit was reached"),
        _ => (InfraFault::Device, "it died"),
    };
    infra(
        class,
        format_args!("worker: {what} ({status}): {last_words}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(raw: i32, last_words: &str) -> InfraFault {
        match autopsy(Ok(ExitStatus::from_raw(raw)), last_words) {
            Fault::Infra(class, _) => class,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn autopsy_should_tell_memory_time_and_device_apart() {
        assert_eq!(class(9, ""), InfraFault::Memory);
        assert_eq!(
            class(6, "memory allocation of 9 bytes failed"),
            InfraFault::Memory
        );
        assert_eq!(class(6, "assertion"), InfraFault::Device);
        assert_eq!(class(24, ""), InfraFault::Timeout);
        assert_eq!(class(25, ""), InfraFault::Disk);
        assert_eq!(class(11, ""), InfraFault::Device);
        assert_eq!(class(101 << 8, "panicked"), InfraFault::Device);
    }
}
