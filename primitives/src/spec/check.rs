//! What a spec must be before it is voted on, as far as it can be told without a clock.

use super::{
    Architecture, BaseModel, DataSource, LikenessRule, Metric, ModelBounds, RankRule, RewardParams,
    TaskSpec, WeightCap,
};
use crate::{MAX_TRAINERS, MAX_VALIDATORS, PERBILL, Uris, time::MINUTES_PER_DAY};
use core::fmt;
use sp_core::H256;
use sp_runtime::Perbill;

/// Most submission rounds of a task; also the bound of its other durations in days.
pub const MAX_ROUNDS: u32 = 366;
/// Above this distance decays to nothing at once, and the integer exponential ends.
pub const MAX_LAMBDA_MILLI: u32 = 88_000;
/// Largest exponent of stake: ten.
pub const MAX_ALPHA_MILLI: u32 = 10_000;
/// Most bits per byte that is told apart, × 10⁹: worse is this bad, and no task's range ends
/// beyond it.
pub const MAX_BITS_PER_BYTE: u64 = 64_000_000_000;

/// Most bits of a threshold: unrelated models differ in 128 of 256, with a deviation of 8.
pub const MAX_FLAG_BITS: u16 = 96;

/// What is wrong with a spec. Shown, it names the field and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecFault {
    /// The name is empty or no UTF-8.
    Name,
    /// The licence is empty or no UTF-8.
    Licence,
    /// The metric can't be as bad.
    Worst,
    /// The baseline is above one.
    Baseline,
    /// The evaluation data is an empty file.
    DataBytes,
    /// No mirror, or an empty one.
    DataUris,
    /// Shards of no bytes.
    ShardBytes,
    /// Nothing is sealed.
    ShardRoot,
    /// No model is allowed.
    NoArchitectures,
    /// This one can't be measured by the metric.
    Architecture(Architecture, Metric),
    /// No parameters are allowed.
    MaxParameters,
    /// No bytes are allowed.
    MaxBytes,
    /// No time is allowed.
    MaxSeconds,
    /// No context, where a model reads text.
    Context,
    /// A base model that nobody made.
    BaseRoot,
    /// No mirror of the base model, or an empty one.
    BaseUris,
    /// `γ` is above one.
    Gamma,
    /// `q` is above one.
    Q,
    /// The band is above one.
    Band,
    /// Depth of zero.
    Depth,
    /// Exponent of trainers' stake.
    AlphaT,
    /// Decay with distance.
    Lambda,
    /// Exponent of validators' stake.
    AlphaV,
    /// A cap of no seats.
    Seats,
    /// No percentile.
    Percentile,
    /// More validators than a task has.
    Committee,
    /// None, or more than score a submission.
    MinScorers,
    /// None, or more than a task has.
    MinTrainers,
    /// None, or too many.
    Rounds,
    /// None, or too long.
    RoundMinutes,
    /// None, or too long.
    FinalDays,
    /// None, or too long.
    ChallengeDays,
    /// Thresholds that are not ordered, or that unrelated models are below.
    Likeness,
}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "name: a text that isn't empty"),
            Self::Licence => write!(f, "licence: a text that isn't empty"),
            Self::Worst => write!(
                f,
                "worst: below 1 for accuracy, above 0 and at most {} for bits_per_byte",
                MAX_BITS_PER_BYTE / PERBILL
            ),
            Self::Baseline => write!(f, "baseline: from 0 to 1"),
            Self::DataBytes => write!(f, "data: the file is empty"),
            Self::DataUris => write!(f, "data.uris: at least one, none of them empty"),
            Self::ShardBytes => write!(f, "data.max_bytes: above 0"),
            Self::ShardRoot => write!(f, "data.root: the root that `arena dataset seal` printed"),
            Self::NoArchitectures => write!(f, "model.architectures: name at least one"),
            Self::Architecture(architecture, metric) => write!(
                f,
                "model.architectures: {architecture:?} can't be measured by {metric:?}"
            ),
            Self::MaxParameters => write!(f, "model.max_parameters: above 0"),
            Self::MaxBytes => write!(f, "model.max_bytes: above 0"),
            Self::MaxSeconds => write!(f, "model.max_seconds: above 0"),
            Self::Context => write!(f, "model.context: above 0 where models read text"),
            Self::BaseRoot => write!(
                f,
                "model.base.manifest_root: the root of the base model's manifest"
            ),
            Self::BaseUris => write!(f, "model.base.uris: at least one, none of them empty"),
            Self::Gamma => write!(f, "rewards.gamma: from 0 to 1"),
            Self::Q => write!(f, "rewards.q: from 0 to 1"),
            Self::Band => write!(f, "rewards.band: from 0 to 1"),
            Self::Depth => write!(f, "rewards.rank: depth above 0"),
            Self::AlphaT => write!(f, "rewards.rank: alpha_milli at most {MAX_ALPHA_MILLI}"),
            Self::Lambda => write!(f, "rewards.lambda_milli: below {MAX_LAMBDA_MILLI}"),
            Self::AlphaV => write!(f, "rewards.alpha_v_milli: at most {MAX_ALPHA_MILLI}"),
            Self::Seats => write!(f, "rewards.cap: seats above 0"),
            Self::Percentile => write!(f, "rewards.cap: percentile from 1 to 100"),
            Self::Committee => write!(f, "rewards.committee: at most {MAX_VALIDATORS}"),
            Self::MinScorers => write!(
                f,
                "rewards.min_scorers: from 1 to the committee, to {MAX_VALIDATORS} if that is 0"
            ),
            Self::MinTrainers => write!(f, "rewards.min_trainers: from 1 to {MAX_TRAINERS}"),
            Self::Rounds => write!(f, "rounds: from 1 to {MAX_ROUNDS}"),
            Self::RoundMinutes => write!(f, "round_minutes: from 1 minute to {MAX_ROUNDS} days"),
            Self::FinalDays => write!(f, "final_days: from 1 to {MAX_ROUNDS}"),
            Self::ChallengeDays => write!(f, "challenge_days: from 1 to {MAX_ROUNDS}"),
            Self::Likeness => write!(
                f,
                "likeness: match_bits at most flag_bits, flag_bits at most {MAX_FLAG_BITS}, \
                 copy_distance from 0 to 1"
            ),
        }
    }
}

