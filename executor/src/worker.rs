//! The worker process: one phase of one job.
//!
//! `fetch` brings what the job needs into its directory; `compute`, a process of its own,
//! computes. Each confines itself before it reads a byte of a stranger's, reports on its
//! standard output, and ends when its standard input does, which is when the server is gone.

mod compare;
mod compute;
mod evaluate;
mod fetch;
mod recompute;
mod replay;
mod sketch;
mod watermark;

use crate::{
    sandbox,
    store::{self, Blank, Ended},
};
use anyhow::{Context, Result};
use arena_models::Device;
use arena_primitives::job::{JobKind, JobRequest};
use clap::{Args, ValueEnum};
use codec::Encode;
use std::{
    fmt,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

/// Ended because the server did.
const EXIT_ORPHANED: i32 = 3;
/// Ended because the job's own files can't be read or written (`EX_IOERR`).
pub(crate) const EXIT_DISK: i32 = 74;
/// Seconds for loading and for writing down, beside those of computing.
const SECONDS_BESIDES: u64 = 1200;
/// Room in the largest file for what is not weights or data.
const BYTES_BESIDES: u64 = 64 << 20;
/// How readily the kernel ends a worker when memory is short, of -1000 to 1000; the node beside
/// it has 0.
const DISPENSABLE: &str = "500";

/// What a worker process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// Brings what the job needs.
    Fetch,
    /// Computes.
    Compute,
}

impl Phase {
    /// As arguments, reports and metrics name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Compute => "compute",
        }
    }
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    phase: Phase,
    /// Directory of the job.
    #[arg(long)]
    job: PathBuf,
    /// Directory of the cache.
    #[arg(long)]
    cache: PathBuf,
    /// Size of the cache.
    #[arg(long)]
    cache_bytes: u64,
    /// Address space of this process.
    #[arg(long)]
    memory_bytes: u64,
    /// Seconds until the job's deadline.
    #[arg(long)]
    seconds: u64,
    /// Read file:// mirrors.
    #[arg(long)]
    allow_file: bool,
    /// Take limits only.
    #[arg(long)]
    not_isolated: bool,
    /// What computes.
    #[arg(long, default_value = "cpu")]
    device: Device,
}

/// Runs the phase; the exit code is 0 where an outcome is written, or all is fetched.
pub(crate) fn main(args: &Worker) -> ExitCode {
    close_what_is_not_ours();
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", DISPENSABLE) {
        tracing::debug!(%error, "the kernel may end the node before this worker");
    }
    let done = Task::take(&args.job).and_then(|task| match args.phase {
        Phase::Fetch => fetch::run(args, &task),
        Phase::Compute => compute::run(args, &task),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Closes what the server's own parents left open: no isolation holds for an open file.
#[allow(
    unsafe_code,
    reason = "the standard library closes only what it opened"
)]
fn close_what_is_not_ours() {
    // SAFETY: nothing of this process has opened a descriptor yet, so none is owned.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if closed != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "cannot close inherited files");
    }
}

/// The job of this process.
struct Task {
    kind: JobKind,
    /// Hosts that somebody else keeps.
    others: Vec<String>,
    outcome: Arc<Outcome>,
    /// Held until this process ends.
    _lock: File,
}

impl Task {
    fn take(job: &Path) -> Result<Self> {
        // A worker of a server that was killed may not have ended yet.
        let locked = File::create(job.join(store::LOCK)).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        let lock = locked.unwrap_or_else(|error| disk_failed("cannot take the job's lock", &error));
        let request: Option<JobRequest> = store::read_scale(job, store::REQUEST)
            .unwrap_or_else(|error| disk_failed("cannot read the job's request", &error));
        let request = request.context("the job's request is absent or damaged")?;
        let blank = Blank::create(job, store::OUTCOME)
            .unwrap_or_else(|error| disk_failed("cannot write the outcome", &error));
        Ok(Self {
            kind: request.kind,
            others: request.others,
            outcome: Arc::new(Outcome(Mutex::new(blank))),
            _lock: lock,
        })
    }
}

/// Where the outcome is written.
struct Outcome(Mutex<Blank>);

impl Outcome {
    /// Writes the outcome and ends this process; who comes second waits for the end.
    fn conclude(&self, ended: &Ended) -> ! {
        let mut blank = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match blank.seal(&ended.encode()) {
            Ok(()) => std::process::exit(0),
            Err(error) => disk_failed("cannot write the outcome", &error),
        }
    }
}

/// Ends this process where nothing can be kept; the server takes the last words for a fault.
fn disk_failed(what: &str, error: &std::io::Error) -> ! {
    eprintln!("{what}: {error}");
    std::process::exit(EXIT_DISK)
}

/// Confines this process, which has one thread yet, and lets it end with its server.
fn confine(args: &Worker, limits: &sandbox::Limits, reach: &sandbox::Reach<'_>) -> Result<()> {
    let reach = if args.not_isolated {
        &sandbox::Reach::Everything
    } else {
        reach
    };
    sandbox::confine(limits, reach).context("cannot isolate this process")?;
    end_with_server();
    Ok(())
}

/// Processor time in all, where each thread has `seconds` and the job ends at its deadline.
fn processor_time(args: &Worker, seconds: u64) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    seconds
        .saturating_add(SECONDS_BESIDES)
        .min(args.seconds.saturating_add(1))
        .saturating_mul(cores)
}

/// Ends this process once its standard input does.
fn end_with_server() {
    std::thread::spawn(|| {
        let mut byte = [0u8];
        while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        std::process::exit(EXIT_ORPHANED);
    });
}

/// Tells the server; that nobody listens shows at the standard input.
fn say(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Tells how long the phase took.
fn say_seconds(phase: Phase, started: std::time::Instant) {
    let seconds = started.elapsed().as_secs_f64();
    say(format_args!("phase {} {seconds:.3}", phase.name()));
}
