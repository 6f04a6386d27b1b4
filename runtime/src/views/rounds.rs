//! Rounds, and what came of them.

use super::{checked_page, known, now, tasks::live_view};
use crate::{ArenaScoring, ArenaTasks, Runtime};
use alloc::vec::Vec;
use arena_primitives::{
    MAX_VALIDATORS, ModelResult, ROSTER_PER_SEAT, Round, RoundResult, TaskId, ValidatorResult,
    traits::Results,
};
use arena_runtime_api::{
    LeaderView, LeaderboardPage, LikenessView, ModelView, Refusal, ResultView, RoundModelView,
    RoundStateView, SettledView, ValidatorView,
};

/// Most rows of one kind that a round can have: those who were seated or counted.
const MAX_ROWS: usize = (MAX_VALIDATORS * ROSTER_PER_SEAT) as usize;

fn model_view(model: ModelResult) -> ModelView {
    ModelView {
        trainer: model.trainer,
        manifest_root: model.manifest_root,
        status: model.status,
        raw: model.raw,
        score: model.score.map(|score| score.deconstruct()),
        rank: model.rank,
        reward: model.reward.into(),
    }
}

fn validator_view(validator: ValidatorResult) -> ValidatorView {
    ValidatorView {
        account: validator.validator,
        distance: validator.distance.map(|distance| distance.deconstruct()),
        reward: validator.reward.into(),
    }
}

/// A settled round.
pub(crate) fn result(task: TaskId, round: Round) -> Option<ResultView> {
    let result = <ArenaScoring as Results>::result(task, round)?;
    Some(ResultView {
        task,
        round,
        settled_at: result.settled_at,
        drawn: result.drawn.into(),
        treasury: result.treasury.into(),
        unpaid: result.unpaid,
        models: result.models.into_iter().map(model_view).collect(),
        validators: result.validators.into_iter().map(validator_view).collect(),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn settled_view(task: TaskId, round: Round, result: RoundResult) -> SettledView {
    let ranked = result.models.iter().filter(|model| model.rank.is_some());
    let best = ranked.min_by_key(|model| model.rank).cloned();
    SettledView {
        task,
        round,
        settled_at: result.settled_at,
        drawn: result.drawn.into(),
        treasury: result.treasury.into(),
        unpaid: result.unpaid,
        models: count(result.models.len()),
        validators: count(result.validators.len()),
        best: best.map(model_view),
    }
}

/// A settled round without its rows.
pub(crate) fn settled(task: TaskId, round: Round) -> Result<SettledView, Refusal> {
    known_round(task, round)?;
    let result = <ArenaScoring as Results>::result(task, round).ok_or(Refusal::NotSettled)?;
    Ok(settled_view(task, round, result))
}

/// A task has enrolment, its submission rounds, and final validation.
fn known_round(task: TaskId, round: Round) -> Result<(), Refusal> {
    known(task)?;
    let row = pallet_arena_tasks::Tasks::<Runtime>::get(task).ok_or(Refusal::UnknownTask)?;
    if round <= row.opened {
        Ok(())
    } else {
        Err(Refusal::UnknownRound)
    }
}

fn models(task: TaskId, round: Round) -> Vec<RoundModelView> {
    let fixed = pallet_arena_tasks::Fixed::<Runtime>::get(task, round);
    fixed
        .into_iter()
        .flatten()
        .map(|model| RoundModelView {
            trainer: model.trainer,
            manifest_root: model.manifest_root,
        })
        .collect()
}

/// A round, alive or settled.
pub(crate) fn round(task: TaskId, round: Round) -> Result<RoundStateView, Refusal> {
    known_round(task, round)?;
    let row = pallet_arena_tasks::Tasks::<Runtime>::get(task).ok_or(Refusal::UnknownTask)?;
    let live = row.live().iter().find(|live| live.round == round);
    let last = ArenaTasks::spec(task).map_or(0, |spec| spec.rounds);
    let key = (task, round);
    let submissions = pallet_arena_tasks::Submissions::<Runtime>::iter_key_prefix(key);
    let commitments = pallet_arena_scoring::Commits::<Runtime>::iter_key_prefix(key);
    let reveals = pallet_arena_scoring::Reveals::<Runtime>::iter_key_prefix(key);
    let result = <ArenaScoring as Results>::result(task, round);
    Ok(RoundStateView {
        task,
        round,
        is_final: round > last,
        live: live.map(|live| live_view(live, now())),
        seed: ArenaScoring::seed(task, round),
        models: models(task, round),
        submissions: count(submissions.take(MAX_ROWS).count()),
        commitments: count(commitments.take(MAX_ROWS).count()),
        reveals: count(reveals.take(MAX_ROWS).count()),
        settled: result.map(|result| settled_view(task, round, result)),
    })
}

fn leader_view(place: u32, mut model: ModelResult) -> LeaderView {
    let likeness = model.likeness.take();
    LeaderView {
        place,
        model: model_view(model),
        likeness: likeness.map(|likeness| LikenessView {
            earlier: likeness.earlier,
            distance: likeness.distance,
            matches: likeness.matches,
        }),
    }
}

/// Models of a settled round, or of the last one, the best first, from a place on.
pub(crate) fn leaderboard(
    task: TaskId,
    round: Option<Round>,
    from: u32,
    limit: u32,
) -> Result<LeaderboardPage, Refusal> {
    let limit = checked_page(limit)?;
    known(task)?;
    let round = match round {
        Some(round) => round,
        None => pallet_arena_tasks::Tasks::<Runtime>::get(task)
            .and_then(|task| task.settled)
            .ok_or(Refusal::NotSettled)?,
    };
    known_round(task, round)?;
    let result = <ArenaScoring as Results>::result(task, round).ok_or(Refusal::NotSettled)?;
    let all = count(result.models.len());
    if from > all {
        return Err(Refusal::BeyondEnd);
    }
    let mut models = result.models.into_inner();
    // Stable: who shares a rank stays in the order of accounts.
    models.sort_by_key(|model| {
        (
            model.rank.is_none(),
            model.rank,
            model.score.map(|s| !s.deconstruct()),
        )
    });
    let end = from.saturating_add(count(limit)).min(all);
    let places = (0..end)
        .zip(models)
        .skip(usize::try_from(from).unwrap_or(usize::MAX));
    Ok(LeaderboardPage {
        task,
        round,
        settled_at: result.settled_at,
        leaders: places
            .map(|(place, model)| leader_view(place, model))
            .collect(),
        next: (end < all).then_some(end),
    })
}
