//! Own stake taken for faults.

use super::*;
use sp_staking::offence::{OffenceDetails, OnOffenceHandler};

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
        assert_eq!(
            Staking::position(TASK, &account(1)).unwrap().now(),
            snapshot(0, 50 * UNIT)
        );
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
        assert_eq!(SeatCount::<Test>::get(TASK, Role::Trainer), 0);
    });
}

#[test]
fn slash_should_take_nothing_where_nothing_is() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Staking::slash_own(TASK, &account(1), UNIT), 0);
    });
}

#[test]
fn an_offence_should_cost_a_fraction_of_what_was_at_stake_then() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 100 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            let offence = |n: u8, session| {
                let details = OffenceDetails {
                    offender: (account(n), ()),
                    reporters: vec![],
                };
                let half = Perbill::from_percent(50);
                <Staking as OnOffenceHandler<_, _, _>>::on_offence(&[details], &[half], session);
            };
            assert_ok!(Staking::decrease(signed(2), Venue::Network, 100 * UNIT));
            offence(2, 5); // 200 in session 5
            assert_eq!(SlashedAway::get(), 100 * UNIT);
            assert_eq!(held(2, HoldReason::Stake), 0);
            assert_eq!(held(2, HoldReason::Unbonding), 100 * UNIT);
            offence(2, 9); // 0 in session 9: half of what still unbonds
            assert_eq!(held(2, HoldReason::Unbonding), 50 * UNIT);
            let half = Perbill::from_percent(50);
            assert_eq!(
                Disabled::get(),
                vec![(account(2), half), (account(2), half)]
            );
            offence(19, 5); // no position
            assert_eq!(SlashedAway::get(), 150 * UNIT);
        });
}
