//! What a task, a position, a round and a score are.

pub use crate::job::{Architecture, InfraFault, Metric, MinerFault, NumericProfile};
use crate::time::{Schedule, Windows};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{ConstU32, H256};
use sp_runtime::{
    AccountId32, BoundedVec, MultiAddress, MultiSignature, Perbill,
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
#[serde(rename_all = "snake_case")]
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

/// Public evaluation data: one content-addressed file, a random subset of it per round.
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

/// Where evaluation data comes from.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum DataSource {
    /// For development, and for data that did not exist before the seed.
    #[codec(index = 1)]
    Public(PublicData),
}

/// What a task allows of a model.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ModelBounds {
    /// Families.
    pub architectures: BoundedVec<Architecture, ConstU32<8>>,
    /// Most parameters.
    pub max_parameters: u64,
    /// Most bytes of all files.
    pub max_bytes: u64,
    /// Longest evaluation in seconds of computing.
    pub max_seconds: u32,
    /// Longest sample in tokens.
    pub context: u32,
    /// BLAKE3 of the only `tokenizer.json` allowed.
    pub tokenizer: Option<[u8; 32]>,
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
}

impl TaskSpec {
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

/// One in Perbill.
pub const PERBILL: u64 = 1_000_000_000;

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
    /// SimHash of the weight update, once tasks ask for one.
    pub sketch: Option<[u8; 32]>,
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
    /// Called off.
    #[codec(index = 4)]
    Cancelled,
}

/// Identifies one due of an operator: the pool keeps one transaction for each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DutyTag {
    /// Names the call.
    pub call: [u8; 8],
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Who signed.
    pub key: AccountId,
}

/// Why a duty was refused in the pool; the number is the `Custom` code of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[repr(u8)]
pub enum DutyRefusal {
    /// The signer is nobody's service key.
    NotAServiceKey = 1,
    /// No such task or round.
    UnknownRound = 2,
    /// The window is not open.
    WrongPhase = 3,
    /// The operator has no such role in the task.
    NotInRole = 4,
    /// It was done before.
    AlreadyDone = 5,
    /// It matches no commitment.
    Mismatch = 6,
    /// The content is malformed.
    BadContent = 7,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(metric: Metric, worst: u64) -> TaskSpec {
        TaskSpec {
            name: Default::default(),
            licence: Default::default(),
            metric,
            worst,
            profile: NumericProfile::F32,
            data: DataSource::Public(PublicData {
                blake3: [0; 32],
                bytes: 0,
                uris: Default::default(),
                samples: 0,
            }),
            model: ModelBounds {
                architectures: Default::default(),
                max_parameters: 0,
                max_bytes: 0,
                max_seconds: 0,
                context: 0,
                tokenizer: None,
            },
            rounds: 1,
            round_minutes: 1_440,
            final_days: 1,
            challenge_days: 1,
            rewards: RewardParams {
                gamma: Perbill::from_percent(35),
                q: Perbill::from_percent(70),
                rank: RankRule::ByStake { depth: 20 },
                lambda_milli: 50_000,
                band: Perbill::from_parts(1_000_000),
                alpha_v_milli: 1_000,
                aggregation: Aggregation::Median,
                cap: WeightCap::Seats(10),
                committee: 0,
                min_scorers: 2,
                min_trainers: 2,
                max_leverage: 20,
            },
            baseline: Perbill::zero(),
        }
    }

    #[test]
    fn score_should_map_the_range_of_each_metric_to_zero_and_one() {
        let accuracy = spec(Metric::Accuracy, 100_000_000);
        assert_eq!(accuracy.score(PERBILL), Perbill::one());
        assert_eq!(accuracy.score(100_000_000), Perbill::zero());
        assert_eq!(accuracy.score(0), Perbill::zero());
        assert_eq!(accuracy.score(550_000_000), Perbill::from_percent(50));

        let bits = spec(Metric::BitsPerByte, 8_000_000_000);
        assert_eq!(bits.score(0), Perbill::one());
        assert_eq!(bits.score(8_000_000_000), Perbill::zero());
        assert_eq!(bits.score(u64::MAX), Perbill::zero());
        assert_eq!(bits.score(2_000_000_000), Perbill::from_percent(75));
    }

    #[test]
    fn score_should_be_zero_for_a_range_of_nothing() {
        assert_eq!(
            spec(Metric::Accuracy, PERBILL).score(PERBILL),
            Perbill::zero()
        );
        assert_eq!(spec(Metric::BitsPerByte, 0).score(0), Perbill::zero());
    }

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
