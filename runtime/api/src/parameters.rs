//! What governs the chain now.

use crate::Amount;
use alloc::string::String;
use arena_primitives::TimeParameters;
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Limits of stake and seats; set by genesis, and some by governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct StakeParameters {
    /// Least own stake of an author of blocks.
    pub min_own_author: Amount,
    /// Least own stake of a task's validator.
    pub min_own_validator: Amount,
    /// Least own stake of a trainer.
    pub min_own_trainer: Amount,
    /// Least delegation.
    pub min_delegation: Amount,
    /// Most authors.
    pub seats_authors: u32,
    /// Most validators of a task.
    pub seats_validators: u32,
    /// Most trainers of a task.
    pub seats_trainers: u32,
    /// Fewer candidates than this elect nobody.
    pub min_authors: u32,
    /// Highest commission in Perbill.
    pub commission_cap: u32,
    /// A position in `network` counts at most this many times its own stake; 0 is no limit.
    pub max_leverage: u32,
    /// For how long governance can cancel a slash of `network`.
    pub slash_deferral_minutes: u32,
}

/// How much is minted; set by genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct EmissionParameters {
    /// In a day.
    pub per_day: Amount,
    /// What of it goes to authors of blocks, in Perbill.
    pub network_share: u32,
}

/// Of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct TaskParameters {
    /// Held while a proposal waits.
    pub proposal_deposit: Amount,
    /// How long a proposal can be approved.
    pub proposal_lifetime_minutes: u32,
}

/// Of scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ScoringParameters {
    /// Part of own stake that a commitment without reveal costs, in Perbill.
    pub non_reveal_slash: u32,
    /// Rounds in a row in which a drawn validator may be absent before it loses its seat.
    pub max_misses: u32,
    /// For how long results of ended tasks are kept.
    pub result_keep_minutes: u32,
}

/// Of challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ChallengeParameters {
    /// For opening what was committed to.
    pub open_minutes: u32,
    /// For the accused to answer.
    pub respond_minutes: u32,
    /// For jurors to commit to their votes.
    pub vote_minutes: u32,
    /// For jurors to reveal them.
    pub reveal_minutes: u32,
    /// For an appeal.
    pub appeal_minutes: u32,
    /// Jurors of a first instance.
    pub jury: u32,
    /// Jurors of an appeal.
    pub appeal_jury: u32,
    /// What a vote is paid.
    pub juror_fee: Amount,
    /// The part of the accused's locked rewards that a bond has beside the jury's cost, in
    /// Perbill.
    pub bond_share: u32,
    /// The most that challengers get of the accused's locked rewards, in Perbill.
    pub challenger_share: u32,
    /// What a silent juror loses of its own stake, in Perbill.
    pub juror_slash: u32,
    /// What jurors lose of their own stake whose verdict an appeal turns, in Perbill.
    pub overturned_slash: u32,
    /// Most bytes that a juror fetches of a training's checkpoints.
    pub max_replay_bytes: u64,
    /// Held while a registered training is kept.
    pub run_deposit: Amount,
    /// Segments with the largest updates that are trained again.
    pub largest_segments: u32,
    /// Segments at random that are trained again.
    pub random_segments: u32,
}

/// All that governs the chain, beside what each task's spec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ParametersView {
    /// Slots, days and windows; set by genesis.
    pub time: TimeParameters,
    /// Limits of stake and seats; set by genesis, and some by governance.
    pub stake: StakeParameters,
    /// How much is minted; set by genesis.
    pub emission: EmissionParameters,
    /// Of proposals; changed by governance.
    pub tasks: TaskParameters,
    /// Of scoring; changed by governance.
    pub scoring: ScoringParameters,
    /// Of challenges; changed by governance but for the juries.
    pub challenges: ChallengeParameters,
}

/// What the numbers of a governed parameter count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterUnit {
    /// Base units of the token.
    #[codec(index = 0)]
    Tokens,
    /// Parts of a billion.
    #[codec(index = 1)]
    Share,
    /// Minutes of the chain's day.
    #[codec(index = 2)]
    Minutes,
    /// The chain's days.
    #[codec(index = 3)]
    Days,
    /// Bytes.
    #[codec(index = 4)]
    Bytes,
    /// Things.
    #[codec(index = 5)]
    Count,
}

/// A governed parameter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterView {
    /// What it is of, as `set_parameter` names it.
    pub group: String,
    /// Its name, as `set_parameter` names it.
    pub name: String,
    /// What its numbers count.
    pub unit: ParameterUnit,
    /// What it is now.
    pub value: Amount,
    /// The least that it can be set to.
    pub least: Amount,
    /// The most that it can be set to.
    pub most: Amount,
    /// Governance set it; else it is what genesis or the runtime say.
    pub governed: bool,
}
