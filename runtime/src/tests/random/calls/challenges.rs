//! Cases against models.

use super::{By, Sent, spare};
use crate::{
    configs::governance::dynamic_params::challenges::{Bond, DecideWithin},
    tests::random::world::{PEOPLE, World, now},
    *,
};
use arena_primitives::{
    Role,
    traits::{Clock, TaskStates},
};
use frame_support::traits::Get;
use pallet_arena_challenges::{Call, Case, CaseId, CasesOf, Convicted, OpenCases};
use pallet_arena_tasks::Models;

pub(super) fn open(world: &mut World) -> Option<Sent> {
    let decide_by = now() + ArenaStaking::blocks(DecideWithin::get());
    let task = world.task(|id, task| {
        matches!(task.state, pallet_arena_tasks::TaskState::Challenge { .. })
            && ArenaTasks::phase_ends(id).is_some_and(|ends| decide_by <= ends)
    })?;
    let bond: Balance = Bond::get();
    let challenger = world.operator(task, Role::Validator, |who| spare(who) > bond)?;
    let trainers: Vec<AccountId> = Models::<Runtime>::iter_key_prefix(task).collect();
    let accused = CasesOf::<Runtime>::get(task);
    let accused: Vec<_> = accused
        .iter()
        .filter_map(OpenCases::<Runtime>::get)
        .collect();
    let trainer = world.dice.one_of(&trainers, |who| {
        !Convicted::<Runtime>::contains_key(task, who)
            && accused.iter().all(|case| case.trainer != *who)
    })?;
    let evidence = world.dice.hash();
    let call = Call::open {
        task,
        trainer,
        evidence,
    };
    Some(Sent::signed(challenger, call))
}

fn case(world: &mut World, fits: impl Fn(&Case) -> bool) -> Option<CaseId> {
    let open: Vec<CaseId> = OpenCases::<Runtime>::iter_keys().collect();
    world.dice.one_of(&open, |id| {
        OpenCases::<Runtime>::get(id).is_some_and(|c| fits(&c))
    })
}

pub(super) fn resolve(world: &mut World) -> Option<Sent> {
    let case = case(world, |case| !case.is_late(now()))?;
    let convict = world.dice.chance(50);
    let by = if world.dice.chance(80) {
        By::Guardian
    } else {
        By::Root
    };
    Some(Sent::new(by, Call::resolve { case, convict }))
}

pub(super) fn expire(world: &mut World) -> Option<Sent> {
    let case = case(world, |case| case.is_late(now()))?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::expire { case }))
}
