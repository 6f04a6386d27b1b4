//! Tests, by behaviour.

use crate::{mock::*, types::UnbondingChunk, *};
use arena_primitives::{AccountId, Balance, Role, StakeSnapshot, UNIT, Venue, traits::*};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_runtime::{Perbill, TokenError};

mod genesis;
mod governed;
mod keys;
mod offences;
mod random;
mod seats;
mod session;
mod shares;
mod slash;
mod stake;

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn stake(n: u8, venue: Venue, role: Role, amount: Balance) {
    assert_ok!(Staking::stake(signed(n), venue, role, amount));
}

fn held(n: u8, reason: HoldReason) -> Balance {
    Balances::balance_on_hold(&reason.into(), &account(n))
}

fn position(n: u8, venue: Venue) -> Position {
    Staking::position(venue, &account(n)).expect("a position")
}

fn roster(venue: Venue, role: Role) -> Vec<AccountId> {
    Roster::<Test>::get(venue, role).to_vec()
}

/// With as many delegated shares as delegated stake.
fn snapshot(own: Balance, delegated: Balance) -> StakeSnapshot {
    StakeSnapshot {
        own,
        delegated,
        shares: delegated,
    }
}
