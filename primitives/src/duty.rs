//! Duties: the feeless calls of service keys.

use crate::{AccountId, Round, TaskId};
use codec::{Decode, Encode};
use scale_info::TypeInfo;

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
    /// The round's evaluation data isn't open.
    NoData = 8,
}
