//! Tasks, and what trainers have in them.

use super::{active, checked_page, known, known_venue, now, page};
use crate::{AccountId, ArenaTasks, Runtime};
use alloc::{string::String, vec::Vec};
use arena_primitives::{
    BlockNumber, TaskId, TaskPhase, Uris, Venue,
    traits::{Rounds, TaskStates, Venues},
};
use arena_runtime_api::{
    CommittedView, MAX_SCAN, PublishedView, Refusal, RoundView, SubmissionView, TaskStateView,
    TaskView, TasksPage,
};
use pallet_arena_tasks::{Dated, LiveRound, NextTaskId, StandingModel};

/// Tasks from this number on.
pub(crate) fn tasks(from: TaskId, limit: u32) -> Vec<TaskView> {
    let end = NextTaskId::<Runtime>::get();
    (from..end).filter_map(task).take(page(limit)).collect()
}

/// Tasks from this number on, of one phase or of all.
pub(crate) fn tasks_in(
    from: TaskId,
    limit: u32,
    phase: Option<TaskPhase>,
) -> Result<TasksPage, Refusal> {
    let limit = checked_page(limit)?;
    let end = NextTaskId::<Runtime>::get();
    if from > end {
        return Err(Refusal::BeyondEnd);
    }
    let mut tasks = Vec::new();
    let last = from.saturating_add(MAX_SCAN).min(end);
    for id in from..last {
        if phase.is_none_or(|phase| ArenaTasks::phase(id) == Some(phase)) {
            if tasks.len() == limit {
                return Ok(TasksPage {
                    tasks,
                    next: Some(id),
                });
            }
            tasks.extend(task(id));
        }
    }
    Ok(TasksPage {
        tasks,
        next: (last < end).then_some(last),
    })
}

pub(super) fn live_view(live: &LiveRound, now: BlockNumber) -> RoundView {
    RoundView {
        round: live.round,
        schedule: live.schedule,
        phase: live.schedule.phase(now),
        shard: live.shard,
    }
}

/// One task.
pub(crate) fn task(id: TaskId) -> Option<TaskView> {
    let task = pallet_arena_tasks::Tasks::<Runtime>::get(id)?;
    let spec = ArenaTasks::spec(id)?;
    let now = now();
    let venue = Venue::Task(id);
    Some(TaskView {
        id,
        name: String::from_utf8_lossy(&spec.name).into_owned(),
        creator: task.creator.clone(),
        spec_hash: task.spec_hash,
        metric: spec.metric,
        phase: task.phase(),
        open_round: ArenaTasks::current_round(venue),
        last_settled: ArenaTasks::last_settled(venue),
        rounds: spec.rounds,
        live: task
            .live()
            .iter()
            .map(|live| live_view(live, now))
            .collect(),
        phase_ends: ArenaTasks::phase_ends(id),
        paused: task.paused,
    })
}

/// Where active tasks stand.
pub(crate) fn task_states() -> Vec<TaskStateView> {
    let state = |id| {
        let task = pallet_arena_tasks::Tasks::<Runtime>::get(id)?;
        Some(TaskStateView {
            task: id,
            phase: task.phase(),
            open_round: task.opened,
            last_settled: task.settled,
            paused: task.paused,
        })
    };
    active().into_iter().filter_map(state).collect()
}

/// Whether there is such a venue.
pub(crate) fn is_venue(venue: Venue) -> bool {
    known_venue(venue).is_ok()
}

fn texts(uris: Uris) -> Vec<String> {
    uris.iter()
        .map(|uri| String::from_utf8_lossy(uri).into_owned())
        .collect()
}

fn published(task: TaskId, trainer: &AccountId, dated: Dated) -> PublishedView {
    let root = dated.manifest_root;
    let owner = ArenaTasks::owner(task, &root).filter(|(owner, _)| owner == trainer);
    PublishedView {
        manifest_root: root,
        from_round: dated.from_round,
        committed_at: owner.map(|(_, at)| at),
        uris: ArenaTasks::uris(task, &root).map(texts).unwrap_or_default(),
    }
}

/// What a trainer committed to and published.
pub(crate) fn submission(task: TaskId, trainer: AccountId) -> Result<SubmissionView, Refusal> {
    known(task)?;
    let row = pallet_arena_tasks::Tasks::<Runtime>::get(task).ok_or(Refusal::UnknownTask)?;
    let committed = row.live().iter().filter_map(|live| {
        let (commitment, at) = ArenaTasks::commitment(task, live.round, &trainer)?;
        Some(CommittedView {
            round: live.round,
            commitment,
            at,
        })
    });
    let committed = committed.collect();
    let models = pallet_arena_tasks::Models::<Runtime>::get(task, &trainer);
    let (current, previous) = match models {
        Some(StandingModel { current, previous }) => (Some(current), previous),
        None => (None, None),
    };
    Ok(SubmissionView {
        task,
        committed,
        current: current.map(|dated| published(task, &trainer, dated)),
        previous: previous.map(|dated| published(task, &trainer, dated)),
        trainer,
    })
}
