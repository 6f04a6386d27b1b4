//! Privileged calls, each refused to every origin but its own.

use super::{super::sanity::with_preset, *};

pub(super) const ORIGINS: [Origin; 7] = [
    Origin::TaskApprover,
    Origin::ParameterAdmin,
    Origin::Spender,
    Origin::SlashCanceller,
    Origin::TaskGuardian,
    Origin::ReferendumCanceller,
    Origin::ReferendumKiller,
];

/// What root alone may do, of many.
fn of_root() -> Vec<RuntimeCall> {
    let hash = H256::zero();
    let who = account(Key::Bob);
    let remark = Box::new(frame_system::Call::remark { remark: vec![] }.into());
    vec![
        frame_system::Call::set_code { code: vec![] }.into(),
        frame_system::Call::authorize_upgrade { code_hash: hash }.into(),
        frame_system::Call::set_storage { items: vec![] }.into(),
        pallet_treasury::Call::void_spend { index: 0 }.into(),
        pallet_treasury::Call::remove_approval { proposal_id: 0 }.into(),
        pallet_scheduler::Call::schedule {
            when: 9,
            maybe_periodic: None,
            priority: 0,
            call: remark,
        }
        .into(),
        pallet_preimage::Call::request_preimage { hash }.into(),
        pallet_balances::Call::force_set_balance {
            who: who.into(),
            new_free: 0,
        }
        .into(),
        pallet_parameters::Call::set_parameter {
            key_value: super::parameters::juror_fee(None),
        }
        .into(),
    ]
}

/// Calls with the origin that may make them beside root.
fn privileged() -> Vec<(RuntimeCall, Option<Origin>)> {
    use pallet_arena_tasks::Call as Tasks;
    let (task, index) = (0, 0);
    let approve = Tasks::approve {
        spec_hash: H256::zero(),
        max_share: Perbill::one(),
    };
    let spend = pallet_treasury::Call::spend {
        asset_kind: Box::new(()),
        amount: UNIT,
        beneficiary: Box::new(account(Key::Bob)),
        valid_from: None,
    };
    let cancel_slash = pallet_arena_staking::Call::cancel_slash { index };
    let mut all: Vec<(RuntimeCall, Option<Origin>)> = vec![
        (approve.into(), Some(Origin::TaskApprover)),
        (Tasks::pause { task }.into(), Some(Origin::TaskGuardian)),
        (Tasks::resume { task }.into(), Some(Origin::TaskGuardian)),
        (Tasks::cancel { task }.into(), Some(Origin::TaskGuardian)),
        (cancel_slash.into(), Some(Origin::SlashCanceller)),
        (spend.into(), Some(Origin::Spender)),
        (
            pallet_referenda::Call::cancel { index }.into(),
            Some(Origin::ReferendumCanceller),
        ),
        (
            pallet_referenda::Call::kill { index }.into(),
            Some(Origin::ReferendumKiller),
        ),
    ];
    for call in of_root() {
        let is_parameter = matches!(call, RuntimeCall::Parameters(_));
        all.push((call, is_parameter.then_some(Origin::ParameterAdmin)));
    }
    all
}

fn dispatch(call: &RuntimeCall, origin: RuntimeOrigin) -> DispatchResult {
    let done = call.clone().dispatch(origin);
    done.map(|_| ()).map_err(|error| error.error)
}

#[test]
fn privileged_calls_should_be_refused_to_all_origins_but_their_own() {
    with_preset("development", || {
        System::set_block_number(1);
        for (call, own) in privileged() {
            for signed in [account(Key::Alice), account(Key::Bob)] {
                let origin = RuntimeOrigin::signed(signed);
                assert_noop!(dispatch(&call, origin), DispatchError::BadOrigin);
            }
            assert_noop!(
                dispatch(&call, RuntimeOrigin::none()),
                DispatchError::BadOrigin
            );
            for origin in ORIGINS.into_iter().filter(|origin| Some(*origin) != own) {
                assert_noop!(dispatch(&call, origin.into()), DispatchError::BadOrigin);
            }
            if let Some(origin) = own {
                let done = dispatch(&call, origin.into());
                assert_ne!(done, Err(DispatchError::BadOrigin), "{call:?}");
            }
        }
    });
}

#[test]
fn only_origins_with_a_track_should_have_referenda() {
    with_preset("development", || {
        System::set_block_number(1);
        let signed = frame_system::RawOrigin::Signed(account(Key::Alice));
        for origin in [signed.into(), frame_system::RawOrigin::None.into()] {
            let submit = pallet_referenda::Call::submit {
                proposal_origin: Box::new(origin),
                proposal: proposal(frame_system::Call::remark { remark: vec![] }.into()),
                enactment_moment: DispatchTime::After(0),
            };
            assert_noop!(
                call(&account(ASKER), submit),
                pallet_referenda::Error::<Runtime>::NoTrack
            );
        }
        let tracks: Vec<_> = TracksInfo::tracks().map(|track| track.id).collect();
        let of = |origin| TracksInfo::track_for(&custom(origin)).expect("has one");
        assert!(tracks.iter().skip(1).copied().eq(ORIGINS.map(of)));
        assert_eq!(TracksInfo::track_for(&root_origin()), Ok(0));
    });
}
