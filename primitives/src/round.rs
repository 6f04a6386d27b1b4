//! What a round counts, what validators find in it, and what stays of it.

pub use crate::job::{InfraFault, MinerFault};
use crate::{
    AccountId, Balance, BlockNumber, MAX_TRAINERS, MAX_VALIDATORS, Round, TaskId,
    shard::ShardState, time::Schedule,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{BoundedVec, Perbill};

/// What a validator found for one submission.
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
pub enum ScoreOutcome {
    /// In the metric's unit: bits per byte × 10⁹, or accuracy in Perbill.
    #[codec(index = 0)]
    Scored(u64),
    /// The model's fault.
    #[codec(index = 1)]
    Invalid(MinerFault),
    /// The validator's own.
    #[codec(index = 2)]
    Skipped(InfraFault),
}

/// One line of a reveal.
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
pub struct ScoreEntry {
    /// The model.
    pub manifest_root: H256,
    /// What was found.
    pub outcome: ScoreOutcome,
    /// SimHash of the weight update under the round's seed, where the task asks for one and the
    /// model could be sketched.
    pub sketch: Option<[u8; 32]>,
}

/// Most models of earlier rounds whose sketches a reveal lists.
pub const MAX_EARLIER: u32 = 16;

/// Sketches of the earlier models that the round compares with, in their order; `None` for one
/// that could not be sketched.
pub type EarlierSketches = BoundedVec<Option<[u8; 32]>, ConstU32<MAX_EARLIER>>;

/// A model of an earlier round that a round's models are compared with.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct EarlierModel {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: H256,
    /// The best score that it had.
    pub score: Perbill,
}

/// A reveal's lines, in the order of the round's models.
pub type ScoreEntries = BoundedVec<ScoreEntry, ConstU32<MAX_TRAINERS>>;

/// A model as a round counts it.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct RoundModel {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: H256,
}

/// The models of a round once they are fixed, ordered by account.
pub type RoundModels = BoundedVec<RoundModel, ConstU32<MAX_TRAINERS>>;

/// What scoring needs to know of a live round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RoundInfo {
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Its windows.
    pub schedule: Schedule,
    /// True for final validation.
    pub is_final: bool,
    /// Its evaluation data. A round that awaits its shard can't be settled.
    pub shard: ShardState,
}

/// How a model fared in a round.
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
pub enum ModelStatus {
    /// Consensus on a score.
    #[codec(index = 0)]
    Scored,
    /// Consensus on score 0, for this fault, the one with the most weight.
    #[codec(index = 1)]
    Invalid(MinerFault),
    /// No quorum; the reason with the most weight, if anybody named one.
    #[codec(index = 2)]
    Skipped(Option<InfraFault>),
}

/// How near a model comes to an earlier one of another operator.
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
pub struct ModelLikeness {
    /// The earlier model.
    pub earlier: H256,
    /// Bits in which the two sketches differ; at most the task's threshold of flags.
    pub distance: u16,
    /// Whether it is within the threshold of matches: then it ranks just below the earlier one.
    pub matches: bool,
}

/// What stays of a model's round.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ModelResult {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: H256,
    /// How it fared.
    pub status: ModelStatus,
    /// Lower weighted median of the raw values.
    pub raw: Option<u64>,
    /// Consensus, rounded down to Perbill.
    pub score: Option<Perbill>,
    /// 1 is the best; a tied block shares its first position. `None` earns nothing.
    pub rank: Option<u32>,
    /// What its position earned, before it is shared with delegators.
    pub reward: Balance,
    /// The earlier model that it is like, if there is one.
    pub likeness: Option<ModelLikeness>,
}

/// A score that can be challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// In the metric's unit.
    pub raw: u64,
    /// `H` over the roots of the losses of all models in the reveal, in its order.
    pub samples_root: H256,
    /// Which of them is the model's.
    pub place: u32,
    /// How many they are.
    pub models: u32,
    /// The round was settled in this block; `None` before.
    pub settled_at: Option<BlockNumber>,
}

/// What stays of a validator's round.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ValidatorResult {
    /// Who.
    pub validator: AccountId,
    /// Mean distance of its scores from consensus; `None` without a score in consensus.
    pub distance: Option<Perbill>,
    /// What its position earned, before it is shared with delegators.
    pub reward: Balance,
}

/// Why a round paid nothing.
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
pub enum Unpaid {
    /// Fewer than `MinTrainers` models above the baseline.
    #[codec(index = 0)]
    TooFewModels,
    /// No submission had a quorum.
    #[codec(index = 1)]
    NoQuorum,
    /// No validator had stake when the round was fixed.
    #[codec(index = 2)]
    NoValidators,
    /// Its shard was not opened in time.
    #[codec(index = 3)]
    NoData,
}

/// What stays of a settled round.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct RoundResult {
    /// Settled in this block.
    pub settled_at: BlockNumber,
    /// What was drawn from emission and bounty.
    pub drawn: Balance,
    /// What of it went to the treasury.
    pub treasury: Balance,
    /// Why nothing was paid.
    pub unpaid: Option<Unpaid>,
    /// The models, in the round's order.
    pub models: BoundedVec<ModelResult, ConstU32<MAX_TRAINERS>>,
    /// The validators that revealed, ordered by account.
    pub validators: BoundedVec<ValidatorResult, ConstU32<MAX_VALIDATORS>>,
}

/// Where a task stands, without its data.
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
pub enum TaskPhase {
    /// Rounds of submissions.
    #[codec(index = 0)]
    Submission,
    /// The last round, on fresh samples.
    #[codec(index = 1)]
    FinalValidation,
    /// Cases can be opened.
    #[codec(index = 2)]
    Challenge,
    /// Paid.
    #[codec(index = 3)]
    Closed,
    /// Ended before it was closed: called off, or without a bond for its shards.
    #[codec(index = 4)]
    Cancelled,
}
