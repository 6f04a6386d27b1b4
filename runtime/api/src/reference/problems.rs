//! The errors of the namespace: codes, names, and what to do.

use crate::{MAX_PAGE, Refusal};
use serde_json::{Value, json};

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The runtime failed.
    Runtime,
    /// The node has no such block.
    UnknownBlock,
    /// The node keeps that block's state no more.
    NoState,
    /// The runtime of that block doesn't know the question.
    OldRuntime,
    /// The runtime said why.
    Refused(Refusal),
    /// The connection has as many subscriptions as it can have.
    TooManySubscriptions,
    /// The reader of a subscription is too far behind.
    SlowReader,
}

/// All of them, by code.
pub(super) const ALL: [Problem; 13] = [
    Problem::Runtime,
    Problem::UnknownBlock,
    Problem::NoState,
    Problem::OldRuntime,
    Problem::Refused(Refusal::UnknownTask),
    Problem::Refused(Refusal::UnknownRound),
    Problem::Refused(Refusal::UnknownCase),
    Problem::Refused(Refusal::UnknownPosition),
    Problem::Refused(Refusal::NotSettled),
    Problem::Refused(Refusal::LimitOutOfRange),
    Problem::Refused(Refusal::BeyondEnd),
    Problem::TooManySubscriptions,
    Problem::SlowReader,
];

impl Problem {
    /// The number in the error.
    pub fn code(&self) -> i32 {
        match self {
            Problem::Runtime => 9_001,
            Problem::UnknownBlock => 9_002,
            Problem::NoState => 9_003,
            Problem::OldRuntime => 9_004,
            Problem::Refused(Refusal::UnknownTask) => 9_010,
            Problem::Refused(Refusal::UnknownRound) => 9_011,
            Problem::Refused(Refusal::UnknownCase) => 9_012,
            Problem::Refused(Refusal::UnknownPosition) => 9_013,
            Problem::Refused(Refusal::NotSettled) => 9_014,
            Problem::Refused(Refusal::LimitOutOfRange) => 9_015,
            Problem::Refused(Refusal::BeyondEnd) => 9_016,
            Problem::TooManySubscriptions => 9_020,
            Problem::SlowReader => 9_021,
        }
    }

    /// The name in the error's data.
    pub fn name(&self) -> String {
        match self {
            Problem::Refused(refusal) => format!("{refusal:?}"),
            other => format!("{other:?}"),
        }
    }

    /// What happened, and what to do.
    pub fn message(&self) -> String {
        let text = match self {
            Problem::Runtime => "the runtime gave no answer; tell the node's operator",
            Problem::UnknownBlock => "the node has no such block; leave `at` out for the best one",
            Problem::NoState => {
                "the state of that block is pruned; ask an archive node, or leave `at` out"
            }
            Problem::OldRuntime => {
                "the runtime of that block doesn't know the question; ask for a later block"
            }
            Problem::Refused(Refusal::UnknownTask) => {
                "there is no such task; arena_tasks lists all"
            }
            Problem::Refused(Refusal::UnknownRound) => {
                "the task has not opened such a round; arena_task names the open one"
            }
            Problem::Refused(Refusal::UnknownCase) => {
                "there is no such open case; arena_challenges lists a task's"
            }
            Problem::Refused(Refusal::UnknownPosition) => {
                "the account has no position there, and had none that earned"
            }
            Problem::Refused(Refusal::NotSettled) => {
                "the round is not settled, or its result is kept no more; arena_round says which"
            }
            Problem::Refused(Refusal::LimitOutOfRange) => {
                return format!("`limit` is out of range; ask for 1 to {MAX_PAGE} rows");
            }
            Problem::Refused(Refusal::BeyondEnd) => {
                "the page begins beyond the end; go on from the `next` of the page before"
            }
            Problem::TooManySubscriptions => {
                "the connection has too many subscriptions; end one, or open another connection"
            }
            Problem::SlowReader => {
                "messages come faster than they are read; subscribe again and ask for what is missed"
            }
        };
        text.to_string()
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "code": self.code(),
            "message": self.message(),
            "data": {"name": self.name()},
        })
    }
}

pub(super) fn documents() -> Value {
    let all = ALL
        .iter()
        .map(|problem| (problem.name(), problem.document()));
    Value::Object(all.collect())
}
