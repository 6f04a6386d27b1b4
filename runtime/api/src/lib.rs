//! What nodes, dApps and the command line ask of the chain: one versioned runtime API.
//!
//! Balances are decimal strings in JSON, scores are Perbill, blocks are numbers.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::{string::String, vec::Vec};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Hash, Metric, ModelStatus, Role, Round, ShardState, TaskId,
    TaskPhase, TimeParameters, Unpaid, Venue,
    time::{RoundPhase, Schedule},
};
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Most rows of one answer.
pub const MAX_PAGE: u32 = 100;

/// Decimal strings for amounts, since JSON numbers lose digits past 2^53.
mod decimal {
    use alloc::string::{String, ToString};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&amount.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(|_| D::Error::custom("not a decimal amount"))
    }
}

/// An amount in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(#[serde(with = "decimal")] pub Balance);

impl From<Balance> for Amount {
    fn from(amount: Balance) -> Self {
        Amount(amount)
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Its number.
    pub id: TaskId,
    /// For people.
    pub name: String,
    /// Who proposed it.
    pub creator: AccountId,
    /// What was voted on.
    pub spec_hash: Hash,
    /// What is measured.
    pub metric: Metric,
    /// Where it stands.
    pub phase: TaskPhase,
    /// The round that takes submissions or stake, while one does.
    pub open_round: Option<Round>,
    /// The last round that was settled.
    pub last_settled: Option<Round>,
    /// Submission rounds in all; the next one is final validation.
    pub rounds: u32,
    /// Rounds that are alive, with their windows.
    pub live: Vec<RoundView>,
    /// When the phase ends, where it ends by the clock.
    pub phase_ends: Option<BlockNumber>,
    /// It opens no further round, and doesn't close.
    pub paused: bool,
}

/// One live round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundView {
    /// Its number; 0 is enrolment.
    pub round: Round,
    /// Its windows.
    pub schedule: Schedule,
    /// Where it stands now.
    pub phase: RoundPhase,
    /// Its evaluation data.
    pub shard: ShardState,
}

/// What one model earned in one round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelView {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: Hash,
    /// How it fared.
    pub status: ModelStatus,
    /// In the metric's unit.
    pub raw: Option<u64>,
    /// Consensus, in Perbill.
    pub score: Option<u32>,
    /// 1 is the best.
    pub rank: Option<u32>,
    /// Of the whole position.
    pub reward: Amount,
}

/// What one validator earned in one round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorView {
    /// Who.
    pub account: AccountId,
    /// Mean distance from consensus, in Perbill.
    pub distance: Option<u32>,
    /// Of the whole position.
    pub reward: Amount,
}

/// A settled round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultView {
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Settled in this block.
    pub settled_at: BlockNumber,
    /// What was drawn.
    pub drawn: Amount,
    /// What of it went to the treasury.
    pub treasury: Amount,
    /// Why nothing was paid.
    pub unpaid: Option<Unpaid>,
    /// Models.
    pub models: Vec<ModelView>,
    /// Validators.
    pub validators: Vec<ValidatorView>,
}

/// Whether a position has a seat, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// It has one: its stake counts.
    #[codec(index = 0)]
    Taken,
    /// It has no own stake left.
    #[codec(index = 1)]
    Left,
    /// A larger own stake took it.
    #[codec(index = 2)]
    Displaced,
    /// It stayed away from its duties, or misbehaved.
    #[codec(index = 3)]
    Chilled,
}

/// An operator in a venue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionView {
    /// Where.
    pub venue: Venue,
    /// Who.
    pub operator: AccountId,
    /// As what.
    pub role: Role,
    /// Whether its stake counts.
    pub seat: Seat,
    /// Own stake.
    pub own: Amount,
    /// Delegated stake.
    pub delegated: Amount,
    /// Commission in Perbill.
    pub commission: u32,
    /// What the operator could claim, or will be able to.
    pub owed: Amount,
}

/// When what a position earned can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payout {
    /// Not before the task has ended.
    #[codec(index = 0)]
    Locked,
    /// A round's pay when two more rounds of the task are settled.
    #[codec(index = 1)]
    Rolling,
    /// Now.
    #[codec(index = 2)]
    Free,
    /// Never: a challenge took it.
    #[codec(index = 3)]
    Forfeited,
}

/// What a position, or one of its delegators, has earned and not claimed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarningsView {
    /// When it can be claimed.
    pub payout: Payout,
    /// All of it.
    pub owed: Amount,
    /// What can be claimed now.
    pub free: Amount,
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

sp_api::decl_runtime_apis! {
    /// Everything that is asked of the arena.
    #[api_version(1)]
    pub trait ArenaApi {
        /// Tasks from this number on, at most [`MAX_PAGE`].
        fn tasks(from: TaskId, limit: u32) -> Vec<TaskView>;
        /// One task.
        fn task(task: TaskId) -> Option<TaskView>;
        /// A settled round.
        fn result(task: TaskId, round: Round) -> Option<ResultView>;
        /// Which models a validator is drawn for, once the seed is known: trainer and root.
        fn drawn(task: TaskId, round: Round, validator: AccountId) -> Vec<(AccountId, Hash)>;
        /// A position.
        fn position(venue: Venue, operator: AccountId) -> Option<PositionView>;
        /// Positions of a venue, ordered by account, after `after`, at most [`MAX_PAGE`].
        fn positions(venue: Venue, after: Option<AccountId>, limit: u32) -> Vec<PositionView>;
        /// What an operator has earned in a venue, delegators' part not counted; of who has left
        /// the venue too.
        fn operator_earnings(venue: Venue, operator: AccountId) -> EarningsView;
        /// What a delegator has earned in a position.
        fn delegator_earnings(
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> EarningsView;
        /// Time, as genesis set it.
        fn time() -> TimeParameters;
        /// What governance can set, and what it is now.
        fn parameters() -> Vec<ParameterView>;
    }
}
