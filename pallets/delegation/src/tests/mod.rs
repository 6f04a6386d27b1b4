//! Tests, by behaviour.

use crate::{Delegations, Error, Event, HoldReason, invariants, mock::*};
use arena_primitives::{AccountId, Balance, Round, UNIT, traits::PayoutState};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_runtime::TokenError;

mod claim;
mod random;
mod stake;

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn delegate(n: u8, amount: Balance) {
    assert_ok!(Delegation::delegate(signed(n), TASK, account(1), amount));
}

fn undelegate(n: u8, amount: Balance) {
    assert_ok!(Delegation::undelegate(signed(n), TASK, account(1), amount));
}

/// Round `round` is open, those before `round - 1` are settled.
fn open(round: Round) {
    Open::set(Some(round));
    Settled::set(round.checked_sub(2));
}

fn held(n: u8, reason: HoldReason) -> Balance {
    Balances::balance_on_hold(&reason.into(), &account(n))
}

fn claimable(n: u8) -> Balance {
    Delegation::claimable(TASK, &account(1), &account(n))
}

fn reward(round: Round, amount: Balance) {
    model(|model| model.reward(&account(1), round, amount));
}
