//! Why there is no answer.

use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such task.
    #[codec(index = 0)]
    UnknownTask,
    /// The task has no such round, or not yet.
    #[codec(index = 1)]
    UnknownRound,
    /// There is no such open case.
    #[codec(index = 2)]
    UnknownCase,
    /// The account has no position there, and had none that earned.
    #[codec(index = 3)]
    UnknownPosition,
    /// The round is not settled, or its result is kept no more.
    #[codec(index = 4)]
    NotSettled,
    /// A page has at least one row and at most [`MAX_PAGE`](crate::MAX_PAGE).
    #[codec(index = 5)]
    LimitOutOfRange,
    /// The page begins beyond the end of the list.
    #[codec(index = 6)]
    BeyondEnd,
}
