//! Limits that governance set in place of genesis's.

use super::*;

const NETWORK: Venue = Venue::Network;
const V: Role = Role::Validator;

fn govern(change: impl FnOnce(&mut StakeLimits)) {
    let mut governed = limits();
    change(&mut governed);
    GovernedLimits::set(Some(governed));
}

#[test]
fn limits_should_be_those_that_governance_set() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Staking::limits(), limits());
        govern(|limits| limits.min_own_validator = 20 * UNIT);
        let refused = Staking::stake(signed(1), TASK, V, 10 * UNIT);
        assert_noop!(refused, Error::<Test>::BelowMinimum);
        stake(1, TASK, V, 20 * UNIT);
        govern(|limits| limits.commission_cap = Perbill::from_percent(10));
        let set = |percent| {
            let commission = Perbill::from_percent(percent);
            Staking::set_commission(signed(1), TASK, commission)
        };
        assert_noop!(set(11), Error::<Test>::CommissionTooHigh);
        assert_ok!(set(10));
        GovernedLimits::set(None);
        assert_eq!(Staking::limits(), limits());
    });
}

#[test]
fn limits_that_cannot_hold_together_should_leave_those_of_genesis_in_force() {
    ExtBuilder::default().build_and_execute(|| {
        govern(|limits| limits.min_authors = limits.seats_authors + 1);
        assert_eq!(Staking::limits(), limits());
        govern(|limits| limits.min_own_trainer = 0);
        assert_eq!(Staking::limits(), limits());
    });
}

#[test]
fn a_higher_least_stake_should_elect_those_who_have_it_and_keep_the_set_when_too_few_do() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            govern(|limits| limits.min_own_author = 200 * UNIT);
            assert_eq!(Staking::elect(false), Some(vec![account(3), account(2)]));
            govern(|limits| limits.min_own_author = 300 * UNIT);
            assert_eq!(Staking::elect(false), None);
            // What is left must be the least, or nothing.
            let some = Staking::decrease(signed(1), NETWORK, UNIT);
            assert_noop!(some, Error::<Test>::BelowMinimum);
            assert_ok!(Staking::decrease(signed(1), NETWORK, 100 * UNIT));
        });
}

#[test]
fn fewer_seats_should_elect_fewer_and_take_nobody_its_seat() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            govern(|limits| limits.seats_authors = 2);
            assert_eq!(Staking::elect(false), Some(vec![account(3), account(2)]));
            assert_eq!(position(1, NETWORK).seat, Seat::Taken);
            let refused = Staking::stake(signed(4), NETWORK, V, 100 * UNIT);
            assert_noop!(refused, Error::<Test>::SeatsFull);
            govern(|limits| limits.seats_authors = 4);
            stake(4, NETWORK, V, 400 * UNIT);
            assert_eq!(Staking::elect(false).map(|set| set.len()), Some(4));
        });
}
