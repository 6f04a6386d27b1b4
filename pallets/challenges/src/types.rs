//! Records.

use arena_primitives::{AccountId, Balance, BlockNumber, TaskId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;

/// Number of a case; never used twice.
pub type CaseId = u32;
/// Most open cases of a task.
pub const MAX_OPEN_CASES: u32 = 16;

/// An accusation of a trainer that is not decided.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Case {
    /// In which task.
    pub task: TaskId,
    /// Who is accused.
    pub trainer: AccountId,
    /// Who accuses, and has its bond held.
    pub challenger: AccountId,
    /// Hash of the evidence, which is published elsewhere.
    pub evidence: H256,
    /// What is held of the challenger.
    pub bond: Balance,
    /// The last block in which it can be decided.
    pub decide_by: BlockNumber,
}

impl Case {
    /// Nobody decided it in time.
    pub fn is_late(&self, now: BlockNumber) -> bool {
        now > self.decide_by
    }
}

/// How a case ended.
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
)]
pub enum Verdict {
    /// The trainer lost its rewards; the bond went back.
    #[codec(index = 0)]
    Convicted,
    /// The bond was lost.
    #[codec(index = 1)]
    Acquitted,
    /// Nobody decided in time, or the task was called off; the bond went back.
    #[codec(index = 2)]
    Expired,
}
