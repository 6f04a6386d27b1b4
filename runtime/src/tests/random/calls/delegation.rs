//! Delegated stake and what it earns.

use super::{Sent, spare};
use crate::{
    configs::arena::AllVenues,
    tests::random::world::{DELEGATORS, Memo, PEOPLE, World, now},
    *,
};
use arena_primitives::{
    Venue,
    traits::{DelegatorRewards, PayoutState, Stakes, Venues},
};
use pallet_arena_delegation::Call;

pub(super) fn delegate(world: &mut World) -> Option<Sent> {
    let row = world.dice.one_of(&world.positions, |(venue, operator)| {
        let next = AllVenues::current_round(*venue).map_or(0, |round| round + 1);
        !AllVenues::ended(*venue) && ArenaStaking::counted(*venue, operator, next).is_some()
    })?;
    let (venue, operator) = row;
    let who = world.one_who(DELEGATORS, |who| *who != operator && spare(who) > 3 * UNIT)?;
    let high = spare(&who).clamp(UNIT, 80 * UNIT);
    let amount = world.dice.amount(UNIT, high);
    let call = Call::delegate {
        venue,
        operator: operator.clone(),
        amount,
    };
    Some(Sent::signed(who.clone(), call).noting(Memo::Delegated(venue, operator, who)))
}

type Row = (Venue, AccountId, AccountId);

fn live((venue, operator, who): &Row) -> Balance {
    ArenaDelegation::value(*venue, operator, who)
}

pub(super) fn undelegate(world: &mut World) -> Option<Sent> {
    let row = world.dice.one_of(&world.delegations, |row| live(row) > 0)?;
    let whole = live(&row);
    let part = whole.saturating_sub(2 * UNIT);
    let amount = if part == 0 || AllVenues::ended(row.0) || world.dice.chance(40) {
        world.dice.amount(whole, whole)
    } else {
        world.dice.amount(1, part)
    };
    let (venue, operator, who) = row;
    let call = Call::undelegate {
        venue,
        operator,
        amount,
    };
    Some(Sent::signed(who, call))
}

pub(super) fn withdraw(world: &mut World) -> Option<Sent> {
    let who = world.dice.one_of(&world.people, |who| {
        let chunks = pallet_arena_delegation::Unbonding::<Runtime>::get(who);
        chunks.iter().any(|chunk| chunk.until <= now())
    })?;
    Some(Sent::signed(who, Call::withdraw {}))
}

/// A delegation whose rewards are free, or were taken.
fn claimable(world: &mut World) -> Option<Row> {
    world
        .dice
        .one_of(&world.delegations, |(venue, operator, who)| {
            let state = <ArenaRewards as DelegatorRewards>::state(*venue, operator);
            state != PayoutState::Locked
                && ArenaDelegation::delegation(*venue, operator, who).is_some()
        })
}

pub(super) fn claim(world: &mut World) -> Option<Sent> {
    let (venue, operator, who) = claimable(world)?;
    Some(Sent::signed(who, Call::claim { venue, operator }))
}

pub(super) fn claim_for(world: &mut World) -> Option<Sent> {
    let (venue, operator, who) = claimable(world)?;
    let anybody = world.one(0..PEOPLE);
    let call = Call::claim_for {
        venue,
        operator,
        who,
    };
    Some(Sent::signed(anybody, call))
}

/// A hold that slashes of its position have not cut yet.
pub(super) fn apply_slash(world: &mut World) -> Option<Sent> {
    let row = world.dice.one_of(&world.delegations, |row| {
        let (venue, operator, who) = row;
        let held = ArenaDelegation::delegation(*venue, operator, who).map_or(0, |d| d.held);
        held > live(row)
    })?;
    let (venue, operator, who) = row;
    let anybody = world.one(0..PEOPLE);
    let call = Call::apply_slash {
        venue,
        operator,
        who,
    };
    Some(Sent::signed(anybody, call))
}
