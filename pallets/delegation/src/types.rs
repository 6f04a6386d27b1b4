//! A delegation: lots of shares, and the values of the position's accumulator between which each
//! of them earns. And what leaves: pools, and each account's points in them.

use arena_math::{accumulator, shares};
use arena_primitives::{AccountId, Balance, BlockNumber, Round, Venue};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;

/// Lots of one delegator in one position. Claims merge them; while rewards are locked, stake can
/// be added or taken back in about so many different rounds.
pub const MAX_LOTS: u32 = 16;

/// Amounts of one account that unbond at a time.
pub const MAX_CHUNKS: u32 = 32;

/// Pools of one position that can still be slashed: one for each round of the unbonding period,
/// and one more for each slash. A session of an hour and a week of unbonding make 168, and more
/// where blocks are missing: sessions end by the clock, unbonding by blocks.
pub const MAX_EXITS: u32 = 512;

/// The limit of a claim that pays all there is.
pub const NO_LIMIT: u128 = u128::MAX;

/// Number of an exit pool; never used twice.
pub type PoolId = u64;

/// What of an account unbonds.
pub type Chunks = BoundedVec<UnbondingChunk, ConstU32<MAX_CHUNKS>>;

/// The pools of a position that can still be slashed, the oldest first.
pub type Exits = BoundedVec<Exit, ConstU32<MAX_EXITS>>;

/// Stake of one account that leaves.
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
    /// The pool that it left into.
    pub pool: PoolId,
    /// Its part of the pool, and what is on hold for it: one point for each unit that left.
    pub points: Balance,
    /// It can be withdrawn from this block on.
    pub until: BlockNumber,
}

/// What left one position in one round. A slash lowers `amount` alone, and closes the pool: who
/// leaves later in the round enters another one, so that points are always bought one to one.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ExitPool {
    /// Where it stood.
    pub venue: Venue,
    /// Behind whom.
    pub operator: AccountId,
    /// The round that was open, the last in which it counts; [`Round::MAX`] where none was, since
    /// then it counts in all that are still to be settled.
    pub round: Round,
    /// Units that left and have not been withdrawn.
    pub points: Balance,
    /// What slashes have left of them.
    pub amount: Balance,
}

impl ExitPool {
    /// A pool that nothing has entered.
    pub fn new(venue: Venue, operator: AccountId, round: Round) -> Self {
        ExitPool {
            venue,
            operator,
            round,
            points: 0,
            amount: 0,
        }
    }

    /// Is a point worth a unit? Then more can enter.
    pub fn is_whole(&self) -> bool {
        self.points == self.amount
    }

    /// Takes `points` out of the pool and returns what they are worth, rounded down; the last
    /// takes all that is left, which is never more than its points. `None` for more points than
    /// there are.
    pub fn leave(&mut self, points: Balance) -> Option<Balance> {
        let worth = shares::amount_for_shares(points, self.amount, self.points)?;
        self.points = self.points.checked_sub(points)?;
        self.amount = self.amount.checked_sub(worth)?;
        Some(worth)
    }
}

/// A pool that can still be slashed.
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
pub struct Exit {
    /// Which.
    pub pool: PoolId,
    /// The pool's round.
    pub round: Round,
    /// The last of its chunks has unbonded in this block.
    pub until: BlockNumber,
}

/// A value of a position's accumulator, which may still be to come.
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
pub enum Mark {
    /// This one.
    #[codec(index = 0)]
    Known(u128),
    /// The value once a round has been paid.
    #[codec(index = 1)]
    After {
        /// The round; it was open when the mark was made.
        round: Round,
        /// The accumulator when the mark was made. It is the value sought if neither this round
        /// nor the one before it moves the accumulator: all earlier ones were paid then.
        seen: u128,
    },
    /// The last value that there will be, known when the venue has ended. Of stake that leaves
    /// while no round is open: it counts in all rounds that are still to be paid.
    #[codec(index = 2)]
    Last,
}

impl Mark {
    /// The round that it waits for.
    pub fn round(&self) -> Option<Round> {
        match self {
            Mark::Known(_) | Mark::Last => None,
            Mark::After { round, .. } => Some(*round),
        }
    }

    /// Do both name the same value? Marks of one round do, whatever each has seen: if they
    /// differ in that, a round moved the accumulator in between, and its value is looked up.
    fn same(&self, other: &Mark) -> bool {
        match (self, other) {
            (Mark::Known(a), Mark::Known(b)) => a == b,
            (Mark::After { round: a, .. }, Mark::After { round: b, .. }) => a == b,
            (Mark::Last, Mark::Last) => true,
            _ => false,
        }
    }
}

/// Shares that came at one time and, if at all, left at one time.
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
pub struct Lot {
    /// How many.
    pub shares: Balance,
    /// They earn from this value on,
    pub from: Mark,
    /// up to this one; `None` while they are delegated.
    pub until: Option<Mark>,
}

