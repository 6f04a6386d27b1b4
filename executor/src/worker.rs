//! The worker process: one job, from its directory to its outcome.
//!
//! It takes its limits upon itself before it reads anything of the model's, reports on its
//! standard output, and ends when its standard input does, which is when the server is gone.

use crate::{
    cache::Cache,
    fault::{from_io, infra},
    fetch::{Fetched, Fetcher},
    losses::{Losses, Record},
    queue::failed,
    scoring,
    store::{self, Ended},
};
use anyhow::{Context, Result, bail};
use arena_models::{SampleLoss, Sink};
use arena_primitives::job::{
    Evaluate, Evaluated, Fault, InfraFault, JobKind, JobRequest, JobStatus, Outcome,
};
use clap::Args;
use codec::Encode;
use rlimit::Resource;
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Ended because the server did.
const EXIT_ORPHANED: i32 = 3;
/// Ended because the job's own files can't be read or written (`EX_IOERR`).
pub(crate) const EXIT_DISK: i32 = 74;
/// Processor time for fetching and loading, in seconds.
const SECONDS_BESIDES: u64 = 1200;
/// Room in the largest file for what is not weights or data.
const BYTES_BESIDES: u64 = 64 << 20;
/// Shortest time between two reports.
const REPORT: Duration = Duration::from_millis(100);

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
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
    /// Read file:// mirrors.
    #[arg(long)]
    allow_file: bool,
}

