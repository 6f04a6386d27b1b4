//! Operators in venues.

use super::page;
use crate::{AccountId, ArenaRewards, Runtime, configs::arena::AllVenues};
use alloc::vec::Vec;
use arena_primitives::{Role, Venue, traits::Venues};
use arena_runtime_api::{PositionView, Seat};
use pallet_arena_staking::{Position, Positions, Roster};

fn view(venue: Venue, operator: &AccountId, position: Position) -> PositionView {
    PositionView {
        venue,
        operator: operator.clone(),
        role: position.role,
        seat: match position.seat {
            pallet_arena_staking::Seat::Taken => Seat::Taken,
            pallet_arena_staking::Seat::Left => Seat::Left,
            pallet_arena_staking::Seat::Displaced => Seat::Displaced,
            pallet_arena_staking::Seat::Chilled => Seat::Chilled,
        },
        own: position.own.into(),
        delegated: position.delegated.into(),
        commission: position.commission.deconstruct(),
        owed: ArenaRewards::earned(venue, operator).operator_owed.into(),
    }
}

/// A position.
pub(crate) fn position(venue: Venue, operator: &AccountId) -> Option<PositionView> {
    Some(view(
        venue,
        operator,
        Positions::<Runtime>::get(venue, operator)?,
    ))
}

/// Positions of a venue that the next round counts, ordered by account.
pub(crate) fn positions(venue: Venue, after: Option<AccountId>, limit: u32) -> Vec<PositionView> {
    let round = AllVenues::current_round(venue)
        .unwrap_or(0)
        .saturating_add(1);
    let mut operators: Vec<AccountId> = [Role::Trainer, Role::Validator]
        .into_iter()
        .flat_map(|role| Roster::<Runtime>::get(venue, role))
        .filter(|operator| after.as_ref().is_none_or(|after| operator > after))
        .collect();
    operators.sort();
    operators
        .iter()
        .filter_map(|operator| {
            let position = Positions::<Runtime>::get(venue, operator)?;
            let counts = position
                .snapshot_at(round)
                .is_some_and(|stake| stake.own > 0);
            counts.then(|| view(venue, operator, position))
        })
        .take(page(limit))
        .collect()
}
