//! Taking a role, adding, taking back, withdrawing; delegated totals.

use super::*;

#[test]
fn stake_should_hold_and_count_from_the_next_round() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_eq!(held(1, HoldReason::Stake), 10 * UNIT);
        assert_eq!(Staking::counted(TASK, &account(1), 5), None);
        let counted = Staking::counted(TASK, &account(1), 6).unwrap();
        assert_eq!(counted.stake, snapshot(10 * UNIT, 0));
        assert_eq!(Staking::role(TASK, &account(1)), Some(Role::Validator));
        System::assert_last_event(
            Event::Staked {
                venue: TASK,
                operator: account(1),
                role: Role::Validator,
                amount: 10 * UNIT,
                own: 10 * UNIT,
            }
            .into(),
        );
        TaskRound::set(Some(6));
        stake(1, TASK, Role::Validator, UNIT);
        let own = |round| {
            Staking::counted(TASK, &account(1), round)
                .unwrap()
                .stake
                .own
        };
        assert_eq!(
            (own(6), own(7), own(100)),
            (10 * UNIT, 11 * UNIT, 11 * UNIT)
        );
    });
}

#[test]
fn stake_should_be_refused_when_it_does_not_fit() {
    ExtBuilder::default().build_and_execute(|| {
        let try_stake = |venue, role, amount| Staking::stake(signed(1), venue, role, amount);
        assert_noop!(try_stake(TASK, Role::Trainer, 0), Error::<Test>::ZeroAmount);
        assert_noop!(
            try_stake(TASK, Role::Trainer, UNIT - 1),
            Error::<Test>::BelowMinimum
        );
        assert_noop!(
            try_stake(TASK, Role::Validator, 9 * UNIT),
            Error::<Test>::BelowMinimum
        );
        let network = Venue::Network;
        assert_noop!(
            try_stake(network, Role::Validator, 99 * UNIT),
            Error::<Test>::BelowMinimum
        );
        assert_noop!(
            try_stake(network, Role::Trainer, 100 * UNIT),
            Error::<Test>::RoleNotTaken
        );
        assert_noop!(
            try_stake(TASK, Role::Trainer, 10_000 * UNIT),
            TokenError::FundsUnavailable
        );
        TaskRound::set(None);
        assert_noop!(
            try_stake(TASK, Role::Trainer, UNIT),
            Error::<Test>::NoOpenRound
        );
        TaskRound::set(Some(1));
        for (refusal, error) in [
            (VenueRefusal::Unknown, Error::<Test>::UnknownVenue),
            (VenueRefusal::Ended, Error::<Test>::VenueEnded),
            (VenueRefusal::Creator, Error::<Test>::CreatorTakesNoRole),
            (VenueRefusal::Role, Error::<Test>::RoleNotTaken),
            (VenueRefusal::Convicted, Error::<Test>::Convicted),
        ] {
            Refusal::set(Some(refusal));
            assert_noop!(try_stake(TASK, Role::Trainer, UNIT), error);
        }
        Refusal::set(None);
        stake(1, TASK, Role::Trainer, UNIT);
        assert_noop!(
            try_stake(TASK, Role::Validator, 10 * UNIT),
            Error::<Test>::OtherRole
        );
    });
}

#[test]
fn stake_should_be_refused_when_seats_are_full_and_taken_when_one_is_free() {
    ExtBuilder::default().build_and_execute(|| {
        for n in 1..=3 {
            stake(n, TASK, Role::Validator, 10 * UNIT);
        }
        let fourth = || Staking::stake(signed(4), TASK, Role::Validator, 10 * UNIT);
        assert_noop!(fourth(), Error::<Test>::SeatsFull);
        stake(3, TASK, Role::Validator, UNIT); // who has a seat can add
        stake(4, Venue::Task(2), Role::Validator, 10 * UNIT);
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        assert_ok!(fourth());
        // Round 5 counts nobody yet; from 6 on the seats are three again.
        assert_eq!(Staking::all(TASK, Role::Validator, 5), vec![]);
        let who: Vec<_> = Staking::all(TASK, Role::Validator, 6)
            .into_iter()
            .map(|c| c.operator)
            .collect();
        assert_eq!(who, vec![account(2), account(3), account(4)]);
    });
}

