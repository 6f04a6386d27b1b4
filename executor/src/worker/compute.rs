//! The phase that computes: no network, and of files the job's own, to read.

use super::{
    BYTES_BESIDES, Outcome, Phase, Task, Worker, compare, confine, evaluate, processor_time,
    recompute, replay, say, say_seconds, sketch, watermark,
};
use crate::{
    fault::{from_io, infra},
    losses,
    queue::{done, failed},
    sandbox::{Limits, Reach},
    scoring,
    store::{self, Ended},
};
use anyhow::Result;
use arena_models::{Device, ModelError};
use arena_primitives::job::{self, Fault, InfraFault, JobKind, JobStatus, ReplayFinding};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of losses for each byte of data: the shortest sample has 8, the longest loss 40.
const LOSSES_OF_A_BYTE: u64 = 8;

/// What is to be computed, with all open that it writes.
enum Work<'a> {
    Evaluate(&'a job::Evaluate, File),
    Recompute(&'a job::Recompute, File),
    Sketch(&'a job::Sketch),
    Compare(&'a job::Compare),
    ExtractWatermark(&'a job::ExtractWatermark),
    ReplaySegments(&'a job::ReplaySegments),
}

/// Computes, writes the outcome, and ends this process.
pub(super) fn run(args: &Worker, task: &Task) -> Result<()> {
    let started = Instant::now();
    // What is written is open before anything of the model's is read; nothing is afterwards.
    let work = Work::of(args, task);
    let run = Run { args, task };
    confine(args, &work.limits(&run), &Reach::Job(&args.job))?;
    let found = work.compute(&run);
    say_seconds(Phase::Compute, started);
    task.outcome.conclude(&found.map_or_else(failed, done))
}

impl<'a> Work<'a> {
    fn of(args: &Worker, task: &'a Task) -> Self {
        let losses = || {
            losses::open(&args.job.join(store::LOSSES)).unwrap_or_else(|error| {
                let fault = from_io(&error, "the losses");
                task.outcome.conclude(&failed(fault))
            })
        };
        match &task.kind {
            JobKind::Evaluate(job) => Self::Evaluate(job, losses()),
            JobKind::Recompute(job) => Self::Recompute(job, losses()),
            JobKind::Sketch(job) => Self::Sketch(job),
            JobKind::Compare(job) => Self::Compare(job),
            JobKind::ExtractWatermark(job) => Self::ExtractWatermark(job),
            JobKind::ReplaySegments(job) => Self::ReplaySegments(job),
        }
    }

    fn limits(&self, run: &Run<'_>) -> Limits {
        let losses = match self {
            Self::Evaluate(job, _) => job.data.bytes.saturating_mul(LOSSES_OF_A_BYTE),
            Self::Recompute(job, _) => job.evaluate.data.bytes.saturating_mul(LOSSES_OF_A_BYTE),
            _ => 0,
        };
        Limits {
            memory: run.memory(),
            file: losses.saturating_add(BYTES_BESIDES),
            seconds: processor_time(run.args, u64::from(run.seconds())),
        }
    }

    fn compute(self, run: &Run<'_>) -> Result<job::Outcome, Fault> {
        Ok(match self {
            Self::Evaluate(job, losses) => {
                job::Outcome::Evaluated(evaluate::run(run, job, losses, &[])?.0)
            }
            Self::Recompute(job, losses) => {
                job::Outcome::Recomputed(recompute::run(run, job, losses)?)
            }
            Self::Sketch(job) => job::Outcome::Sketched(sketch::run(run, job)?),
            Self::Compare(job) => job::Outcome::Compared(compare::run(run, job)?),
            Self::ExtractWatermark(job) => job::Outcome::Extracted(watermark::run(run, job)?),
            Self::ReplaySegments(job) => job::Outcome::Replayed(replay::run(run, job)?),
        })
    }
}

/// A job in this process: where its files are, and how long it may take.
pub(super) struct Run<'a> {
    pub(super) args: &'a Worker,
    task: &'a Task,
}

impl Run<'_> {
    /// Where the job's outcome is written.
    pub(super) fn outcome(&self) -> &Arc<Outcome> {
        &self.task.outcome
    }

    /// Something that was fetched, by its name in [`store`].
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.args.job.join(name)
    }

    /// The base's directory, if the job names a base.
    pub(super) fn base(&self, base: &Option<job::Artifact>) -> Option<PathBuf> {
        base.as_ref().map(|_| self.path(store::BASE))
    }

    fn seconds(&self) -> u32 {
        self.task.kind.limits().max_seconds
    }

    /// Address space of this process. The driver reserves more of it than any machine has
    /// memory, for all devices and all memory together, so that there is no limit for CUDA.
    fn memory(&self) -> u64 {
        match self.args.device {
            Device::Cpu => self.args.memory_bytes,
            Device::Cuda(_) => u64::MAX,
        }
    }

    /// What the task allows of a model, checked again: what was fetched last, nobody judged yet.
    pub(super) fn check(&self, model: &Path, base: Option<&Path>) -> Result<(), Fault> {
        let limits = scoring::limits(self.task.kind.limits());
        arena_models::inspect(model, base, &limits)
            .map(drop)
            .map_err(fault)
    }

    /// Starts the time that the task allows, less what earlier runs of the job took.
    pub(super) fn start(&self, before: Duration) -> Clock {
        let left = Duration::from_secs(self.seconds().into()).saturating_sub(before);
        end_in(left, self.task.outcome.clone(), self.too_slow());
        Clock {
            started: Instant::now(),
            before,
        }
    }

    /// How the job ends once that time is over. Who registers a training has to register one that
    /// can be trained again in it.
    fn too_slow(&self) -> Ended {
        if matches!(self.task.kind, JobKind::ReplaySegments(_)) {
            let found = replay::found_at_once(self.args, ReplayFinding::TooSlow);
            return found.map_or_else(failed, done);
        }
        let seconds = self.seconds();
        let why = format!("not done in the {seconds} s of computing that the task allows");
        Ended {
            status: JobStatus::Failed(infra(InfraFault::Timeout, why)),
            // The time would be spent again.
            retry: false,
        }
    }

    /// The same for a job that starts over each time, and has no parts.
    pub(super) fn start_whole(&self) -> Clock {
        say(format_args!("progress 0 1"));
        self.start(Duration::ZERO)
    }
}

/// The fault of what `arena_models` refuses.
pub(super) fn fault(error: ModelError) -> Fault {
    scoring::fault(&error)
}

/// A device as outcomes name it.
pub(super) fn named(args: &Worker, device: Device) -> Result<String, Fault> {
    let mut name = device.describe().map_err(fault)?;
    if args.not_isolated {
        name.push_str(" (not isolated)");
    }
    Ok(name)
}

/// Ends the job once it has computed for as long as the task allows, over all its runs.
fn end_in(left: Duration, outcome: Arc<Outcome>, ended: Ended) {
    std::thread::spawn(move || {
        std::thread::sleep(left);
        outcome.conclude(&ended);
    });
}

/// Computing time over all runs of the job.
pub(super) struct Clock {
    started: Instant,
    before: Duration,
}

impl Clock {
    pub(super) fn millis(&self) -> u64 {
        let elapsed = self.before.saturating_add(self.started.elapsed());
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}