impl core::error::Error for SpecFault {}

impl TaskSpec {
    /// Checks what can be told without knowing the time, or who will take part.
    pub fn check(&self) -> Result<(), SpecFault> {
        ensure(is_text(&self.name), SpecFault::Name)?;
        ensure(is_text(&self.licence), SpecFault::Licence)?;
        let worst_fits = match self.metric {
            Metric::Accuracy => self.worst < PERBILL,
            Metric::BitsPerByte => self.worst > 0 && self.worst <= MAX_BITS_PER_BYTE,
        };
        ensure(worst_fits, SpecFault::Worst)?;
        ensure(is_perbill(self.baseline), SpecFault::Baseline)?;
        match &self.data {
            DataSource::Public(data) => {
                ensure(data.bytes > 0, SpecFault::DataBytes)?;
                ensure(are_mirrors(&data.uris), SpecFault::DataUris)?;
            }
            DataSource::Sealed(data) => {
                ensure(data.max_bytes > 0, SpecFault::ShardBytes)?;
                ensure(data.root != H256::zero(), SpecFault::ShardRoot)?;
            }
        }
        self.model.check(self.metric)?;
        self.rewards.check()?;
        let days = 1..=MAX_ROUNDS;
        let minutes = 1..=MAX_ROUNDS.saturating_mul(MINUTES_PER_DAY);
        ensure(days.contains(&self.rounds), SpecFault::Rounds)?;
        ensure(
            minutes.contains(&self.round_minutes),
            SpecFault::RoundMinutes,
        )?;
        ensure(days.contains(&self.final_days), SpecFault::FinalDays)?;
        ensure(
            days.contains(&self.challenge_days),
            SpecFault::ChallengeDays,
        )?;
        self.likeness.map_or(Ok(()), |rule| rule.check())
    }
}

