//! What always holds. Run after every test and by `try_state`.

use crate::{
    Accused, Answers, CaseState, CasesOf, Commitments, Config, Convicted, Due, DueAt, DueFrom,
    Ended, EndedEnds, Heartbeats, HoldReason, MAX_JURY, NextCaseId, OpenCases, Runs,
};
use alloc::collections::{btree_map::BTreeMap, btree_set::BTreeSet};
use arena_primitives::{AccountId, Balance};
use frame_support::{
    ensure,
    traits::{Get, fungible::InspectHold},
};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    lists_and_cases_agree::<T>()?;
    the_accused_are_counted::<T>()?;
    nobody_is_accused_after_conviction::<T>()?;
    juries_are_whole_and_without_parties::<T>()?;
    answers_fit_their_cases::<T>()?;
    holds_are_in_the_books::<T>()?;
    what_is_due_is_alive::<T>()?;
    heartbeats_grow::<T>()?;
    the_queue_of_ended_tasks_has_no_gaps::<T>()
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

/// In how many cases each operator is accused is counted.
pub fn the_accused_are_counted<T: Config>() -> Result<(), TryRuntimeError> {
    let mut cases = BTreeMap::new();
    for case in OpenCases::<T>::iter_values() {
        let count: &mut u32 = cases
            .entry((case.task, case.accused().clone()))
            .or_default();
        *count = count.saturating_add(1);
    }
    let counted: BTreeMap<_, _> = Accused::<T>::iter()
        .map(|(task, who, count)| ((task, who), count))
        .collect();
    ensure!(cases == counted, "an accusation is not counted");
    Ok(())
}

/// Cases against a convict are over but for what is held; no claim is tried twice at once.
pub fn nobody_is_accused_after_conviction<T: Config>() -> Result<(), TryRuntimeError> {
    let mut claims = BTreeSet::new();
    for case in OpenCases::<T>::iter_values() {
        if case.state.is_ending() {
            continue;
        }
        ensure!(
            !Convicted::<T>::contains_key(case.task, case.accused()),
            "a case goes on against a convict"
        );
        ensure!(
            claims.insert((case.task, codec::Encode::encode(&case.claim))),
            "a claim is tried twice"
        );
        ensure!(!case.challengers.is_empty(), "nobody accuses");
    }
    Ok(())
}

/// A jury has as many jurors as it should, all different, and none of them is a party or judges
/// a second time.
pub fn juries_are_whole_and_without_parties<T: Config>() -> Result<(), TryRuntimeError> {
    for case in OpenCases::<T>::iter_values() {
        if case.state.is_ending() {
            continue;
        }
        let first = case.appeal.as_ref().map(|appeal| &appeal.jury);
        let sizes = [T::Jury::get(), T::AppealJury::get()];
        let juries = first.into_iter().chain(case.state.jury());
        let mut seen = BTreeSet::new();
        for (jury, size) in juries.zip(sizes) {
            ensure!(size <= MAX_JURY, "a jury is larger than can be");
            ensure!(
                u32::try_from(jury.seats.len()) == Ok(size),
                "a jury is not whole"
            );
            for seat in &jury.seats {
                ensure!(seen.insert(&seat.juror), "a juror sits twice");
                let party = seat.juror == *case.accused()
                    || case.facts.party() == Some(&seat.juror)
                    || case.has_challenger(&seat.juror);
                ensure!(!party, "a party sits in a jury");
                ensure!(
                    seat.vote.is_none() || seat.commitment.is_some(),
                    "a vote without a commitment"
                );
            }
        }
    }
    Ok(())
}

/// Only cases that ask for an answer have or await one, and none is judged without it.
pub fn answers_fit_their_cases<T: Config>() -> Result<(), TryRuntimeError> {
    for id in Answers::<T>::iter_keys() {
        ensure!(OpenCases::<T>::contains_key(id), "an answer without a case");
    }
    for (id, case) in OpenCases::<T>::iter() {
        let answered = Answers::<T>::contains_key(id);
        ensure!(!answered || case.facts.asks(), "an answer to no question");
        match case.state {
            CaseState::Responding { .. } => {
                ensure!(case.facts.asks() && !answered, "an answer is awaited twice");
            }
            CaseState::Committing { .. }
            | CaseState::Revealing { .. }
            | CaseState::Appealable { .. } => {
                ensure!(
                    answered == case.facts.asks(),
                    "a case is judged without its answer"
                );
            }
            CaseState::Drawing { .. } | CaseState::Ending { .. } => (),
        }
    }
    Ok(())
}

