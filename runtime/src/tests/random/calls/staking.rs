//! Own stake, commissions and service keys.

use super::{By, Sent, spare};
use crate::{
    configs::arena::AllVenues,
    tests::random::world::{AUTHORS, CREATORS, Memo, PEOPLE, TRAINERS, VALIDATORS, World, now},
    *,
};
use arena_primitives::{
    Role, TaskPhase, Venue,
    hash::{Domain, preimage},
    traits::{ServiceKeys, Stakes, TaskStates, Venues},
};
use pallet_arena_staking::{Call, PendingSlashes, Position};
use sp_core::{Pair, sr25519};
use sp_runtime::Perbill;

fn position(row: &(Venue, AccountId)) -> Option<Position> {
    ArenaStaking::position(row.0, &row.1)
}

pub(super) fn stake(world: &mut World) -> Option<Sent> {
    let venue = if world.dice.chance(10) {
        Venue::Network
    } else {
        let open = |id, _: &_| ArenaTasks::phase(id) == Some(TaskPhase::Submission);
        Venue::Task(world.task(open)?)
    };
    let (role, crowd) = match venue {
        Venue::Network => (Role::Validator, AUTHORS),
        Venue::Task(_) if world.dice.chance(55) => (Role::Trainer, TRAINERS),
        Venue::Task(_) => (Role::Validator, VALIDATORS),
    };
    let limits = ArenaStaking::limits();
    let least = limits.min_own(venue, role);
    // Where seats are full, a larger stake than the smallest takes its seat.
    let mut seated: Vec<Balance> = pallet_arena_staking::Positions::<Runtime>::iter_prefix(venue)
        .filter(|(_, p)| p.role == role && p.is_seated())
        .map(|(_, p)| p.own)
        .collect();
    seated.sort_unstable();
    let full = seated.len() >= limits.seats(venue, role) as usize;
    let least = match seated.first().filter(|_| full) {
        Some(smallest) if !world.dice.slips() => least.max(smallest + 1),
        _ => least,
    };
    let own = |who: &AccountId| ArenaStaking::position(venue, who).map_or(0, |p| p.own);
    let operator = world.one_who(crowd, |who| {
        AllVenues::admits(venue, role, who).is_ok()
            && ArenaStaking::role(venue, who).is_none_or(|other| other == role)
            && spare(who) > least * 2
    })?;
    let low = if own(&operator) > 0 { UNIT / 10 } else { least };
    let high = spare(&operator)
        .min(least * 10)
        .min(low + 60 * UNIT)
        .max(low);
    let amount = world.dice.amount(low, high);
    let call = Call::stake {
        venue,
        role,
        amount,
    };
    Some(Sent::signed(operator.clone(), call).noting(Memo::Staked(venue, operator)))
}

pub(super) fn decrease(world: &mut World) -> Option<Sent> {
    let row = world.dice.one_of(&world.positions, |row| {
        let leaves = |p: Position| p.own > 0 && !AllVenues::locks_own(row.0, p.role);
        position(row).is_some_and(leaves)
    })?;
    let (venue, operator) = row.clone();
    let own = position(&row).map_or(UNIT, |p| p.own);
    let role = ArenaStaking::role(venue, &operator).unwrap_or(Role::Validator);
    let least = ArenaStaking::limits().min_own(venue, role);
    let amount = if own <= least || AllVenues::ended(venue) || world.dice.chance(35) {
        world.dice.amount(own, own)
    } else {
        world.dice.amount(1, own - least)
    };
    Some(Sent::signed(operator, Call::decrease { venue, amount }))
}

pub(super) fn withdraw(world: &mut World) -> Option<Sent> {
    let operator = world.dice.one_of(&world.people, |who| {
        let chunks = pallet_arena_staking::Unbonding::<Runtime>::get(who);
        chunks
            .iter()
            .any(|c| c.until <= now() || AllVenues::ended(c.venue))
    })?;
    Some(Sent::signed(operator, Call::withdraw {}))
}

pub(super) fn set_commission(world: &mut World) -> Option<Sent> {
    let (venue, operator) = world.dice.one_of(&world.positions, |row| {
        let may =
            |p: Position| p.own > 0 && p.pending_commission.is_none_or(|(_, from)| from <= now());
        position(row).is_some_and(may)
    })?;
    let percent = if world.dice.slips() { 100 } else { 50 };
    let commission = Perbill::from_percent(world.dice.below(percent + 1) as u32);
    Some(Sent::signed(
        operator,
        Call::set_commission { venue, commission },
    ))
}

pub(super) fn set_service_key(world: &mut World) -> Option<Sent> {
    let without = |who: &AccountId| ArenaStaking::key_of(who).is_none();
    // Creators open shards.
    let operators = if world.dice.chance(30) {
        CREATORS
    } else {
        TRAINERS.start..VALIDATORS.end
    };
    let operator = match world.one_who(operators.clone(), without) {
        Some(operator) => operator,
        None if world.dice.chance(10) => world.one(operators),
        None => return None,
    };
    let used = match world.dice.any(&world.keys) {
        // A key of somebody else, or one that was dropped.
        Some(used) if world.dice.slips() => used,
        _ => {
            let pair = sr25519::Pair::from_seed(&world.dice.bytes());
            let signs_for = world.dice.slips();
            let named = if signs_for {
                world.one(0..PEOPLE)
            } else {
                operator.clone()
            };
            let proof = pair.sign(&preimage(Domain::ServiceKeyProof, &named));
            (operator.clone(), pair.public().into(), proof)
        }
    };
    let call = Call::set_service_key {
        key: used.1.clone(),
        proof: used.2,
    };
    Some(Sent::signed(operator, call).noting(Memo::Key(used)))
}

pub(super) fn clear_service_key(world: &mut World) -> Option<Sent> {
    let operator = world.one_who(0..PEOPLE, |who| ArenaStaking::key_of(who).is_some())?;
    Some(Sent::signed(operator, Call::clear_service_key {}))
}

pub(super) fn reap(world: &mut World) -> Option<Sent> {
    let (venue, operator) = world.dice.one_of(&world.positions, |row| {
        let over = |p: Position| {
            let counted = AllVenues::current_round(row.0)
                .and_then(|round| round.checked_sub(1))
                .is_none_or(|alive| p.counts_since(alive));
            p.own == 0 && p.delegated == 0 && (AllVenues::ended(row.0) || !counted)
        };
        position(row).is_some_and(over)
    })?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::reap { venue, operator }))
}

pub(super) fn take_seat(world: &mut World) -> Option<Sent> {
    let (venue, operator) = world.dice.one_of(&world.positions, |row| {
        position(row).is_some_and(|p| !p.is_seated() && p.own > 0)
    })?;
    Some(Sent::signed(operator, Call::take_seat { venue }))
}

pub(super) fn cancel_slash(world: &mut World) -> Option<Sent> {
    let pending: Vec<u32> = PendingSlashes::<Runtime>::iter_keys().collect();
    let index = world.dice.any(&pending)?;
    Some(Sent::new(By::Canceller, Call::cancel_slash { index }))
}
