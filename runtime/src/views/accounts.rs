//! What one account has: behind operators, as an operator, and on its way out.

use super::{checked_page, known_venue, position};
use crate::{AccountId, ArenaDelegation, ArenaRewards, Runtime};
use alloc::vec::Vec;
use arena_primitives::{
    TaskId, Venue,
    traits::{DelegatorRewards, PayoutState, ServiceKeys},
};
use arena_runtime_api::{
    DelegationView, DelegationsPage, EarningsView, Left, MAX_SCAN, Payout, PositionKey, Refusal,
    StakeView, StakesPage, UnbondingView,
};
use codec::{Decode, Encode};
use frame_support::{
    Blake2_128Concat, ReversibleStorageHasher, StorageHasher, storage::StoragePrefixedMap,
};
use pallet_arena_delegation::{Delegation, Delegations, ExitPools};
use pallet_arena_tasks::NextTaskId;

/// What follows a position's part of a key: a hash and an account.
const WHO_BYTES: usize = 16 + 32;

fn payout(venue: Venue, operator: &AccountId) -> Payout {
    match ArenaRewards::state(venue, operator) {
        PayoutState::Locked => Payout::Locked,
        PayoutState::FreeTo(_) => Payout::Rolling,
        PayoutState::Free => Payout::Free,
        PayoutState::Forfeited => Payout::Forfeited,
    }
}

/// What an operator has earned in a venue.
pub(crate) fn operator_earnings(venue: Venue, operator: &AccountId) -> EarningsView {
    EarningsView {
        payout: payout(venue, operator),
        owed: ArenaRewards::earned(venue, operator).operator_owed.into(),
        free: ArenaRewards::operator_free(venue, operator).into(),
    }
}

/// What a delegator has earned in a position.
pub(crate) fn delegator_earnings(
    venue: Venue,
    operator: &AccountId,
    who: &AccountId,
) -> EarningsView {
    let payout = payout(venue, operator);
    let owed = match payout {
        // What its shares earned was burned.
        Payout::Forfeited => 0,
        _ => ArenaDelegation::claimable(venue, operator, who),
    };
    EarningsView {
        payout,
        owed: owed.into(),
        free: ArenaDelegation::free(venue, operator, who).into(),
    }
}

/// The key under which a position's delegations lie.
fn key_of(at: &PositionKey) -> Vec<u8> {
    let mut key = Delegations::<Runtime>::final_prefix().to_vec();
    key.extend(Blake2_128Concat::hash(&(at.venue, &at.operator).encode()));
    key
}

/// The first position with delegations whose key comes after that of `after`, and all of its
/// own. One step, however many delegators a position has.
fn next_position(after: Option<&PositionKey>) -> Option<PositionKey> {
    let prefix = Delegations::<Runtime>::final_prefix();
    let from = match after {
        Some(at) => {
            let mut key = key_of(at);
            key.extend([u8::MAX; WHO_BYTES]);
            key
        }
        None => prefix.to_vec(),
    };
    let key = sp_io::storage::next_key(&from)?;
    let mut rest = Blake2_128Concat::reverse(key.strip_prefix(&prefix)?);
    let (venue, operator) = Decode::decode(&mut rest).ok()?;
    Some(PositionKey { venue, operator })
}

fn delegation_view(at: &PositionKey, who: &AccountId, found: &Delegation) -> DelegationView {
    let PositionKey { venue, operator } = at;
    DelegationView {
        venue: *venue,
        operator: operator.clone(),
        held: found.held.into(),
        worth: ArenaDelegation::value(*venue, operator, who).into(),
        shares: found.shares().into(),
        earnings: delegator_earnings(*venue, operator, who),
    }
}

/// Delegations of an account: no row says where it has some, so that positions are looked
/// through, a bounded number at a time.
pub(crate) fn delegations(
    who: AccountId,
    after: Option<PositionKey>,
    limit: u32,
) -> Result<DelegationsPage, Refusal> {
    let limit = checked_page(limit)?;
    let mut delegations = Vec::new();
    let mut last = after;
    for _ in 0..MAX_SCAN {
        let Some(at) = next_position(last.as_ref()) else {
            return Ok(DelegationsPage {
                delegations,
                next: None,
            });
        };
        if let Some(found) = ArenaDelegation::delegation(at.venue, &at.operator, &who) {
            delegations.push(delegation_view(&at, &who, &found));
        }
        last = Some(at);
        if delegations.len() == limit {
            break;
        }
    }
    Ok(DelegationsPage {
        delegations,
        next: last,
    })
}

/// The venue that comes after another one: `network`, then tasks by number.
fn venue_after(venue: Option<Venue>, end: TaskId) -> Option<Venue> {
    let task = match venue {
        None => return Some(Venue::Network),
        Some(Venue::Network) => 0,
        Some(Venue::Task(task)) => task.saturating_add(1),
    };
    (task < end).then_some(Venue::Task(task))
}

fn stake_view(venue: Venue, operator: &AccountId) -> Option<StakeView> {
    let position = position(venue, operator);
    let earnings = operator_earnings(venue, operator);
    let is_there = position.is_some() || earnings.owed.0 > 0;
    is_there.then_some(StakeView {
        position,
        venue,
        earnings,
    })
}

/// Positions of an operator, and rewards that outlived theirs.
pub(crate) fn stakes(
    operator: AccountId,
    after: Option<Venue>,
    limit: u32,
) -> Result<StakesPage, Refusal> {
    let limit = checked_page(limit)?;
    if let Some(after) = after {
        known_venue(after).map_err(|_| Refusal::BeyondEnd)?;
    }
    let end = NextTaskId::<Runtime>::get();
    let mut stakes = Vec::new();
    let mut last = after;
    let mut scanned: u32 = 0;
    let next = loop {
        let Some(venue) = venue_after(last, end) else {
            break None;
        };
        if stakes.len() == limit || scanned == MAX_SCAN {
            break last;
        }
        stakes.extend(stake_view(venue, &operator));
        last = Some(venue);
        scanned = scanned.saturating_add(1);
    };
    Ok(StakesPage {
        service_key: <crate::ArenaStaking as ServiceKeys>::key_of(&operator),
        operator,
        stakes,
        next,
    })
}

/// What of an account unbonds: two lists that the pallets bound.
pub(crate) fn unbonding(who: AccountId) -> Vec<UnbondingView> {
    let own = pallet_arena_staking::Unbonding::<Runtime>::get(&who);
    let own = own.into_iter().map(|chunk| UnbondingView {
        kind: Left::Own,
        venue: chunk.venue,
        operator: who.clone(),
        amount: chunk.amount.into(),
        until: chunk.until,
    });
    let delegated = pallet_arena_delegation::Unbonding::<Runtime>::get(&who);
    let delegated = delegated.into_iter().filter_map(|chunk| {
        let mut pool = ExitPools::<Runtime>::get(chunk.pool)?;
        let amount = pool.leave(chunk.points)?;
        Some(UnbondingView {
            kind: Left::Delegated,
            venue: pool.venue,
            operator: pool.operator,
            amount: amount.into(),
            until: chunk.until,
        })
    });
    own.chain(delegated).collect()
}
