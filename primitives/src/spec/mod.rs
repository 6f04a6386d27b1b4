//! What a task is: the spec that token holders vote on.

mod check;
#[cfg(test)]
mod tests;

pub use crate::job::{Architecture, Metric, NumericProfile};
pub use check::{
    MAX_ALPHA_MILLI, MAX_BITS_PER_BYTE, MAX_FLAG_BITS, MAX_LAMBDA_MILLI, MAX_ROUNDS, SpecFault,
    are_mirrors,
};

use crate::{PERBILL, Uris};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{BoundedVec, Perbill};

/// How trainers of a round share their pool (protocol section 6).
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
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RankRule {
    /// `q^(depth·C_{i−1}) − q^(depth·C_i)`, `C` the cumulative share of stake in rank order.
    #[codec(index = 0)]
    ByStake {
        /// `D`; the number of equal stakes with which it is the paper's series.
        depth: u16,
    },
    /// The paper's: `q^(rank−1) · stake^α`.
    #[codec(index = 1)]
    ByHead {
        /// `α_t` in thousandths.
        alpha_milli: u32,
    },
}

/// How scores of one submission become one.
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
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Lower weighted median.
    #[codec(index = 0)]
    Median,
    /// Weighted mean, the paper's.
    #[codec(index = 1)]
    Mean,
}

/// Cap of one validator's weight in consensus.
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
#[serde(rename_all = "snake_case")]
pub enum WeightCap {
    /// No cap.
    #[codec(index = 0)]
    None,
    /// `min(s, S / seats)`.
    #[codec(index = 1)]
    Seats(u16),
    /// Nearest-rank percentile of the stakes.
    #[codec(index = 2)]
    Percentile(u8),
}

/// Reward parameters of a task; fixed by the spec that was voted on.
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
pub struct RewardParams {
    /// `γ`: weight of the other side's stake share in a side's pool.
    pub gamma: Perbill,
    /// `q`: ratio of two successive ranks.
    pub q: Perbill,
    /// How ranks become shares.
    pub rank: RankRule,
    /// `λ` in thousandths: how fast a validator's pay falls with its distance; below 88,000.
    pub lambda_milli: u32,
    /// Distance that costs nothing.
    pub band: Perbill,
    /// `α_v` in thousandths.
    pub alpha_v_milli: u32,
    /// How scores become one.
    pub aggregation: Aggregation,
    /// Cap of one validator's weight in consensus.
    pub cap: WeightCap,
    /// `k`: how many validators score a submission, in expectation; 0 is everybody.
    pub committee: u16,
    /// Fewest scores of a submission.
    pub min_scorers: u16,
    /// Fewest models above the baseline for a round to be paid.
    pub min_trainers: u16,
    /// A position counts at most this many times its own stake; 0 is no limit.
    pub max_leverage: u32,
}

/// Evaluation data that everybody can fetch: one content-addressed file, and how much of it
/// counts. A task's public data, a random subset per round; or a round's shard, once it is open.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct PublicData {
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Size of the file.
    pub bytes: u64,
    /// Full URIs of the file.
    pub uris: Uris,
    /// Samples per round; 0 takes all.
    pub samples: u32,
}

/// Evaluation data that nobody but the creator knows before a round's models are fixed.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct SealedData {
    /// [Root](crate::shard::shards_root) over the shards of all rounds, final validation's last.
    pub root: H256,
    /// Most bytes of a shard.
    pub max_bytes: u64,
    /// Samples of its shard per round; 0 takes all.
    pub samples: u32,
}

/// Where evaluation data comes from.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum DataSource {
    /// A shard per round, opened by the creator when the round's models are fixed.
    #[codec(index = 0)]
    Sealed(SealedData),
    /// For development, and for data that did not exist before the seed.
    #[codec(index = 1)]
    Public(PublicData),
}

/// Most families that a task may allow.
pub const MAX_ARCHITECTURES: u32 = 16;

/// The model that a task's LoRA adapters are applied to.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct BaseModel {
    /// Of its manifest; names it by content.
    pub manifest_root: H256,
    /// Base URIs of its mirrors; `manifest.scale` and the files lie under each.
    pub uris: Uris,
}

