//! Tasks, their rounds, models and results.

use crate::Amount;
use alloc::{string::String, vec::Vec};
use arena_primitives::{
    AccountId, BlockNumber, Hash, Metric, ModelStatus, Round, ShardState, TaskId, TaskPhase,
    Unpaid,
    time::{RoundPhase, Schedule},
};
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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

/// A page of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct TasksPage {
    /// By number.
    pub tasks: Vec<TaskView>,
    /// Where the next page begins; null after the last task.
    pub next: Option<TaskId>,
}

/// Where a task stands, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct TaskStateView {
    /// Its number.
    pub task: TaskId,
    /// Where it stands.
    pub phase: TaskPhase,
    /// The latest round that was opened.
    pub open_round: Round,
    /// The last round that was settled.
    pub last_settled: Option<Round>,
    /// It opens no further round, and doesn't close.
    pub paused: bool,
}

/// A model that a round counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct RoundModelView {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: Hash,
}

/// What a settled round came to, without its rows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct SettledView {
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
    /// How many models it had.
    pub models: u32,
    /// How many validators revealed.
    pub validators: u32,
    /// The best model, where one has a rank.
    pub best: Option<ModelView>,
}

/// A round, whether it is alive or settled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct RoundStateView {
    /// The task.
    pub task: TaskId,
    /// The round; 0 is enrolment.
    pub round: Round,
    /// It is final validation.
    pub is_final: bool,
    /// Its windows, while it is alive.
    pub live: Option<RoundView>,
    /// What its draws are made of, from the commit window to settlement.
    pub seed: Option<Hash>,
    /// The models that it counts, once they are fixed, while it is alive.
    pub models: Vec<RoundModelView>,
    /// Commitments to models that are not published.
    pub submissions: u32,
    /// Validators that committed to scores.
    pub commitments: u32,
    /// Validators that revealed scores; of settled rounds as long as they can be challenged.
    pub reveals: u32,
    /// What it came to, as long as the result is kept.
    pub settled: Option<SettledView>,
}

/// How near a model comes to an earlier one of another operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct LikenessView {
    /// The earlier model.
    pub earlier: Hash,
    /// Bits in which the two sketches differ.
    pub distance: u16,
    /// It ranks just below the earlier one.
    pub matches: bool,
}

/// A line of a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct LeaderView {
    /// Its place, from 0; models without a rank come last.
    pub place: u32,
    /// The model, and what it earned.
    pub model: ModelView,
    /// The earlier model that it is like, if there is one.
    pub likeness: Option<LikenessView>,
}

/// Models of a settled round, the best first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct LeaderboardPage {
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Settled in this block.
    pub settled_at: BlockNumber,
    /// By rank.
    pub leaders: Vec<LeaderView>,
    /// The first place of the next page; null after the last model.
    pub next: Option<u32>,
}

/// A commitment to a model that is not public yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct CommittedView {
    /// The round.
    pub round: Round,
    /// What was committed to.
    pub commitment: Hash,
    /// In this block.
    pub at: BlockNumber,
}

/// A model that is public.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct PublishedView {
    /// Which.
    pub manifest_root: Hash,
    /// The first round that counts it.
    pub from_round: Round,
    /// The block of the first commitment to it; null where the model is another's.
    pub committed_at: Option<BlockNumber>,
    /// Where it can be fetched.
    pub uris: Vec<String>,
}

/// What a trainer has in a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct SubmissionView {
    /// The task.
    pub task: TaskId,
    /// Who.
    pub trainer: AccountId,
    /// What it committed to in live rounds and hasn't published.
    pub committed: Vec<CommittedView>,
    /// Its newest model.
    pub current: Option<PublishedView>,
    /// The one that it replaced, which a live round may still count.
    pub previous: Option<PublishedView>,
}
