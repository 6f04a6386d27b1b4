//! Service keys.

use super::*;
use arena_primitives::hash::{Domain, preimage};
use sp_core::{Pair, sr25519};

fn key(n: u8) -> (sr25519::Pair, AccountId) {
    let pair = sr25519::Pair::from_seed(&[n; 32]);
    let account = AccountId::new(pair.public().0);
    (pair, account)
}

fn next_block() {
    System::set_block_number(System::block_number() + 1);
}

fn set(n: u8, key_number: u8) -> sp_runtime::DispatchResult {
    let (pair, public) = key(key_number);
    let proof = pair.sign(&preimage(Domain::ServiceKeyProof, &account(n)));
    Staking::set_service_key(signed(n), public, proof)
}

#[test]
fn set_service_key_should_map_both_ways_and_make_an_account() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set(1, 101));
        let (_, public) = key(101);
        assert_eq!(Staking::operator_of(&public), None); // not in this block
        assert_eq!(Staking::key_of(&account(1)), Some(public.clone()));
        next_block();
        assert_eq!(Staking::operator_of(&public), Some(account(1)));
        assert_eq!(System::sufficients(&public), 1);
        System::assert_last_event(
            Event::ServiceKeySet {
                operator: account(1),
                key: public,
            }
            .into(),
        );
    });
}

#[test]
fn a_dropped_key_should_never_come_back_but_keep_its_account() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set(1, 101));
        next_block();
        assert_ok!(set(1, 102));
        let (_, first) = key(101);
        assert_noop!(set(1, 101), Error::<Test>::KeyRetired);
        next_block();
        assert_eq!(Staking::operator_of(&first), None);
        assert_eq!(System::sufficients(&first), 1);
        assert_noop!(set(1, 101), Error::<Test>::KeyRetired);
        assert_noop!(set(2, 101), Error::<Test>::KeyRetired);
        assert_ok!(Staking::clear_service_key(signed(1)));
        assert_eq!(Staking::key_of(&account(1)), None);
        assert_noop!(set(1, 102), Error::<Test>::KeyRetired);
        assert_noop!(
            Staking::clear_service_key(signed(1)),
            Error::<Test>::NoServiceKey
        );
    });
}

#[test]
fn set_service_key_should_be_refused_for_a_key_that_is_not_ones_own() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set(1, 101));
        assert_noop!(set(2, 101), Error::<Test>::KeyInUse);
        assert_noop!(set(1, 101), Error::<Test>::KeyInUse);
        // A signature for somebody else, and one over another domain.
        let (pair, public) = key(102);
        for message in [
            preimage(Domain::ServiceKeyProof, &account(3)),
            preimage(Domain::Submission, &account(2)),
        ] {
            let proof = pair.sign(&message);
            assert_noop!(
                Staking::set_service_key(signed(2), public.clone(), proof),
                Error::<Test>::InvalidProof
            );
        }
        let own = pair.sign(&preimage(Domain::ServiceKeyProof, &public));
        assert_noop!(
            Staking::set_service_key(RuntimeOrigin::signed(public.clone()), public, own),
            Error::<Test>::KeyIsOperator
        );
    });
}

#[test]
fn rotation_should_act_from_the_next_block() {
    ExtBuilder::default().build_and_execute(|| {
        let operators =
            || [101, 102, 103].map(|n| Staking::operator_of(&key(n).1) == Some(account(1)));
        assert_ok!(set(1, 101));
        next_block();
        assert_ok!(set(1, 102));
        assert_eq!(operators(), [true, false, false]);
        assert_eq!(Staking::key_of(&account(1)), Some(key(102).1));
        // Twice in a block: the one in between never acts.
        assert_ok!(set(1, 103));
        assert_eq!(operators(), [true, false, false]);
        next_block();
        assert_eq!(operators(), [false, false, true]);
        for dropped in [101, 102] {
            assert_noop!(set(2, dropped), Error::<Test>::KeyRetired);
        }
        assert_noop!(set(2, 103), Error::<Test>::KeyInUse);
        // The row of the key before goes with the next change.
        assert_ok!(set(1, 104));
        assert_eq!(OperatorOf::<Test>::iter().count(), 2);
    });
}

#[test]
fn clearing_should_act_at_once() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set(1, 101));
        next_block();
        assert_ok!(set(1, 102));
        assert_ok!(Staking::clear_service_key(signed(1)));
        for dropped in [101, 102] {
            assert_eq!(Staking::operator_of(&key(dropped).1), None);
            assert_noop!(set(1, dropped), Error::<Test>::KeyRetired);
        }
        assert_eq!(OperatorOf::<Test>::iter().count(), 0);
    });
}
