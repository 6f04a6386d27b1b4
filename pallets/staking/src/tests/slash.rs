//! Own stake taken for faults.

use super::*;

#[test]
fn slash_should_take_own_stake_then_what_unbonds_there_and_nothing_else() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 30 * UNIT);
        stake(1, Venue::Task(2), Role::Validator, 20 * UNIT);
        assert_ok!(Staking::add(TASK, &account(1), 50 * UNIT));
        assert_ok!(Staking::decrease(signed(1), Venue::Task(2), 5 * UNIT));
        assert_ok!(Staking::decrease(signed(1), TASK, 4 * UNIT));
        System::set_block_number(3);
        assert_ok!(Staking::decrease(signed(1), TASK, 6 * UNIT));

        assert_eq!(Staking::slash_own(TASK, &account(1), 25 * UNIT), 25 * UNIT);
        assert_eq!(SlashedAway::get(), 25 * UNIT);
        let chunks: Vec<_> = Unbonding::<Test>::get(account(1))
            .iter()
            .map(|c| (c.venue, c.amount))
            .collect();
        // 20 of stake, and 5 of the latest 6.
        assert_eq!(
            chunks,
            vec![(Venue::Task(2), 5 * UNIT), (TASK, 4 * UNIT), (TASK, UNIT)]
        );
        let left = position(1, TASK);
        assert_eq!((left.own, left.delegated), (0, 50 * UNIT));
        assert_eq!((left.seat, left.now()), (Seat::Left, snapshot(0, 0)));
        System::assert_last_event(
            Event::Slashed {
                venue: TASK,
                operator: account(1),
                amount: 25 * UNIT,
            }
            .into(),
        );
        assert_eq!(Staking::slash_own(TASK, &account(1), 90 * UNIT), 5 * UNIT);
        assert_eq!(Staking::slash_own(TASK, &account(1), 90 * UNIT), 0);
        assert_eq!(held(1, HoldReason::Stake), 15 * UNIT);
        assert_eq!(held(1, HoldReason::Unbonding), 5 * UNIT);
    });
}

#[test]
fn slash_should_count_from_the_next_round_and_free_the_seat() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Trainer, 4 * UNIT);
        TaskRound::set(Some(6));
        Staking::slash_own(TASK, &account(1), UNIT);
        let own = |r| Staking::counted(TASK, &account(1), r).map(|c| c.stake.own);
        assert_eq!((own(6), own(7)), (Some(4 * UNIT), Some(3 * UNIT)));
        Staking::slash_own(TASK, &account(1), Balance::MAX);
        assert_eq!((own(6), own(7)), (Some(4 * UNIT), None));
        assert_eq!(position(1, TASK).seat, Seat::Left);
        stake(2, TASK, Role::Trainer, UNIT);
        stake(3, TASK, Role::Trainer, UNIT); // both seats are free
    });
}

#[test]
fn slash_should_take_nothing_where_nothing_is() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Staking::slash_own(TASK, &account(1), UNIT), 0);
    });
}

#[test]
fn slash_should_reach_a_position_without_a_seat() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 20 * UNIT);
        assert!(Staking::chill(TASK, &account(1)));
        assert_eq!(Staking::slash_own(TASK, &account(1), 5 * UNIT), 5 * UNIT);
        let chilled = position(1, TASK);
        assert_eq!((chilled.own, chilled.seat), (15 * UNIT, Seat::Chilled));
        assert_eq!(chilled.now(), snapshot(0, 0));
    });
}
