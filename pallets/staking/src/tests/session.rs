//! Who authors blocks.

use super::*;
use pallet_session::{SessionManager, historical};

fn planned() -> Option<Vec<AccountId>> {
    <Staking as SessionManager<AccountId>>::new_session(7)
}

#[test]
fn the_largest_positions_should_author_and_the_earlier_win_ties() {
    let network = [(4, 100 * UNIT), (3, 100 * UNIT), (2, 150 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            // Same stake, same block: by account.
            assert_eq!(planned(), Some(vec![account(2), account(3), account(4)]));
            System::set_block_number(5);
            stake(1, Venue::Network, Role::Validator, 100 * UNIT);
            // Registered later, though its account is the first.
            assert_eq!(
                planned(),
                Some(vec![account(2), account(3), account(4), account(1)])
            );
            assert_ok!(Staking::add(Venue::Network, &account(4), 60 * UNIT));
            assert_eq!(planned().unwrap()[0], account(4));
            let with_identity =
                <Staking as historical::SessionManager<AccountId, ()>>::new_session(7);
            assert_eq!(with_identity.unwrap()[0], (account(4), ()));
        });
}

#[test]
fn delegated_stake_should_count_up_to_the_leverage() {
    let network = [(1, 100 * UNIT), (2, 101 * UNIT), (3, 100 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            assert_ok!(Staking::add(Venue::Network, &account(1), 9_000 * UNIT)); // counts 2,000
            assert_ok!(Staking::add(Venue::Network, &account(2), 1_919 * UNIT)); // counts 2,020
            assert_eq!(planned(), Some(vec![account(2), account(1), account(3)]));
        });
}

#[test]
fn no_more_than_the_seats_should_be_elected() {
    let mut builder = ExtBuilder::default().network(&[(1, 100 * UNIT), (2, 200 * UNIT)]);
    builder.limits.seats_authors = 2;
    builder.build_and_execute(|| {
        assert_eq!(planned(), Some(vec![account(2), account(1)]));
        assert_noop!(
            Staking::stake(signed(3), Venue::Network, Role::Validator, 900 * UNIT),
            Error::<Test>::SeatsFull
        );
    });
}

#[test]
fn the_set_should_stay_when_candidates_are_too_few() {
    ExtBuilder::default()
        .network(&[(1, 100 * UNIT), (2, 100 * UNIT)])
        .build_and_execute(|| {
            assert_eq!(planned().map(|set| set.len()), Some(2));
            WithoutSessionKeys::set(vec![account(1)]);
            assert_eq!(planned(), None);
            // At genesis session keys come later.
            let genesis = <Staking as SessionManager<AccountId>>::new_session_genesis(0);
            assert_eq!(genesis.map(|set| set.len()), Some(2));
            WithoutSessionKeys::set(vec![]);
            // A slash takes a candidate below the least.
            Staking::slash_own(Venue::Network, &account(2), 1);
            assert_eq!(planned(), None);
        });
}

#[test]
fn an_empty_set_should_never_be_elected() {
    ExtBuilder::default().build_and_execute(|| assert_eq!(planned(), None));
}
