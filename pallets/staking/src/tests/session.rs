//! Who authors blocks.

use super::*;
use pallet_authorship::EventHandler;
use pallet_session::{SessionManager, historical};

fn planned() -> Option<Vec<AccountId>> {
    Staking::elect(false)
}

fn new_session() -> Option<Vec<AccountId>> {
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
            Staking::stake(signed(3), Venue::Network, Role::Validator, 100 * UNIT),
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

#[test]
fn a_session_should_name_its_authors_only_when_they_or_their_keys_changed() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            let first = new_session().expect("authors");
            assert_eq!(first, vec![account(3), account(2), account(1)]);
            assert_eq!(new_session(), None);
            // Another order is the same set.
            assert_ok!(Staking::add(Venue::Network, &account(1), 900 * UNIT));
            stake(2, Venue::Network, Role::Validator, 500 * UNIT);
            assert_eq!(planned().unwrap()[0], account(1));
            assert_eq!(new_session(), None);
            // Other session keys need another proof of whose they are.
            KeyVersion::set(1);
            assert_eq!(new_session().map(|set| set.len()), Some(3));
            assert_eq!(new_session(), None);
            stake(4, Venue::Network, Role::Validator, 100 * UNIT);
            assert_eq!(new_session().map(|set| set.len()), Some(4));
            // Too few candidates leave the set, and what was planned, as it is.
            WithoutSessionKeys::set((2..=4).map(account).collect());
            assert_eq!(new_session(), None);
            WithoutSessionKeys::set(vec![]);
            assert_eq!(new_session(), None);
            // Genesis plans two sessions and names both.
            let genesis = <Staking as SessionManager<AccountId>>::new_session_genesis;
            assert_eq!((genesis(0).is_some(), genesis(1).is_some()), (true, true));
        });
}

fn start() {
    <Staking as SessionManager<AccountId>>::start_session(8);
}

/// A session in which these made that many blocks.
fn session(made: &[(u8, u32)]) {
    for (n, blocks) in made {
        for _ in 0..*blocks {
            <Staking as EventHandler<AccountId, u64>>::note_author(account(*n));
        }
    }
    <Staking as SessionManager<AccountId>>::end_session(7);
}

fn seat(n: u8) -> Seat {
    position(n, Venue::Network).seat
}

#[test]
fn an_author_below_half_of_its_blocks_should_be_chilled_once_there_is_enough_to_judge() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            assert!(new_session().is_some());
            start();
            // 99 expected of each: not enough yet, whoever slept.
            session(&[(1, 148), (2, 149)]);
            assert_eq!((seat(1), seat(3)), (Seat::Taken, Seat::Taken));
            assert_eq!(Watches::<Test>::iter().count(), 3);
            // One more: 100 expected, of which 1 made 149, 2 made 151 and 3 none.
            session(&[(1, 1), (2, 2)]);
            assert_eq!(seat(1), Seat::Taken);
            assert_eq!(seat(3), Seat::Chilled);
            System::assert_last_event(
                Event::Chilled {
                    venue: Venue::Network,
                    operator: account(3),
                }
                .into(),
            );
            assert_eq!(Watches::<Test>::iter().count(), 0);
            assert_eq!(new_session(), Some(vec![account(2), account(1)]));
        });
}

#[test]
fn an_author_with_half_of_its_blocks_should_stay() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            assert!(new_session().is_some());
            start();
            session(&[(1, 50), (2, 150), (3, 100)]);
            assert_eq!(seat(1), Seat::Taken);
            session(&[(1, 49), (2, 151), (3, 100)]);
            assert_eq!(seat(1), Seat::Chilled);
        });
}

#[test]
fn idle_authors_should_stay_where_too_few_would_remain() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            assert!(new_session().is_some());
            start();
            session(&[(1, 600)]);
            // Two must remain: the first idle one goes.
            assert_eq!((seat(2), seat(3)), (Seat::Chilled, Seat::Taken));
            session(&[(1, 600)]);
            assert_eq!(seat(3), Seat::Taken);
        });
}

#[test]
fn blocks_should_be_forgotten_of_who_left_the_set() {
    let network = [(1, 100 * UNIT), (2, 200 * UNIT), (3, 300 * UNIT)];
    ExtBuilder::default()
        .network(&network)
        .build_and_execute(|| {
            assert!(new_session().is_some());
            start();
            session(&[(1, 9), (2, 9), (3, 9)]);
            assert_ok!(Staking::decrease(signed(3), Venue::Network, 300 * UNIT));
            assert!(new_session().is_some());
            start();
            // Its last block falls into the session that it is not in.
            session(&[(1, 9), (2, 9), (3, 1)]);
            let left = Watches::<Test>::iter_keys().collect::<Vec<_>>();
            assert_eq!((left.len(), left.contains(&account(3))), (2, false));
            assert_eq!(Watches::<Test>::get(account(1)).expected_milli, 18_000);
        });
}
