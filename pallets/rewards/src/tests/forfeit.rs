//! Rewards that a challenge takes, and what is locked while it is open.

use super::*;
use arena_primitives::Role;

const VENUE: Venue = Venue::Task(1);

/// Operator 1 and its delegators are owed so much together.
fn earned(amount: Balance) {
    drawn(amount);
    assert_ok!(pay(&counted(1, 50 * UNIT, 50 * UNIT, 0), amount));
    assert_eq!(Rewards::locked(1, &account(1)), amount);
}

/// Takes what operator 1 earned, checks that all of it is accounted for, and returns what was
/// taken and what the payees have more.
fn forfeit(payees: &[(u8, Balance)]) -> (Taken, Vec<Balance>) {
    let named: Vec<_> = payees
        .iter()
        .map(|(n, part)| (account(*n), *part))
        .collect();
    let had = |n: &u8| Balances::balance(&account(*n));
    let before: Vec<_> = payees.iter().map(|(n, _)| had(n)).collect();
    let issued = Balances::total_issuance();
    let burned = Rewards::totals().burned;
    let taken = Rewards::forfeit(1, &account(1), &named);
    check();
    let lost = taken.total - taken.paid;
    assert_eq!(issued - Balances::total_issuance(), lost);
    assert_eq!(Rewards::totals().burned - burned, lost);
    assert_eq!((Rewards::locked(1, &account(1)), owed(1)), (0, (0, 0)));
    System::assert_last_event(
        Event::Forfeited {
            task: 1,
            operator: account(1),
            burned: lost,
            paid: taken.paid,
        }
        .into(),
    );
    let after = payees.iter().map(|(n, _)| had(n));
    (taken, after.zip(before).map(|(a, b)| a - b).collect())
}

#[test]
fn forfeit_should_burn_all_and_keep_burning() {
    build_and_execute(|| {
        drawn(110 * UNIT);
        let one = counted(1, 50 * UNIT, 50 * UNIT, 0);
        assert_ok!(pay(&one, 100 * UNIT));
        let before = Balances::total_issuance();
        let (taken, _) = forfeit(&[]);
        assert_eq!((taken.total, taken.paid), (100 * UNIT, 0));
        assert_ok!(pay(&one, 10 * UNIT)); // a later round
        System::assert_last_event(
            Event::Forfeited {
                task: 1,
                operator: account(1),
                burned: 10 * UNIT,
                paid: 0,
            }
            .into(),
        );
        assert_eq!(before - Balances::total_issuance(), 110 * UNIT);
        assert_eq!(Rewards::totals().burned, 110 * UNIT);
        Rewards::release(1, &account(20));
        assert_eq!(Rewards::state(VENUE, &account(1)), PayoutState::Forfeited);
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsForfeited
        );
        assert_noop!(
            <Rewards as DelegatorRewards>::pay(VENUE, &account(1), &account(5), 1),
            Error::<Test>::RewardsForfeited
        );
        assert_eq!(forfeit(&[(5, UNIT)]), (Taken::default(), vec![0]));
    });
}

#[test]
fn forfeit_should_pay_in_order_and_burn_what_is_left() {
    build_and_execute(|| {
        earned(100 * UNIT);
        let (taken, got) = forfeit(&[(5, 30 * UNIT), (6, 0), (7, 20 * UNIT)]);
        assert_eq!((taken.total, taken.paid), (100 * UNIT, 50 * UNIT));
        assert_eq!(got, [30 * UNIT, 0, 20 * UNIT]);
    });
}

#[test]
fn forfeit_should_pay_the_first_payees_when_it_does_not_go_round() {
    build_and_execute(|| {
        earned(40 * UNIT);
        let (taken, got) = forfeit(&[(5, 30 * UNIT), (6, 30 * UNIT), (7, 30 * UNIT)]);
        assert_eq!((taken.total, taken.paid), (40 * UNIT, 40 * UNIT));
        assert_eq!(got, [30 * UNIT, 10 * UNIT, 0]);
        assert_eq!(Rewards::totals().burned, 0);
    });
}

#[test]
fn forfeit_should_pay_the_operator_itself_when_it_is_named() {
    build_and_execute(|| {
        earned(10 * UNIT);
        let (taken, got) = forfeit(&[(1, Balance::MAX)]);
        assert_eq!((taken.paid, got), (10 * UNIT, vec![10 * UNIT]));
    });
}

