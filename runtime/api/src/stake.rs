//! Positions, delegations, and what they earn and lose.

use crate::Amount;
use alloc::vec::Vec;
use arena_primitives::{AccountId, BlockNumber, Role, Round, TaskId, Venue};
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Whether a position has a seat, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
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
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct EarningsView {
    /// When it can be claimed.
    pub payout: Payout,
    /// All of it.
    pub owed: Amount,
    /// What can be claimed now.
    pub free: Amount,
}

/// Names a position: where a page of a list begins after.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct PositionKey {
    /// Where.
    pub venue: Venue,
    /// Who.
    pub operator: AccountId,
}

/// What an account has behind an operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct DelegationView {
    /// Where.
    pub venue: Venue,
    /// Behind whom.
    pub operator: AccountId,
    /// What is on hold for it.
    pub held: Amount,
    /// What it is worth now: less than what is on hold after a slash.
    pub worth: Amount,
    /// Its shares in the position.
    pub shares: Amount,
    /// What it has earned and not claimed.
    pub earnings: EarningsView,
}

/// A page of an account's delegations.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct DelegationsPage {
    /// In no order that means anything. May be empty though others follow.
    pub delegations: Vec<DelegationView>,
    /// What to go on after; null when all positions were looked at.
    pub next: Option<PositionKey>,
}

/// An operator's position, and what it earned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct StakeView {
    /// The position; null where rewards outlived it.
    pub position: Option<PositionView>,
    /// Where.
    pub venue: Venue,
    /// What the operator has earned and not claimed, delegators' part not counted.
    pub earnings: EarningsView,
}

/// A page of an operator's positions, `network` first, then tasks by number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct StakesPage {
    /// Who.
    pub operator: AccountId,
    /// Its service key.
    pub service_key: Option<AccountId>,
    /// May be empty though others follow.
    pub stakes: Vec<StakeView>,
    /// What to go on after; null when all venues were looked at.
    pub next: Option<Venue>,
}

/// What unbonds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// An operator's own stake.
    #[codec(index = 0)]
    Own,
    /// A delegator's.
    #[codec(index = 1)]
    Delegated,
}

/// Stake that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct UnbondingView {
    /// Whose it was.
    pub kind: Left,
    /// Where it was at stake: faults there can still take it.
    pub venue: Venue,
    /// Behind whom it stood.
    pub operator: AccountId,
    /// What there is of it, slashes taken off.
    pub amount: Amount,
    /// It can be withdrawn from this block on, or at once where the venue has ended.
    pub until: BlockNumber,
}

/// A validator's stake as a round counts it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ValidatorStakeView {
    /// Who.
    pub account: AccountId,
    /// Own stake.
    pub own: Amount,
    /// Delegated stake.
    pub delegated: Amount,
    /// Own and delegated stake, at most so many times its own: what pays.
    pub counted: Amount,
    /// What of it weighs in consensus and juries, after the task's cap.
    pub effective: Amount,
    /// Commission in Perbill.
    pub commission: u32,
}

/// A page of a venue's validators, ordered by account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ValidatorsPage {
    /// Where.
    pub venue: Venue,
    /// The round that counts them; in `network` the session.
    pub round: Round,
    /// Counted stake of all of them.
    pub total: Amount,
    /// Effective stake of all of them.
    pub effective_total: Amount,
    /// By account.
    pub validators: Vec<ValidatorStakeView>,
    /// What to go on after; null after the last one.
    pub next: Option<AccountId>,
}

/// How unequal weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct MeasuresView {
    /// All weight.
    pub total: Amount,
    /// Gini coefficient in Perbill: 0 when all are equal.
    pub gini: u32,
    /// Sum of squared shares in Perbill: a whole when one has all.
    pub hhi: u32,
    /// The fewest that have at least 51 % of the weight together.
    pub majority: u32,
    /// The share of the largest in Perbill.
    pub top: u32,
}

/// How concentrated the weight of a venue's validators is, by account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ConcentrationView {
    /// Where.
    pub venue: Venue,
    /// The round that counts them; in `network` the session.
    pub round: Round,
    /// How many they are.
    pub validators: u32,
    /// Of counted stake.
    pub counted: MeasuresView,
    /// Of effective stake, after the task's cap.
    pub effective: MeasuresView,
}

/// What a round paid a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct YieldView {
    /// The round; in `network` the session.
    pub round: Round,
    /// Settled in this block, while the result is kept.
    pub settled_at: Option<BlockNumber>,
    /// Of the whole position, while the result is kept; null in `network`.
    pub reward: Option<Amount>,
    /// What one token of delegated shares has earned since the position began, this round
    /// included; null where the round paid its delegators nothing.
    pub per_token: Option<Amount>,
}

/// A page of what a position earned, by round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct YieldsPage {
    /// Where.
    pub venue: Venue,
    /// Who.
    pub operator: AccountId,
    /// Rounds that paid nothing are left out.
    pub yields: Vec<YieldView>,
    /// Where the next page begins; null after the last settled round.
    pub next: Option<Round>,
}

/// A slash of `network` that governance can still call off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct PendingSlashView {
    /// Its number.
    pub index: u32,
    /// The session of the fault.
    pub session: Round,
    /// Of what was at stake, in Perbill.
    pub fraction: u32,
    /// Own stake to take.
    pub own: Amount,
    /// The part of delegated stake to take, in Perbill.
    pub delegated: u32,
    /// It is applied from this block on.
    pub due: BlockNumber,
}

/// What the faults of a session cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct FaultView {
    /// The session.
    pub session: Round,
    /// Own stake that was at stake.
    pub at_stake: Amount,
    /// The part that was taken, in Perbill.
    pub applied: u32,
    /// The part that will have been taken once what is pending is applied, in Perbill.
    pub fraction: u32,
}

/// An operator in the cases of an active task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct StandingView {
    /// The task.
    pub task: TaskId,
    /// Open cases in which it is accused.
    pub accused: u32,
    /// How often it was acquitted.
    pub acquittals: u32,
    /// It was convicted, and lost rewards and own stake.
    pub convicted: bool,
    /// Rounds in a row in which it was drawn and absent.
    pub misses: u32,
}

/// What an operator lost or may lose, as far as the chain's state still has it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct SlashesView {
    /// Who.
    pub operator: AccountId,
    /// Slashes of `network` that are not applied.
    pub pending: Vec<PendingSlashView>,
    /// Faults in `network` of the sessions that can still be punished, the newest first.
    pub faults: Vec<FaultView>,
    /// Its cases and absences in active tasks; tasks with none are left out.
    pub standing: Vec<StandingView>,
}
