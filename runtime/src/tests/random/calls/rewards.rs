//! What operators earned.

use super::Sent;
use crate::{
    tests::random::world::{PEOPLE, World},
    *,
};
use arena_primitives::Venue;
use pallet_arena_rewards::Call;

/// A position with something to claim.
fn owed(world: &mut World) -> Option<(Venue, AccountId)> {
    world.dice.one_of(&world.earners, |(venue, operator)| {
        ArenaRewards::operator_free(*venue, operator) > 0
    })
}

pub(super) fn claim(world: &mut World) -> Option<Sent> {
    let (venue, operator) = owed(world)?;
    Some(Sent::signed(operator, Call::claim { venue }))
}

pub(super) fn claim_for(world: &mut World) -> Option<Sent> {
    let (venue, operator) = owed(world)?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::claim_for { venue, operator }))
}
