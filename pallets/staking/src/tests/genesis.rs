//! What genesis takes and what it refuses.

use super::*;
use crate::limits::{validate_deferral, validate_time};
use arena_primitives::TimeParameters;

#[test]
fn genesis_should_seat_authors_that_count_from_session_zero() {
    ExtBuilder::default()
        .network(&[(1, 100 * UNIT), (2, 200 * UNIT)])
        .build_and_execute(|| {
            assert_eq!(held(2, HoldReason::Stake), 200 * UNIT);
            let counted = Staking::counted(Venue::Network, &account(2), 0).unwrap();
            assert_eq!(counted.stake, snapshot(200 * UNIT, 0));
            assert_eq!((Staking::time(), Staking::limits()), (time(), limits()));
            assert_eq!(Staking::blocks(720), DAY / 2);
            assert_eq!(Staking::windows(), time().windows);
            assert_eq!(Staking::challenge_days(), 2);
        });
}

#[test]
fn defaults_should_be_valid() {
    assert_eq!(validate_time(&default_time()), Ok(()));
    assert_eq!(StakeLimits::default().validate(), Ok(()));
    let deferral = validate_deferral(&default_time(), &StakeLimits::default());
    assert_eq!(deferral, Ok(()));
    assert_eq!(
        (validate_time(&time()), limits().validate()),
        (Ok(()), Ok(()))
    );
}

#[test]
fn time_should_be_refused_below_each_floor() {
    let mut wrong = [time(); 10];
    wrong[0].windows.gap = 0;
    wrong[1].windows.publish = 1;
    wrong[2].windows.seed = 1;
    wrong[3].windows.commit = 7;
    wrong[4].windows.reveal = 3;
    wrong[5].epoch_slots = 9;
    wrong[6].blocks_per_day = 16;
    wrong[7].slot_millis = 0;
    wrong[8].challenge_days = 0;
    wrong[9].challenge_days = 367;
    for time in wrong {
        assert!(validate_time(&time).is_err(), "{time:?}");
    }
}

#[test]
fn limits_should_be_refused_when_they_cannot_hold() {
    let mut wrong = [limits(); 11];
    wrong[0].seats_authors = 513;
    wrong[1].seats_validators = 513;
    wrong[2].seats_trainers = 257;
    wrong[3].min_authors = 0;
    wrong[4].min_authors = 5;
    wrong[5].min_own_author = 0;
    wrong[6].min_own_validator = 0;
    wrong[7].min_own_trainer = 0;
    wrong[8].min_delegation = 0;
    wrong[9].seats_validators = 0;
    wrong[10].seats_trainers = 0;
    for limits in wrong {
        assert!(limits.validate().is_err(), "{limits:?}");
    }
}

#[test]
#[should_panic(expected = "the windows of a round don't fit a day")]
fn genesis_should_panic_when_windows_do_not_fit() {
    let mut builder = ExtBuilder::default();
    builder.time.blocks_per_day = 16;
    builder.build();
}

#[test]
#[should_panic(expected = "slashDeferralMinutes must not be above unbondingMinutes")]
fn genesis_should_panic_when_slashes_come_after_what_they_take_has_left() {
    let mut builder = ExtBuilder::default();
    builder.limits.slash_deferral_minutes = 1_441;
    builder.build();
}

#[test]
fn a_genesis_that_names_no_deferral_should_get_two_days() {
    let mut json = serde_json::to_value(limits()).unwrap();
    assert_eq!(json["slashDeferralMinutes"], 720);
    json.as_object_mut().unwrap().remove("slashDeferralMinutes");
    let old: StakeLimits = serde_json::from_value(json).unwrap();
    assert_eq!(old.slash_deferral_minutes, 2_880);
}

#[test]
fn a_genesis_that_names_no_least_challenge_phase_should_get_productions() {
    let mut json = serde_json::to_value(time()).unwrap();
    json.as_object_mut().unwrap().remove("challengeDays");
    let old: TimeParameters = serde_json::from_value(json).unwrap();
    assert_eq!(old.challenge_days, default_time().challenge_days);
}

#[test]
#[should_panic(expected = "BelowMinimum")]
fn genesis_should_panic_when_an_author_stakes_too_little() {
    ExtBuilder::default().network(&[(1, UNIT)]).build();
}

#[test]
fn genesis_should_have_camel_case_json() {
    let json = serde_json::to_value(GenesisConfig::<Test> {
        time: time(),
        limits: limits(),
        network: vec![(account(1), UNIT)],
        ..Default::default()
    })
    .unwrap();
    assert_eq!(json["time"]["blocksPerDay"], 40);
    assert_eq!(json["time"]["challengeDays"], 2);
    assert_eq!(json["limits"]["minOwnAuthor"], 100_000_000_000_000u64);
    let back: GenesisConfig<Test> = serde_json::from_value(json).unwrap();
    assert_eq!((back.time, back.limits), (time(), limits()));
}
