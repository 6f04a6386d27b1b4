//! Own stake taken for faults.

use super::*;
use frame_support::traits::fungible::Inspect;

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
                paid: 0,
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

/// Slashes operator 1, checks that all of it is accounted for, and returns what was taken and what
/// the payees have more.
fn slash_for(amount: Balance, payees: &[(u8, Balance)]) -> (Taken, Vec<Balance>) {
    let named: Vec<_> = payees
        .iter()
        .map(|(n, part)| (account(*n), *part))
        .collect();
    let had = |n: &u8| Balances::balance(&account(*n));
    let before: Vec<_> = payees.iter().map(|(n, _)| had(n)).collect();
    let (issued, away) = (Balances::total_issuance(), SlashedAway::get());
    let taken = Staking::slash_own_for(TASK, &account(1), amount, &named);
    invariants::check::<Test>().expect("invariants hold");
    let lost = taken.total - taken.paid;
    assert_eq!(issued - Balances::total_issuance(), lost);
    assert_eq!(SlashedAway::get() - away, lost);
    let after = payees.iter().map(|(n, _)| had(n));
    (taken, after.zip(before).map(|(a, b)| a - b).collect())
}

fn slashed(total: Balance, paid: Balance) -> Taken {
    Taken { total, paid }
}

#[test]
fn slash_should_pay_in_order_and_send_the_rest_where_slashes_go() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 30 * UNIT);
        let (taken, got) = slash_for(20 * UNIT, &[(2, 5 * UNIT), (3, 0), (4, 7 * UNIT)]);
        assert_eq!(taken, slashed(20 * UNIT, 12 * UNIT));
        assert_eq!(got, [5 * UNIT, 0, 7 * UNIT]);
        System::assert_last_event(
            Event::Slashed {
                venue: TASK,
                operator: account(1),
                amount: 20 * UNIT,
                paid: 12 * UNIT,
            }
            .into(),
        );
        assert_eq!(position(1, TASK).own, 10 * UNIT);
    });
}

#[test]
fn slash_should_pay_the_first_payees_when_it_does_not_go_round() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 30 * UNIT);
        assert_ok!(Staking::decrease(signed(1), TASK, 10 * UNIT));
        // Of what works and of what unbonds.
        let (taken, got) = slash_for(90 * UNIT, &[(2, 25 * UNIT), (3, 25 * UNIT), (4, UNIT)]);
        assert_eq!(taken, slashed(30 * UNIT, 30 * UNIT));
        assert_eq!(got, [25 * UNIT, 5 * UNIT, 0]);
        let nothing = |event: &RuntimeEvent| {
            let RuntimeEvent::Balances(pallet_balances::Event::Deposit { amount, .. }) = event
            else {
                return false;
            };
            *amount == 0
        };
        assert!(!System::events().iter().any(|row| nothing(&row.event)));
    });
}

#[test]
fn slash_should_not_pay_an_account_that_cannot_take_its_part() {
    ExtBuilder::default().build_and_execute(|| {
        stake(1, TASK, Role::Validator, 30 * UNIT);
        let least = Balances::minimum_balance();
        // Accounts 98 and 99 don't exist, and one of them would be too small.
        let (taken, got) = slash_for(2 * UNIT, &[(99, least - 1), (98, least), (2, UNIT)]);
        assert_eq!(taken, slashed(2 * UNIT, UNIT + least));
        assert_eq!(got, [0, least, UNIT]);
    });
}

#[test]
fn slash_should_pay_nobody_where_nothing_is() {
    ExtBuilder::default().build_and_execute(|| {
        let (taken, got) = slash_for(UNIT, &[(2, UNIT)]);
        assert_eq!((taken, got), (Taken::default(), vec![0]));
    });
}
