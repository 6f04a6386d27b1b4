//! Tests, by behaviour.

use crate::{mock::*, *};
use arena_primitives::{Balance, TaskId, UNIT, Venue, traits::*};
use frame_support::{
    assert_noop, assert_ok,
    traits::fungible::{Inspect, Mutate},
};
use sp_runtime::{Perbill, TokenError};

mod authors;
mod draw;
mod forfeit;
mod locked;
mod pay;
mod random;

/// What one block emits to tasks.
const BLOCK: Balance = 20 * UNIT;

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn at(block: u64) {
    System::set_block_number(block);
}

/// A task that may draw `percent` of the emission and has `counted` stake.
fn open(task: TaskId, percent: u32, counted: Balance) {
    Rewards::open(task, Perbill::from_percent(percent));
    Rewards::set_counted(task, counted);
}

fn draw(task: TaskId) -> Balance {
    draw_of(task, 1)
}

/// Draws for one of `rounds_left` rounds.
fn draw_of(task: TaskId, rounds_left: u32) -> Balance {
    <Rewards as TaskRewards>::draw(task, Rewards::due(task, rounds_left))
}

/// One unit lost to each division at most.
fn about(amount: Balance, expected: Balance) {
    assert!(
        amount <= expected && amount + 2 >= expected,
        "{amount} for {expected}"
    );
}

/// Task 1, with `amount` drawn for a round.
fn drawn(amount: Balance) {
    open(1, 100, 0);
    assert_ok!(Rewards::top_up(1, &account(20), amount));
    assert_eq!(draw(1), amount);
}

fn owed(n: u8) -> (Balance, Balance) {
    let earned = Rewards::earned(Venue::Task(1), &account(n));
    (earned.operator_owed, earned.delegators_owed)
}

fn pay(counted: &Counted, amount: Balance) -> sp_runtime::DispatchResult {
    <Rewards as TaskRewards>::pay(1, 7, counted, amount)
}
