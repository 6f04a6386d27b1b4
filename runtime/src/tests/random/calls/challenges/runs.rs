//! Registered trainings, and marks.

use super::claims::salt;
use crate::{
    tests::random::{
        calls::{Sent, service_key, spare},
        world::World,
    },
    *,
};
use arena_primitives::{
    LogLeaf, Role, TaskId, TaskPhase, Venue,
    hash::{Domain, hash},
    log_root, mark_commitment,
    traits::{Cases, TaskStates, Venues},
};
use pallet_arena_challenges::{Call, Marks, Run, Runs};

/// Steps between two leaves.
const EVERY: u64 = 10;
/// Marks of an operator in a task.
const MARKS: u32 = 2;

/// The whole log of a run, as its trainer keeps it.
pub(super) fn log(trainer: &AccountId, run: &Run) -> Vec<LogLeaf> {
    let leaf = |place: u32| LogLeaf {
        step: u64::from(place) * run.every,
        weights: hash(Domain::Job, &("weights", trainer, run.number, place)).0,
        optimizer: hash(Domain::Job, &("optimizer", trainer, run.number, place)).0,
        update: u64::from(place % 7),
    };
    (0..run.log_leaves().unwrap_or(0)).map(leaf).collect()
}

fn takes_submissions(task: TaskId) -> bool {
    ArenaTasks::phase(task) == Some(TaskPhase::Submission)
}

pub(in crate::tests::random::calls) fn register_run(world: &mut World) -> Option<Sent> {
    let asked = world.dice.chance(60);
    let task = world.task(|id, _| {
        let asks = ArenaTasks::spec(id).is_some_and(|spec| spec.registered);
        takes_submissions(id) && (asks || !asked)
    })?;
    let again = world.dice.chance(10);
    let trainer = world.operator(task, Role::Trainer, |who| {
        let free = again || !Runs::<Runtime>::contains_key(task, who);
        free && !ArenaChallenges::is_accused(task, who) && spare(who) > 10 * UNIT
    })?;
    let segments = 1 + world.dice.below(3);
    let odd = world.dice.slips();
    let call = Call::register_run {
        task,
        recipe: world.dice.hash(),
        steps: segments * EVERY + u64::from(odd),
        every: EVERY,
        checkpoint_bytes: 1_000,
    };
    Some(Sent::signed(trainer, call))
}

pub(in crate::tests::random::calls) fn heartbeat(world: &mut World) -> Option<Sent> {
    let runs: Vec<(TaskId, AccountId, Run)> = Runs::<Runtime>::iter().collect();
    let (task, trainer, run) = world.dice.one_of(&runs, |(task, _, run)| {
        let round = ArenaTasks::current_round(Venue::Task(*task));
        takes_submissions(*task)
            && run.seed.known().is_some()
            && run.log_leaves().is_some_and(|most| run.leaves < most)
            && run.beaten.is_none_or(|last| Some(last) < round)
    })?;
    let log = log(&trainer, &run);
    let most = log.len() as u32;
    let leaves = if world.dice.chance(75) {
        most
    } else {
        (run.leaves + 1).min(most)
    };
    let seed = run.seed.known().unwrap_or_default();
    let mut root = log_root(&seed, &log[..leaves as usize]);
    if world.dice.chance(5) {
        root = world.dice.hash();
    }
    let key = world.dice.chance(50).then(|| service_key(world, &trainer));
    let signer = key.flatten().unwrap_or(trainer);
    Some(Sent::signed(signer, Call::heartbeat { task, leaves, root }))
}

pub(in crate::tests::random::calls) fn register_mark(world: &mut World) -> Option<Sent> {
    let task = world.task(|id, _| takes_submissions(id))?;
    let role = if world.dice.chance(50) {
        Role::Trainer
    } else {
        Role::Validator
    };
    let count = |who: &AccountId| Marks::<Runtime>::get(task, who).len() as u32;
    let owner = world.operator(task, role, |who| count(who) < MARKS)?;
    let number = if world.dice.slips() { 0 } else { count(&owner) };
    let salt = salt(task, &owner, number);
    let commitment = mark_commitment(task, &owner, &salt);
    Some(Sent::signed(
        owner,
        Call::register_mark { task, commitment },
    ))
}
