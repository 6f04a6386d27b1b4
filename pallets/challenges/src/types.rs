//! Records.

use crate::state::{CaseState, Jury, Seat};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, BlockNumber, CaseId, Claim, LogLeaves, LossLeaf, PublicData, Round, TaskId,
    Uris, Vote,
};
pub use arena_primitives::{
    CASES_PER_DOUBLING, MAX_CASES_OF_ONE, MAX_CHALLENGERS, MAX_DOUBLINGS, MAX_OPEN_CASES, SAMPLES,
    log_leaves,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::H256;

/// Most jurors of an instance.
pub const MAX_JURY: u32 = 31;
/// Most keys of marks of an operator in a task.
pub const MAX_MARKS: u32 = 8;
/// Most heartbeats of a run.
pub const MAX_HEARTBEATS: u32 = 512;
/// Blocks for which what was collected of their randomness can be asked for.
pub const BEACON_KEEP: BlockNumber = 256;
/// Rows of one kind that one step removes of a task that is over.
pub const PRUNE_ROWS: u32 = 64;

/// How many judge.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct JurySizes {
    /// In a first instance.
    pub first: u32,
    /// In an appeal.
    pub appeal: u32,
}

impl JurySizes {
    /// Whether somebody judges, and no more than can.
    pub fn are_possible(&self) -> bool {
        let fits = |size: u32| size > 0 && size <= MAX_JURY;
        fits(self.first) && fits(self.appeal)
    }
}

impl Default for JurySizes {
    fn default() -> Self {
        JurySizes {
            first: 11,
            appeal: 31,
        }
    }
}

/// Who accuses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Challenger {
    /// Who.
    pub who: AccountId,
    /// What is held of it.
    pub bond: Balance,
}

/// A claim that is not opened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Commitment {
    /// In which task.
    pub task: TaskId,
    /// What is held.
    pub bond: Balance,
    /// The first block that is too late to open it.
    pub until: BlockNumber,
}

/// What the chain knew of a claim when it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Facts {
    /// Of a copy.
    #[codec(index = 0)]
    Duplicate {
        /// Whose the earlier model is.
        owner: AccountId,
    },
    /// Of a mark.
    #[codec(index = 1)]
    Watermark,
    /// Of a training.
    #[codec(index = 2)]
    Training,
    /// Of a score.
    #[codec(index = 3)]
    Score {
        /// Whose the model is.
        owner: Option<AccountId>,
        /// What the accused revealed.
        raw: u64,
        /// Over the roots of its losses.
        samples_root: H256,
        /// Which of them is the model's.
        place: u32,
        /// How many they are.
        models: u32,
        /// What the round was scored on.
        data: PublicData,
        /// The seed of its subset of samples.
        seed: H256,
    },
}

impl Facts {
    /// Whether the accused must answer.
    pub fn asks(&self) -> bool {
        matches!(self, Self::Training | Self::Score { .. })
    }

    /// A party beside challengers and accused.
    pub fn party(&self) -> Option<&AccountId> {
        match self {
            Self::Duplicate { owner } => Some(owner),
            Self::Score { owner, .. } => owner.as_ref(),
            Self::Watermark | Self::Training => None,
        }
    }
}

/// A second instance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Appeal {
    /// Who asked for it.
    pub appellant: AccountId,
    /// What is held of it.
    pub bond: Balance,
    /// What the first jury decided.
    pub verdict: Vote,
    /// The first jury.
    pub jury: Jury,
}

/// An open case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Case {
    /// In which task.
    pub task: TaskId,
    /// What is claimed.
    pub claim: Claim,
    /// What the chain knows of it.
    pub facts: Facts,
    /// Who claims it.
    pub challengers: BoundedVec<Challenger, ConstU32<MAX_CHALLENGERS>>,
    /// What a vote is paid.
    pub fee: Balance,
    /// The second instance.
    pub appeal: Option<Appeal>,
    /// Where it stands.
    pub state: CaseState,
}

impl Case {
    /// Who is accused.
    pub fn accused(&self) -> &AccountId {
        self.claim.accused()
    }

    /// Whether `who` is one of its challengers.
    pub fn has_challenger(&self, who: &AccountId) -> bool {
        self.challengers.iter().any(|one| one.who == *who)
    }

    /// Whether challengers can still join: nobody knows the draw yet.
    pub fn takes_challengers(&self, now: BlockNumber) -> bool {
        let undrawn = matches!(self.state, CaseState::Drawing { ready } if now < ready);
        self.appeal.is_none() && undrawn
    }

