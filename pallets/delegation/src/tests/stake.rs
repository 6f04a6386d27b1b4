//! Stake in, stake out.

use super::*;

#[test]
fn delegate_should_hold_and_add_to_the_position() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        delegate(10, UNIT / 2); // what is there already is enough
        assert_eq!(held(10, HoldReason::Delegation), 5 * UNIT + UNIT / 2);
        assert_eq!(row(10).lots.len(), 1);
        System::assert_last_event(
            Event::Delegated {
                venue: TASK,
                operator: account(1),
                who: account(10),
                amount: UNIT / 2,
                shares: UNIT / 2,
            }
            .into(),
        );
    });
}

#[test]
fn delegate_should_be_refused_when_it_does_not_fit() {
    build_and_execute(|| {
        let to =
            |operator, amount| Delegation::delegate(signed(10), TASK, account(operator), amount);
        assert_noop!(to(1, 0), Error::<Test>::ZeroAmount);
        assert_noop!(to(1, UNIT - 1), Error::<Test>::BelowMinimum);
        assert_noop!(to(10, UNIT), Error::<Test>::OwnPosition);
        assert_noop!(to(11, UNIT), Error::<Test>::NoPosition);
        assert_noop!(to(1, 10_000 * UNIT), TokenError::FundsUnavailable);
        TakesStake::set(false);
        assert_noop!(to(1, UNIT), Error::<Test>::NoOpenRound);
        TakesStake::set(true);
        Open::set(None);
        assert_noop!(to(1, UNIT), Error::<Test>::NoOpenRound);
        Ended::set(true);
        assert_noop!(to(1, UNIT), Error::<Test>::VenueEnded);
    });
}

#[test]
fn delegate_should_be_refused_in_too_many_different_rounds() {
    build_and_execute(|| {
        for round in 5..21 {
            open(round);
            delegate(10, UNIT);
        }
        delegate(10, UNIT); // where it came before
        open(21);
        assert_noop!(
            Delegation::delegate(signed(10), TASK, account(1), UNIT),
            Error::<Test>::TooManyLots
        );
        assert_noop!(
            Delegation::undelegate(signed(10), TASK, account(1), UNIT / 2),
            Error::<Test>::TooManyLots
        );
        undelegate(10, 2 * UNIT); // a whole lot
        // Nobody is caught: all of it can leave, and claiming merges lots.
        State::set(PayoutState::Free);
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(row(10).lots.len(), 2);
        undelegate(10, 15 * UNIT);
    });
}

#[test]
fn undelegate_should_unbond_the_newest_first() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        open(6);
        delegate(10, 5 * UNIT);
        open(7);
        undelegate(10, 6 * UNIT);
        let seen: Vec<_> = row(10)
            .lots
            .iter()
            .map(|lot| {
                (
                    lot.shares,
                    lot.from.round(),
                    lot.until.and_then(|u| u.round()),
                )
            })
            .collect();
        assert_eq!(
            seen,
            vec![
                (4 * UNIT, Some(5), None),
                (UNIT, Some(5), Some(7)),
                (5 * UNIT, Some(6), Some(7))
            ]
        );
        assert_eq!(held(10, HoldReason::Delegation), 4 * UNIT);
        assert_eq!(held(10, HoldReason::Unbonding), 6 * UNIT);
        System::set_block_number(u64::from(DAY));
        assert_noop!(
            Delegation::withdraw(signed(10)),
            Error::<Test>::NothingToWithdraw
        );
        System::set_block_number(u64::from(DAY) + 1);
        assert_ok!(Delegation::withdraw(signed(10)));
        assert_eq!(held(10, HoldReason::Unbonding), 0);
    });
}

#[test]
fn undelegate_should_be_refused_when_it_does_not_fit() {
    build_and_execute(|| {
        let take = |amount| Delegation::undelegate(signed(10), TASK, account(1), amount);
        assert_noop!(take(UNIT), Error::<Test>::NoDelegation);
        delegate(10, 40 * UNIT);
        assert_noop!(take(0), Error::<Test>::ZeroAmount);
        assert_noop!(take(41 * UNIT), Error::<Test>::InsufficientDelegation);
        assert_noop!(take(40 * UNIT - 1), Error::<Test>::BelowMinimum);
        for block in 1..=32 {
            System::set_block_number(block);
            assert_ok!(take(UNIT));
        }
        System::set_block_number(33);
        assert_noop!(take(UNIT), Error::<Test>::TooManyChunks);
    });
}

