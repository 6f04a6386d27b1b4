//! The phase that computes: no network, and of files the job's own, to read.

use super::{
    BYTES_BESIDES, Outcome, Phase, Task, Worker, confine, processor_time, say, say_seconds,
};
use crate::{
    fault::{from_io, infra},
    fetch::Fetched,
    losses::{self, Losses, Record},
    queue::failed,
    sandbox::{Limits, Reach},
    scoring,
    store::{self, Ended},
};
use anyhow::Result;
use arena_models::{Device, EvalOptions, SampleLoss, Sink};
use arena_primitives::job::{self, Evaluate, Evaluated, Fault, InfraFault, JobStatus};
use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

/// Shortest time between two reports.
const REPORT: Duration = Duration::from_millis(100);
/// Bytes of losses for each byte of data: the shortest sample has 8, the longest loss 40.
const LOSSES_OF_A_BYTE: u64 = 8;

/// Computes, writes the outcome, and ends this process.
pub(super) fn run(args: &Worker, task: Task) -> Result<()> {
    let started = Instant::now();
    // What is written is open before anything of the model's is read; nothing is afterwards.
    let losses = losses::open(&args.job.join(store::LOSSES)).unwrap_or_else(|error| {
        task.outcome
            .conclude(&failed(from_io(&error, "the losses")))
    });
    confine(args, &limits(args, &task.evaluate), &Reach::Job(&args.job))?;
    let scored = score(args, &task, losses);
    say_seconds(Phase::Evaluate, started);
    task.outcome.conclude(&match scored {
        Ok(found) => Ended {
            status: JobStatus::Done(job::Outcome::Evaluated(found)),
            retry: false,
        },
        Err(fault) => failed(fault),
    })
}

fn limits(args: &Worker, evaluate: &Evaluate) -> Limits {
    let losses = evaluate.data.bytes.saturating_mul(LOSSES_OF_A_BYTE);
    Limits {
        memory: memory(args),
        file: losses.saturating_add(BYTES_BESIDES),
        seconds: processor_time(args, u64::from(evaluate.limits.max_seconds)),
    }
}

/// Address space of this process. The driver reserves more of it than any machine has memory,
/// for all devices and all memory together, so that there is no limit for CUDA.
fn memory(args: &Worker) -> u64 {
    match args.device {
        Device::Cpu => args.memory_bytes,
        Device::Cuda(_) => u64::MAX,
    }
}

fn score(args: &Worker, task: &Task, losses: File) -> Result<Evaluated, Fault> {
    let evaluate = &task.evaluate;
    let mut device = args.device.describe().map_err(|e| scoring::fault(&e))?;
    let fetched = Fetched {
        model: args.job.join(store::MODEL),
        base: (evaluate.base.as_ref()).map(|_| args.job.join(store::BASE)),
        data: args.job.join(store::DATA),
    };
    let (losses, found) =
        Losses::read(losses, &scoring::made_by(&device)).map_err(|e| from_io(&e, "the losses"))?;
    let before = Duration::from_millis(found.last().map_or(0, |record| record.millis));
    end_in_time(task.outcome.clone(), evaluate.limits.max_seconds, before);
    let mut progress = Progress {
        outcome: task.outcome.clone(),
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
    let options = EvalOptions {
        base: fetched.base,
        ..scoring::options(evaluate, args.device)
    };
    let scored = arena_models::evaluate(&fetched.model, &fetched.data, &options, &mut progress)
        .map_err(|error| scoring::fault(&error))?;
    progress
        .losses
        .sync()
        .map_err(|error| from_io(&error, "the losses"))?;
    say(format_args!("skipped {}", scored.skipped));
    if args.not_isolated {
        device.push_str(" (not isolated)");
    }
    Ok(Evaluated {
        raw: scored.raw,
        samples: scored.samples,
        tokens: scored.tokens,
        bytes: scored.bytes,
        samples_root: scored.samples_root.into(),
        device,
        millis: progress.clock.millis(),
    })
}

/// Ends the job once it has computed for as long as the task allows, over all its runs.
fn end_in_time(outcome: Arc<Outcome>, seconds: u32, before: Duration) {
    let left = Duration::from_secs(u64::from(seconds)).saturating_sub(before);
    std::thread::spawn(move || {
        std::thread::sleep(left);
        let why = format!("not done in the {seconds} s of computing that the task allows");
        let fault = infra(InfraFault::Timeout, why);
        // No retry: the time would be spent again.
        outcome.conclude(&Ended {
            status: JobStatus::Failed(fault),
            retry: false,
        });
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
struct Progress {
    outcome: Arc<Outcome>,
    losses: Losses<SampleLoss>,
    found: Vec<SampleLoss>,
    clock: Clock,
    done: usize,
    total: usize,
    reported: Option<Instant>,
}

impl Progress {
    fn report(&mut self) {
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT) || self.done == self.total {
            self.reported = Some(Instant::now());
            say(format_args!("progress {} {}", self.done, self.total));
        }
    }
}

impl Sink for Progress {
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
            self.outcome
                .conclude(&failed(from_io(&error, "the losses")));
        }
        self.done = self.done.saturating_add(1);
        self.report();
    }
}