type Sums = BTreeMap<AccountId, Balance>;

fn add(sums: &mut Sums, who: AccountId, amount: Balance) -> Result<(), TryRuntimeError> {
    let sum = sums.entry(who).or_default();
    *sum = sum.checked_add(amount).ok_or("sums overflow")?;
    Ok(())
}

/// What is held of an account is the sum of its commitments, bonds and appeals, and of its runs'
/// deposits.
pub fn holds_are_in_the_books<T: Config>() -> Result<(), TryRuntimeError> {
    let (mut bonds, mut deposits) = (Sums::new(), Sums::new());
    for (who, _, row) in Commitments::<T>::iter() {
        add(&mut bonds, who, row.bond)?;
    }
    for case in OpenCases::<T>::iter_values() {
        for one in case.challengers {
            add(&mut bonds, one.who, one.bond)?;
        }
        if let Some(appeal) = case.appeal {
            add(&mut bonds, appeal.appellant, appeal.bond)?;
        }
    }
    for (_, trainer, run) in Runs::<T>::iter() {
        add(&mut deposits, trainer, run.deposit)?;
    }
    for (reason, sums) in [(HoldReason::Bond, bonds), (HoldReason::Run, deposits)] {
        let reason = reason.into();
        for (who, sum) in sums {
            ensure!(
                T::Currency::balance_on_hold(&reason, &who) == sum,
                "a hold differs from the books"
            );
        }
    }
    Ok(())
}

/// What is due has not been passed, and is exactly what is alive.
pub fn what_is_due_is_alive<T: Config>() -> Result<(), TryRuntimeError> {
    let from = DueFrom::<T>::get().unwrap_or(0);
    let mut rows = BTreeSet::new();
    for (at, due) in DueAt::<T>::iter_keys() {
        ensure!(at >= from, "what is due was passed over");
        rows.insert((at, due));
    }
    let mut alive = BTreeSet::new();
    for (challenger, commitment, row) in Commitments::<T>::iter() {
        let due = Due::Commitment {
            challenger,
            commitment,
        };
        alive.insert((row.until, due));
    }
    for (id, case) in OpenCases::<T>::iter() {
        alive.insert((case.state.due(), Due::Case(id)));
    }
    for (task, trainer, run) in Runs::<T>::iter() {
        let due = Due::Run { task, trainer };
        alive.extend(run.seed.due().map(|at| (at, due)));
    }
    ensure!(rows == alive, "what is due is not what is alive");
    Ok(())
}

/// Heartbeats belong to a run with a seed, and each counts more leaves than the one before.
pub fn heartbeats_grow<T: Config>() -> Result<(), TryRuntimeError> {
    for (task, trainer, beats) in Heartbeats::<T>::iter() {
        let run = Runs::<T>::get(task, trainer).ok_or("heartbeats without a run")?;
        ensure!(run.seed.known().is_some(), "a heartbeat before the seed");
        ensure!(
            beats.windows(2).all(|pair| match pair {
                [one, next] => one.leaves < next.leaves,
                _ => true,
            }),
            "a heartbeat counts no more leaves than the one before"
        );
        ensure!(
            beats.last().map(|beat| beat.leaves) == Some(run.leaves),
            "a run doesn't know its last heartbeat"
        );
    }
    Ok(())
}

/// The queue has a row for each place between its ends, and no other.
pub fn the_queue_of_ended_tasks_has_no_gaps<T: Config>() -> Result<(), TryRuntimeError> {
    let (head, tail) = EndedEnds::<T>::get();
    let rows: BTreeSet<u32> = Ended::<T>::iter_keys().collect();
    ensure!(
        rows == (head..tail).collect(),
        "the queue of ended tasks has gaps"
    );
    Ok(())
}
