//! Spends from the treasury: approved by a referendum, paid out when somebody asks.

use super::{super::sanity::with_preset, *};
use pallet_treasury::{Call, Error};

const PAYEE: Key = Key::AliceStash;

fn fill(amount: Balance) {
    let transfer = pallet_balances::Call::transfer_keep_alive {
        dest: Treasury::account_id().into(),
        value: amount,
    };
    assert_ok!(call(&account(CREATOR), transfer));
}

fn spend(amount: Balance) -> Call<Runtime> {
    Call::spend {
        asset_kind: Box::new(()),
        amount,
        beneficiary: Box::new(account(PAYEE)),
        valid_from: None,
    }
}

fn payout() -> DispatchResult {
    // Anybody can ask for it.
    call(&account(VOTERS[0]), Call::<Runtime>::payout { index: 0 })
}

#[test]
fn a_spend_should_be_approved_by_referendum_and_paid_once() {
    with_preset("development", || {
        System::set_block_number(1);
        fill(60_000 * UNIT);
        assert_ok!(carry(custom(Origin::Spender), spend(50_000 * UNIT)));
        let before = Balances::free_balance(account(PAYEE));
        assert_ok!(payout());
        let after = Balances::free_balance(account(PAYEE));
        assert_eq!(after - before, 50_000 * UNIT);
        assert_noop!(payout(), Error::<Runtime>::AlreadyAttempted);
        let status = Call::<Runtime>::check_status { index: 0 };
        assert_ok!(call(&account(VOTERS[0]), status));
        assert_noop!(payout(), Error::<Runtime>::InvalidIndex);
    });
}

#[test]
fn a_spend_above_the_limit_should_need_root() {
    with_preset("development", || {
        System::set_block_number(1);
        let above = || spend(100_000 * UNIT + 1);
        assert_eq!(
            carry(custom(Origin::Spender), above()),
            Err(Error::<Runtime>::InsufficientPermission.into())
        );
        assert_ok!(carry(root_origin(), above()));
        assert!(pallet_treasury::Spends::<Runtime>::contains_key(0));
    });
}

#[test]
fn a_spend_should_be_refused_when_the_treasury_is_empty_and_paid_when_it_is_not() {
    with_preset("development", || {
        System::set_block_number(1);
        assert_ok!(carry(custom(Origin::Spender), spend(50_000 * UNIT)));
        assert_noop!(payout(), Error::<Runtime>::PayoutError);
        fill(50_001 * UNIT);
        assert_ok!(payout());
    });
}

#[test]
fn a_spend_should_expire_when_nobody_asks_for_it() {
    with_preset("development", || {
        System::set_block_number(1);
        fill(60_000 * UNIT);
        assert_ok!(carry(custom(Origin::Spender), spend(50_000 * UNIT)));
        // Thirty days.
        System::set_block_number(now() + 30 * 40 + 1);
        assert_noop!(payout(), Error::<Runtime>::SpendExpired);
    });
}

#[test]
fn an_approved_spend_should_be_void_when_root_says_so() {
    with_preset("development", || {
        System::set_block_number(1);
        fill(60_000 * UNIT);
        assert_ok!(carry(custom(Origin::Spender), spend(50_000 * UNIT)));
        assert_ok!(as_root(Call::<Runtime>::void_spend { index: 0 }));
        assert_noop!(payout(), Error::<Runtime>::InvalidIndex);
    });
}