impl Lot {
    fn same(&self, other: &Lot) -> bool {
        let until = match (&self.until, &other.until) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        };
        until && self.from.same(&other.from)
    }

    /// It came and left in one round: it earns nothing.
    fn is_idle(&self) -> bool {
        self.until.is_some_and(|until| until.same(&self.from))
    }

    /// What is due up to `limit`, rounded down, and what of the lot stays when it has been paid.
    fn settle(&self, trace: &impl Trace, limit: u128) -> (Balance, Option<Lot>) {
        let Some(from) = trace.resolve(self.from) else {
            return (0, Some(*self));
        };
        let end = self.until.and_then(|until| trace.resolve(until));
        let earned = end.unwrap_or_else(|| trace.current());
        // Not below where it is: it may begin behind the limit, or have left before it began.
        let to = earned.min(limit).max(from);
        let due = accumulator::owed(self.shares, to, from).unwrap_or_default();
        let rest = Lot {
            from: Mark::Known(to),
            ..*self
        };
        (due, end.is_none_or(|end| end > to).then_some(rest))
    }
}

/// What the accumulator of one position was and is.
pub trait Trace {
    /// The value now.
    fn current(&self) -> u128;
    /// The value after a round was paid, if that round moved it.
    fn at(&self, round: Round) -> Option<u128>;
    /// The last round that has been settled.
    fn settled(&self) -> Option<Round>;
    /// Has the venue ended? Then it pays no more.
    fn ended(&self) -> bool;

    /// The value of a mark; `None` while it is to come.
    fn resolve(&self, mark: Mark) -> Option<u128> {
        let (round, seen) = match mark {
            Mark::Known(value) => return Some(value),
            Mark::Last => return self.ended().then(|| self.current()),
            Mark::After { round, seen } => (round, seen),
        };
        let paid = self.ended() || self.settled().is_some_and(|settled| settled >= round);
        paid.then(|| {
            self.at(round)
                .or_else(|| round.checked_sub(1).and_then(|before| self.at(before)))
                .unwrap_or(seen)
        })
    }
}

/// What one account has in one position.
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
pub struct Delegation {
    /// What is on hold for it. More than its shares are worth after a slash, until it is cut.
    pub held: Balance,
    /// Its shares, in the order in which they came.
    pub lots: BoundedVec<Lot, ConstU32<MAX_LOTS>>,
}

/// There are too many lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLots;

impl Delegation {
    /// The shares that are delegated now.
    pub fn shares(&self) -> Balance {
        self.lots
            .iter()
            .filter(|lot| lot.until.is_none())
            .fold(0, |sum, lot| sum.saturating_add(lot.shares))
    }

    /// Adds a lot, or adds to one that is in the same state.
    pub fn push(&mut self, lot: Lot) -> Result<(), TooManyLots> {
        if lot.shares == 0 || lot.is_idle() {
            return Ok(());
        }
        match self.lots.iter_mut().find(|other| other.same(&lot)) {
            Some(other) => {
                other.shares = other.shares.checked_add(lot.shares).ok_or(TooManyLots)?;
                Ok(())
            }
            None => self.lots.try_push(lot).map_err(|_| TooManyLots),
        }
    }

    /// Ends `shares` of those that are delegated at `until`, the newest first: they have earned
    /// least. The caller has made sure that there are as many. Ending all makes no lots.
    pub fn end(&self, shares: Balance, until: Mark) -> Result<Delegation, TooManyLots> {
        let mut rest = shares;
        let mut lots = alloc::vec::Vec::new();
        for lot in self.lots.iter().rev() {
            let ends = if lot.until.is_none() {
                rest.min(lot.shares)
            } else {
                0
            };
            rest = rest.saturating_sub(ends);
            lots.push(Lot {
                shares: ends,
                from: lot.from,
                until: Some(until),
            });
            lots.push(Lot {
                shares: lot.shares.saturating_sub(ends),
                ..*lot
            });
        }
        let mut left = Delegation {
            held: self.held,
            ..Default::default()
        };
        for lot in lots.into_iter().rev() {
            left.push(lot)?;
        }
        Ok(left)
    }

    /// What is due now of what was earned up to `limit`, a value of the accumulator, rounded down
    /// for each lot; and what stays when it has been paid.
    pub fn settle(&self, trace: &impl Trace, limit: u128) -> (Balance, Delegation) {
        let mut due: Balance = 0;
        let mut left = Delegation {
            held: self.held,
            ..Default::default()
        };
        for lot in &self.lots {
            let (paid, rest) = lot.settle(trace, limit);
            due = due.saturating_add(paid);
            if let Some(rest) = rest {
                // As many lots as before at most: there is room.
                let pushed = left.push(rest);
                debug_assert!(pushed.is_ok(), "settling makes no lots");
            }
        }
        (due, left)
    }
}