/// What a task allows of a model.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ModelBounds {
    /// Families.
    pub architectures: BoundedVec<Architecture, ConstU32<MAX_ARCHITECTURES>>,
    /// Most parameters; of an adapter, with those of its base.
    pub max_parameters: u64,
    /// Most bytes of all files that a trainer submits; a base's don't count.
    pub max_bytes: u64,
    /// Longest evaluation in seconds of computing.
    pub max_seconds: u32,
    /// Longest sample in tokens; 0 where no family reads text.
    pub context: u32,
    /// BLAKE3 of the only `tokenizer.json` allowed.
    pub tokenizer: Option<[u8; 32]>,
    /// Trainers may submit LoRA adapters on this model; `None` takes whole models only.
    pub base: Option<BaseModel>,
}

/// When models count as alike; calibrated per task (`arena-executor sketch --calibrate`).
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
pub struct LikenessRule {
    /// Sketches that differ in at most so many of 256 bits match: the later model ranks just
    /// below the earlier one.
    pub match_bits: u16,
    /// Sketches that differ in at most so many bits are flagged: a challenger pays half the bond.
    pub flag_bits: u16,
    /// A jury convicts a copy whose weight update is at most so far from the earlier one's, as a
    /// part of the earlier one's norm.
    pub copy_distance: Perbill,
}

impl LikenessRule {
    /// 13 and 38 bits, and 25 %: for tasks whose independent updates have a cosine of 0.8 at most
    /// (`docs/sketch.md`).
    pub const DEFAULT: Self = Self {
        match_bits: 13,
        flag_bits: 38,
        copy_distance: Perbill::from_percent(25),
    };
}

/// What is voted on.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct TaskSpec {
    /// For people, UTF-8.
    pub name: BoundedVec<u8, ConstU32<64>>,
    /// SPDX expression under which the winners' models are licensed.
    pub licence: BoundedVec<u8, ConstU32<64>>,
    /// What is measured.
    pub metric: Metric,
    /// The raw value that maps to score 0; the metric's optimum maps to score 1.
    pub worst: u64,
    /// How it is computed.
    pub profile: NumericProfile,
    /// On what.
    pub data: DataSource,
    /// Of which models.
    pub model: ModelBounds,
    /// `x0`: submission rounds.
    pub rounds: u32,
    /// `L`: length of a round in minutes.
    pub round_minutes: u32,
    /// `x1`: length of final validation in days.
    pub final_days: u32,
    /// Length of the challenge phase in days.
    pub challenge_days: u32,
    /// How rewards are shared.
    pub rewards: RewardParams,
    /// Models must score more than this to earn.
    pub baseline: Perbill,
    /// When models count as alike; `None` asks validators for no sketches, and no copy can be
    /// challenged by its distance.
    pub likeness: Option<LikenessRule>,
    /// A model counts only if its trainer registered the training before.
    pub registered: bool,
}

impl TaskSpec {
    /// The root of its shards, if its data is sealed.
    pub fn sealed(&self) -> Option<&SealedData> {
        match &self.data {
            DataSource::Sealed(sealed) => Some(sealed),
            DataSource::Public(_) => None,
        }
    }

    /// The score of a raw value: Perbill, higher is better, rounded down, clamped to the range.
    pub fn score(&self, raw: u64) -> Perbill {
        let (gained, range) = match self.metric {
            Metric::Accuracy => (
                raw.min(PERBILL).saturating_sub(self.worst),
                PERBILL.saturating_sub(self.worst),
            ),
            Metric::BitsPerByte => (self.worst.saturating_sub(raw), self.worst),
        };
        let parts = u128::from(gained)
            .saturating_mul(u128::from(PERBILL))
            .checked_div(u128::from(range))
            .unwrap_or(0);
        Perbill::from_parts(u32::try_from(parts).unwrap_or(u32::MAX))
    }
}

/// Thousandths, as specs have them, as Q32, as the mathematics takes them; rounded down.
#[must_use]
pub const fn milli_q32(milli: u32) -> u64 {
    ((milli as u64) << 32) / 1_000
}
