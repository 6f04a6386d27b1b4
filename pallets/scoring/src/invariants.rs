//! What always holds. Run after every test and by `try_state`.

use crate::{
    BestEarlier, Commits, Config, DISCLOSED_ROUNDS, Expiring, ExpiringEnds, Grounds, Reveals,
    RoundResults, Seeds, Settling, Sketches, Stage,
};
use alloc::collections::btree_set::BTreeSet;
use arena_math::rewards::submission_pot;
use arena_primitives::{AccountId, ModelResult, Round, RoundResult, TaskId, traits::Rounds};
use frame_support::ensure;
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    reveals_have_commitments_and_fit_their_round::<T>()?;
    settled_reveals_are_of_the_last_rounds::<T>()?;
    grounds_are_of_the_last_settled_rounds::<T>()?;
    sketches_fit_their_round::<T>()?;
    best_models_are_told_once_and_in_order::<T>()?;
    rows_are_of_live_rounds::<T>()?;
    matches_rank_below_what_they_match::<T>()?;
    results_pay_no_more_than_was_drawn::<T>()?;
    a_settlement_pays_what_it_booked::<T>()?;
    shares_come_from_pots_once::<T>()?;
    queue_has_no_gaps::<T>()
}

/// Nobody reveals without a commitment, and a reveal has one place for each model.
pub fn reveals_have_commitments_and_fit_their_round<T: Config>() -> Result<(), TryRuntimeError> {
    let ending = ending::<T>();
    for ((task, round, validator), reveal) in Reveals::<T>::iter() {
        if ending.contains(&task) || RoundResults::<T>::contains_key(task, round) {
            continue;
        }
        ensure!(
            Commits::<T>::contains_key((task, round, &validator))
                || was_judged::<T>(task, round, &validator),
            "a reveal has no commitment"
        );
        let models = T::Rounds::models(task, round).len();
        ensure!(
            reveal.outcomes.len() == models,
            "a reveal doesn't fit its round's models"
        );
    }
    Ok(())
}

/// Whether a settlement has removed the validator's commitment.
fn was_judged<T: Config>(task: TaskId, round: Round, validator: &AccountId) -> bool {
    let state = Settling::<T>::get().filter(|state| (state.task, state.round) == (task, round));
    let Some(state) = state else {
        return false;
    };
    let judged = match state.stage {
        Stage::Validators { next } => next as usize,
        Stage::Forget { .. } | Stage::Finish => usize::MAX,
        _ => 0,
    };
    let mut rows = state.validators.iter().take(judged);
    rows.any(|row| row.counted.operator == *validator)
}

/// What is left of the reveals of a settled round is of those who its result says revealed, and
/// goes when enough later ones are settled.
pub fn settled_reveals_are_of_the_last_rounds<T: Config>() -> Result<(), TryRuntimeError> {
    for ((task, round, validator), reveal) in Reveals::<T>::iter() {
        let Some(result) = RoundResults::<T>::get(task, round) else {
            continue;
        };
        let mut revealed = result.validators.iter();
        ensure!(
            revealed.any(|row| row.validator == validator)
                && reveal.outcomes.len() == result.models.len(),
            "a result doesn't fit a reveal"
        );
        let last = round.saturating_add(DISCLOSED_ROUNDS);
        let later = RoundResults::<T>::get(task, last);
        ensure!(
            later.is_none_or(|later| later.settled_at <= result.settled_at),
            "a reveal stays for too long"
        );
    }
    Ok(())
}

/// What a round was scored on is known while its reveals are, and goes with them.
pub fn grounds_are_of_the_last_settled_rounds<T: Config>() -> Result<(), TryRuntimeError> {
    for (task, round) in Grounds::<T>::iter_keys() {
        let Some(result) = RoundResults::<T>::get(task, round) else {
            // The task's rows go, this one last.
            ensure!(ending::<T>().contains(&task), "a ground without a result");
            continue;
        };
        let last = round.saturating_add(DISCLOSED_ROUNDS);
        let later = RoundResults::<T>::get(task, last);
        ensure!(
            later.is_none_or(|later| later.settled_at <= result.settled_at),
            "a ground stays for too long"
        );
    }
    Ok(())
}

/// Sketches are part of reveals of rounds that are not settled, and have one place for each model
/// of the round and of those that it compares with.
pub fn sketches_fit_their_round<T: Config>() -> Result<(), TryRuntimeError> {
    let ending = ending::<T>();
    for ((task, round, validator), sketches) in Sketches::<T>::iter() {
        if ending.contains(&task) {
            continue;
        }
        ensure!(
            Reveals::<T>::contains_key((task, round, validator))
                && !RoundResults::<T>::contains_key(task, round),
            "sketches without a reveal"
        );
        let seed = Seeds::<T>::get(task, round).ok_or("sketches without a seed")?;
        ensure!(
            sketches.models.len() == T::Rounds::models(task, round).len()
                && sketches.earlier.len() == seed.earlier.len(),
            "sketches don't fit their round"
        );
    }
    Ok(())
}

/// The best models of a task are different ones, the best first.
pub fn best_models_are_told_once_and_in_order<T: Config>() -> Result<(), TryRuntimeError> {
    for best in BestEarlier::<T>::iter_values() {
        let roots: BTreeSet<_> = best.iter().map(|model| model.manifest_root).collect();
        ensure!(roots.len() == best.len(), "a model is noted twice");
        ensure!(
            best.is_sorted_by(|better, worse| better.score >= worse.score),
            "the best models are in no order"
        );
    }
    Ok(())
}

