//! Delegated stake in shares.

use super::*;

fn totals(n: u8) -> (Balance, Balance) {
    let totals = Staking::totals(TASK, &account(n));
    (totals.amount, totals.shares)
}

fn add(n: u8, amount: Balance) -> Result<Balance, sp_runtime::DispatchError> {
    Staking::add(TASK, &account(n), amount)
}

fn remove(n: u8, shares: Balance) -> Result<Balance, sp_runtime::DispatchError> {
    Staking::remove(TASK, &account(n), shares)
}

/// What a slash leaves of a position's delegated stake.
fn leave(n: u8, amount: Balance) {
    Positions::<Test>::mutate(TASK, account(n), |row| {
        let position = row.as_mut().expect("a position");
        position.delegated = amount;
        position.record(6);
    });
}

#[test]
fn a_share_should_be_a_unit_of_stake_until_a_slash() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(totals(1), (0, 0));
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_eq!(add(1, 100), Ok(100));
        assert_eq!(add(1, 50), Ok(50));
        assert_eq!(remove(1, 30), Ok(30));
        assert_eq!(totals(1), (120, 120));
        leave(1, 90);
        // A share is worth three quarters: both ways are rounded down.
        assert_eq!(remove(1, 1), Ok(0));
        assert_eq!(totals(1), (90, 119));
        assert_eq!(add(1, 10), Ok(13)); // 13.2
        assert_eq!(totals(1), (100, 132));
        let seen = Staking::counted(TASK, &account(1), 6).unwrap().stake;
        assert_eq!((seen.delegated, seen.shares), (100, 132));
        // The last share takes all that is left.
        assert_eq!(remove(1, 131), Ok(99));
        assert_eq!(remove(1, 1), Ok(1));
        assert_eq!(totals(1), (0, 0));
        assert_eq!(add(1, 5), Ok(5));
    });
}

#[test]
fn shares_should_be_exact_for_large_amounts() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        let (huge, left) = (10u128.pow(30), 7 * 10u128.pow(29) + 1);
        assert_eq!(add(1, huge), Ok(huge));
        leave(1, left);
        // ⌊10²⁸ · 10³⁰ / (7·10²⁹ + 1)⌋, whose product has 193 bits.
        assert_eq!(
            add(1, 10u128.pow(28)),
            Ok(14_285_714_285_714_285_714_285_714_285)
        );
        assert_eq!(remove(1, huge), Ok(left));
    });
}

#[test]
fn nobody_should_join_shares_that_lost_nine_tenths() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_eq!(add(1, 1_000), Ok(1_000));
        leave(1, 101);
        assert_eq!(add(1, 101), Ok(1_000));
        leave(1, 200);
        assert_noop!(add(1, 1_000), Error::<Test>::SharesWorthless);
        leave(1, 0);
        assert_noop!(add(1, 1_000), Error::<Test>::SharesWorthless);
        // What is worth nothing can still be given up, and then all begins anew.
        assert_eq!(remove(1, 1_500), Ok(0));
        assert_eq!(totals(1), (0, 500));
        assert_eq!(remove(1, 500), Ok(0));
        assert_eq!(add(1, 7), Ok(7));
    });
}

#[test]
fn a_position_should_outlive_its_operator_as_long_as_it_has_shares() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_eq!(add(1, 10), Ok(10));
        leave(1, 0);
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        TaskRound::set(Some(9));
        assert_noop!(
            Staking::reap(signed(2), TASK, account(1)),
            Error::<Test>::StillCounted
        );
        assert_eq!(remove(1, 10), Ok(0));
        assert_eq!(Staking::position(TASK, &account(1)), None);
    });
}

#[test]
fn shares_should_be_refused_when_they_do_not_fit() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(add(1, 1), Error::<Test>::NoPosition);
        assert_noop!(remove(1, 1), Error::<Test>::NoPosition);
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_noop!(add(1, 0), Error::<Test>::ZeroAmount);
        assert_noop!(remove(1, 0), Error::<Test>::ZeroAmount);
        assert_eq!(add(1, 10), Ok(10));
        assert_noop!(remove(1, 11), Error::<Test>::InsufficientStake);
        assert_noop!(add(1, Balance::MAX), sp_runtime::ArithmeticError::Overflow);
        // Rounding can leave a share worth more than 1: less than one share is nothing.
        leave(1, 11);
        assert_noop!(add(1, 1), Error::<Test>::ZeroAmount);
    });
}
