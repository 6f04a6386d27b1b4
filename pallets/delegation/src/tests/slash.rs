//! What slashes take: of what is delegated, by the price of shares; of what leaves, by its pool.

use super::*;
use crate::{WeightInfo as _, types::MAX_CHUNKS};
use arena_primitives::{
    Venue,
    traits::{DelegatedTotals, LeavingStake},
};
use frame_support::{dispatch::Pays, weights::Weight};

fn apply(by: u8, n: u8) -> frame_support::dispatch::DispatchResultWithPostInfo {
    Delegation::apply_slash(signed(by), TASK, account(1), account(n))
}

fn issuance() -> Balance {
    Balances::total_issuance()
}

#[test]
fn a_slash_should_be_cut_from_holds_pro_rata_and_once() {
    build_and_execute(|| {
        let before = issuance();
        delegate(10, 60 * UNIT);
        delegate(11, 40 * UNIT);
        assert_noop!(apply(12, 10), Error::<Test>::NothingToCut);
        assert_noop!(apply(12, 12), Error::<Test>::NoDelegation);
        assert_eq!(slash_for(5, 10), (10 * UNIT, 0));
        // Nothing moves before somebody acts.
        assert_eq!((value(10), value(11)), (54 * UNIT, 36 * UNIT));
        assert_eq!(held(10, HoldReason::Delegation), 60 * UNIT);
        assert_eq!(burned(), 0);

        assert_eq!(apply(12, 10).map(|post| post.pays_fee), Ok(Pays::No));
        System::assert_last_event(
            Event::SlashApplied {
                venue: TASK,
                operator: account(1),
                who: account(10),
                amount: 6 * UNIT,
                rest: 54 * UNIT,
            }
            .into(),
        );
        assert_eq!(held(10, HoldReason::Delegation), 54 * UNIT);
        assert_noop!(apply(12, 10), Error::<Test>::NothingToCut);

        // 11 never knew, and takes back what there is.
        let take = |amount| Delegation::undelegate(signed(11), TASK, account(1), amount);
        assert_noop!(take(40 * UNIT), Error::<Test>::InsufficientDelegation);
        assert_ok!(take(36 * UNIT));
        unbonded();
        withdraw(11);
        assert_eq!(held(11, HoldReason::Delegation), 0);
        assert_eq!(burned(), 10 * UNIT);
        assert_eq!(issuance(), before - burned());
    });
}

#[test]
fn each_call_of_a_delegator_should_apply_the_cut() {
    build_and_execute(|| {
        State::set(PayoutState::Free);
        for n in 10..=13 {
            delegate(n, 10 * UNIT);
        }
        slash_for(5, 50);
        delegate(10, UNIT);
        undelegate(11, UNIT);
        assert_ok!(Delegation::claim(signed(12), TASK, account(1)));
        assert_ok!(Delegation::claim_for(
            signed(10),
            TASK,
            account(1),
            account(13)
        ));
        let holds = [10, 11, 12, 13].map(|n| held(n, HoldReason::Delegation));
        assert_eq!(holds, [6 * UNIT, 4 * UNIT, 5 * UNIT, 5 * UNIT]);
        assert_eq!([10, 11, 12, 13].map(value), holds);
        assert_eq!(burned(), 20 * UNIT);
    });
}

