//! Slashes that governance takes back while they are pending, and those that it is too late for.

use super::{super::sanity::with_preset, *};
use arena_primitives::{Venue, traits::Clock};
use governance::tracks::id;
use pallet_arena_staking::{Call, Error, PendingSlashes};
use sp_staking::offence::ReportOffence;

/// The only author of the preset is said to have written two blocks in a slot.
fn offend() -> Balance {
    let offence = pallet_babe::EquivocationOffence {
        slot: 1.into(),
        session_index: Session::current_index(),
        validator_set_count: 30,
        offender: (account(Key::Alice), ()),
    };
    assert_ok!(Offences::report_offence(Vec::new(), offence));
    assert!(PendingSlashes::<Runtime>::contains_key(0));
    own()
}

fn own() -> Balance {
    let position = ArenaStaking::position(Venue::Network, &account(Key::Alice));
    position.expect("is there").own
}

#[test]
fn a_slash_should_be_taken_back_while_it_is_pending() {
    with_preset("development", || {
        System::set_block_number(1);
        let before = offend();
        let cancel = Call::cancel_slash { index: 0 };
        assert_ok!(carry(custom(Origin::SlashCanceller), cancel));
        assert!(!PendingSlashes::<Runtime>::contains_key(0));
        blocks(50);
        assert_eq!(own(), before);
    });
}

#[test]
fn a_slash_that_was_applied_should_not_be_taken_back() {
    with_preset("development", || {
        System::set_block_number(1);
        let before = offend();
        // A day.
        blocks(41);
        let after = own();
        assert!(after < before);
        let cancel = Call::cancel_slash { index: 0 };
        let refused = carry(custom(Origin::SlashCanceller), cancel);
        assert_eq!(refused, Err(Error::<Runtime>::NoSuchSlash.into()));
        assert_eq!(own(), after);
    });
}

#[test]
fn a_referendum_should_end_before_the_slash_that_it_takes_back_is_due() {
    for preset in ["development", "local_testnet", "production"] {
        with_preset(preset, || {
            let info = TracksInfo::info(id::CANCEL_SLASH).expect("is there");
            let longest = info.prepare_period
                + info.decision_period
                + info.confirm_period
                + info.min_enactment_period;
            let minutes = ArenaStaking::limits().slash_deferral_minutes;
            let deferral = ArenaStaking::blocks(minutes);
            assert!(longest < deferral, "{preset}");
        });
    }
}