    /// Whether `who` has too much to do with it to judge.
    pub fn has_party(&self, who: &AccountId) -> bool {
        let judged_before = self.appeal.as_ref().map(|appeal| &appeal.jury);
        self.accused() == who
            || self.facts.party() == Some(who)
            || self.has_challenger(who)
            || judged_before.is_some_and(|jury| jury.seats.iter().any(|s| s.juror == *who))
    }

    /// Everybody who revealed a vote, in either instance.
    pub fn voters(&self) -> Vec<&Seat> {
        let first = self.appeal.as_ref().map(|appeal| &appeal.jury);
        let juries = first.into_iter().chain(self.state.jury());
        juries.flat_map(Jury::voters).collect()
    }
}

/// What the accused answered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
#[allow(
    clippy::large_enum_variant,
    reason = "stored and read, never kept in number"
)]
pub enum Answer {
    /// The log of its training.
    #[codec(index = 0)]
    Training {
        /// All leaves.
        leaves: LogLeaves,
        /// Where the checkpoints are.
        uris: Uris,
    },
    /// The losses that it was asked for.
    #[codec(index = 1)]
    Score {
        /// Losses of the model, as it says.
        samples: u32,
        /// Those of the drawn places, in their order.
        losses: BoundedVec<LossLeaf, ConstU32<SAMPLES>>,
    },
}

/// A registered training.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Run {
    /// Which of the trainer's runs in the task it is, from 0.
    pub number: u32,
    /// Root of the manifest over its config and all that it reads.
    pub recipe: H256,
    /// Steps in all.
    pub steps: u64,
    /// Steps between two leaves of the log.
    pub every: u64,
    /// Most bytes of a checkpoint.
    pub checkpoint_bytes: u64,
    /// Registered in this block.
    pub at: BlockNumber,
    /// What it is trained with.
    pub seed: RunSeed,
    /// What is held for it.
    pub deposit: Balance,
    /// Leaves that the last heartbeat counted.
    pub leaves: u32,
    /// The round of the last heartbeat.
    pub beaten: Option<Round>,
}

impl Run {
    /// Leaves of the whole log; `None` for a run that can't be logged.
    pub fn log_leaves(&self) -> Option<u32> {
        log_leaves(self.steps, self.every)
    }
}

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum RunSeed {
    /// Being collected.
    #[codec(index = 0)]
    Awaited {
        /// The last block that counts.
        ready: BlockNumber,
    },
    /// Known.
    #[codec(index = 1)]
    Known(H256),
}

impl RunSeed {
    /// The seed, once it is known.
    pub fn known(&self) -> Option<H256> {
        match self {
            Self::Awaited { .. } => None,
            Self::Known(seed) => Some(*seed),
        }
    }

    /// The block in which it will be known.
    pub fn due(&self) -> Option<BlockNumber> {
        match self {
            Self::Awaited { ready } => Some(ready.saturating_add(1)),
            Self::Known(_) => None,
        }
    }
}

/// How far a training's log had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Heartbeat {
    /// Its leaves.
    pub leaves: u32,
    /// Their root.
    pub root: H256,
}

/// A key of a mark, hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Mark {
    /// The hash of the key.
    pub commitment: H256,
    /// Registered in this block.
    pub at: BlockNumber,
}

/// What the hook has to do in a block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Due {
    /// A claim was not opened in time.
    #[codec(index = 0)]
    Commitment {
        /// Whose.
        challenger: AccountId,
        /// Which.
        commitment: H256,
    },
    /// Time moves a case.
    #[codec(index = 1)]
    Case(CaseId),
    /// The seed of a run is known.
    #[codec(index = 2)]
    Run {
        /// In which task.
        task: TaskId,
        /// Whose.
        trainer: AccountId,
    },
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
    /// The accused lost its rewards and own stake; bonds went back.
    #[codec(index = 0)]
    Convicted,
    /// The bonds were lost.
    #[codec(index = 1)]
    Acquitted,
    /// There were too few jurors; bonds went back, less a juror's fee for the accused.
    #[codec(index = 2)]
    Undecided,
    /// The accused was convicted in another case; bonds went back.
    #[codec(index = 3)]
    Moot,
    /// The task was over; bonds went back.
    #[codec(index = 4)]
    Cancelled,
}
