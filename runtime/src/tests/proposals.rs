//! What becomes of a proposal, and that nothing of it stays but the task that it may become.

use super::{
    endings::{books, maps_with},
    journey::*,
    sanity::with_preset,
};
use crate::*;
use arena_primitives::{TaskId, traits::TaskStates};
use codec::{Decode, Encode};
use frame_support::{
    assert_ok,
    traits::{Bounded, Hooks, StorePreimage, schedule::DispatchTime},
};
use pallet_conviction_voting::{AccountVote, Vote};
use pallet_referenda::{ReferendumInfo, ReferendumInfoFor};
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill, traits::Dispatchable};

/// As long as a proposal can be approved, in blocks of the development preset.
const PROPOSAL_LIVES: BlockNumber = 28 * 40;

type Call = pallet_arena_tasks::Call<Runtime>;

fn approval(spec_hash: H256) -> RuntimeCall {
    let max_share = Perbill::one();
    let approve = Call::approve {
        spec_hash,
        max_share,
    };
    approve.into()
}

fn approve(spec_hash: H256) -> DispatchResult {
    let origin = governance::origins::pallet::Origin::TaskApprover;
    let done = approval(spec_hash).dispatch(origin.into());
    done.map(|_| ()).map_err(|error| error.error)
}

/// Proposes, lets `end` decide, and sees that nobody's deposit stays and nothing names the
/// proposal but these maps.
fn with_proposal(left: &[&str], end: impl FnOnce(&AccountId, H256)) {
    with_preset("development", || {
        System::set_block_number(1);
        let before = books();
        let who = account(CREATOR);
        let spec_hash = ArenaTasks::spec_hash(&who, &spec());
        assert_ok!(call(
            &who,
            Call::propose {
                spec: Box::new(spec())
            }
        ));
        assert_ne!(books(), before, "a deposit is held");
        assert!(maps_with(spec_hash.as_bytes()).contains("ArenaTasks::Proposals"));
        end(&who, spec_hash);
        check_invariants();
        assert_eq!(books(), before);
        assert!(maps_with(spec_hash.as_bytes()).iter().eq(left));
    });
}

#[test]
fn a_withdrawn_proposal_should_leave_nothing() {
    with_proposal(&[], |who, spec_hash| {
        let withdraw = Call::withdraw_proposal { spec_hash };
        assert!(call(&account(DELEGATOR), withdraw.clone()).is_err());
        assert_ok!(call(who, withdraw.clone()));
        assert!(call(who, withdraw).is_err());
        assert!(approve(spec_hash).is_err());
    });
}

#[test]
fn an_expired_proposal_should_leave_nothing_when_anybody_removes_it() {
    with_proposal(&[], |_, spec_hash| {
        let remove = Call::remove_expired { spec_hash };
        System::set_block_number(now() + PROPOSAL_LIVES);
        assert!(call(&account(DELEGATOR), remove.clone()).is_err());
        System::set_block_number(now() + 1);
        assert!(approve(spec_hash).is_err());
        assert_ok!(call(&account(DELEGATOR), remove));
    });
}

#[test]
fn an_approved_proposal_should_leave_its_task() {
    with_proposal(&["ArenaTasks::Tasks"], |who, spec_hash| {
        assert_ok!(approve(spec_hash));
        assert!(approve(spec_hash).is_err());
        assert!(call(who, Call::withdraw_proposal { spec_hash }).is_err());
    });
}

/// Everybody who votes votes like this; returns whether the referendum approved it.
fn referendum(spec_hash: H256, aye: bool) -> bool {
    let (asker, voter) = (account(DELEGATOR), account(CREATOR));
    let proposal: Bounded<RuntimeCall, _> = Preimage::bound(approval(spec_hash)).expect("short");
    let origin = governance::origins::pallet::Origin::TaskApprover;
    let submit = pallet_referenda::Call::submit {
        proposal_origin: Box::new(OriginCaller::Origins(origin)),
        proposal,
        enactment_moment: DispatchTime::After(0),
    };
    assert_ok!(call(&asker, submit));
    let deposit = pallet_referenda::Call::place_decision_deposit { index: 0 };
    assert_ok!(call(&asker, deposit));
    let conviction = pallet_conviction_voting::Conviction::None;
    let vote = AccountVote::Standard {
        vote: Vote { aye, conviction },
        balance: 2_000_000 * UNIT,
    };
    let poll_index = 0;
    let vote = pallet_conviction_voting::Call::vote { poll_index, vote };
    assert_ok!(call(&voter, vote));
    for _ in 0..400 {
        next_block();
        Scheduler::on_initialize(now());
    }
    let info = ReferendumInfoFor::<Runtime>::get(0).expect("is kept");
    let approved = matches!(info, ReferendumInfo::Approved(..));
    assert!(approved || matches!(info, ReferendumInfo::Rejected(..)));
    let refund = pallet_referenda::Call::refund_decision_deposit { index: 0 };
    assert_ok!(call(&asker, refund));
    approved
}

