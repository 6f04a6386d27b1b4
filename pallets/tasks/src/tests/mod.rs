//! Behaviour of calls and of time.

use crate::{
    Active, EndReason, Error, Event, Fixed, Models, Proposals, Roots, Submissions, TaskLimits,
    TaskState, Tasks as TaskRows, Winners, mock::*,
};
use arena_primitives::{
    Architecture, DutyRefusal, LikenessRule, Metric, ModelResult, ModelStatus, NumericProfile,
    Role, RoundModels, RoundResult, TaskId, TaskPhase, TaskSpec, Venue,
    hash::{Domain, hash},
    traits::{Rounds, TaskStates, VenueRefusal, Venues},
};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_core::H256;
use sp_runtime::{DispatchError, Perbill, TokenError};

mod life;
mod limits;
mod models;
mod proposals;
mod random;
mod shards;

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

fn signed_key(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(key(&account(n)))
}

fn commitment(who: u8, manifest_root: H256) -> H256 {
    hash(
        Domain::Submission,
        &(account(who), manifest_root, H256::repeat_byte(9)),
    )
}

fn submit(id: TaskId, who: u8, manifest_root: H256) {
    assert_ok!(Tasks::submit(
        signed(who),
        id,
        commitment(who, manifest_root)
    ));
}

fn publish(id: TaskId, who: u8, manifest_root: H256) -> sp_runtime::DispatchResult {
    Tasks::publish(
        signed_key(who),
        id,
        manifest_root,
        uris(),
        H256::repeat_byte(9),
    )
}

/// Opening block of round 1 of a task that was approved in block 1.
const ONE: u32 = 1 + DAY;
/// First block of round 1's publish window.
const PUBLISH: u32 = ONE + DAY + WINDOWS.gap;
/// First block of round 1's seed phase.
const SEED: u32 = PUBLISH + WINDOWS.publish;
