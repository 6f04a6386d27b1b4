//! Curves, deposits, periods, and referenda that are stopped.

use super::{super::sanity::with_preset, *};
use governance::tracks::id;
use pallet_referenda::Error;

/// A call that changes something that is easily seen.
fn remark() -> RuntimeCall {
    let set = pallet_parameters::Call::set_parameter {
        key_value: super::parameters::juror_fee(Some(7 * UNIT)),
    };
    set.into()
}

fn admin() -> OriginCaller {
    custom(Origin::ParameterAdmin)
}

#[test]
fn a_referendum_should_pass_when_approval_and_support_are_enough() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(admin(), remark());
        all_vote(index);
        vote(CREATOR, index, false, UNIT);
        assert!(decide(index));
        assert_ok!(enact());
        refund(index);
    });
}

#[test]
fn a_referendum_should_fail_when_too_few_tokens_support_it() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(admin(), remark());
        // Everybody who votes is for it, with 0.4 % of all tokens.
        vote(VOTERS[0], index, true, 400_000 * UNIT);
        assert!(!decide(index));
        assert!(matches!(info(index), ReferendumInfo::Rejected(..)));
        refund(index);
    });
}

#[test]
fn a_referendum_should_fail_when_too_many_are_against_it() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(admin(), remark());
        for (key, aye) in VOTERS.into_iter().zip([true, true, false, false]) {
            vote(key, index, aye, STAKE);
        }
        // 16 % of all tokens support it; half of the votes approve.
        assert!(!decide(index));
        assert!(matches!(info(index), ReferendumInfo::Rejected(..)));
        refund(index);
    });
}

#[test]
fn support_should_be_asked_for_less_as_time_passes() {
    let took = |share: Balance| {
        with_preset("development", || {
            System::set_block_number(1);
            let index = open(custom(Origin::TaskGuardian), remark());
            vote(VOTERS[0], index, true, share);
            assert!(decide(index));
            now()
        })
    };
    assert!(took(STAKE) < took(STAKE / 8));
}

#[test]
fn a_referendum_that_stops_passing_should_begin_its_confirmation_again() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(custom(Origin::TaskGuardian), remark());
        let confirming = || match info(index) {
            ReferendumInfo::Ongoing(status) => {
                status.deciding.and_then(|deciding| deciding.confirming)
            }
            _ => None,
        };
        all_vote(index);
        run(|| confirming().is_some());
        for key in VOTERS {
            vote(key, index, false, STAKE);
        }
        block();
        assert_eq!(confirming(), None);
        assert!(!decide(index));
    });
}

fn run(done: impl Fn() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        block();
    }
    panic!("it did not come");
}

#[test]
fn a_referendum_without_its_decision_deposit_should_time_out() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = submit(admin(), remark());
        all_vote(index);
        // Two weeks.
        blocks(14 * 40 + 2);
        assert!(matches!(info(index), ReferendumInfo::TimedOut(..)));
        let deposit = pallet_referenda::Call::place_decision_deposit { index };
        assert_noop!(call(&account(ASKER), deposit), Error::<Runtime>::NotOngoing);
    });
}

#[test]
fn deposits_should_be_refused_where_they_cannot_be_paid_or_taken_back() {
    with_preset("development", || {
        System::set_block_number(1);
        let poor = AccountId::new([9; 32]);
        let submit = pallet_referenda::Call::submit {
            proposal_origin: Box::new(admin()),
            proposal: proposal(remark()),
            enactment_moment: DispatchTime::After(0),
        };
        assert!(call(&poor, submit).is_err());
        let index = super::submit(admin(), remark());
        let place = pallet_referenda::Call::place_decision_deposit { index };
        assert!(call(&poor, place.clone()).is_err());
        assert_ok!(call(&account(VOTERS[0]), place.clone()));
        assert_noop!(call(&account(ASKER), place), Error::<Runtime>::HasDeposit);
        let refund = pallet_referenda::Call::refund_decision_deposit { index };
        assert_noop!(
            call(&account(VOTERS[0]), refund),
            Error::<Runtime>::Unfinished
        );
        let unknown = pallet_referenda::Call::place_decision_deposit { index: 99 };
        assert_noop!(call(&poor, unknown), Error::<Runtime>::NotOngoing);
    });
}

#[test]
fn a_cancelled_referendum_should_be_off_and_return_its_deposits() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(root_origin(), remark());
        all_vote(index);
        let cancel = pallet_referenda::Call::cancel { index };
        assert_ok!(carry(custom(Origin::ReferendumCanceller), cancel));
        assert!(matches!(info(index), ReferendumInfo::Cancelled(..)));
        refund(index);
        let late = try_vote(VOTERS[0], index, standard(true, Conviction::None, UNIT));
        assert_eq!(
            late,
            Err(pallet_conviction_voting::Error::<Runtime>::NotOngoing.into())
        );
    });
}

#[test]
fn a_killed_referendum_should_be_off_and_leave_its_deposits_to_the_treasury() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(root_origin(), remark());
        let treasury = Balances::free_balance(Treasury::account_id());
        let kill = pallet_referenda::Call::kill { index };
        assert_ok!(carry(custom(Origin::ReferendumKiller), kill));
        assert!(matches!(info(index), ReferendumInfo::Killed(..)));
        let got = Balances::free_balance(Treasury::account_id()) - treasury;
        // Root's decision deposit, and the submission's.
        assert_eq!(got, 1_001 * UNIT);
    });
}

#[test]
fn stopping_a_referendum_should_be_quicker_than_any_that_changes_the_chain() {
    for preset in ["development", "local_testnet", "production"] {
        with_preset(preset, || {
            let longest = |track: u16| {
                let info = TracksInfo::info(track).expect("is there").into_owned();
                info.prepare_period
                    + info.decision_period
                    + info.confirm_period
                    + info.min_enactment_period
            };
            for stop in [id::REFERENDUM_CANCELLER, id::REFERENDUM_KILLER] {
                for other in [id::ROOT, id::TASK_APPROVAL, id::PARAMETERS, id::TREASURY] {
                    assert!(longest(stop) < longest(other), "{preset}: {stop}, {other}");
                }
            }
        });
    }
}

#[test]
fn curves_should_end_above_half_of_the_votes_and_some_support() {
    with_preset("production", || {
        for track in TracksInfo::tracks() {
            let at = |curve: &pallet_referenda::Curve, percent| {
                curve.threshold(Perbill::from_percent(percent))
            };
            let (approval, support) = (&track.info.min_approval, &track.info.min_support);
            assert!(at(approval, 0) > Perbill::from_percent(99));
            let end = at(approval, 100);
            assert!(end > Perbill::from_percent(50) && end < Perbill::from_percent(52));
            assert!(at(support, 0) >= Perbill::from_percent(10));
            assert!(at(support, 100) >= Perbill::from_rational(5u32, 10_000));
        }
        let end = |id: u16| {
            let info = TracksInfo::info(id).expect("is there").into_owned();
            info.min_support.threshold(Perbill::one())
        };
        assert_eq!(end(id::ROOT), Perbill::from_percent(1));
        assert!(end(id::ROOT) > end(id::PARAMETERS));
        assert!(end(id::PARAMETERS) > end(id::TASK_APPROVAL));
    });
}
