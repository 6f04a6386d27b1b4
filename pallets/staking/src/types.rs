//! A position, its seat and its history; what unbonds; slashes, service keys and authors.

use arena_primitives::{
    AccountId, Balance, BlockNumber, Hash, MAX_VALIDATORS, Role, Round, StakeSnapshot, Venue,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// Snapshots that a position keeps.
///
/// Asked for are the open round and the one before it. They need the last change that counts
/// for the earlier of them, one that counts from the open round and one from the next; the
/// fourth is for whoever asks a little further back.
pub const MAX_HISTORY: u32 = 4;

/// Amounts of one account that unbond at a time.
pub const MAX_CHUNKS: u32 = 32;

/// Operators of one role and venue that a roster can hold.
///
/// After stale entries are gone it holds those who have a seat and those whom the open round or
/// the one before it counts: three sets, none of them larger than the seats.
pub const MAX_ROSTER: u32 = 3 * MAX_VALIDATORS;

/// Slashes of one operator that can be pending at a time: one for each session in which it
/// misbehaved. It sits out from the first on, so more come only by late reports.
pub const MAX_PENDING: u32 = 32;

/// Operators, ordered by account.
pub type Operators = BoundedVec<AccountId, ConstU32<MAX_ROSTER>>;

/// From which round on a position was worth how much, ascending.
pub type History = BoundedVec<(Round, StakeSnapshot), ConstU32<MAX_HISTORY>>;

/// What of an account unbonds.
pub type Chunks = BoundedVec<UnbondingChunk, ConstU32<MAX_CHUNKS>>;

/// Whether a position has a seat, and why not.
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
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Position {
    /// What it does there.
    pub role: Role,
    /// Whether its stake counts.
    pub seat: Seat,
    /// Own stake now.
    pub own: Balance,
    /// Delegated stake now.
    pub delegated: Balance,
    /// Shares in the delegated stake. Slashes lower `delegated` alone; without shares there is
    /// no delegated stake.
    pub shares: Balance,
    /// What the operator takes of its delegators' part; see [`Position::commission_at`].
    pub commission: Perbill,
    /// The commission that takes its place, and when.
    pub pending_commission: Option<(Perbill, BlockNumber)>,
    /// When it last got its seat; the earlier wins a tie.
    pub registered_at: BlockNumber,
    /// The first round that counts it; `None` as long as there is none.
    pub since: Option<Round>,
    /// What rounds see.
    pub history: History,
}

impl Position {
    /// A position without stake.
    pub fn new(role: Role, registered_at: BlockNumber) -> Self {
        Position {
            role,
            seat: Seat::Left,
            own: 0,
            delegated: 0,
            shares: 0,
            commission: Perbill::zero(),
            pending_commission: None,
            registered_at,
            since: None,
            history: History::new(),
        }
    }

    /// Does it have a seat?
    pub fn is_seated(&self) -> bool {
        self.seat == Seat::Taken
    }

    /// What counts of it now: nothing without a seat.
    pub fn now(&self) -> StakeSnapshot {
        if self.is_seated() {
            StakeSnapshot {
                own: self.own,
                delegated: self.delegated,
                shares: self.shares,
            }
        } else {
            StakeSnapshot::default()
        }
    }

    /// A share has lost nine tenths or more of its worth: to count on in shares of this size would
    /// make the numbers grow without end.
    pub fn has_lost_its_worth(&self) -> bool {
        self.shares > 0 && self.delegated <= self.shares / 10
    }

    /// The commission in force at block `now`.
    pub fn commission_at(&self, now: BlockNumber) -> Perbill {
        match self.pending_commission {
            Some((commission, from)) if from <= now => commission,
            _ => self.commission,
        }
    }

    /// What `round` counts: the last change that was made before it.
    pub fn snapshot_at(&self, round: Round) -> Option<StakeSnapshot> {
        let seen = self.history.iter().rev().find(|(from, _)| *from <= round);
        seen.map(|(_, snapshot)| *snapshot)
    }

    /// Notes what counts now as what rounds from `next_round` on count.
    ///
    /// The oldest entry goes when there is no room. With changes recorded for the round after
    /// the open one at the earliest, at least two older entries lie before the open round then,
    /// so the one that the round before it counts always stays.
    pub fn record(&mut self, next_round: Round) {
        let now = self.now();
        if now.own > 0 {
            self.since.get_or_insert(next_round);
        } else if self.since.is_some_and(|since| since >= next_round) {
            self.since = None;
        }
        match self.history.last_mut() {
            Some(last) if last.1 == now => {}
            // Also for a round that lies back: no round may see a later state than the next.
            Some(last) if last.0 >= next_round => last.1 = now,
            _ => {
                if self.history.is_full() {
                    self.history.remove(0);
                }
                // There is room now.
                self.history.force_push((next_round, now));
            }
        }
    }

    /// Does `round` or a later one count own stake here?
    pub fn counts_since(&self, round: Round) -> bool {
        for (from, snapshot) in self.history.iter().rev() {
            if snapshot.own > 0 {
                return true;
            }
            if *from <= round {
                return false;
            }
        }
        false
    }
}

/// Stake that leaves.
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
pub struct UnbondingChunk {
    /// Where it was at stake: faults there can still take it.
    pub venue: Venue,
    /// How much.
    pub amount: Balance,
    /// It can be withdrawn from this block on.
    pub until: BlockNumber,
}

/// A slash of `Network` that governance can still cancel.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct PendingSlash {
    /// Whose stake.
    pub operator: AccountId,
    /// The session of the fault.
    pub session: Round,
    /// What the worst fault of that session costs, as a fraction of what was at stake.
    pub fraction: Perbill,
    /// Own stake to take: that fraction, less what was taken for the same session before.
    pub own: Balance,
    /// The fraction to take of what delegators have left.
    pub delegated: Perbill,
    /// It is applied from this block on.
    pub due: BlockNumber,
}

/// What an operator's faults of one session cost: the worst of them, not their sum.
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
pub struct Fault {
    /// Own stake that was at stake in the session.
    pub at_stake: Balance,
    /// The fraction that was taken.
    pub applied: Perbill,
    /// The fraction that will have been taken once the slash that is pending is applied.
    pub fraction: Perbill,
    /// The slash that is pending.
    pub slash: Option<u32>,
}

/// Numbers of slashes, in the order in which they are due: from `first`, the next to be looked
/// at, up to `end`, the next to be given.
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
pub struct Queue {
    /// Nothing before it is pending.
    pub first: u32,
    /// Nothing from it on was given yet.
    pub end: u32,
}

/// Slashes of one operator that are pending.
pub type PendingIds = BoundedVec<u32, ConstU32<MAX_PENDING>>;

/// The service key of an operator.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct KeyRecord {
    /// The key.
    pub key: AccountId,
    /// It acts from this block on.
    pub from: BlockNumber,
    /// The key that acts before that block.
    pub previous: Option<AccountId>,
}

/// Authors of one session.
pub type AuthorSet = BoundedVec<AccountId, ConstU32<MAX_VALIDATORS>>;

/// What was last elected.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Election {
    /// The authors, by stake.
    pub authors: AuthorSet,
    /// Hash of who they are and of their session keys, whatever their order.
    pub identity: Hash,
}

/// Blocks that an author made, and those it should have made, since it was last judged.
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
pub struct Watch {
    /// Blocks of this session.
    pub session: u32,
    /// Blocks of the sessions before.
    pub authored: u32,
    /// What each author of those sessions made on average, in thousandths of a block.
    pub expected_milli: u64,
}
