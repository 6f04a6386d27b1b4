//! Scores a model, sample by sample, from where an earlier run of the job was cut off.

use super::{
    Outcome,
    compute::{Clock, Run, fault, named},
    say,
};
use crate::{
    fault::from_io,
    losses::{Losses, Record},
    queue::failed,
    scoring, store,
};
use arena_models::{EvalOptions, SampleLoss, Sink};
use arena_primitives::{
    challenge::LossLeaf,
    job::{Evaluate, Evaluated, Fault},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

/// Shortest time between two reports.
const REPORT: Duration = Duration::from_millis(100);

/// Losses by their samples.
pub(super) type Found = BTreeMap<u32, SampleLoss>;

/// The score, and the losses of those samples that are in `claimed`.
pub(super) fn run(
    run: &Run<'_>,
    job: &Evaluate,
    losses: File,
    claimed: &[LossLeaf],
) -> Result<(Evaluated, Found), Fault> {
    let device = run.args.device;
    let made_by = scoring::made_by(&device.describe().map_err(fault)?);
    let (losses, found) = Losses::read(losses, &made_by).map_err(|e| from_io(&e, "the losses"))?;
    let before = Duration::from_millis(found.last().map_or(0, |record| record.millis));
    let mut progress = Progress {
        outcome: run.outcome().clone(),
        losses,
        found: found.into_iter().map(|record| record.loss).collect(),
        claimed: claimed.iter().map(|leaf| leaf.index).collect(),
        kept: Found::new(),
        clock: run.start(before),
        done: 0,
        total: 0,
        reported: None,
    };
    let options = EvalOptions {
        base: run.base(&job.base),
        ..scoring::options(job, device)
    };
    let (model, data) = (run.path(store::MODEL), run.path(store::DATA));
    let scored = arena_models::evaluate(&model, &data, &options, &mut progress).map_err(fault)?;
    progress
        .losses
        .sync()
        .map_err(|error| from_io(&error, "the losses"))?;
    say(format_args!("skipped {}", scored.skipped));
    let evaluated = Evaluated {
        raw: scored.raw,
        samples: scored.samples,
        tokens: scored.tokens,
        bytes: scored.bytes,
        samples_root: scored.samples_root.into(),
        device: named(run.args, device)?,
        millis: progress.clock.millis(),
    };
    Ok((evaluated, progress.kept))
}

/// Keeps each sample, and reports.
struct Progress {
    outcome: Arc<Outcome>,
    losses: Losses<SampleLoss>,
    found: Vec<SampleLoss>,
    claimed: BTreeSet<u32>,
    /// What was found of those that are claimed.
    kept: Found,
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

    fn keep(&mut self, loss: &SampleLoss) {
        if self.claimed.contains(&loss.index) {
            self.kept.insert(loss.index, *loss);
        }
    }
}

impl Sink for Progress {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        let found = std::mem::take(&mut self.found);
        found.iter().for_each(|loss| self.keep(loss));
        self.total = total;
        self.done = found.len().min(total);
        self.report();
        found
    }

    fn sample(&mut self, loss: &SampleLoss) {
        self.keep(loss);
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