#[test]
fn forfeit_should_burn_the_part_of_an_account_that_cannot_take_it() {
    build_and_execute(|| {
        earned(10 * UNIT);
        // Accounts 98 and 99 don't exist, and one of them would be too small.
        let (taken, got) = forfeit(&[(99, ED - 1), (98, ED), (5, UNIT)]);
        assert_eq!(got, [0, ED, UNIT]);
        assert_eq!((taken.total, taken.paid), (10 * UNIT, UNIT + ED));
    });
    build_and_execute(|| {
        earned(ED - 1);
        let (taken, got) = forfeit(&[(99, UNIT), (5, UNIT)]);
        assert_eq!((taken.total, taken.paid, got), (ED - 1, 0, vec![0, 0]));
    });
}

#[test]
fn forfeit_should_pay_nobody_where_nothing_was_earned() {
    build_and_execute(|| {
        drawn(10 * UNIT);
        let (taken, got) = forfeit(&[(5, UNIT)]);
        assert_eq!((taken, got), (Taken::default(), vec![0]));
        // What it earns later is burned all the same.
        assert_ok!(pay(&counted(1, UNIT, 0, 0), 10 * UNIT));
        assert_eq!(Rewards::totals().burned, 10 * UNIT);
    });
}

#[test]
fn forfeit_should_take_what_was_not_claimed_alone() {
    build_and_execute(|| {
        earned(100 * UNIT);
        Rewards::release(1, &account(20));
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_eq!(Rewards::locked(1, &account(1)), 50 * UNIT);
        assert_eq!(forfeit(&[(5, UNIT)]).0.total, 50 * UNIT);
    });
}

/// A validator with 50 of round 1 free for each side, and 150 locked.
fn half_free() {
    drawn(400 * UNIT);
    let mut one = counted(1, 50 * UNIT, 50 * UNIT, 0);
    one.role = Role::Validator;
    for (round, amount) in [(1, 100), (2, 300)] {
        assert_ok!(<Rewards as TaskRewards>::pay(1, round, &one, amount * UNIT));
    }
    Settled::set(Some(3));
    assert_eq!(Rewards::operator_free(VENUE, &account(1)), 50 * UNIT);
}

#[test]
fn claims_should_be_locked_while_a_case_is_open_and_paid_after() {
    build_and_execute(|| {
        half_free();
        let pay = || <Rewards as DelegatorRewards>::pay(VENUE, &account(1), &account(5), UNIT);
        Accused::set(vec![(1, account(1))]);
        assert_eq!(Rewards::state(VENUE, &account(1)), PayoutState::Locked);
        assert_eq!(Rewards::operator_free(VENUE, &account(1)), 0);
        assert_eq!(Rewards::locked(1, &account(1)), 400 * UNIT);
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsLocked
        );
        assert_noop!(
            Rewards::claim_for(signed(2), VENUE, account(1)),
            Error::<Test>::RewardsLocked
        );
        assert_noop!(pay(), Error::<Test>::RewardsLocked);

        Accused::set(Vec::new());
        assert_ok!(pay());
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_eq!(owed(1), (150 * UNIT, 199 * UNIT));
    });
}

#[test]
fn a_case_should_lock_its_own_position_alone() {
    build_and_execute(|| {
        half_free();
        Accused::set(vec![(1, account(2)), (2, account(1))]);
        assert_ok!(Rewards::claim(signed(1), VENUE));
        // The session knows no cases.
        Accused::set(vec![(1, account(1))]);
        let author = Rewards::state(Venue::Network, &account(1));
        assert_eq!(author, PayoutState::Free);
        Accused::set(Vec::new());
    });
}

#[test]
fn a_case_that_outlives_its_task_should_lock_until_it_is_over() {
    build_and_execute(|| {
        half_free();
        Accused::set(vec![(1, account(1))]);
        Rewards::release(1, &account(20));
        assert_noop!(
            Rewards::claim(signed(1), VENUE),
            Error::<Test>::RewardsLocked
        );
        Accused::set(Vec::new());
        assert_eq!(Rewards::state(VENUE, &account(1)), PayoutState::Free);
        assert_ok!(Rewards::claim(signed(1), VENUE));
        assert_eq!(owed(1), (0, 200 * UNIT));
    });
}