#[test]
fn decrease_should_unbond_and_withdraw_should_free_when_due() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 30 * UNIT);
        TaskRound::set(Some(6));
        assert_ok!(Staking::decrease(signed(1), TASK, 5 * UNIT));
        assert_ok!(Staking::decrease(signed(1), TASK, 5 * UNIT));
        assert_eq!(held(1, HoldReason::Stake), 20 * UNIT);
        assert_eq!(held(1, HoldReason::Unbonding), 10 * UNIT);
        let chunk = UnbondingChunk {
            venue: TASK,
            amount: 10 * UNIT,
            until: 1 + DAY,
        };
        assert_eq!(Unbonding::<Test>::get(account(1)).to_vec(), vec![chunk]);
        assert_eq!(
            Staking::counted(TASK, &account(1), 6).unwrap().stake.own,
            30 * UNIT
        );
        assert_eq!(
            Staking::counted(TASK, &account(1), 7).unwrap().stake.own,
            20 * UNIT
        );

        System::set_block_number(u64::from(DAY));
        assert_noop!(
            Staking::withdraw(signed(1)),
            Error::<Test>::NothingToWithdraw
        );
        System::set_block_number(u64::from(DAY) + 1);
        assert_ok!(Staking::withdraw(signed(1)));
        assert_eq!(held(1, HoldReason::Unbonding), 0);
        assert_noop!(
            Staking::withdraw(signed(1)),
            Error::<Test>::NothingToWithdraw
        );
    });
}

#[test]
fn decrease_should_be_refused_when_it_does_not_fit() {
    ExtBuilder::default().build_and_execute(|| {
        let decrease = |n, amount| Staking::decrease(signed(n), TASK, amount);
        assert_noop!(decrease(1, UNIT), Error::<Test>::NoPosition);
        stake(1, TASK, Role::Validator, 12 * UNIT);
        stake(2, TASK, Role::Trainer, 2 * UNIT);
        assert_noop!(decrease(1, 0), Error::<Test>::ZeroAmount);
        assert_noop!(decrease(1, 3 * UNIT), Error::<Test>::BelowMinimum);
        assert_noop!(decrease(1, 13 * UNIT), Error::<Test>::InsufficientStake);
        assert_noop!(decrease(2, 2 * UNIT), Error::<Test>::LockedUntilEnd);
        for block in 1..=32 {
            System::set_block_number(block);
            stake(1, TASK, Role::Validator, UNIT);
            assert_ok!(decrease(1, UNIT));
        }
        System::set_block_number(33);
        assert_noop!(decrease(1, UNIT), Error::<Test>::TooManyChunks);
    });
}

#[test]
fn decrease_should_free_at_once_when_the_venue_has_ended() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Trainer, 2 * UNIT);
        stake(2, TASK, Role::Validator, 20 * UNIT);
        assert_ok!(Staking::decrease(signed(2), TASK, 5 * UNIT));
        TaskRound::set(None);
        TaskEnded::set(true);
        assert_ok!(Staking::decrease(signed(1), TASK, 2 * UNIT));
        assert_eq!(held(1, HoldReason::Stake), 0);
        assert_eq!(Staking::position(TASK, &account(1)), None);
        // What still unbonds is free, too.
        assert_ok!(Staking::withdraw(signed(2)));
        assert_eq!(held(2, HoldReason::Unbonding), 0);
        assert_ok!(Staking::decrease(signed(2), TASK, 15 * UNIT));
        assert_eq!(Roster::<Test>::iter().count(), 0);
    });
}

#[test]
fn authors_should_not_leave_below_the_least_number() {
    let network = [(1, 100 * UNIT), (2, 100 * UNIT), (3, 100 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            let leave = |n| Staking::decrease(signed(n), Venue::Network, 100 * UNIT);
            WithoutSessionKeys::set(vec![account(3)]);
            assert_noop!(leave(1), Error::<Test>::TooFewAuthors);
            assert_ok!(leave(3)); // no candidate without keys
            WithoutSessionKeys::set(vec![]);
            assert_noop!(leave(2), Error::<Test>::TooFewAuthors);
            stake(4, Venue::Network, Role::Validator, 100 * UNIT);
            assert_ok!(leave(2));
        });
}

#[test]
fn a_position_should_stay_until_no_live_round_counts_it() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        TaskRound::set(Some(6));
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        let reap = || Staking::reap(signed(9), TASK, account(1));
        assert_noop!(reap(), Error::<Test>::StillCounted);
        TaskRound::set(Some(7)); // round 6 is being scored
        assert_noop!(reap(), Error::<Test>::StillCounted);
        TaskRound::set(Some(8));
        assert_eq!(reap().unwrap().pays_fee, frame_support::dispatch::Pays::No);
        assert_noop!(reap(), Error::<Test>::NoPosition);
    });
}

#[test]
fn withdraw_should_remove_a_position_that_is_over() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        TaskRound::set(Some(6));
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        TaskRound::set(Some(8));
        System::set_block_number(1 + u64::from(DAY));
        assert_ok!(Staking::withdraw(signed(1)));
        assert_eq!(Staking::position(TASK, &account(1)), None);
    });
}

