//! Each track of referenda from submission to enactment, on the real runtime: who may decide what,
//! by which majority, and what becomes of it.

mod decisions;
mod guard;
mod parameters;
mod refusals;
mod slashes;
mod treasury;
mod upgrades;
mod votes;

use super::journey::*;
use crate::{
    governance::{origins::pallet::Origin, tracks::TracksInfo},
    *,
};
use arena_primitives::TaskId;
use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    traits::{Bounded, Hooks, schedule::DispatchTime},
};
use pallet_conviction_voting::{AccountVote, Conviction, Vote};
use pallet_referenda::{ReferendumInfo, ReferendumInfoFor, TracksInfo as _};
use sp_core::H256;
use sp_keyring::Sr25519Keyring as Key;
use sp_runtime::{
    DispatchError, DispatchResult, Perbill,
    traits::{BlakeTwo256, Dispatchable, Hash as _},
};

/// Submits referenda, and pays their deposits.
const ASKER: Key = Key::DaveStash;
/// Each has a twelfth of all tokens; they have no other part in these tests.
const VOTERS: [Key; 4] = [
    Key::BobStash,
    Key::CharlieStash,
    Key::EveStash,
    Key::FerdieStash,
];
/// What a voter votes with: 8 % of all tokens.
const STAKE: Balance = 8_000_000 * UNIT;
/// Longest call that a referendum carries in itself.
const INLINE: usize = 128;

fn root_origin() -> OriginCaller {
    frame_system::RawOrigin::Root.into()
}

fn custom(origin: Origin) -> OriginCaller {
    OriginCaller::Origins(origin)
}

/// One block with the hooks that referenda and slashes need beside the arena's.
fn block() {
    next_block();
    ArenaStaking::on_initialize(now());
    Scheduler::on_initialize(now());
}

fn blocks(count: BlockNumber) {
    for _ in 0..count {
        block();
    }
}

/// A call as referenda name it; what is long is noted first.
fn proposal(call_of: RuntimeCall) -> Bounded<RuntimeCall, BlakeTwo256> {
    let bytes = call_of.encode();
    if bytes.len() <= INLINE {
        return Bounded::Inline(bytes.try_into().expect("short"));
    }
    let (hash, len) = (BlakeTwo256::hash(&bytes), bytes.len() as u32);
    let note = pallet_preimage::Call::note_preimage { bytes };
    assert_ok!(call(&account(ASKER), note));
    Bounded::Lookup { hash, len }
}

/// Submits a referendum, without its decision deposit.
fn submit(origin: OriginCaller, what: impl Into<RuntimeCall>) -> u32 {
    let index = pallet_referenda::ReferendumCount::<Runtime>::get();
    let submit = pallet_referenda::Call::submit {
        proposal_origin: Box::new(origin),
        proposal: proposal(what.into()),
        enactment_moment: DispatchTime::After(0),
    };
    assert_ok!(call(&account(ASKER), submit));
    index
}

/// Submits a referendum with its deposit.
fn open(origin: OriginCaller, what: impl Into<RuntimeCall>) -> u32 {
    let index = submit(origin, what);
    let deposit = pallet_referenda::Call::place_decision_deposit { index };
    assert_ok!(call(&account(ASKER), deposit));
    index
}

fn standard(aye: bool, conviction: Conviction, balance: Balance) -> AccountVote<Balance> {
    AccountVote::Standard {
        vote: Vote { aye, conviction },
        balance,
    }
}

fn try_vote(key: Key, poll_index: u32, vote: AccountVote<Balance>) -> DispatchResult {
    let vote = pallet_conviction_voting::Call::vote { poll_index, vote };
    call(&account(key), vote)
}

fn vote(key: Key, index: u32, aye: bool, balance: Balance) {
    let vote = standard(aye, Conviction::Locked1x, balance);
    assert_ok!(try_vote(key, index, vote));
}

/// All voters vote for it: 32 % of all tokens.
fn all_vote(index: u32) {
    for key in VOTERS {
        vote(key, index, true, STAKE);
    }
}

fn info(index: u32) -> pallet_referenda::ReferendumInfoOf<Runtime, ()> {
    ReferendumInfoFor::<Runtime>::get(index).expect("is kept")
}

fn is_ongoing(index: u32) -> bool {
    matches!(info(index), ReferendumInfo::Ongoing(_))
}

/// Goes on until it is decided; returns whether it was approved.
fn decide(index: u32) -> bool {
    for _ in 0..1_000 {
        if !is_ongoing(index) {
            return matches!(info(index), ReferendumInfo::Approved(..));
        }
        block();
    }
    panic!("referendum {index} is not decided");
}

/// How the call of an approved referendum went. Only those have a name in the schedule.
fn enact() -> DispatchResult {
    for _ in 0..100 {
        let named = System::events()
            .into_iter()
            .find_map(|row| match row.event {
                RuntimeEvent::Scheduler(pallet_scheduler::Event::Dispatched {
                    id: Some(_),
                    result,
                    ..
                }) => Some(result),
                _ => None,
            });
        if let Some(result) = named {
            return result;
        }
        block();
    }
    panic!("nothing was enacted");
}

/// Everybody wants it; returns how its call went.
fn carry(origin: OriginCaller, what: impl Into<RuntimeCall>) -> DispatchResult {
    let index = open(origin, what);
    all_vote(index);
    assert!(decide(index), "referendum {index} was not approved");
    enact()
}

fn as_root(what: impl Into<RuntimeCall>) -> DispatchResult {
    let done = what.into().dispatch(RuntimeOrigin::root());
    done.map(|_| ()).map_err(|error| error.error)
}

/// The decision's deposit comes back to who paid it; the submission's only of what was approved or
/// cancelled.
fn refund(index: u32) {
    let reserved = || Balances::reserved_balance(account(ASKER));
    let before = reserved();
    let decision = pallet_referenda::Call::refund_decision_deposit { index };
    assert_ok!(call(&account(ASKER), decision));
    assert!(reserved() < before);
    let before = reserved();
    let submission = pallet_referenda::Call::refund_submission_deposit { index };
    if matches!(info(index), ReferendumInfo::Rejected(..)) {
        let kept = pallet_referenda::Error::<Runtime>::BadStatus;
        assert_noop!(call(&account(ASKER), submission), kept);
    } else {
        assert_ok!(call(&account(ASKER), submission));
        assert_eq!(before - reserved(), UNIT);
    }
}
