//! What always holds. Run after every test and by `try_state`.

use crate::{
    Active, Bonds, Config, Fixed, HoldReason, Models, NextTaskId, Proposals, Roots, Shards, Specs,
    Submissions, TaskState, Tasks,
};
use alloc::collections::{btree_map::BTreeMap, btree_set::BTreeSet};
use arena_primitives::{AccountId, Balance, Round, ShardState, TaskId};
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    active_tasks_are_those_with_steps_to_take::<T>()?;
    live_rounds_follow_each_other::<T>()?;
    deposits_are_held::<T>()?;
    bonds_are_held_while_shards_are_to_come::<T>()?;
    shards_are_open_where_rounds_say_so::<T>()?;
    standing_models_own_their_roots::<T>()?;
    fixed_models_are_of_live_rounds_and_ordered::<T>()?;
    tasks_that_left_have_no_rows::<T>()
}

/// `Active` has no task twice, no unknown one, and every task that isn't over.
pub fn active_tasks_are_those_with_steps_to_take<T: Config>() -> Result<(), TryRuntimeError> {
    let active = Active::<T>::get();
    let set: BTreeSet<TaskId> = active.iter().copied().collect();
    ensure!(set.len() == active.len(), "a task is active twice");
    ensure!(
        set.iter().all(Tasks::<T>::contains_key),
        "an active task is unknown"
    );
    for (id, task) in Tasks::<T>::iter() {
        ensure!(
            task.is_over() || set.contains(&id),
            "a task that isn't over is not active"
        );
        ensure!(
            id < NextTaskId::<T>::get(),
            "a task's number will be given again"
        );
    }
    Ok(())
}

/// Rounds of a task are consecutive, the last is the latest that was opened, and what is settled
/// is before all of them.
pub fn live_rounds_follow_each_other<T: Config>() -> Result<(), TryRuntimeError> {
    for (_, task) in Tasks::<T>::iter() {
        let live = task.live();
        ensure!(
            live.iter()
                .zip(live.iter().skip(1))
                .all(|(a, b)| a.round.checked_add(1) == Some(b.round)),
            "live rounds have a gap"
        );
        if let Some(last) = live.last() {
            ensure!(last.round == task.opened, "the open round isn't the latest");
        }
        if let Some(first) = live.first() {
            ensure!(task.settled < Some(first.round), "a settled round is alive");
        }
        if let TaskState::Submission { rounds } = &task.state {
            let settled = task.settled == Some(task.opened);
            ensure!(
                !rounds.is_empty() || settled,
                "a round is neither alive nor settled"
            );
        }
    }
    Ok(())
}

/// What is held of a proposer is the sum of its proposals' deposits.
pub fn deposits_are_held<T: Config>() -> Result<(), TryRuntimeError> {
    let mut sums = BTreeMap::<AccountId, Balance>::new();
    for proposal in Proposals::<T>::iter_values() {
        let sum = sums.entry(proposal.proposer).or_default();
        *sum = sum
            .checked_add(proposal.deposit)
            .ok_or("deposits overflow")?;
    }
    for (proposer, sum) in sums {
        let held = T::Currency::balance_on_hold(&HoldReason::Proposal.into(), &proposer);
        ensure!(held == sum, "a proposer's hold differs from its deposits");
    }
    Ok(())
}

/// What is held of a creator for its shards is the sum of its tasks' bonds. Exactly tasks whose
/// data is sealed have one, until final validation is settled or its shard was missed.
pub fn bonds_are_held_while_shards_are_to_come<T: Config>() -> Result<(), TryRuntimeError> {
    let mut sums = BTreeMap::<AccountId, Balance>::new();
    for (id, task) in Tasks::<T>::iter() {
        let spec = Specs::<T>::get(id).ok_or("a task has no spec")?;
        let last_is_missed = matches!(
            &task.state,
            TaskState::FinalValidation { round } if round.shard == ShardState::Missed
        );
        let in_rounds = matches!(
            task.state,
            TaskState::Submission { .. } | TaskState::FinalValidation { .. }
        );
        let wanted = spec.sealed().is_some() && in_rounds && !last_is_missed;
        let bond = Bonds::<T>::get(id);
        ensure!(bond.is_some() == wanted, "a bond is there or lacks wrongly");
        let sum = sums.entry(task.creator).or_default();
        *sum = sum.checked_add(bond.unwrap_or(0)).ok_or("bonds overflow")?;
    }
    for (creator, sum) in sums {
        let held = T::Currency::balance_on_hold(&HoldReason::ShardBond.into(), &creator);
        ensure!(held == sum, "a creator's hold differs from its bonds");
    }
    let known = Bonds::<T>::iter_keys().all(Tasks::<T>::contains_key);
    ensure!(known, "a bond is of no task");
    Ok(())
}

/// A round has open data exactly if it says so; a task that is over may have some left.
pub fn shards_are_open_where_rounds_say_so<T: Config>() -> Result<(), TryRuntimeError> {
    for (id, task) in Tasks::<T>::iter() {
        let rounds = task.live().iter();
        let said: BTreeSet<Round> = rounds
            .filter(|live| live.shard == ShardState::Open)
            .map(|live| live.round)
            .collect();
        let open: BTreeSet<Round> = Shards::<T>::iter_key_prefix(id).collect();
        ensure!(
            said == open || task.is_over(),
            "open shards aren't those that rounds say"
        );
    }
    Ok(())
}

/// A standing model's roots are known and belong to its trainer. While rows of a task that is
/// over are removed, they go models first.
pub fn standing_models_own_their_roots<T: Config>() -> Result<(), TryRuntimeError> {
    for (task, trainer, model) in Models::<T>::iter() {
        for dated in [Some(model.current), model.previous].into_iter().flatten() {
            let owner = Roots::<T>::get(task, dated.manifest_root);
            ensure!(
                owner.is_some_and(|owner| owner.trainer == trainer),
                "a root has no owner"
            );
        }
    }
    Ok(())
}

/// Fixed models belong to live rounds (or a task that is over and loses its rows) and are
/// ordered by trainer, each once.
pub fn fixed_models_are_of_live_rounds_and_ordered<T: Config>() -> Result<(), TryRuntimeError> {
    for (id, round, models) in Fixed::<T>::iter() {
        let alive = Tasks::<T>::get(id).is_some_and(|task| {
            task.is_over()
                || task
                    .live()
                    .iter()
                    .any(|live| live.round == round && live.fixed)
        });
        ensure!(alive, "models are fixed of a round that isn't alive");
        ensure!(
            models
                .iter()
                .zip(models.iter().skip(1))
                .all(|(a, b)| a.trainer < b.trainer),
            "fixed models are out of order"
        );
    }
    Ok(())
}

/// A task that isn't active has left no rows beyond its record, spec and result.
pub fn tasks_that_left_have_no_rows<T: Config>() -> Result<(), TryRuntimeError> {
    let active: BTreeSet<TaskId> = Active::<T>::get().into_iter().collect();
    let rows = Submissions::<T>::iter_keys()
        .map(|(id, _, _)| id)
        .chain(Models::<T>::iter_keys().map(|(id, _)| id))
        .chain(Roots::<T>::iter_keys().map(|(id, _)| id))
        .chain(Fixed::<T>::iter_keys().map(|(id, _)| id))
        .chain(Shards::<T>::iter_keys().map(|(id, _)| id))
        .chain(Bonds::<T>::iter_keys())
        .collect::<BTreeSet<_>>();
    ensure!(rows.is_subset(&active), "a task that left has rows");
    Ok(())
}