#[test]
fn undelegate_should_free_at_once_when_the_venue_has_ended() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        Open::set(None);
        Ended::set(true);
        undelegate(10, 5 * UNIT);
        assert_eq!(held(10, HoldReason::Delegation), 0);
        assert_eq!(held(10, HoldReason::Unbonding), 0);
        State::set(PayoutState::Free);
        assert_ok!(Delegation::claim(signed(10), TASK, account(1)));
        assert_eq!(Delegations::<Test>::iter().count(), 0);
    });
}

#[test]
fn stake_that_came_and_left_in_one_round_should_leave_no_row() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        undelegate(10, 5 * UNIT);
        assert_eq!(Delegations::<Test>::iter().count(), 0);
    });
}

#[test]
fn what_unbonds_should_be_free_once_its_venue_has_ended() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        undelegate(10, 2 * UNIT);
        assert_noop!(
            Delegation::withdraw(signed(10)),
            Error::<Test>::NothingToWithdraw
        );
        Ended::set(true);
        withdraw(10);
        assert_eq!(held(10, HoldReason::Unbonding), 0);
        assert_eq!(ExitPools::<Test>::iter().count(), 0);
        assert_eq!(LiveExits::<Test>::iter().count(), 0);
    });
}

#[test]
fn undelegate_should_unbond_what_left_in_one_round_in_one_pool() {
    build_and_execute(|| {
        delegate(10, 5 * UNIT);
        delegate(11, 5 * UNIT);
        undelegate(10, 2 * UNIT);
        undelegate(10, UNIT); // in the same block: the same chunk
        System::set_block_number(2);
        undelegate(10, UNIT);
        undelegate(11, 5 * UNIT);
        assert_eq!(Unbonding::<Test>::get(account(10)).len(), 2);
        assert_eq!(ExitPools::<Test>::iter().count(), 1);
        open(6);
        undelegate(10, UNIT);
        assert_eq!(ExitPools::<Test>::iter().count(), 2);
        unbonded();
        withdraw(10);
        // 11's points keep the first pool, and it can't be slashed any more.
        let pools: Vec<_> = ExitPools::<Test>::iter_values().collect();
        assert_eq!(pools.len(), 1);
        assert_eq!((pools[0].points, pools[0].amount), (5 * UNIT, 5 * UNIT));
        assert_eq!(slash_for(0, 50), (0, 0));
        withdraw(11);
        assert_eq!(ExitPools::<Test>::iter().count(), 0);
        assert_eq!(LiveExits::<Test>::iter().count(), 0);
        assert_eq!(burned(), 0);
    });
}

#[test]
fn undelegate_should_be_refused_when_too_many_pools_can_be_slashed() {
    build_and_execute(|| {
        State::set(PayoutState::Free);
        let most = crate::types::MAX_EXITS;
        let who = |pool: u32| 10 + (pool / 30) as u8;
        for n in 10..=who(most) {
            delegate(n, 40 * UNIT);
        }
        for pool in 0..=most {
            open(10 + pool);
            let n = who(pool);
            assert_ok!(Delegation::claim(signed(n), TASK, account(1))); // merges lots
            if pool < most {
                undelegate(n, UNIT);
            } else {
                assert_noop!(
                    Delegation::undelegate(signed(n), TASK, account(1), UNIT),
                    Error::<Test>::TooManyExits
                );
            }
        }
        // All of them are slashed, and each is pruned when its time is over.
        assert_eq!(slash_for(0, 10).1, Balance::from(most) * UNIT / 10);
        unbonded();
        undelegate(who(most), UNIT);
        assert_eq!(LiveExits::<Test>::get((TASK, account(1))).len(), 1);
    });
}
