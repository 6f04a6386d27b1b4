//! Tests, by behaviour.

use crate::{
    Delegations, Error, Event, ExitPools, HoldReason, LiveExits, Unbonding, invariants, mock::*,
};
use arena_primitives::{Balance, Round, UNIT, traits::PayoutState};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_runtime::{Perbill, TokenError};

mod claim;
mod model;
mod price;
mod random;
mod slash;
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
    pay_round(&account(1), round, amount);
}

fn free(n: u8) -> Balance {
    Delegation::free(TASK, &account(1), &account(n))
}

fn value(n: u8) -> Balance {
    Delegation::value(TASK, &account(1), &account(n))
}

fn row(n: u8) -> crate::Delegation {
    Delegation::delegation(TASK, &account(1), &account(n)).expect("a delegation")
}

fn withdraw(n: u8) {
    assert_ok!(Delegation::withdraw(signed(n)));
}

/// Takes `percent` of the first operator's delegated stake for a fault in round `since`.
fn slash_for(since: Round, percent: u32) -> (Balance, Balance) {
    slash(&account(1), since, Perbill::from_percent(percent))
}

/// The unbonding period has passed.
fn unbonded() {
    System::set_block_number(System::block_number() + u64::from(DAY));
}