impl LikenessRule {
    fn check(&self) -> Result<(), SpecFault> {
        let ordered = self.match_bits <= self.flag_bits && self.flag_bits <= MAX_FLAG_BITS;
        ensure(
            ordered && is_perbill(self.copy_distance),
            SpecFault::Likeness,
        )
    }
}

impl ModelBounds {
    fn check(&self, metric: Metric) -> Result<(), SpecFault> {
        ensure(!self.architectures.is_empty(), SpecFault::NoArchitectures)?;
        for architecture in &self.architectures {
            ensure(
                architecture.metric() == metric,
                SpecFault::Architecture(*architecture, metric),
            )?;
        }
        ensure(self.max_parameters > 0, SpecFault::MaxParameters)?;
        ensure(self.max_bytes > 0, SpecFault::MaxBytes)?;
        ensure(self.max_seconds > 0, SpecFault::MaxSeconds)?;
        let reads_text = self.architectures.iter().any(|a| a.reads_text());
        ensure(!reads_text || self.context > 0, SpecFault::Context)?;
        self.base.as_ref().map_or(Ok(()), BaseModel::check)
    }
}

impl BaseModel {
    fn check(&self) -> Result<(), SpecFault> {
        ensure(self.manifest_root != H256::zero(), SpecFault::BaseRoot)?;
        ensure(are_mirrors(&self.uris), SpecFault::BaseUris)
    }
}

impl RewardParams {
    fn check(&self) -> Result<(), SpecFault> {
        ensure(is_perbill(self.gamma), SpecFault::Gamma)?;
        ensure(is_perbill(self.q), SpecFault::Q)?;
        ensure(is_perbill(self.band), SpecFault::Band)?;
        match self.rank {
            RankRule::ByStake { depth } => ensure(depth > 0, SpecFault::Depth)?,
            RankRule::ByHead { alpha_milli } => {
                ensure(alpha_milli <= MAX_ALPHA_MILLI, SpecFault::AlphaT)?;
            }
        }
        ensure(self.lambda_milli < MAX_LAMBDA_MILLI, SpecFault::Lambda)?;
        ensure(self.alpha_v_milli <= MAX_ALPHA_MILLI, SpecFault::AlphaV)?;
        match self.cap {
            WeightCap::None => {}
            WeightCap::Seats(seats) => ensure(seats > 0, SpecFault::Seats)?,
            WeightCap::Percentile(percent) => {
                ensure((1..=100).contains(&percent), SpecFault::Percentile)?;
            }
        }
        let committee = u32::from(self.committee);
        ensure(committee <= MAX_VALIDATORS, SpecFault::Committee)?;
        let most = if committee == 0 {
            MAX_VALIDATORS
        } else {
            committee
        };
        let (scorers, trainers) = (u32::from(self.min_scorers), u32::from(self.min_trainers));
        ensure((1..=most).contains(&scorers), SpecFault::MinScorers)?;
        ensure(
            (1..=MAX_TRAINERS).contains(&trainers),
            SpecFault::MinTrainers,
        )
    }
}

/// At least one mirror, each a text that isn't empty.
pub fn are_mirrors(uris: &Uris) -> bool {
    !uris.is_empty() && uris.iter().all(|uri| is_text(uri))
}

fn is_text(bytes: &[u8]) -> bool {
    core::str::from_utf8(bytes).is_ok_and(|text| !text.trim().is_empty())
}

/// Decoding doesn't bound a `Perbill`.
fn is_perbill(part: Perbill) -> bool {
    u64::from(part.deconstruct()) <= PERBILL
}

fn ensure(is_so: bool, fault: SpecFault) -> Result<(), SpecFault> {
    if is_so { Ok(()) } else { Err(fault) }
}
