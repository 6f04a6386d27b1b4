//! Who earns which rounds, and when it is paid.

use super::*;

#[test]
fn a_lot_should_earn_from_the_round_after_it_came_to_the_one_in_which_it_left() {
    build_and_execute(|| {
        delegate(10, 10 * UNIT); // in 5: earns 6, 7
        open(6);
        delegate(11, 10 * UNIT); // in 6: earns 7 and later
        reward(5, 1_000); // nobody counted in 5
        open(7);
        undelegate(10, 10 * UNIT);
        reward(6, 600);
        assert_eq!((claimable(10), claimable(11)), (600 - 1, 0)); // floors of Q64
        open(8);
        reward(7, 1_000);
        open(9);
        reward(8, 800);
        Settled::set(Some(8));
        assert_eq!((claimable(10), claimable(11)), (1_099, 1_299));
    });
}

#[test]
fn claim_should_pay_when_free_only_and_once() {
    build_and_execute(|| {
        let claim = || Delegation::claim(signed(10), TASK, account(1));
        assert_noop!(claim(), Error::<Test>::NoDelegation);
        delegate(10, UNIT);
        open(7);
        reward(6, 1 << 20);
        open(8);
        assert_noop!(claim(), Error::<Test>::RewardsLocked);
        let due = claimable(10);
        assert!(due > (1 << 20) - 2);
        State::set(PayoutState::Free);
        assert_ok!(Delegation::claim_for(
            signed(11),
            TASK,
            account(1),
            account(10)
        ));
        System::assert_last_event(
            Event::Claimed {
                venue: TASK,
                operator: account(1),
                who: account(10),
                amount: due,
            }
            .into(),
        );
        assert_eq!((claimable(10), model(|m| m.paid[&account(10)])), (0, due));
        assert_ok!(claim());
        assert_eq!(model(|m| m.paid[&account(10)]), due);
    });
}

#[test]
fn claim_should_pay_nothing_and_clear_when_forfeited() {
    build_and_execute(|| {
        delegate(10, UNIT);
        open(7);
        reward(6, 1_000_000);
        undelegate(10, UNIT);
        open(9);
        State::set(PayoutState::Forfeited);
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(model(|m| m.paid.len()), 0);
        assert_eq!(Delegations::<Test>::iter().count(), 0);
        assert_eq!(held(10, HoldReason::Unbonding), UNIT); // principal is never touched
    });
}

#[test]
fn a_mark_should_fall_back_to_the_round_before_and_to_what_it_saw() {
    build_and_execute(|| {
        delegate(12, UNIT);
        open(6);
        open(7);
        reward(5, 1); // moves nothing: nobody counts
        // Made in 7, when 6 is still to be settled; 6 moves, 7 doesn't.
        delegate(10, UNIT);
        reward(6, 1_000);
        // Made in 7 after 6 was settled: the same value, seen or looked up.
        delegate(11, UNIT);
        open(9);
        assert_eq!((claimable(10), claimable(11)), (0, 0));
        reward(8, 3_000);
        open(10);
        assert_eq!((claimable(10), claimable(11)), (999, 999));
        // Made in 12, when the last that moved was 8: what it saw.
        open(12);
        delegate(13, UNIT);
        open(14);
        assert_eq!(claimable(13), 0);
        reward(13, 4_000);
        assert_eq!(claimable(13), 999);
    });
}

#[test]
fn stake_that_leaves_with_no_round_open_should_earn_what_is_still_paid() {
    build_and_execute(|| {
        delegate(10, UNIT);
        Open::set(None);
        undelegate(10, UNIT);
        Settled::set(Some(5));
        reward(6, 1_000);
        Settled::set(Some(6));
        assert_eq!(claimable(10), 999);
        Ended::set(true);
        State::set(PayoutState::Free);
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(Delegations::<Test>::iter().count(), 0);
    });
}

#[test]
fn claims_in_the_middle_should_not_change_the_sum_by_more_than_a_unit_each() {
    build_and_execute(|| {
        State::set(PayoutState::Free);
        delegate(10, 3 * UNIT);
        delegate(11, 3 * UNIT);
        for round in 6..40 {
            open(round);
            if round > 6 {
                reward(round - 1, 7_777);
            }
            if round % 3 == 0 {
                assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
            }
        }
        Ended::set(true);
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        let (claimed, waiting) = (model(|m| m.paid[&account(10)]), claimable(11));
        assert!(
            claimed <= waiting && waiting - claimed <= 13,
            "{claimed} {waiting}"
        );
    });
}