#[test]
fn what_left_in_the_round_of_the_fault_or_later_should_be_slashed() {
    build_and_execute(|| {
        let before = issuance();
        delegate(10, 100 * UNIT);
        undelegate(10, 50 * UNIT); // in 5
        open(6);
        undelegate(10, 30 * UNIT);
        assert_eq!(slash_for(6, 50), (10 * UNIT, 15 * UNIT));
        System::assert_last_event(
            Event::LeavingSlashed {
                venue: TASK,
                operator: account(1),
                since: 6,
                amount: 15 * UNIT,
            }
            .into(),
        );
        // Withdrawn later, with the rest of the hold burned.
        unbonded();
        withdraw(10);
        System::assert_last_event(
            Event::Withdrawn {
                who: account(10),
                amount: 65 * UNIT,
                slashed: 15 * UNIT,
            }
            .into(),
        );
        assert_eq!(held(10, HoldReason::Unbonding), 0);
        assert_eq!(burned(), 15 * UNIT);
        assert_ok!(apply(10, 10));
        assert_eq!(burned(), 25 * UNIT);
        assert_eq!(issuance(), before - burned());
        assert_eq!(ExitPools::<Test>::iter().count(), 0);
        assert_eq!(LiveExits::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_slash_should_spare_other_positions_later_rounds_and_what_has_unbonded() {
    build_and_execute(|| {
        delegate(10, 10 * UNIT);
        undelegate(10, 4 * UNIT);
        let all = Perbill::one();
        let slash = |venue, operator, since| {
            <Delegation as LeavingStake>::slash(venue, &account(operator), since, all)
        };
        assert_eq!(slash(Venue::Network, 1, 0), 0);
        assert_eq!(slash(TASK, 2, 0), 0);
        assert_eq!(slash(TASK, 1, 6), 0);
        unbonded();
        assert_eq!(slash(TASK, 1, 0), 0);
        withdraw(10);
        assert_eq!((burned(), value(10)), (0, 6 * UNIT));
    });
}

#[test]
fn who_leaves_or_joins_after_a_slash_should_not_pay_for_it_again() {
    build_and_execute(|| {
        delegate(10, 40 * UNIT);
        undelegate(10, 10 * UNIT);
        slash_for(5, 50); // 10: 15 stay, 5 leave
        delegate(11, 10 * UNIT);
        assert_eq!(row(11).shares(), 20 * UNIT);
        // In the round of the slashed pool, hence into another one.
        undelegate(10, 5 * UNIT);
        undelegate(11, 3 * UNIT);
        assert_eq!(ExitPools::<Test>::iter().count(), 2);
        assert_eq!((value(10), value(11)), (10 * UNIT, 7 * UNIT));
        assert_noop!(apply(10, 11), Error::<Test>::NothingToCut);
        // The next slash finds all of it: both pools and the position.
        assert_eq!(slash_for(4, 20), (3_400_000_000_000, 2_600_000_000_000));
        unbonded();
        withdraw(10);
        withdraw(11);
        assert_eq!(burned(), (15 + 5) * UNIT + 2_600_000_000_000);
        undelegate(11, 5_600_000_000_000);
        undelegate(10, 8 * UNIT);
        assert_eq!(Delegations::<Test>::iter().count(), 0);
        assert_eq!(burned(), 26 * UNIT);
    });
}

#[test]
fn two_slashes_should_cut_the_same_at_once_or_one_by_one() {
    build_and_execute(|| {
        delegate(10, 100 * UNIT);
        delegate(11, 100 * UNIT);
        slash_for(5, 10);
        assert_ok!(apply(12, 10));
        slash_for(5, 20);
        assert_ok!(apply(12, 10));
        assert_ok!(apply(12, 11));
        assert_eq!((value(10), value(11)), (72 * UNIT, 72 * UNIT));
        assert_eq!(held(10, HoldReason::Delegation), 72 * UNIT);
        assert_eq!(held(11, HoldReason::Delegation), 72 * UNIT);
        assert_eq!(burned(), 56 * UNIT);
    });
}

#[test]
fn a_slash_of_all_should_clear_the_position_and_leave_what_was_earned() {
    build_and_execute(|| {
        delegate(10, 10 * UNIT);
        delegate(11, 30 * UNIT);
        open(6);
        undelegate(11, 10 * UNIT);
        open(7);
        reward(6, 1 << 20);
        assert_eq!(slash_for(6, 100), (30 * UNIT, 10 * UNIT));
        assert_eq!((value(10), value(11)), (0, 0));
        // Nobody can join those whose shares are worth nothing.
        let join = |n| Delegation::delegate(signed(n), TASK, account(1), UNIT);
        assert_noop!(join(12), CHEAP);
        assert_noop!(join(10), CHEAP);
        assert_noop!(
            Delegation::undelegate(signed(10), TASK, account(1), 1),
            Error::<Test>::InsufficientDelegation
        );
        assert_ok!(apply(12, 10));
        assert_noop!(join(10), CHEAP);
        assert_ok!(apply(12, 11));
        assert_noop!(apply(12, 11), Error::<Test>::NothingToCut);
        assert_ok!(join(10));
        assert_eq!(value(10), UNIT);

        open(9);
        // A quarter and three quarters, these in two lots, each rounded down.
        assert_eq!((claimable(10), claimable(11)), ((1 << 18) - 1, 786_430));
        unbonded();
        withdraw(11);
        assert_eq!(burned(), 40 * UNIT);
        State::set(PayoutState::Free);
        assert_ok!(Delegation::claim(signed(11), TASK, account(1)));
        assert_eq!(Delegations::<Test>::iter().count(), 1);
        assert_eq!(Unbonding::<Test>::iter().count(), 0);
    });
}

#[test]
fn rounding_after_a_slash_should_never_be_found_by_a_cut() {
    build_and_execute(|| {
        State::set(PayoutState::Free);
        let odd = |n: u8| UNIT + 7 * Balance::from(n) * 1_000_003;
        for n in 10..16 {
            delegate(n, odd(n));
        }
        slash(&account(1), 5, Perbill::from_parts(333_333_331));
        for n in 10..16 {
            assert_ok!(apply(20, n));
        }
        let (taken, cut) = (burned(), Perbill::from_parts(333_333_331));
        let all: Balance = (10..16).map(odd).sum();
        let exact = cut.mul_floor(all);
        assert!(exact <= taken && taken < exact + 6, "{taken} of {exact}");
        for round in 6..30 {
            open(round);
            let n = 10 + (round % 6) as u8;
            delegate(n, 999_999_999_989);
            let there = value(n);
            assert_ok!(Delegation::undelegate(
                signed(n),
                TASK,
                account(1),
                314_159_265_357
            ));
            let fell = there - value(n);
            assert!((314_159_265_356..=314_159_265_357).contains(&fell));
            for n in 10..16 {
                assert_noop!(apply(20, n), Error::<Test>::NothingToCut);
            }
            assert_ok!(Delegation::claim(signed(n), TASK, account(1)));
            unbonded();
            withdraw(n);
        }
        assert_eq!(burned(), taken);
        for n in 10..16 {
            undelegate(n, value(n));
            assert_eq!(value(n), 0);
        }
        let left = totals(&account(1), Round::MAX);
        assert_eq!(left, DelegatedTotals::default());
    });
}

#[test]
fn amounts_of_less_than_a_share_should_be_refused() {
    build_and_execute(|| {
        delegate(10, 10 * UNIT);
        let take = |amount| Delegation::undelegate(signed(10), TASK, account(1), amount);
        slash_for(5, 30);
        assert_noop!(take(1), Error::<Test>::LessThanAShare);
        assert_noop!(take(7 * UNIT - 1), Error::<Test>::BelowMinimum);
        // What rounding leaves with those who stay can lift a price above one.
        let dear = DelegatedTotals {
            amount: 10 * UNIT + 3,
            shares: 10 * UNIT,
        };
        set_totals(&account(1), dear);
        assert_noop!(
            Delegation::delegate(signed(10), TASK, account(1), 1),
            Error::<Test>::LessThanAShare
        );
        assert_noop!(take(1), Error::<Test>::LessThanAShare);
        assert_noop!(apply(10, 10), Error::<Test>::NothingToCut);
        undelegate(10, 10 * UNIT);
        assert_eq!(held(10, HoldReason::Unbonding), 10 * UNIT);
    });
}

#[test]
fn withdraw_should_weigh_as_much_as_it_looked_at() {
    type Weights = crate::SubstrateWeight<Test>;
    assert!(Weights::withdraw(1).ref_time() < Weights::withdraw(MAX_CHUNKS).ref_time());
    assert!(Weights::slash_leaving(0).any_gt(Weight::zero()));
}