/// A model that matches an earlier one of its round ranks below it.
pub fn matches_rank_below_what_they_match<T: Config>() -> Result<(), TryRuntimeError> {
    let rank = |result: &RoundResult, model: &ModelResult| {
        let likeness = model.likeness.filter(|likeness| likeness.matches)?;
        let mut models = result.models.iter();
        let earlier = models.find(|other| other.manifest_root == likeness.earlier)?;
        Some((earlier.rank?, model.rank?))
    };
    for result in RoundResults::<T>::iter_values() {
        let mut ranks = result
            .models
            .iter()
            .filter_map(|model| rank(&result, model));
        ensure!(
            ranks.all(|(earlier, copy)| earlier < copy),
            "a model ranks above one that it matches"
        );
    }
    Ok(())
}

/// Seeds and commitments are of rounds that are alive, or of tasks whose rows will go.
pub fn rows_are_of_live_rounds<T: Config>() -> Result<(), TryRuntimeError> {
    let ending = ending::<T>();
    let rows = Seeds::<T>::iter_keys()
        .chain(Commits::<T>::iter_keys().map(|(task, round, _)| (task, round)))
        .collect::<BTreeSet<_>>();
    for (task, round) in rows {
        ensure!(
            ending.contains(&task) || T::Rounds::info(task, round).is_some(),
            "a settled round has rows"
        );
        ensure!(
            RoundResults::<T>::get(task, round).is_none(),
            "a round with a result has rows"
        );
    }
    Ok(())
}

/// What a round's payees and the treasury got is what was drawn.
pub fn results_pay_no_more_than_was_drawn<T: Config>() -> Result<(), TryRuntimeError> {
    for result in RoundResults::<T>::iter_values() {
        let trainers = result.models.iter().map(|model| model.reward);
        let validators = result.validators.iter().map(|validator| validator.reward);
        let paid = trainers
            .chain(validators)
            .try_fold(0u128, |sum, reward| sum.checked_add(reward))
            .ok_or("payouts overflow")?;
        ensure!(
            paid.checked_add(result.treasury)
                .is_some_and(|whole| whole >= result.drawn),
            "what was drawn is not all booked"
        );
        ensure!(paid <= result.drawn, "a round paid more than it drew");
        ensure!(result.unpaid.is_none() || paid == 0, "an unpaid round paid");
    }
    Ok(())
}

/// What a settlement has paid is what it booked so far, and no more than it drew.
pub fn a_settlement_pays_what_it_booked<T: Config>() -> Result<(), TryRuntimeError> {
    let Some(state) = Settling::<T>::get() else {
        return Ok(());
    };
    ensure!(
        RoundResults::<T>::get(state.task, state.round).is_none(),
        "a settled round is settled again"
    );
    let (trainers, validators) = match state.stage {
        Stage::Scores { .. }
        | Stage::Sketches { .. }
        | Stage::Likeness { .. }
        | Stage::Draw
        | Stage::Pots { .. } => (0, 0),
        Stage::Trainers { next } => (next, 0),
        Stage::Validators { next } => (u32::MAX, next),
        Stage::Forget { .. } | Stage::Finish => (u32::MAX, u32::MAX),
    };
    let trainers = state.models.iter().take(trainers as usize);
    let validators = state.validators.iter().take(validators as usize);
    let booked = trainers
        .map(|row| row.reward)
        .chain(validators.map(|row| row.reward))
        .try_fold(0u128, |sum, reward| sum.checked_add(reward))
        .ok_or("payouts overflow")?;
    ensure!(booked == state.paid, "a settlement's books are wrong");
    ensure!(
        state.paid <= state.drawn,
        "a settlement paid more than it drew"
    );
    Ok(())
}

/// While pots are shared, validators have no more than the pots so far, and nobody was measured
/// by more models than these are.
pub fn shares_come_from_pots_once<T: Config>() -> Result<(), TryRuntimeError> {
    let Some(state) = Settling::<T>::get() else {
        return Ok(());
    };
    let Stage::Pots { next } = state.stage else {
        return Ok(());
    };
    let before = state.models.iter().take(next as usize);
    let shared = before.filter(|row| row.consensus.is_some()).count() as u32;
    let pots = (0..shared)
        .map(|place| submission_pot(state.validator_pool, state.pots, place))
        .fold(0u128, u128::saturating_add);
    let shares = state
        .validators
        .iter()
        .fold(0u128, |sum, row| sum.saturating_add(row.reward));
    ensure!(shares <= pots, "a pot was shared twice");
    ensure!(
        state.validators.iter().all(|row| row.distance.1 <= shared),
        "a validator was measured twice by a model"
    );
    Ok(())
}

/// The queue of ended tasks has an entry for each number between its ends, and no other.
pub fn queue_has_no_gaps<T: Config>() -> Result<(), TryRuntimeError> {
    let (head, tail) = ExpiringEnds::<T>::get();
    ensure!(head <= tail, "the queue's ends crossed");
    let keys: BTreeSet<u32> = Expiring::<T>::iter_keys().collect();
    ensure!(keys.into_iter().eq(head..tail), "the queue has gaps");
    Ok(())
}

fn ending<T: Config>() -> BTreeSet<TaskId> {
    Expiring::<T>::iter_values().map(|(task, _)| task).collect()
}
