//! Answers of the runtime's API, as this command line shows them.

use crate::amount::Amount;
use arena_primitives::{
    AccountId, BlockNumber, Hash, Metric, ModelStatus, Role, Round, ShardState, TaskId, TaskPhase,
    Unpaid, Venue,
    time::{RoundPhase, Schedule},
};
use codec::Decode;
use serde::Serialize;

/// One task.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    /// Its number.
    pub(crate) id: TaskId,
    /// For people.
    pub(crate) name: String,
    /// Who proposed it.
    pub(crate) creator: AccountId,
    /// What was voted on.
    pub(crate) spec_hash: Hash,
    /// What is measured.
    pub(crate) metric: Metric,
    /// Where it stands.
    pub(crate) phase: TaskPhase,
    /// The round that takes submissions or stake, while one does.
    pub(crate) open_round: Option<Round>,
    /// The last round that was settled.
    pub(crate) last_settled: Option<Round>,
    /// Submission rounds in all; the next one is final validation.
    pub(crate) rounds: u32,
    /// Rounds that are alive.
    pub(crate) live: Vec<LiveRound>,
    /// When the phase ends, where it ends by the clock.
    pub(crate) phase_ends: Option<BlockNumber>,
    /// It opens no further round, and doesn't close.
    pub(crate) paused: bool,
}

/// One live round.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveRound {
    /// Its number; 0 is enrolment.
    pub(crate) round: Round,
    /// Its windows.
    pub(crate) schedule: Schedule,
    /// Where it stands.
    pub(crate) phase: RoundPhase,
    /// Its evaluation data.
    pub(crate) shard: ShardState,
}

/// What one model earned in one round.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    /// Whose.
    pub(crate) trainer: AccountId,
    /// Which.
    pub(crate) manifest_root: Hash,
    /// How it fared.
    pub(crate) status: ModelStatus,
    /// In the metric's unit × 10⁹.
    pub(crate) raw: Option<u64>,
    /// Consensus, in Perbill.
    pub(crate) score: Option<u32>,
    /// 1 is the best.
    pub(crate) rank: Option<u32>,
    /// Of the whole position.
    pub(crate) reward: Amount,
}

/// What one validator earned in one round.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Validator {
    /// Who.
    pub(crate) account: AccountId,
    /// Mean distance from consensus, in Perbill.
    pub(crate) distance: Option<u32>,
    /// Of the whole position.
    pub(crate) reward: Amount,
}

/// A settled round.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Result {
    /// The task.
    pub(crate) task: TaskId,
    /// The round.
    pub(crate) round: Round,
    /// Settled in this block.
    pub(crate) settled_at: BlockNumber,
    /// What was drawn.
    pub(crate) drawn: Amount,
    /// What of it went to the treasury.
    pub(crate) treasury: Amount,
    /// Why nothing was paid.
    pub(crate) unpaid: Option<Unpaid>,
    /// Models.
    pub(crate) models: Vec<Model>,
    /// Validators.
    pub(crate) validators: Vec<Validator>,
}

/// Whether a position has a seat, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seat {
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

impl Seat {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Seat::Taken => "taken, the stake counts",
            Seat::Left => "none, no own stake is left",
            Seat::Displaced => "none, a larger stake took it; `arena stake` more to take one",
            Seat::Chilled => "none, it was away or misbehaved; `arena take-seat` takes one",
        }
    }
}

/// An operator in a venue.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    /// Where.
    pub(crate) venue: Venue,
    /// Who.
    pub(crate) operator: AccountId,
    /// As what.
    pub(crate) role: Role,
    /// Whether its stake counts.
    pub(crate) seat: Seat,
    /// Own stake.
    pub(crate) own: Amount,
    /// Delegated stake.
    pub(crate) delegated: Amount,
    /// Commission in Perbill.
    pub(crate) commission: u32,
    /// What the operator could claim, or will be able to.
    pub(crate) owed: Amount,
}

/// When what a position earned can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payout {
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

impl Payout {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Payout::Locked => "locked until the task has ended",
            Payout::Rolling => "each round's is free two rounds later",
            Payout::Free => "free",
            Payout::Forfeited => "taken by a challenge",
        }
    }
}

/// What a position, or one of its delegators, has earned and not claimed.
#[derive(Clone, Debug, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Earnings {
    /// When it can be claimed.
    pub(crate) payout: Payout,
    /// All of it.
    pub(crate) owed: Amount,
    /// What can be claimed now.
    pub(crate) free: Amount,
}

/// What the numbers of a governed parameter count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Base units of the token.
    Tokens,
    /// Parts of a billion.
    Share,
    /// Minutes of the chain's day.
    Minutes,
    /// The chain's days.
    Days,
    /// Bytes.
    Bytes,
    /// Things.
    Count,
}

/// A governed parameter.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub(crate) struct Parameter {
    /// What it is of.
    pub(crate) group: String,
    /// Its name.
    pub(crate) name: String,
    /// What its numbers count.
    pub(crate) unit: Unit,
    /// What it is now.
    pub(crate) value: Amount,
    /// The least that it can be set to.
    pub(crate) least: Amount,
    /// The most that it can be set to.
    pub(crate) most: Amount,
    /// Governance set it; else it is what genesis or the runtime say.
    pub(crate) governed: bool,
}
