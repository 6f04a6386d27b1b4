//! What an operator lost or may lose, as far as state has it.

use super::active;
use crate::{AccountId, Runtime, Session};
use alloc::vec::Vec;
use arena_primitives::{Round, TaskId, traits::Cases};
use arena_runtime_api::{FaultView, PendingSlashView, SlashesView, StandingView};
use pallet_arena_challenges::{Accused, Acquittals};
use pallet_arena_scoring::Misses;
use pallet_arena_staking::{Faults, PendingOf, PendingSlashes};

/// Sessions that are looked through. Faults are forgotten after twice the time that stake takes
/// to unbond: 337 sessions in production.
const SESSIONS: Round = 512;

fn pending(operator: &AccountId) -> Vec<PendingSlashView> {
    PendingOf::<Runtime>::get(operator)
        .into_iter()
        .filter_map(|index| {
            let slash = PendingSlashes::<Runtime>::get(index)?;
            Some(PendingSlashView {
                index,
                session: slash.session,
                fraction: slash.fraction.deconstruct(),
                own: slash.own.into(),
                delegated: slash.delegated.deconstruct(),
                due: slash.due,
            })
        })
        .collect()
}

fn faults(operator: &AccountId) -> Vec<FaultView> {
    let last = Session::current_index();
    let first = last.saturating_sub(SESSIONS);
    (first..=last)
        .rev()
        .filter_map(|session| {
            let fault = Faults::<Runtime>::get(session, operator)?;
            Some(FaultView {
                session,
                at_stake: fault.at_stake.into(),
                applied: fault.applied.deconstruct(),
                fraction: fault.fraction.deconstruct(),
            })
        })
        .collect()
}

fn standing(task: TaskId, operator: &AccountId) -> Option<StandingView> {
    let view = StandingView {
        task,
        accused: Accused::<Runtime>::get(task, operator),
        acquittals: Acquittals::<Runtime>::get(task, operator),
        convicted: crate::ArenaChallenges::is_convicted(task, operator),
        misses: Misses::<Runtime>::get(task, operator),
    };
    let clean = !view.convicted && view.accused == 0 && view.acquittals == 0 && view.misses == 0;
    (!clean).then_some(view)
}

/// What an operator lost or may lose.
pub(crate) fn slashes(operator: AccountId) -> SlashesView {
    let tasks = active().into_iter();
    let standing = tasks.filter_map(|task| standing(task, &operator)).collect();
    SlashesView {
        pending: pending(&operator),
        faults: faults(&operator),
        standing,
        operator,
    }
}
