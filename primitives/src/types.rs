//! Numbers, accounts, venues, roles and positions.

use crate::time::Windows;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{
    AccountId32, BoundedVec, MultiAddress, MultiSignature,
    traits::{IdentifyAccount, Verify},
};

/// Units of the token; [`UNIT`] make one.
pub type Balance = u128;
/// Number of a block.
pub type BlockNumber = u32;
/// Account.
pub type AccountId = AccountId32;
/// Hash of a block, a root, a commitment.
pub type Hash = H256;
/// Count of an account's transactions.
pub type Nonce = u32;
/// Signature of a transaction.
pub type Signature = MultiSignature;
/// Who signs.
pub type AccountPublic = <Signature as Verify>::Signer;
/// How calls name an account.
pub type Address = MultiAddress<<AccountPublic as IdentifyAccount>::AccountId, ()>;
/// Number of a task; never used twice.
pub type TaskId = u32;
/// Number of a round of a venue. In a task round 0 is enrolment: stake is taken, no models;
/// rounds 1 to x0 take submissions; round x0 + 1 is final validation. In `Network` it is the
/// session.
pub type Round = u32;

/// One token: 12 decimals.
pub const UNIT: Balance = 1_000_000_000_000;
/// One thousandth of a token.
pub const MILLI: Balance = UNIT / 1_000;

/// One in Perbill.
pub const PERBILL: u64 = 1_000_000_000;

/// Most trainers in a task: bound of every list of a round's models.
pub const MAX_TRAINERS: u32 = 256;
/// Most validators in a task.
pub const MAX_VALIDATORS: u32 = 512;
/// Rosters list who is seated and whom the two live rounds still count: so many times the seats at
/// most.
pub const ROSTER_PER_SEAT: u32 = 3;
/// Most tasks that are alive at once.
pub const MAX_ACTIVE_TASKS: u32 = 64;
/// Most mirrors of an artifact.
pub const MAX_URIS: u32 = 4;
/// Longest URI in bytes.
pub const MAX_URI_BYTES: u32 = 256;

/// A mirror.
pub type Uri = BoundedVec<u8, ConstU32<MAX_URI_BYTES>>;
/// Mirrors of one artifact.
pub type Uris = BoundedVec<Uri, ConstU32<MAX_URIS>>;

/// Where stake works.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Venue {
    /// Block production.
    #[codec(index = 0)]
    Network,
    /// A task.
    #[codec(index = 1)]
    Task(TaskId),
}

/// What an operator does in a venue. Authors of blocks are validators of `Network`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Submits models.
    #[codec(index = 0)]
    Trainer,
    /// Scores them; in `Network`, authors blocks.
    #[codec(index = 1)]
    Validator,
}

/// A position as one round counts it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct StakeSnapshot {
    /// Own stake.
    pub own: Balance,
    /// Delegated stake.
    pub delegated: Balance,
    /// Shares that delegators have in it: what their rewards are counted by. One share is one
    /// unit of stake until delegated stake is slashed.
    pub shares: Balance,
}

impl StakeSnapshot {
    /// Own and delegated stake.
    pub fn total(&self) -> Balance {
        self.own.saturating_add(self.delegated)
    }

    /// What counts: at most `max_leverage` × own stake; 0 stands for no limit.
    pub fn counted(&self, max_leverage: u32) -> Balance {
        if max_leverage == 0 {
            return self.total();
        }
        self.total()
            .min(self.own.saturating_mul(Balance::from(max_leverage)))
    }
}

/// Where time comes from, all set by genesis.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct TimeParameters {
    /// Length of a slot in milliseconds.
    pub slot_millis: u64,
    /// Slots in an epoch, which is a session.
    pub epoch_slots: u64,
    /// What counts as a day.
    pub blocks_per_day: BlockNumber,
    /// Windows of a round.
    pub windows: Windows,
    /// Unbonding, in minutes.
    pub unbonding_minutes: u32,
    /// Notice of a change of commission, in minutes.
    pub commission_notice_minutes: u32,
    /// The least length of a task's challenge phase, in days: a case with its appeal must fit.
    /// Production's where the genesis names none.
    #[serde(default = "default_challenge_days")]
    pub challenge_days: u32,
}

/// What cases take with production's times, and a day.
const fn default_challenge_days() -> u32 {
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_should_stop_at_the_leverage_and_not_without_one() {
        let snapshot = StakeSnapshot {
            own: 10,
            delegated: 990,
            shares: 990,
        };
        assert_eq!(snapshot.counted(20), 200);
        assert_eq!(snapshot.counted(0), 1_000);
    }
}
