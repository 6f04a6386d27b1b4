//! What the arena's runtime API answers, read from the pallets.

use crate::{AccountId, ArenaDelegation, ArenaRewards, ArenaStaking, ArenaTasks, Runtime, System};
use alloc::{string::String, vec::Vec};
use arena_primitives::{
    Role, Round, TaskId, Venue,
    traits::{DelegatorRewards, PayoutState, Results, Stakes, TaskStates, Venues},
};
use arena_runtime_api::{
    EarningsView, MAX_PAGE, ModelView, Payout, PositionView, ResultView, RoundView, Seat, TaskView,
    ValidatorView,
};
use pallet_arena_scoring::Pallet as ArenaScoring;
use sp_runtime::SaturatedConversion;

fn page(limit: u32) -> usize {
    usize::try_from(limit.min(MAX_PAGE)).unwrap_or(0)
}

/// Tasks from this number on.
pub(crate) fn tasks(from: TaskId, limit: u32) -> Vec<TaskView> {
    let end = pallet_arena_tasks::NextTaskId::<Runtime>::get();
    (from..end).filter_map(task).take(page(limit)).collect()
}

/// One task.
pub(crate) fn task(id: TaskId) -> Option<TaskView> {
    let task = pallet_arena_tasks::Tasks::<Runtime>::get(id)?;
    let spec = ArenaTasks::spec(id)?;
    let now: u32 = System::block_number().saturated_into();
    let venue = Venue::Task(id);
    let live = task
        .live()
        .iter()
        .map(|live| RoundView {
            round: live.round,
            schedule: live.schedule,
            phase: live.schedule.phase(now),
            shard: live.shard,
        })
        .collect();
    Some(TaskView {
        id,
        name: String::from_utf8_lossy(&spec.name).into_owned(),
        creator: task.creator.clone(),
        spec_hash: task.spec_hash,
        metric: spec.metric,
        phase: ArenaTasks::phase(id)?,
        open_round: ArenaTasks::current_round(venue),
        last_settled: ArenaTasks::last_settled(venue),
        rounds: spec.rounds,
        live,
        phase_ends: ArenaTasks::phase_ends(id),
        paused: task.paused,
    })
}

/// A settled round.
pub(crate) fn result(task: TaskId, round: Round) -> Option<ResultView> {
    let result = <ArenaScoring<Runtime> as Results>::result(task, round)?;
    let models = result.models.into_iter().map(|model| ModelView {
        trainer: model.trainer,
        manifest_root: model.manifest_root,
        status: model.status,
        raw: model.raw,
        score: model.score.map(|score| score.deconstruct()),
        rank: model.rank,
        reward: model.reward.into(),
    });
    let validators = result
        .validators
        .into_iter()
        .map(|validator| ValidatorView {
            account: validator.validator,
            distance: validator.distance.map(|distance| distance.deconstruct()),
            reward: validator.reward.into(),
        });
    Some(ResultView {
        task,
        round,
        settled_at: result.settled_at,
        drawn: result.drawn.into(),
        treasury: result.treasury.into(),
        unpaid: result.unpaid,
        models: models.collect(),
        validators: validators.collect(),
    })
}

/// A position.
pub(crate) fn position(venue: Venue, operator: &AccountId) -> Option<PositionView> {
    let position = pallet_arena_staking::Positions::<Runtime>::get(venue, operator)?;
    Some(PositionView {
        venue,
        operator: operator.clone(),
        role: position.role,
        seat: match position.seat {
            pallet_arena_staking::Seat::Taken => Seat::Taken,
            pallet_arena_staking::Seat::Left => Seat::Left,
            pallet_arena_staking::Seat::Displaced => Seat::Displaced,
            pallet_arena_staking::Seat::Chilled => Seat::Chilled,
        },
        own: position.own.into(),
        delegated: position.delegated.into(),
        commission: position.commission.deconstruct(),
        owed: ArenaRewards::earned(venue, operator).operator_owed.into(),
    })
}

fn payout(venue: Venue, operator: &AccountId) -> Payout {
    match ArenaRewards::state(venue, operator) {
        PayoutState::Locked => Payout::Locked,
        PayoutState::FreeTo(_) => Payout::Rolling,
        PayoutState::Free => Payout::Free,
        PayoutState::Forfeited => Payout::Forfeited,
    }
}

/// What an operator has earned in a venue.
pub(crate) fn operator_earnings(venue: Venue, operator: &AccountId) -> EarningsView {
    EarningsView {
        payout: payout(venue, operator),
        owed: ArenaRewards::earned(venue, operator).operator_owed.into(),
        free: ArenaRewards::operator_free(venue, operator).into(),
    }
}

/// What a delegator has earned in a position.
pub(crate) fn delegator_earnings(
    venue: Venue,
    operator: &AccountId,
    who: &AccountId,
) -> EarningsView {
    let payout = payout(venue, operator);
    let owed = match payout {
        // What its shares earned was burned.
        Payout::Forfeited => 0,
        _ => ArenaDelegation::claimable(venue, operator, who),
    };
    EarningsView {
        payout,
        owed: owed.into(),
        free: ArenaDelegation::free(venue, operator, who).into(),
    }
}

/// Positions of a venue, ordered by account.
pub(crate) fn positions(venue: Venue, after: Option<AccountId>, limit: u32) -> Vec<PositionView> {
    let round = ArenaTasks::current_round(venue)
        .unwrap_or(0)
        .saturating_add(1);
    let mut operators: Vec<AccountId> = [Role::Trainer, Role::Validator]
        .into_iter()
        .flat_map(|role| ArenaStaking::all(venue, role, round))
        .map(|counted| counted.operator)
        .filter(|operator| after.as_ref().is_none_or(|after| operator > after))
        .collect();
    operators.sort();
    operators
        .iter()
        .filter_map(|operator| position(venue, operator))
        .take(page(limit))
        .collect()
}
