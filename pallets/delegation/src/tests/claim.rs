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
        assert_eq!((claimable(10), paid(&account(10))), (0, due));
        assert_ok!(claim());
        assert_eq!(paid(&account(10)), due);
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
        assert_eq!(paid(&account(10)), 0);
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
        let (claimed, waiting) = (paid(&account(10)), claimable(11));
        assert!(
            claimed <= waiting && waiting - claimed <= 13,
            "{claimed} {waiting}"
        );
    });
}

#[test]
fn claim_should_pay_what_is_free_and_leave_the_rest_for_later() {
    // Divides all numbers here.
    const STAKE: Balance = 1 << 40;
    build_and_execute(|| {
        delegate(10, STAKE); // earns 6 and later
        open(6);
        delegate(11, STAKE); // earns 7 and later
        for round in 6..9 {
            open(round + 1);
            reward(round, 1 << 20);
        }
        open(10);
        // What was paid for 6 is free, for 7 and 8 not yet.
        Lag::set(Some(2));
        assert_eq!((claimable(10), free(10)), (2 << 20, 1 << 20));
        assert_eq!((claimable(11), free(11)), (1 << 20, 0));
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_ok!(Delegation::claim(signed(11), TASK, account(1)));
        assert_eq!((paid(&account(10)), paid(&account(11))), (1 << 20, 0));
        assert_eq!((claimable(10), free(10)), (1 << 20, 0));
        assert_eq!((claimable(11), free(11)), (1 << 20, 0));
        Lag::set(Some(1));
        assert_eq!((free(10), free(11)), (1 << 19, 1 << 19));
        // A lot that left keeps what is not free yet, and goes with it.
        undelegate(10, STAKE);
        open(12);
        Lag::set(Some(3));
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(paid(&account(10)), (1 << 20) + (1 << 19));
        assert_eq!(row(10).lots.len(), 1);
        Lag::set(None);
        assert_eq!((claimable(10), free(10)), (1 << 19, 0));
        State::set(PayoutState::Forfeited);
        assert_eq!((claimable(10), free(10)), (1 << 19, 0));
        State::set(PayoutState::Free);
        assert_eq!((claimable(10), free(10)), (1 << 19, 1 << 19));
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(paid(&account(10)), 1 << 21);
        assert_eq!(Delegations::<Test>::iter().count(), 1); // 11's
    });
}

#[test]
fn the_worked_example_should_pay_as_the_vector_says() {
    build_and_execute(|| {
        const A: u8 = 10;
        const B: u8 = 11;
        const C: u8 = 12;
        Min::set(1);
        State::set(PayoutState::Free);
        let claim = |n| {
            assert_ok!(Delegation::claim(signed(n), TASK, account(1)));
        };
        // Vector `accumulator_trace`; each reward is for the round after what came before it.
        let reward = |round, amount, acc| {
            open(round + 1);
            reward(round, amount);
            open(round + 2);
            let now =
                <Knobs as arena_primitives::traits::DelegatorRewards>::current(TASK, &account(1));
            assert_eq!(now, acc);
        };
        delegate(A, 100 * UNIT);
        delegate(B, 300 * UNIT);
        reward(6, 10 * UNIT + 1, 461_168_601_842_784_907);
        delegate(C, 1);
        reward(9, 7, 461_168_601_843_107_725);
        undelegate(B, 300 * UNIT);
        reward(12, 5 * UNIT, 1_383_505_805_528_576_082);
        claim(A);
        delegate(A, 50 * UNIT);
        reward(15, 3 * UNIT + 2, 1_752_440_687_003_010_611);
        let due = [A, B, C].map(claimable);
        for n in [A, B, C] {
            claim(n);
        }
        let got = [A, B, C].map(|n| paid(&account(n)));
        assert_eq!(due, [got[0] - 7_500_000_000_001, got[1], got[2]]);
        assert_eq!(got, [10_500_000_000_002, 7_500_000_000_005, 0]);
    });
}

#[test]
fn claim_for_should_be_refused_as_claim_is() {
    build_and_execute(|| {
        let claim = || Delegation::claim_for(signed(11), TASK, account(1), account(10));
        assert_noop!(claim(), Error::<Test>::NoDelegation);
        delegate(10, UNIT);
        assert_noop!(claim(), Error::<Test>::RewardsLocked);
    });
}

#[test]
fn claim_should_pay_after_a_case_what_it_would_have_paid_before() {
    build_and_execute(|| {
        let claim = || Delegation::claim(signed(10), TASK, account(1));
        delegate(10, UNIT);
        open(7);
        reward(6, 1 << 20);
        open(9);
        reward(8, 1 << 20);
        Lag::set(Some(1));
        let due = free(10);
        assert!(0 < due && due < claimable(10));
        // A case locks what was free.
        Lag::set(None);
        State::set(PayoutState::Locked);
        assert_eq!(free(10), 0);
        assert_noop!(claim(), Error::<Test>::RewardsLocked);
        Lag::set(Some(1));
        assert_ok!(claim());
        assert_eq!((paid(&account(10)), free(10)), (due, 0));
    });
}