#[test]
fn a_referendum_should_make_a_proposal_a_task() {
    with_preset("development", || {
        System::set_block_number(1);
        let spec_hash = ArenaTasks::spec_hash(&account(CREATOR), &spec());
        assert_ok!(call(
            &account(CREATOR),
            Call::propose {
                spec: Box::new(spec())
            }
        ));
        assert!(referendum(spec_hash, true));
        let task: TaskId = 0;
        assert!(ArenaTasks::phase(task).is_some());
        assert!(!maps_with(spec_hash.as_bytes()).contains("ArenaTasks::Proposals"));
    });
}

#[test]
fn a_rejected_proposal_should_be_withdrawn_or_removed_like_any_other() {
    for removed in [false, true] {
        with_preset("development", || {
            System::set_block_number(1);
            let who = account(CREATOR);
            let free = Balances::free_balance(&who);
            let spec_hash = ArenaTasks::spec_hash(&who, &spec());
            assert_ok!(call(
                &who,
                Call::propose {
                    spec: Box::new(spec())
                }
            ));
            assert!(!referendum(spec_hash, false));
            assert_eq!(ArenaTasks::phase(0), None);
            if removed {
                System::set_block_number(now() + PROPOSAL_LIVES);
                let remove = Call::remove_expired { spec_hash };
                assert_ok!(call(&account(DELEGATOR), remove));
            } else {
                assert_ok!(call(&who, Call::withdraw_proposal { spec_hash }));
            }
            check_invariants();
            assert_eq!(Balances::free_balance(&who), free);
            assert!(!maps_with(spec_hash.as_bytes()).contains("ArenaTasks::Proposals"));
        });
    }
}

#[test]
fn a_spec_that_was_changed_after_the_vote_should_not_be_what_runs() {
    with_proposal(&["ArenaTasks::Tasks"], |who, voted_on| {
        let mut changed = spec();
        changed.rounds += 1;
        let other = ArenaTasks::spec_hash(who, &changed);
        assert_ne!(other, voted_on);
        let unknown = || Err(pallet_arena_tasks::Error::<Runtime>::NoSuchProposal.into());
        assert_eq!(approve(other), unknown());
        // Somebody else's proposal of the same words is another one, too.
        let copied = ArenaTasks::spec_hash(&account(VALIDATORS[0]), &spec());
        assert_eq!(approve(copied), unknown());
        assert_ok!(approve(voted_on));
        let task = pallet_arena_tasks::NextTaskId::<Runtime>::get() - 1;
        assert_eq!(
            pallet_arena_tasks::Specs::<Runtime>::get(task),
            Some(spec())
        );
        let origin = governance::origins::pallet::Origin::TaskGuardian;
        let cancel = RuntimeCall::from(Call::cancel { task });
        assert_ok!(cancel.dispatch(origin.into()));
    });
}

#[test]
fn an_oversized_spec_should_not_decode() {
    let bytes = RuntimeCall::from(Call::propose {
        spec: Box::new(spec()),
    })
    .encode();
    let name = spec().name.encode();
    let at = bytes.windows(name.len()).position(|part| part == name);
    let at = at.expect("the name is in the call");
    let with_name = |length: usize| {
        let longer = vec![b'x'; length].encode();
        let changed = [&bytes[..at], &longer, &bytes[at + name.len()..]].concat();
        RuntimeCall::decode(&mut &changed[..])
    };
    let most = 64;
    assert!(with_name(most).is_ok());
    assert!(with_name(most + 1).is_err());
    assert!(with_name(1 << 20).is_err());
}