/// Runs the job; the exit code is 0 where an outcome is written.
pub(crate) fn main(args: &Worker) -> ExitCode {
    end_with_server();
    match run(args) {
        Ok(ended) => conclude(&args.job, &ended),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends this process once its standard input does.
fn end_with_server() {
    std::thread::spawn(|| {
        let mut byte = [0u8];
        while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        std::process::exit(EXIT_ORPHANED);
    });
}

/// Writes the outcome and ends this process; who comes second waits for the end.
fn conclude(job: &Path, ended: &Ended) -> ! {
    static FIRST: Mutex<()> = Mutex::new(());
    let _first = FIRST.lock();
    match store::write_sealed(job, store::OUTCOME, &ended.encode()) {
        Ok(()) => std::process::exit(0),
        Err(error) => disk_failed("cannot write the outcome", &error),
    }
}

/// Ends this process where nothing can be kept; the server takes the last words for a fault.
fn disk_failed(what: &str, error: &std::io::Error) -> ! {
    eprintln!("{what}: {error}");
    std::process::exit(EXIT_DISK)
}

fn run(args: &Worker) -> Result<Ended> {
    // A worker of a server that was killed may not have ended yet.
    let locked = File::create(args.job.join(store::LOCK)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    let _lock = locked.unwrap_or_else(|error| disk_failed("cannot take the job's lock", &error));
    let request: Option<JobRequest> = store::read_scale(&args.job, store::REQUEST)
        .unwrap_or_else(|error| disk_failed("cannot read the job's request", &error));
    let request = request.context("the job's request is absent or damaged")?;
    let JobKind::Evaluate(evaluate) = request.kind else {
        bail!("not a kind that is executed")
    };
    confine(args, &evaluate).context("cannot set this process's limits")?;
    Ok(match compute(args, &evaluate) {
        Ok(outcome) => Ended {
            status: JobStatus::Done(outcome),
            retry: false,
        },
        Err(fault) => failed(fault),
    })
}

/// Takes this process's limits from the task and from the operator.
fn confine(args: &Worker, evaluate: &Evaluate) -> std::io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let seconds = u64::from(evaluate.limits.max_seconds)
        .saturating_mul(cores)
        .saturating_add(SECONDS_BESIDES);
    let largest = evaluate
        .limits
        .max_bytes
        .max(evaluate.data.bytes)
        .saturating_add(BYTES_BESIDES);
    for (resource, limit) in [
        (Resource::AS, args.memory_bytes),
        (Resource::CPU, seconds),
        (Resource::FSIZE, largest),
        (Resource::CORE, 0),
    ] {
        let limit = limit.min(resource.get_hard()?);
        resource.set(limit, limit)?;
    }
    Ok(())
}

fn compute(args: &Worker, evaluate: &Evaluate) -> Result<Outcome, Fault> {
    let started = Instant::now();
    let cache =
        Cache::open(&args.cache, args.cache_bytes).map_err(|error| from_io(&error, "the cache"))?;
    let fetched = Fetcher::new(cache, args.allow_file, &args.job).all(evaluate);
    say(format_args!(
        "phase fetch {:.3}",
        started.elapsed().as_secs_f64()
    ));
    let fetched = fetched?;
    let started = Instant::now();
    let scored = score(args, evaluate, &fetched);
    say(format_args!(
        "phase evaluate {:.3}",
        started.elapsed().as_secs_f64()
    ));
    scored
}

fn score(args: &Worker, evaluate: &Evaluate, fetched: &Fetched) -> Result<Outcome, Fault> {
    let (losses, found) = Losses::open(&args.job.join(store::LOSSES), scoring::MADE_BY)
        .map_err(|error| from_io(&error, "the losses"))?;
    let before = Duration::from_millis(found.last().map_or(0, |record| record.millis));
    end_in_time(&args.job, evaluate.limits.max_seconds, before);
    let mut progress = Progress {
        job: &args.job,
        losses,
        found: found.into_iter().map(|record| record.loss).collect(),
        clock: Clock {
            started: Instant::now(),
            before,
        },
        done: 0,
        total: 0,
        reported: None,
    };
    let options = scoring::options(evaluate);
    let scored = arena_models::evaluate(&fetched.model, &fetched.data, &options, &mut progress)
        .map_err(|error| scoring::fault(&error))?;
    progress
        .losses
        .sync()
        .map_err(|error| from_io(&error, "the losses"))?;
    Ok(Outcome::Evaluated(Evaluated {
        raw: scored.raw,
        samples: scored.samples,
        tokens: scored.tokens,
        bytes: scored.bytes,
        samples_root: scored.samples_root.into(),
        device: scoring::DEVICE.to_owned(),
        millis: progress.clock.millis(),
    }))
}

/// Ends the job once it has computed for as long as the task allows, over all its runs.
fn end_in_time(job: &Path, seconds: u32, before: Duration) {
    let job = job.to_owned();
    let left = Duration::from_secs(u64::from(seconds)).saturating_sub(before);
    std::thread::spawn(move || {
        std::thread::sleep(left);
        let why = format!("not done in the {seconds} s of computing that the task allows");
        let fault = infra(InfraFault::Timeout, why);
        // No retry: the time would be spent again.
        conclude(
            &job,
            &Ended {
                status: JobStatus::Failed(fault),
                retry: false,
            },
        );
    });
}

/// Computing time over all runs of the job.
struct Clock {
    started: Instant,
    before: Duration,
}

impl Clock {
    fn millis(&self) -> u64 {
        let elapsed = self.before.saturating_add(self.started.elapsed());
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Keeps each sample, and reports.
struct Progress<'a> {
    job: &'a Path,
    losses: Losses<SampleLoss>,
    found: Vec<SampleLoss>,
    clock: Clock,
    done: usize,
    total: usize,
    reported: Option<Instant>,
}

impl Progress<'_> {
    fn report(&mut self) {
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT) || self.done == self.total {
            self.reported = Some(Instant::now());
            say(format_args!("progress {} {}", self.done, self.total));
        }
    }
}

impl Sink for Progress<'_> {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        let found = std::mem::take(&mut self.found);
        self.total = total;
        self.done = found.len().min(total);
        self.report();
        found
    }

    fn sample(&mut self, loss: &SampleLoss) {
        let record = Record {
            millis: self.clock.millis(),
            loss: *loss,
        };
        if let Err(error) = self.losses.append(&record) {
            // What was kept before counts when the job runs again.
            conclude(self.job, &failed(from_io(&error, "the losses")));
        }
        self.done = self.done.saturating_add(1);
        self.report();
    }
}

/// Tells the server; that nobody listens shows at the standard input.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
