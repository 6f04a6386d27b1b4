//! A validator's pay is free two rounds later.

use super::*;
use arena_primitives::{Role, Round};

const VENUE: Venue = Venue::Task(1);

/// A round in which validator 1, with as much delegated as of its own, earns `amount`.
fn round(round: Round, amount: Balance) {
    let mut who = counted(1, UNIT, UNIT, 0);
    who.role = Role::Validator;
    assert_ok!(<Rewards as TaskRewards>::pay(1, round, &who, amount));
    Settled::set(Some(round));
}

fn setup() {
    open(1, 100, 0);
    assert_ok!(Rewards::top_up(1, &account(20), 1_000));
    assert_eq!(draw(1), 1_000);
}

fn free_acc() -> u128 {
    match Rewards::state(VENUE, &account(1)) {
        PayoutState::FreeTo(acc) => acc,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pay_should_be_free_when_two_more_rounds_are_settled() {
    build_and_execute(|| {
        setup();
        round(1, 100);
        let first = Rewards::current(VENUE, &account(1));
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsLocked
        );
        round(2, 200);
        assert_eq!(
            (Rewards::operator_free(VENUE, &account(1)), free_acc()),
            (0, 0)
        );
        round(3, 300);
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 50);
        assert_eq!(free_acc(), first);
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsLocked
        );
        // Rounds that paid it nothing free what came before them all the same.
        Settled::set(Some(4));
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 100);
        Settled::set(Some(5));
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 250);
        assert_eq!(free_acc(), Rewards::current(VENUE, &account(1)));
        round(9, 400);
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 250);
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_eq!(owed(1), (200, 500));
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsLocked
        );
    });
}

#[test]
fn the_end_of_the_task_should_free_all() {
    build_and_execute(|| {
        setup();
        round(1, 600);
        round(2, 400);
        Rewards::release(1, &account(20));
        assert_eq!(Rewards::state(VENUE, &account(1)), PayoutState::Free);
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_eq!(owed(1), (0, 500));
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::NothingToClaim
        );
    });
}

#[test]
fn pay_out_of_order_should_be_locked_longer_and_not_shorter() {
    build_and_execute(|| {
        setup();
        round(5, 100);
        round(4, 100);
        Settled::set(Some(6));
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 0);
        Settled::set(Some(7));
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 100);
    });
}
