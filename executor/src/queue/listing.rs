//! The list of jobs that `arena-executor watch` shows.

use super::{Entry, Queue};
use crate::{fault, store::now_millis};
use arena_primitives::job::{JobKind, JobStatus};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Ended jobs that are listed beside those that wait or run.
const ENDED: usize = 50;

/// One job, as `GET /jobs` tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// Until it ended.
    pub(crate) kind: Option<String>,
    pub(crate) state: State,
    pub(crate) done: u32,
    /// 0 while the model is being fetched.
    pub(crate) total: u32,
    /// Milliseconds since 1970.
    pub(crate) posted: u64,
    /// Milliseconds until the outcome is of no use any more; until it ended.
    pub(crate) left: Option<u64>,
    /// Milliseconds until it is done, at the pace so far.
    pub(crate) eta: Option<u64>,
    /// What came of it, or why nothing did.
    pub(crate) told: Option<String>,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Running,
    Queued,
    Done,
    Failed,
}

/// When a job was seen computing first, and how far it was then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    since: Instant,
    done: u32,
}

impl Pace {
    pub(super) fn from(done: u32) -> Self {
        Self {
            since: Instant::now(),
            done,
        }
    }

    /// Milliseconds that the rest takes at the pace so far.
    fn rest(self, done: u32, total: u32) -> Option<u64> {
        let new = u64::from(done.checked_sub(self.done)?);
        let spent = u64::try_from(self.since.elapsed().as_millis()).ok()?;
        let rest = u64::from(total.saturating_sub(done));
        spent.saturating_mul(rest).checked_div(new)
    }
}

impl Queue {
    /// All jobs that wait or run, and the latest that ended.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let state = self.lock();
        let mut jobs: Vec<_> = state
            .jobs
            .iter()
            .map(|(id, entry)| (entry.record.ended, list(hex::encode(id), entry)))
            .collect();
        drop(state);
        jobs.sort_by(|(a, one), (b, other)| {
            let key = |ended: &u64, job: &Listed| (std::cmp::Reverse(*ended), job.posted);
            (one.state.is_ended(), key(a, one)).cmp(&(other.state.is_ended(), key(b, other)))
        });
        let unended = jobs.iter().filter(|(_, job)| !job.state.is_ended()).count();
        jobs.truncate(unended.saturating_add(ENDED));
        jobs.into_iter().map(|(_, job)| job).collect()
    }
}

impl State {
    pub(crate) fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

fn list(id: String, entry: &Entry) -> Listed {
    let status = entry.status();
    let (state, done, total) = match &status {
        JobStatus::Queued => (State::Queued, 0, 0),
        JobStatus::Running { done, total } => (State::Running, *done, *total),
        JobStatus::Done(_) => (State::Done, 0, 0),
        JobStatus::Failed(_) => (State::Failed, 0, 0),
    };
    let pace = entry.pace.filter(|_| total > 0);
    Listed {
        id,
        kind: entry
            .request
            .as_ref()
            .map(|request| name(&request.kind).to_owned()),
        state,
        done,
        total,
        posted: entry.record.posted,
        left: (!state.is_ended()).then(|| entry.deadline().saturating_sub(now_millis())),
        eta: pace.and_then(|pace| pace.rest(done, total)),
        told: state.is_ended().then(|| fault::describe_status(&status)),
    }
}

fn name(kind: &JobKind) -> &'static str {
    match kind {
        JobKind::Evaluate(_) => "evaluate",
        JobKind::Sketch(_) => "sketch",
        JobKind::ReplaySegments(_) => "replay-segments",
        JobKind::ExtractWatermark(_) => "extract-watermark",
        JobKind::Compare(_) => "compare",
        JobKind::Recompute(_) => "recompute",
    }
}
