//! What an operator has to do, in rounds and in cases.

use super::{active, now};
use crate::{AccountId, ArenaScoring, ArenaStaking, ArenaTasks, BlockNumber, Runtime};
use alloc::vec::Vec;
use arena_primitives::{
    CaseId, Role, ShardState, TaskId, Venue,
    traits::{Rounds, Stakes},
};
use arena_runtime_api::{DutiesView, Duty, DutyView, MAX_PAGE};
use pallet_arena_challenges::{Answers, Case, CaseState, CasesOf, OpenCases, Seat};
use pallet_arena_scoring::{Commits, Reveals};
use pallet_arena_tasks::{LiveRound, Task, Tasks};

fn of_round(
    task: TaskId,
    live: &LiveRound,
    duty: Duty,
    (from, until): (BlockNumber, BlockNumber),
    models: Option<u32>,
) -> DutyView {
    DutyView {
        duty,
        task,
        round: Some(live.round),
        case: None,
        from,
        until,
        models,
    }
}

fn of_shard(id: TaskId, task: &Task, live: &LiveRound, who: &AccountId) -> Option<DutyView> {
    let schedule = &live.schedule;
    let window = (schedule.seed, schedule.shard_due());
    let is_due = task.creator == *who && live.shard == ShardState::Awaited;
    is_due.then(|| of_round(id, live, Duty::OpenShard, window, None))
}

fn of_trainer(id: TaskId, live: &LiveRound, who: &AccountId) -> Option<DutyView> {
    ArenaTasks::commitment(id, live.round, who)?;
    let window = (live.schedule.publish, live.schedule.seed);
    Some(of_round(id, live, Duty::Publish, window, None))
}

/// To commit, and to reveal what was or can still be committed to. Nothing where the draw, once
/// it is known, gave it no model.
fn of_validator(id: TaskId, live: &LiveRound, who: &AccountId, now: BlockNumber) -> Vec<DutyView> {
    let round = live.round;
    let known = ArenaScoring::seed(id, round).is_some();
    let drawn = known.then(|| ArenaScoring::drawn(id, round, who).len());
    let counts = ArenaStaking::counted(Venue::Task(id), who, round).is_some();
    if !counts || drawn == Some(0) || live.shard == ShardState::Missed {
        return Vec::new();
    }
    let models = drawn.and_then(|drawn| u32::try_from(drawn).ok());
    let schedule = &live.schedule;
    let key = (id, round, who);
    let committed = Commits::<Runtime>::contains_key(key);
    let can_reveal = committed || now < schedule.reveal;
    let commit = (schedule.commit, schedule.reveal);
    let reveal = (schedule.reveal, schedule.settle);
    let commit = (!committed).then(|| of_round(id, live, Duty::CommitScores, commit, models));
    let reveal = (can_reveal && !Reveals::<Runtime>::contains_key(key))
        .then(|| of_round(id, live, Duty::RevealScores, reveal, models));
    commit.into_iter().chain(reveal).collect()
}

fn of_rounds(id: TaskId, who: &AccountId, now: BlockNumber) -> Vec<DutyView> {
    let Some(task) = Tasks::<Runtime>::get(id) else {
        return Vec::new();
    };
    let role = ArenaStaking::role(Venue::Task(id), who);
    let live = task.live().iter().filter(|live| live.round > 0);
    live.flat_map(|live| {
        let mut duties: Vec<DutyView> = of_shard(id, &task, live, who).into_iter().collect();
        match role {
            Some(Role::Trainer) => duties.extend(of_trainer(id, live, who)),
            Some(Role::Validator) => duties.extend(of_validator(id, live, who, now)),
            None => {}
        }
        duties
    })
    .collect()
}

fn of_case(id: CaseId, case: &Case, who: &AccountId) -> Option<DutyView> {
    let seat = |seats: &[Seat]| seats.iter().find(|seat| seat.juror == *who).cloned();
    let (duty, from, until) = match &case.state {
        CaseState::Responding { until, .. } => {
            let is_due = case.accused() == who && !Answers::<Runtime>::contains_key(id);
            is_due.then_some((Duty::Answer, 0, *until))?
        }
        CaseState::Committing { jury, since, until } => match seat(&jury.seats)?.commitment {
            None => (Duty::CommitVote, *since, *until),
            // How long it can be revealed is known when that begins.
            Some(_) => (Duty::RevealVote, *until, BlockNumber::MAX),
        },
        CaseState::Revealing { jury, until } => {
            let seat = seat(&jury.seats)?;
            let is_due = seat.commitment.is_some() && seat.vote.is_none();
            is_due.then_some((Duty::RevealVote, 0, *until))?
        }
        _ => return None,
    };
    Some(DutyView {
        duty,
        task: case.task,
        round: None,
        case: Some(id),
        from,
        until,
        models: None,
    })
}

fn of_cases(id: TaskId, who: &AccountId) -> Vec<DutyView> {
    CasesOf::<Runtime>::get(id)
        .into_iter()
        .filter_map(|id| of_case(id, &OpenCases::<Runtime>::get(id)?, who))
        .collect()
}

/// What an operator has to do now and next.
pub(crate) fn duties(operator: AccountId) -> DutiesView {
    let block = now();
    let all = active().into_iter().flat_map(|id| {
        let mut duties = of_rounds(id, &operator, block);
        duties.extend(of_cases(id, &operator));
        duties
    });
    let open = all.filter(|duty| duty.until > block);
    let (mut now, mut next): (Vec<DutyView>, Vec<DutyView>) =
        open.partition(|duty| duty.from <= block);
    now.sort_by_key(|duty| duty.until);
    next.sort_by_key(|duty| duty.from);
    let most = usize::try_from(MAX_PAGE).unwrap_or(0);
    let more = now.len() > most || next.len() > most;
    now.truncate(most);
    next.truncate(most);
    DutiesView {
        operator,
        block,
        now,
        next,
        more,
    }
}
