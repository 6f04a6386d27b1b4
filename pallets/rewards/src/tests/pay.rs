//! What positions are owed, and how it is claimed and burned.

use super::*;

#[test]
fn pay_should_split_between_operator_and_delegators() {
    build_and_execute(|| {
        drawn(400 * UNIT);
        // 20 % of 3/4 is the operator's, and all of 1/4.
        assert_ok!(pay(&counted(1, 25 * UNIT, 75 * UNIT, 20), 100 * UNIT));
        assert_eq!(owed(1), (40 * UNIT, 60 * UNIT));
        let acc = Rewards::current(Venue::Task(1), &account(1));
        assert_eq!(acc, (60 << 64) / 75);
        assert_eq!(
            <Rewards as DelegatorRewards>::at(Venue::Task(1), &account(1), 7),
            Some(acc)
        );
        assert_eq!(
            <Rewards as DelegatorRewards>::at(Venue::Task(1), &account(1), 6),
            None
        );
        // Nobody delegated: all to the operator, and no row of the round.
        assert_ok!(pay(&counted(2, UNIT, 0, 20), 300 * UNIT));
        assert_eq!(owed(2), (300 * UNIT, 0));
        assert_eq!(
            <Rewards as DelegatorRewards>::at(Venue::Task(1), &account(2), 7),
            None
        );
        let totals = Rewards::totals();
        assert_eq!(
            (totals.rewards, totals.in_flight, totals.dust),
            (400 * UNIT, 0, 0)
        );
    });
}

#[test]
fn what_division_leaves_over_should_be_dust() {
    build_and_execute(|| {
        drawn(1_000);
        let whale = 1 << 70; // beyond Q64: a unit of reward is less than one step
        assert_ok!(pay(&counted(1, 0, whale, 0), 999));
        let totals = Rewards::totals();
        assert_eq!((owed(1), totals.rewards, totals.dust), ((0, 960), 960, 39));
        let acc = Rewards::current(Venue::Task(1), &account(1));
        assert_eq!(arena_math::accumulator::owed(whale, acc, 0), Some(960));
    });
}

#[test]
fn pay_should_be_refused_beyond_the_draw() {
    build_and_execute(|| {
        drawn(100);
        let one = counted(1, UNIT, 0, 0);
        assert_noop!(pay(&one, 101), Error::<Test>::NotDrawn);
        assert_ok!(pay(&one, 0));
        assert_ok!(pay(&one, 60));
        Rewards::to_treasury(1_000); // as much as there is
        assert_eq!(ToTreasury::get(), 40);
        assert_noop!(pay(&one, 1), Error::<Test>::NotDrawn);
    });
}

#[test]
fn operators_should_claim_when_released_and_leave_no_row() {
    build_and_execute(|| {
        let venue = Venue::Task(1);
        drawn(50 * UNIT);
        assert_ok!(pay(&counted(1, UNIT, 0, 0), 50 * UNIT));
        assert_noop!(
            Rewards::claim(signed(1), venue),
            Error::<Test>::RewardsLocked
        );
        assert_noop!(
            Rewards::claim_for(signed(2), venue, account(1)),
            Error::<Test>::RewardsLocked
        );
        assert_eq!(Rewards::state(venue, &account(1)), PayoutState::Locked);
        Rewards::release(1, &account(20));
        assert_eq!(Rewards::state(venue, &account(1)), PayoutState::Free);
        assert_noop!(
            Rewards::claim(signed(2), venue),
            Error::<Test>::NothingToClaim
        );
        let before = Balances::balance(&account(1));
        assert_ok!(Rewards::claim_for(signed(2), venue, account(1)));
        assert_eq!(Balances::balance(&account(1)) - before, 50 * UNIT);
        System::assert_last_event(
            Event::Claimed {
                venue,
                operator: account(1),
                amount: 50 * UNIT,
            }
            .into(),
        );
        assert_noop!(
            Rewards::claim(signed(1), venue),
            Error::<Test>::NothingToClaim
        );
        assert_eq!(crate::Earned::<Test>::iter().count(), 0);
        assert_eq!(Balances::balance(&Rewards::account()), ED);
    });
}

#[test]
fn delegators_should_be_paid_what_they_are_owed_and_no_more() {
    build_and_execute(|| {
        let venue = Venue::Task(1);
        drawn(100 * UNIT);
        assert_ok!(pay(&counted(1, 50 * UNIT, 50 * UNIT, 0), 100 * UNIT));
        let pay =
            |amount| <Rewards as DelegatorRewards>::pay(venue, &account(1), &account(5), amount);
        assert_noop!(pay(UNIT), Error::<Test>::RewardsLocked);
        Rewards::release(1, &account(20));
        assert_noop!(pay(50 * UNIT + 1), Error::<Test>::NotOwed);
        assert_ok!(pay(20 * UNIT));
        assert_ok!(Rewards::claim(signed(1), venue));
        assert_eq!(owed(1), (0, 30 * UNIT));
        assert_ok!(pay(30 * UNIT));
        assert_eq!(crate::Earned::<Test>::iter().count(), 0);
    });
}

#[test]
fn slashes_should_be_burned_and_noted() {
    use frame_support::traits::{OnUnbalanced, fungible::Balanced};
    build_and_execute(|| {
        let before = Balances::total_issuance();
        let credit = <Balances as Balanced<_>>::withdraw(
            &account(1),
            7 * UNIT,
            frame_support::traits::tokens::Precision::Exact,
            frame_support::traits::tokens::Preservation::Preserve,
            frame_support::traits::tokens::Fortitude::Polite,
        );
        BurnSlashed::<Test>::on_unbalanced(credit.unwrap());
        assert_eq!(before - Balances::total_issuance(), 7 * UNIT);
        assert_eq!(Rewards::totals().burned, 7 * UNIT);
    });
}

#[test]
fn money_that_somebody_sends_to_the_account_should_break_nothing() {
    build_and_execute(|| {
        let account = Rewards::account();
        assert_ok!(Balances::transfer(
            &super::account(3),
            &account,
            UNIT,
            frame_support::traits::tokens::Preservation::Preserve
        ));
        assert_ok!(invariants::check::<Test>());
        assert!(invariants::account_is_the_books::<Test>().is_err());
        assert_ok!(Balances::burn_from(
            &account,
            UNIT,
            frame_support::traits::tokens::Preservation::Preserve,
            frame_support::traits::tokens::Precision::Exact,
            frame_support::traits::tokens::Fortitude::Polite
        ));
    });
}
