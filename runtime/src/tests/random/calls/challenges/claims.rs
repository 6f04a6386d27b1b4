//! How cases are brought, and taken further.

use super::case;
use crate::{
    configs::governance::dynamic_params::challenges::OpenWithin,
    tests::random::{
        calls::{Sent, spare},
        world::{Claimed, Memo, PEOPLE, World, now},
    },
    *,
};
use arena_primitives::{
    Claim, Role, Round, TaskId, Venue, Vote, mark_commitment,
    traits::{Clock, Results, Rounds, TaskStates, Venues},
};
use frame_support::traits::Get;
use pallet_arena_challenges::{
    Call, Case, CaseState, Commitments, Convicted, MAX_CHALLENGERS, Marks, Runs,
};
use pallet_arena_scoring::{Reveals, RoundResults};
use pallet_arena_tasks::{Models, Roots, TaskState};
use sp_core::H256;

/// Of the mark that an owner registered so many others before.
pub(super) fn salt(task: TaskId, owner: &AccountId, number: u32) -> H256 {
    use arena_primitives::hash::{Domain, hash};
    hash(Domain::Job, &("salt", task, owner, number))
}

/// A task whose challenge phase has room for a whole case.
fn challenged(world: &mut World, fits: impl Fn(TaskId) -> bool, asks: bool) -> Option<TaskId> {
    let window = ArenaStaking::blocks(OpenWithin::get());
    let last = now() + window + ArenaChallenges::procedure(asks);
    world.task(|id, task| {
        let ends = ArenaTasks::phase_ends(id);
        matches!(task.state, TaskState::Challenge { .. })
            && ends.is_some_and(|ends| last <= ends)
            && fits(id)
    })
}

/// A trainer that can be accused, with its model and the block of the model's commitment.
fn suspect(
    world: &mut World,
    task: TaskId,
    fits: impl Fn(&AccountId) -> bool,
) -> Option<(AccountId, H256, BlockNumber)> {
    let own = |who: &AccountId| {
        let model = ArenaTasks::model(task, who)?;
        let (owner, since) = ArenaTasks::owner(task, &model)?;
        (owner == *who).then_some((model, since))
    };
    let trainers: Vec<AccountId> = Models::<Runtime>::iter_key_prefix(task).collect();
    let trainer = world.dice.one_of(&trainers, |who| {
        let convicted = Convicted::<Runtime>::contains_key(task, who);
        !convicted && own(who).is_some() && fits(who)
    })?;
    let (model, since) = own(&trainer)?;
    Some((trainer, model, since))
}

/// A validator that accuses another operator.
fn validator(world: &mut World, task: TaskId, accused: &AccountId) -> Option<AccountId> {
    world.operator(task, Role::Validator, |who| who != accused)
}

/// Who says what of whom.
type Said = (AccountId, TaskId, Claim);

fn duplicate(world: &mut World) -> Option<Said> {
    let compares = |id| ArenaTasks::spec(id).is_some_and(|spec| spec.likeness.is_some());
    let task = challenged(world, compares, false)?;
    let (trainer, model, since) = suspect(world, task, |_| true)?;
    let earlier: Vec<(H256, AccountId)> = Roots::<Runtime>::iter_prefix(task)
        .filter(|(_, first)| first.trainer != trainer)
        .filter(|(_, first)| (first.committed_at, &first.trainer) < (since, &trainer))
        .map(|(root, first)| (root, first.trainer))
        .collect();
    let (earlier, owner) = world.dice.any(&earlier)?;
    let challenger = if world.dice.chance(30) {
        owner
    } else {
        validator(world, task, &trainer)?
    };
    let claim = Claim::Duplicate {
        trainer,
        model,
        earlier,
    };
    Some((challenger, task, claim))
}

/// Salts of marks that were registered before `since`, with their owners.
fn marks(task: TaskId, since: BlockNumber) -> Vec<(AccountId, H256)> {
    let salts = Marks::<Runtime>::iter_prefix(task).flat_map(|(owner, marks)| {
        let salts = (0..).zip(marks).filter_map(|(number, mark)| {
            let salt = salt(task, &owner, number);
            let own = mark.commitment == mark_commitment(task, &owner, &salt);
            (own && mark.at < since).then(|| (owner.clone(), salt))
        });
        salts.collect::<Vec<_>>()
    });
    salts.collect()
}

fn watermark(world: &mut World) -> Option<Said> {
    let marked = |id| Marks::<Runtime>::iter_key_prefix(id).next().is_some();
    let task = challenged(world, marked, false)?;
    let (trainer, model, since) = suspect(world, task, |_| true)?;
    let marks = marks(task, since);
    let (owner, salt) = world.dice.one_of(&marks, |(owner, _)| *owner != trainer)?;
    let claim = Claim::Watermark {
        trainer,
        model,
        salt,
    };
    Some((owner, task, claim))
}

fn training(world: &mut World) -> Option<Said> {
    let logged = |task, who: &AccountId| {
        let asked = ArenaTasks::spec(task).is_some_and(|spec| spec.registered);
        asked || Runs::<Runtime>::get(task, who).is_some_and(|run| run.leaves > 0)
    };
    let task = challenged(world, |_| true, true)?;
    let (trainer, ..) = suspect(world, task, |who| logged(task, who))?;
    let challenger = validator(world, task, &trainer)?;
    Some((challenger, task, Claim::ProofOfLearning { trainer }))
}

