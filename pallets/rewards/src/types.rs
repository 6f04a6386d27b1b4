//! Emission, a task's draw on it, what a position earned, and the books.

use arena_primitives::{Balance, BlockNumber, Round, UNIT};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// How much is minted.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct EmissionRate {
    /// In a day.
    pub per_day: Balance,
    /// What of it goes to authors of blocks; the rest goes to tasks.
    pub network_share: Perbill,
}

impl Default for EmissionRate {
    fn default() -> Self {
        EmissionRate {
            per_day: 1_074 * UNIT,
            network_share: Perbill::from_percent(20),
        }
    }
}

impl EmissionRate {
    /// Authors' part of a day, rounded down.
    pub fn authors_per_day(&self) -> Balance {
        self.network_share.mul_floor(self.per_day)
    }

    /// Tasks' part of a day: the rest.
    pub fn tasks_per_day(&self) -> Balance {
        self.per_day.saturating_sub(self.authors_per_day())
    }
}

/// Emission per unit of the stake that draws it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct EmissionFlow {
    /// Of one unit of counted stake since the beginning, as Q64.
    pub acc: u128,
    /// Up to which block.
    pub moved_at: BlockNumber,
    /// Counted stake of all tasks that draw.
    pub counted: Balance,
}

/// A task's draw.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct TaskEmission {
    /// Most of the tasks' emission that it may draw.
    pub max_share: Perbill,
    /// The stake that draws for it.
    pub counted: Balance,
    /// [`EmissionFlow::acc`] up to which `pending` goes.
    pub acc: u128,
    /// What it could draw, before `max_share`; not minted yet.
    pub pending: Balance,
    /// Its last draw.
    pub since: BlockNumber,
    /// What of its bounty is left, in the reward account.
    pub bounty: Balance,
}

/// What a position has earned.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Earnings {
    /// The operator's, not claimed yet.
    pub operator_owed: Balance,
    /// Its delegators', not claimed yet.
    pub delegators_owed: Balance,
    /// Of one unit of delegated stake since the beginning, as Q64.
    pub acc: u128,
    /// The round that moved it last.
    pub acc_round: Round,
}

/// The books: sums since genesis, and two levels.
///
/// At the end of every call and hook
/// `minted + bounties = rewards + authors + treasury + dust + in_flight`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Books {
    /// Emission that was minted, for tasks and authors.
    pub minted: u128,
    /// Bounty that was drawn for rounds.
    pub bounties: u128,
    /// Owed to positions of tasks, whether claimed, forfeited or neither.
    pub rewards: u128,
    /// Owed to positions of `Network`, whether claimed or not.
    pub authors: u128,
    /// Of what was drawn, sent to the treasury. Fees are not in here.
    pub treasury: u128,
    /// Forfeited or slashed. What was forfeited was a reward before, what was slashed was not.
    pub burned: u128,
    /// Left over by divisions; a level: it stays in the reward account.
    pub dust: u128,
    /// Drawn for a round whose settlement still goes on; a level.
    pub in_flight: u128,
}
