//! Records.

use arena_primitives::{
    AccountId, Balance, MAX_TRAINERS, Metric, PERBILL, Round, ScoreEntries, ScoreOutcome, TaskId,
    hash::{Domain, hash},
};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_core::H256;

/// Most bits per byte that can be revealed, × 10⁹.
pub const MAX_BITS_PER_BYTE: u64 = 64_000_000_000;

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
