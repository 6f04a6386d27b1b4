//! Records.

use arena_primitives::{
    AccountId, Balance, MAX_BITS_PER_BYTE, MAX_TRAINERS, MAX_VALIDATORS, Metric, ModelStatus,
    PERBILL, Round, RoundModel, ScoreEntries, ScoreOutcome, TaskId, Unpaid,
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
}

/// What a validator revealed, for each of the round's models in their order; `None` where it
/// wasn't drawn.
pub type Revealed = BoundedVec<Option<ScoreOutcome>, ConstU32<MAX_TRAINERS>>;

/// What a reveal must hash to.
pub fn scores_commitment(
    operator: &AccountId,
    task: TaskId,
    round: Round,
    entries: &ScoreEntries,
    samples_root: H256,
    nonce: H256,
) -> H256 {
    hash(
        Domain::Scores,
        &(operator, task, round, entries, samples_root, nonce),
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
    /// Whether the round is paid, and if it is, its draw and its trainers' shares.
    #[codec(index = 1)]
    Draw,
    /// The validators' shares of one model's pot after the other.
    #[codec(index = 2)]
    Pots {
        /// The next one.
        next: u32,
    },
    /// Pay of one trainer after the other.
    #[codec(index = 3)]
    Trainers {
        /// The next one.
        next: u32,
    },
    /// Pay or fault of one validator after the other, and the removal of its rows.
    #[codec(index = 4)]
    Validators {
        /// The next one.
        next: u32,
    },
    /// The result, and the end of the round.
    #[codec(index = 5)]
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
    /// Its place.
    pub rank: Option<u32>,
    /// What it earns.
    pub reward: Balance,
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
