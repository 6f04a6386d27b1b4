//! Parameters that governance sets, within their bounds and beside genesis's values.

use super::{super::sanity::with_preset, *};
use configs::governance::{
    RuntimeParameters,
    dynamic_params::{challenges, staking, tasks},
};
use frame_support::traits::Get;
use pallet_parameters::Call;

pub(super) fn juror_fee(fee: Option<Balance>) -> RuntimeParameters {
    RuntimeParameters::Challenges(challenges::Parameters::JurorFee(challenges::JurorFee, fee))
}

pub(super) fn max_share(share: Perbill) -> RuntimeParameters {
    RuntimeParameters::Tasks(tasks::Parameters::MaxShare(tasks::MaxShare, Some(share)))
}

fn commission_cap(cap: Option<Perbill>) -> RuntimeParameters {
    let set = staking::Parameters::CommissionCap(staking::CommissionCap, cap);
    RuntimeParameters::Staking(set)
}

fn seats_authors(seats: u32) -> RuntimeParameters {
    let set = staking::Parameters::SeatsAuthors(staking::SeatsAuthors, Some(seats));
    RuntimeParameters::Staking(set)
}

fn vote_within(minutes: u32) -> RuntimeParameters {
    let set = challenges::Parameters::VoteWithin(challenges::VoteWithin, Some(minutes));
    RuntimeParameters::Challenges(set)
}

fn max_challenge_days(days: u32) -> RuntimeParameters {
    let set = tasks::Parameters::MaxChallengeDays(tasks::MaxChallengeDays, Some(days));
    RuntimeParameters::Tasks(set)
}

fn set(key_value: RuntimeParameters) -> Call<Runtime> {
    Call::set_parameter { key_value }
}

fn as_admin(key_value: RuntimeParameters) -> DispatchResult {
    let done = RuntimeCall::from(set(key_value)).dispatch(Origin::ParameterAdmin.into());
    done.map(|_| ()).map_err(|error| error.error)
}

fn filtered() -> DispatchError {
    frame_system::Error::<Runtime>::CallFiltered.into()
}

#[test]
fn a_referendum_should_set_a_parameter_and_take_it_back() {
    with_preset("development", || {
        System::set_block_number(1);
        let admin = || custom(Origin::ParameterAdmin);
        assert_ok!(carry(admin(), set(juror_fee(Some(3 * UNIT)))));
        assert_eq!(challenges::JurorFee::get(), 3 * UNIT);
        assert_ok!(carry(admin(), set(juror_fee(None))));
        assert_eq!(challenges::JurorFee::get(), 2 * UNIT);
    });
}

#[test]
fn a_referendum_should_set_many_parameters_from_a_preimage() {
    with_preset("development", || {
        System::set_block_number(1);
        let many = (1..=12).map(|fee| set(juror_fee(Some(fee * UNIT))).into());
        let mut calls: Vec<RuntimeCall> = many.collect();
        calls.push(set(commission_cap(Some(Perbill::from_percent(30)))).into());
        let batch = pallet_utility::Call::batch_all { calls };
        assert!(RuntimeCall::from(batch.clone()).encoded_size() > INLINE);
        assert_ok!(carry(custom(Origin::ParameterAdmin), batch));
        assert_eq!(challenges::JurorFee::get(), 12 * UNIT);
        assert_eq!(
            ArenaStaking::limits().commission_cap,
            Perbill::from_percent(30)
        );
    });
}

#[test]
fn a_parameter_out_of_its_bounds_should_be_refused_also_in_a_batch() {
    with_preset("development", || {
        System::set_block_number(1);
        let wrong = juror_fee(Some(1_000_001 * UNIT));
        assert_noop!(as_admin(wrong.clone()), filtered());
        let calls = vec![set(juror_fee(Some(UNIT))).into(), set(wrong).into()];
        let batch = pallet_utility::Call::batch_all { calls };
        let refused = carry(custom(Origin::ParameterAdmin), batch);
        assert_eq!(refused, Err(filtered()));
        assert_eq!(challenges::JurorFee::get(), 2 * UNIT);
        assert_ok!(as_admin(juror_fee(Some(1_000_000 * UNIT))));
    });
}

#[test]
fn limits_of_stake_should_be_genesis_s_until_governance_sets_others() {
    for (preset, own) in [("development", 10), ("production", 1_000)] {
        with_preset(preset, || {
            System::set_block_number(1);
            let genesis = pallet_arena_staking::Limits::<Runtime>::get();
            assert_eq!(ArenaStaking::limits(), genesis);
            assert_eq!(genesis.min_own_validator, own * UNIT);
            assert_ok!(as_admin(commission_cap(Some(Perbill::from_percent(7)))));
            let limits = ArenaStaking::limits();
            assert_eq!(limits.commission_cap, Perbill::from_percent(7));
            assert_eq!(limits.min_own_validator, genesis.min_own_validator);
            assert_ok!(as_admin(commission_cap(None)));
            assert_eq!(ArenaStaking::limits(), genesis);
        });
    }
}

#[test]
fn fewer_seats_than_authors_must_be_should_be_refused_and_never_be_in_force() {
    with_preset("production", || {
        System::set_block_number(1);
        assert_noop!(as_admin(seats_authors(3)), filtered());
        assert_ok!(as_admin(seats_authors(5)));
        // Root is not filtered: what can't hold together leaves genesis's limits.
        assert_ok!(as_root(set(seats_authors(3))));
        let genesis = pallet_arena_staking::Limits::<Runtime>::get();
        assert_eq!(ArenaStaking::limits(), genesis);
        check_invariants();
    });
}

#[test]
fn windows_of_cases_should_fit_the_shortest_challenge_phase() {
    with_preset("production", || {
        System::set_block_number(1);
        assert_noop!(as_admin(vote_within(2 * 1_440)), filtered());
        assert_ok!(as_admin(vote_within(1_440 + 300)));
        assert_noop!(as_admin(vote_within(1_440 + 900)), filtered());
        assert_ok!(as_admin(vote_within(1_440)));
        assert_noop!(as_admin(vote_within(719)), filtered());
        assert_noop!(as_admin(max_challenge_days(4)), filtered());
        assert_ok!(as_admin(max_challenge_days(5)));
    });
}

#[test]
fn every_parameter_should_have_a_value_within_its_bounds_on_every_preset() {
    for preset in ["development", "local_testnet", "production"] {
        with_preset(preset, || {
            let all = governance::parameters::all();
            assert!(all.len() > 30);
            for row in &all {
                let name = format!("{preset}: {}.{}", row.group, row.name);
                assert!(
                    row.least.0 <= row.value.0 && row.value.0 <= row.most.0,
                    "{name}"
                );
                assert!(!row.governed, "{name}");
            }
            assert_ok!(as_admin(juror_fee(Some(UNIT))));
            let governed = governance::parameters::all();
            let mut governed = governed.iter().filter(|row| row.governed);
            let row = governed.next().expect("one is set");
            assert_eq!((row.name.as_str(), row.value.0), ("JurorFee", UNIT));
            assert!(governed.next().is_none());
        });
    }
}
