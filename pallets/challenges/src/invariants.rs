//! What always holds. Run after every test and by `try_state`.

use crate::{Case, CasesOf, Config, HoldReason, NextCaseId, OpenCases};
use alloc::collections::{btree_map::BTreeMap, btree_set::BTreeSet};
use arena_primitives::{AccountId, Balance};
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    lists_and_cases_agree::<T>()?;
    nobody_is_accused_twice_at_once::<T>()?;
    bonds_are_held::<T>()
}

/// A task's list names exactly its open cases, and their numbers are not given again.
pub fn lists_and_cases_agree<T: Config>() -> Result<(), TryRuntimeError> {
    let mut listed = 0usize;
    for (task, list) in CasesOf::<T>::iter() {
        ensure!(!list.is_empty(), "an empty list is stored");
        for id in &list {
            ensure!(
                OpenCases::<T>::get(id).is_some_and(|case| case.task == task),
                "a list names a case that its task doesn't have"
            );
        }
        listed = listed.saturating_add(list.len());
    }
    ensure!(
        listed == OpenCases::<T>::iter_keys().count(),
        "a case is in no list, or in two"
    );
    let next = NextCaseId::<T>::get();
    ensure!(
        OpenCases::<T>::iter_keys().all(|id| id < next),
        "a number will be given again"
    );
    Ok(())
}

/// One open case for each trainer and task.
pub fn nobody_is_accused_twice_at_once<T: Config>() -> Result<(), TryRuntimeError> {
    let mut seen = BTreeSet::new();
    for Case { task, trainer, .. } in OpenCases::<T>::iter_values() {
        ensure!(
            seen.insert((task, trainer)),
            "two cases against one trainer"
        );
    }
    Ok(())
}

/// What is held of a challenger is the sum of its bonds.
pub fn bonds_are_held<T: Config>() -> Result<(), TryRuntimeError> {
    let mut sums = BTreeMap::<AccountId, Balance>::new();
    for case in OpenCases::<T>::iter_values() {
        let sum = sums.entry(case.challenger).or_default();
        *sum = sum.checked_add(case.bond).ok_or("bonds overflow")?;
    }
    for (challenger, sum) in sums {
        let held = T::Currency::balance_on_hold(&HoldReason::Bond.into(), &challenger);
        ensure!(held == sum, "a challenger's hold differs from its bonds");
    }
    Ok(())
}
