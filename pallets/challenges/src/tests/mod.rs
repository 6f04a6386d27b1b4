//! Behaviour of calls.

use crate::{Case, CasesOf, Convicted, Error, Event, MAX_OPEN_CASES, OpenCases, Verdict, mock::*};
use arena_primitives::{Role, TaskPhase, traits::Cases};
use frame_support::{
    assert_noop, assert_ok,
    traits::fungible::{Inspect, InspectHold},
};
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchResult, TokenError};

mod open;
mod random;
mod verdicts;

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn open(who: u8, trainer: u8) -> DispatchResult {
    Challenges::open(signed(who), 0, account(trainer), H256::repeat_byte(1))
}

fn held() -> u128 {
    Balances::total_balance_on_hold(&account(VAL))
}
