//! Records.

use arena_primitives::{
    AccountId, Balance, BlockNumber, EarlierModel, EarlierSketches, MAX_BITS_PER_BYTE, MAX_EARLIER,
    MAX_TRAINERS, MAX_VALIDATORS, Metric, ModelLikeness, ModelStatus, PERBILL, Round, RoundModel,
    ScoreEntries, ScoreOutcome, TaskId, Unpaid,
    hash::{Domain, hash},
    traits::{Counted, Due},
};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_core::H256;

/// The making of a round's seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct SeedState {
    /// `H(previous ‖ vrf output)` over the blocks so far.
    pub acc: H256,
    /// How many outputs went into it.
    pub blocks: u32,
    /// Counted stake of all validators, of which each one's chance to be drawn is a part; set
    /// once the last block of the seed phase has gone in. From then on the seed is known.
    pub total: Option<Balance>,
    /// The models that the round's are compared with, fixed when the seed is complete; none where
    /// the task asks for no sketches.
    pub earlier: EarlierModels,
}

/// Models of earlier rounds, the best first.
pub type EarlierModels = BoundedVec<EarlierModel, ConstU32<MAX_EARLIER>>;

/// What a validator revealed, for each of the round's models in their order; `None` where it
/// wasn't drawn.
pub type Revealed = BoundedVec<Option<ScoreOutcome>, ConstU32<MAX_TRAINERS>>;

/// A validator's reveal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Reveal {
    /// Its scores.
    pub outcomes: Revealed,
    /// `H` over the roots of its losses of each model.
    pub samples_root: H256,
}

/// The sketches of a validator's reveal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct RevealedSketches {
    /// Of each of the round's models in their order; `None` where it wasn't drawn, or could not
    /// sketch.
    pub models: BoundedVec<Option<[u8; 32]>, ConstU32<MAX_TRAINERS>>,
    /// Of each of the earlier models that the round compares with.
    pub earlier: EarlierSketches,
}

/// What a reveal must hash to.
pub fn scores_commitment(
    operator: &AccountId,
    task: TaskId,
    round: Round,
    entries: &ScoreEntries,
    earlier: &EarlierSketches,
    samples_root: H256,
    nonce: H256,
) -> H256 {
    hash(
        Domain::Scores,
        &(operator, task, round, entries, earlier, samples_root, nonce),
    )
}

/// Whether a raw value is possible.
pub fn raw_is_possible(metric: Metric, raw: u64) -> bool {
    match metric {
        Metric::Accuracy => raw <= PERBILL,
        Metric::BitsPerByte => raw <= MAX_BITS_PER_BYTE,
    }
}

/// Which unit of work of a settlement comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Stage {
    /// Consensus of one model after the other.
    #[codec(index = 0)]
    Scores {
        /// The next one.
        next: u32,
    },
    /// What validators agree on of one sketch after the other: first the earlier models', then the
    /// round's. Where the task asks for sketches.
    #[codec(index = 1)]
    Sketches {
        /// The next one.
        next: u32,
    },
    /// Which earlier ones a model is like, one after the other in the order of their first
    /// commitments.
    #[codec(index = 2)]
    Likeness {
        /// The next one.
        next: u32,
    },
    /// Whether the round is paid, and if it is, its draw and its trainers' shares.
    #[codec(index = 3)]
    Draw,
    /// The validators' shares of one model's pot after the other.
    #[codec(index = 4)]
    Pots {
        /// The next one.
        next: u32,
    },
    /// Pay of one trainer after the other.
    #[codec(index = 5)]
    Trainers {
        /// The next one.
        next: u32,
    },
    /// Pay or fault of one validator after the other, and the removal of what nobody asks for any
    /// more.
    #[codec(index = 6)]
    Validators {
        /// The next one.
        next: u32,
    },
    /// The removal of the reveals of a round whose scores can't be challenged any more.
    #[codec(index = 7)]
    Forget {
        /// The next one.
        next: u32,
    },
    /// The result, and the end of the round.
    #[codec(index = 8)]
    Finish,
}

/// A model in a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct ModelRow {
    /// The model.
    pub model: RoundModel,
    /// Its trainer; `None` where its stake doesn't count.
    pub counted: Option<Counted>,
    /// Consensus as an exact fraction; `None` without quorum.
    pub consensus: Option<(u128, u128)>,
    /// How it fared.
    pub status: ModelStatus,
    /// Lower weighted median of the raw values.
    pub raw: Option<u64>,
    /// Its sketch.
    pub sketch: SketchRow,
    /// The earlier model that it is like.
    pub likeness: Option<ModelLikeness>,
    /// Where it matches an earlier model: the score that it is ranked by, and how many copies it
    /// is away from the model whose score that is.
    pub below: Option<((u128, u128), u32)>,
    /// Its place.
    pub rank: Option<u32>,
    /// What it earns.
    pub reward: Balance,
}

/// What is known of a model's sketch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct SketchRow {
    /// The one that two thirds of the weight agree on; known when its turn has come.
    pub agreed: Option<[u8; 32]>,
    /// The block of the first commitment to the model, as of when the settlement began.
    pub committed: Option<BlockNumber>,
}

/// An earlier model in a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct EarlierRow {
    /// The model.
    pub model: EarlierModel,
    /// Its sketch.
    pub sketch: SketchRow,
}

/// A validator in a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct ValidatorRow {
    /// The validator.
    pub counted: Counted,
    /// Whether it revealed; known when its turn has come.
    pub revealed: bool,
    /// What it earns by the pots so far.
    pub reward: Balance,
    /// Sum of its distances from consensus as Q64, and their number.
    pub distance: (u128, u32),
}

/// A round that is being settled, between two blocks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Settlement {
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// What comes next.
    pub stage: Stage,
    /// What the round may draw, as of the block in which the settlement began.
    pub due: Due,
    /// The models in the round's order.
    pub models: BoundedVec<ModelRow, ConstU32<MAX_TRAINERS>>,
    /// What they are compared with.
    pub earlier: BoundedVec<EarlierRow, ConstU32<MAX_EARLIER>>,
    /// All that the round counts, ordered by account.
    pub validators: BoundedVec<ValidatorRow, ConstU32<MAX_VALIDATORS>>,
    /// Why it pays nothing; known after the draw.
    pub unpaid: Option<Unpaid>,
    /// What was drawn.
    pub drawn: Balance,
    /// What of it has been booked for trainers and validators.
    pub paid: Balance,
    /// The validators' pool.
    pub validator_pool: Balance,
    /// How many pots it is divided in: one for each model with quorum.
    pub pots: u32,
}