#[test]
fn a_position_that_no_round_has_counted_should_leave_no_row() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        assert_eq!(Staking::position(TASK, &account(1)), None);
        stake(1, TASK, Role::Trainer, UNIT);
    });
}

#[test]
fn a_leaver_should_come_back_in_its_old_role_and_queue_again() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 10 * UNIT);
        TaskRound::set(Some(6));
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        System::set_block_number(9);
        assert_noop!(
            Staking::stake(signed(1), TASK, Role::Trainer, UNIT),
            Error::<Test>::OtherRole
        );
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_eq!(
            Staking::position(TASK, &account(1)).unwrap().registered_at,
            9
        );
    });
}

#[test]
fn delegated_stake_should_count_from_the_next_round_and_outlive_the_operator() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(
            Staking::add(TASK, &account(1), UNIT),
            Error::<Test>::NoPosition
        );
        stake(1, TASK, Role::Validator, 10 * UNIT);
        TaskRound::set(Some(6));
        assert_ok!(Staking::add(TASK, &account(1), 7 * UNIT));
        assert_eq!(Staking::totals(TASK, &account(1)).amount, 7 * UNIT);
        let seen = |round| Staking::counted(TASK, &account(1), round).map(|c| c.stake);
        assert_eq!(seen(6), Some(snapshot(10 * UNIT, 0)));
        assert_eq!(seen(7), Some(snapshot(10 * UNIT, 7 * UNIT)));
        assert_noop!(
            Staking::remove(TASK, &account(1), 8 * UNIT),
            Error::<Test>::InsufficientStake
        );
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        assert_noop!(
            Staking::add(TASK, &account(1), UNIT),
            Error::<Test>::NoPosition
        );
        TaskRound::set(Some(9));
        assert_eq!(seen(9), None); // delegated alone counts nothing
        assert_ok!(Staking::remove(TASK, &account(1), 3 * UNIT));
        assert_ok!(Staking::remove(TASK, &account(1), 4 * UNIT));
        assert_eq!(Staking::position(TASK, &account(1)), None);
        assert_noop!(
            Staking::remove(TASK, &account(1), 1),
            Error::<Test>::NoPosition
        );
    });
}

#[test]
fn changes_with_no_round_open_should_change_no_round() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 20 * UNIT);
        assert_ok!(Staking::add(TASK, &account(1), UNIT));
        TaskRound::set(None);
        assert_noop!(
            Staking::add(TASK, &account(1), UNIT),
            Error::<Test>::NoOpenRound
        );
        for _ in 0..6 {
            assert_ok!(Staking::decrease(signed(1), TASK, UNIT));
        }
        let seen = Staking::counted(TASK, &account(1), 1_000).unwrap().stake;
        assert_eq!(seen, snapshot(20 * UNIT, UNIT));
    });
}

#[test]
fn history_should_keep_what_the_round_before_the_open_one_counts() {
    ExtBuilder::default().build_and_execute(|| {
        for round in 5..30u32 {
            TaskRound::set(Some(round));
            stake(1, TASK, Role::Validator, 10 * UNIT);
            let own = |r| Staking::counted(TASK, &account(1), r).map(|c| c.stake.own);
            let entries = |r: u32| Balance::from(r.saturating_sub(5)) * 10 * UNIT;
            for r in [round - 1, round, round + 1] {
                assert_eq!(own(r), Some(entries(r)).filter(|own| *own > 0));
            }
        }
    });
}

#[test]
fn commission_should_change_after_its_notice_once_at_a_time() {
    ExtBuilder::default().build_and_execute(|| {
        let set =
            |percent| Staking::set_commission(signed(1), TASK, Perbill::from_percent(percent));
        let now = || Staking::counted(TASK, &account(1), 6).unwrap().commission;
        assert_noop!(set(10), Error::<Test>::NoPosition);
        stake(1, TASK, Role::Validator, 10 * UNIT);
        assert_noop!(set(51), Error::<Test>::CommissionTooHigh);
        assert_ok!(set(50));
        assert_noop!(set(10), Error::<Test>::CommissionPending);
        assert_eq!(now(), Perbill::zero());
        System::set_block_number(u64::from(DAY));
        assert_noop!(set(10), Error::<Test>::CommissionPending);
        System::set_block_number(u64::from(DAY) + 1);
        assert_eq!(now(), Perbill::from_percent(50));
        assert_ok!(set(10)); // a lower one waits as well
        assert_eq!(now(), Perbill::from_percent(50));
        System::set_block_number(2 * u64::from(DAY) + 1);
        assert_eq!(now(), Perbill::from_percent(10));
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        assert_noop!(set(10), Error::<Test>::NoPosition);
    });
}