/// Models that a validator scored in a round, as long as that can be challenged.
fn scored(task: TaskId, round: Round, validator: &AccountId) -> Vec<H256> {
    let over = pallet_arena_tasks::Tasks::<Runtime>::get(task).is_none_or(|task| task.is_over());
    let last = ArenaTasks::last_settled(Venue::Task(task));
    let late = last.is_some_and(|last| last > round + 2);
    let convicted = Convicted::<Runtime>::contains_key(task, validator);
    if over || late || convicted || ArenaScoring::ground(task, round).is_none() {
        return Vec::new();
    }
    let mut roots: Vec<H256> = match RoundResults::<Runtime>::get(task, round) {
        Some(result) => result.models.iter().map(|row| row.manifest_root).collect(),
        None => {
            let models = ArenaTasks::models(task, round);
            models.iter().map(|row| row.manifest_root).collect()
        }
    };
    roots.retain(|root| ArenaScoring::disclosed(task, round, validator, root).is_some());
    roots
}

fn score(world: &mut World) -> Option<Said> {
    let reveals: Vec<_> = Reveals::<Runtime>::iter_keys().collect();
    let (task, round, accused) = world.dice.one_of(&reveals, |(task, round, who)| {
        !scored(*task, *round, who).is_empty()
    })?;
    let model = world.dice.any(&scored(task, round, &accused))?;
    let owner = ArenaTasks::owner(task, &model).map(|(owner, _)| owner);
    let challenger = match owner.filter(|owner| *owner != accused) {
        Some(owner) if world.dice.chance(40) => owner,
        _ => validator(world, task, &accused)?,
    };
    let claim = Claim::Score {
        validator: accused,
        round,
        model,
    };
    Some((challenger, task, claim))
}

/// What an open case says, by somebody else.
fn again(world: &mut World) -> Option<Said> {
    let (_, case) = case(world, |case| case.takes_challengers(now()))?;
    let challenger = validator(world, case.task, case.accused())?;
    Some((challenger, case.task, case.claim))
}

pub(in crate::tests::random::calls) fn commit_case(world: &mut World) -> Option<Sent> {
    let (challenger, task, claim) = match world.dice.below(10) {
        0..3 => duplicate(world)?,
        3..5 => watermark(world)?,
        5..7 => training(world)?,
        7..9 => score(world)?,
        _ => again(world)?,
    };
    if spare(&challenger) < ArenaChallenges::opening_bond(task, &claim) && !world.dice.wrong {
        return None;
    }
    let nonce = world.dice.hash();
    let commitment = claim.commitment(&challenger, task, &nonce);
    let memo = Memo::Claimed(Claimed {
        challenger: challenger.clone(),
        task,
        claim,
        nonce,
        commitment,
    });
    Some(Sent::signed(challenger, Call::commit_case { task, commitment }).noting(memo))
}

pub(in crate::tests::random::calls) fn open_case(world: &mut World) -> Option<Sent> {
    let Claimed {
        challenger,
        task,
        claim,
        mut nonce,
        ..
    } = world.dice.one_of(&world.claims, |claimed| {
        let row = Commitments::<Runtime>::get(&claimed.challenger, claimed.commitment);
        row.is_some_and(|row| now() < row.until)
    })?;
    if world.dice.slips() {
        nonce = world.dice.hash();
    }
    let call = Call::open_case { task, claim, nonce };
    Some(Sent::signed(challenger, call))
}

pub(in crate::tests::random::calls) fn join(world: &mut World) -> Option<Sent> {
    let (id, case) = case(world, |case| {
        let marked = matches!(case.claim, Claim::Watermark { .. });
        let full = case.challengers.len() as u32 == MAX_CHALLENGERS;
        case.takes_challengers(now()) && !marked && !full
    })?;
    let bond = ArenaChallenges::bond(case.task, &case.claim);
    let challenger = world.operator(case.task, Role::Validator, |who| {
        who != case.accused() && !case.has_challenger(who) && spare(who) > bond
    })?;
    Some(Sent::signed(challenger, Call::join { case: id }))
}

pub(in crate::tests::random::calls) fn appeal(world: &mut World) -> Option<Sent> {
    let appealable = |case: &Case| match case.state {
        CaseState::Appealable { verdict, until, .. } => (now() < until).then_some(verdict),
        _ => None,
    };
    let loser = |case: &Case| match appealable(case)? {
        Vote::Convict => Some(case.accused().clone()),
        Vote::Acquit => case.challengers.first().map(|one| one.who.clone()),
    };
    let (id, case) = case(world, |case| {
        loser(case).is_some_and(|who| spare(&who) > ArenaChallenges::appeal_bond(case))
    })?;
    let appellant = loser(&case).unwrap_or(world.one(0..PEOPLE));
    Some(Sent::signed(appellant, Call::appeal { case: id }))
}

pub(in crate::tests::random::calls) fn poke(world: &mut World) -> Option<Sent> {
    let (id, _) = case(world, |case| now() >= case.state.due())?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::poke { case: id }))
}
