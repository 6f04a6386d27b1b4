//! What operators have to do: duties of rounds, and cases.

use crate::Amount;
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber, CaseId, ClaimKind, Hash, Round, TaskId, Venue, Vote,
};
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Make the model public that was committed to.
    #[codec(index = 0)]
    Publish,
    /// Open the round's evaluation data.
    #[codec(index = 1)]
    OpenShard,
    /// Commit to scores.
    #[codec(index = 2)]
    CommitScores,
    /// Reveal them.
    #[codec(index = 3)]
    RevealScores,
    /// Answer an accusation; silence convicts.
    #[codec(index = 4)]
    Answer,
    /// Commit to a vote as a juror.
    #[codec(index = 5)]
    CommitVote,
    /// Reveal it.
    #[codec(index = 6)]
    RevealVote,
}

/// One duty with its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct DutyView {
    /// What.
    pub duty: Duty,
    /// In which task.
    pub task: TaskId,
    /// Of which round.
    pub round: Option<Round>,
    /// Of which case.
    pub case: Option<CaseId>,
    /// It can be done from this block on,
    pub from: BlockNumber,
    /// and no more from this one on.
    pub until: BlockNumber,
    /// How many models it is about, once they are drawn.
    pub models: Option<u32>,
}

/// Duties of an operator in active tasks. What was done is left out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct DutiesView {
    /// Who.
    pub operator: AccountId,
    /// As of this block.
    pub block: BlockNumber,
    /// Whose window is open; what ends first comes first.
    pub now: Vec<DutyView>,
    /// Whose window opens later; what opens first comes first.
    pub next: Vec<DutyView>,
    /// There are more than a page has; the last ones are left out.
    pub more: bool,
}

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "snake_case")]
pub enum CaseStage {
    /// The jury is being drawn.
    #[codec(index = 0)]
    Drawing,
    /// The accused is to answer.
    #[codec(index = 1)]
    Answering,
    /// Jurors commit to their votes.
    #[codec(index = 2)]
    Voting,
    /// Jurors reveal them.
    #[codec(index = 3)]
    Revealing,
    /// The first jury has decided; it can be appealed.
    #[codec(index = 4)]
    Appealable,
    /// It is over; what is held goes back.
    #[codec(index = 5)]
    Ending,
}

/// Who accuses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct ChallengerView {
    /// Who.
    pub account: AccountId,
    /// What is held of it.
    pub bond: Amount,
}

/// A juror.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct JurorView {
    /// Who.
    pub account: AccountId,
    /// Where its stake is.
    pub venue: Venue,
    /// It committed to a vote.
    pub committed: bool,
    /// What it revealed.
    pub vote: Option<Vote>,
}

/// An open case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "camelCase")]
pub struct CaseView {
    /// Its number.
    pub case: CaseId,
    /// In which task.
    pub task: TaskId,
    /// What is claimed.
    pub kind: ClaimKind,
    /// Who is accused.
    pub accused: AccountId,
    /// The model it is about.
    pub model: Option<Hash>,
    /// The round it is about.
    pub round: Option<Round>,
    /// Who accuses.
    pub challengers: Vec<ChallengerView>,
    /// Where it stands.
    pub stage: CaseStage,
    /// When time moves it on.
    pub until: BlockNumber,
    /// Who judges, once they are drawn.
    pub jurors: Vec<JurorView>,
    /// What a vote is paid.
    pub fee: Amount,
    /// The jury is that of the appeal.
    pub appealed: bool,
    /// What the first jury decided.
    pub verdict: Option<Vote>,
}
