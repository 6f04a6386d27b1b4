//! Emission, a task's draw on it, what a position earned, and the books.

use arena_primitives::{Balance, BlockNumber, Round, UNIT};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
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
    /// Its last draw, or since when it has counted stake.
    pub since: BlockNumber,
    /// What of its bounty is left, in the reward account.
    pub bounty: Balance,
}

/// For how many rounds after its own a validator's pay stays locked: as long as its scores of the
/// round can be challenged.
pub const LOCKED_ROUNDS: Round = 2;

/// Rounds whose pay can be locked at a time, that of the next round included.
pub const MAX_RECENT: u32 = LOCKED_ROUNDS + 2;

/// When what a position earns is free.
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
pub enum Frees {
    /// When the task has ended.
    #[default]
    #[codec(index = 0)]
    AtEnd,
    /// When [`LOCKED_ROUNDS`] more rounds have been settled, at the end of the task at the
    /// latest.
    #[codec(index = 1)]
    LaterRounds,
    /// At once.
    #[codec(index = 2)]
    AtOnce,
}

/// The pay of a round that may still be locked.
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
pub struct Recent {
    /// The round.
    pub round: Round,
    /// The operator's part.
    pub operator: Balance,
    /// [`Earnings::acc`] before it.
    pub acc_before: u128,
}

/// What a position has earned.
#[derive(
    Clone,
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
    /// The operator's, not claimed yet, locked or not.
    pub operator_owed: Balance,
    /// Its delegators', not claimed yet, locked or not.
    pub delegators_owed: Balance,
    /// Of one share of delegated stake since the beginning, as Q64.
    pub acc: u128,
    /// The round that moved it last.
    pub acc_round: Round,
    /// When it is free.
    pub frees: Frees,
    /// Pay of the last rounds, in their order; only of [`Frees::LaterRounds`].
    pub recent: BoundedVec<Recent, ConstU32<MAX_RECENT>>,
}

/// Is the pay of `round` still locked when `settled` was the last to be paid?
fn is_locked(round: Round, settled: Option<Round>) -> bool {
    settled.is_none_or(|settled| settled < round.saturating_add(LOCKED_ROUNDS))
}

impl Earnings {
    /// What it is owed with its delegators, locked or not.
    pub fn owed(&self) -> Balance {
        self.operator_owed.saturating_add(self.delegators_owed)
    }

    /// What of the operator's part is locked when `settled` was the last round to be paid.
    pub fn operator_locked(&self, settled: Option<Round>) -> Balance {
        let locked = self.recent.iter().filter(|r| is_locked(r.round, settled));
        locked.fold(0, |sum: Balance, recent| {
            sum.saturating_add(recent.operator)
        })
    }

    /// The accumulator up to which delegators' parts are free then.
    pub fn free_acc(&self, settled: Option<Round>) -> u128 {
        let mut locked = self.recent.iter().filter(|r| is_locked(r.round, settled));
        locked.next().map_or(self.acc, |recent| recent.acc_before)
    }

    /// Notes the pay of `round`, of which the operator gets `operator`, before [`Self::acc`]
    /// moves. Pay that is free already needs no note any more; this round is not settled yet.
    pub fn note_recent(&mut self, round: Round, operator: Balance) {
        let settled = round.checked_sub(1);
        self.recent
            .retain(|recent| is_locked(recent.round, settled));
        let (acc_before, full) = (self.acc, self.recent.is_full());
        match self.recent.last_mut() {
            // Also where rounds were paid out of order: it is locked longer, never shorter.
            Some(last) if last.round >= round || full => {
                last.round = last.round.max(round);
                last.operator = last.operator.saturating_add(operator);
            }
            _ => self.recent.force_push(Recent {
                round,
                operator,
                acc_before,
            }),
        }
    }
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
    /// Of what was forfeited or slashed, what nobody was paid. What was forfeited was a reward
    /// before, what was slashed was not.
    pub burned: u128,
    /// Left over by divisions; a level: it stays in the reward account.
    pub dust: u128,
    /// Drawn for a round whose settlement still goes on; a level.
    pub in_flight: u128,
}
