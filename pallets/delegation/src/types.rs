//! A delegation: lots of stake, and the values of the position's accumulator between which each
//! of them earns.

use arena_math::accumulator;
use arena_primitives::{Balance, BlockNumber, Round};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;

/// Lots of one delegator in one position. Claims merge them; while rewards are locked, stake can
/// be added or taken back in about so many different rounds.
pub const MAX_LOTS: u32 = 16;

/// Amounts of one account that unbond at a time.
pub const MAX_CHUNKS: u32 = 32;

/// What of an account unbonds.
pub type Chunks = BoundedVec<UnbondingChunk, ConstU32<MAX_CHUNKS>>;

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
    /// How much.
    pub amount: Balance,
    /// It can be withdrawn from this block on.
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

/// Stake that came at one time and, if at all, left at one time.
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
    /// How much.
    pub amount: Balance,
    /// It earns from this value on,
    pub from: Mark,
    /// up to this one; `None` while it is delegated.
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
}

/// What the accumulator of one position was and is.
pub trait Trace {
    /// The value of a mark; `None` while it is to come.
    fn resolve(&self, mark: Mark) -> Option<u128>;
    /// The value now.
    fn current(&self) -> u128;
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
    /// In the order in which they came.
    pub lots: BoundedVec<Lot, ConstU32<MAX_LOTS>>,
}

/// There are too many lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLots;

impl Delegation {
    /// What is delegated now.
    pub fn live(&self) -> Balance {
        self.lots
            .iter()
            .filter(|lot| lot.until.is_none())
            .fold(0, |sum, lot| sum.saturating_add(lot.amount))
    }

    /// Adds a lot, or adds to one that is in the same state.
    pub fn push(&mut self, lot: Lot) -> Result<(), TooManyLots> {
        if lot.amount == 0 || lot.is_idle() {
            return Ok(());
        }
        match self.lots.iter_mut().find(|other| other.same(&lot)) {
            Some(other) => {
                other.amount = other.amount.checked_add(lot.amount).ok_or(TooManyLots)?;
                Ok(())
            }
            None => self.lots.try_push(lot).map_err(|_| TooManyLots),
        }
    }

    /// Ends `amount` of what is delegated at `until`, the newest first: it has earned least. The
    /// caller has made sure that there is as much.
    pub fn end(&self, amount: Balance, until: Mark) -> Result<Delegation, TooManyLots> {
        let mut rest = amount;
        let mut lots = alloc::vec::Vec::new();
        for lot in self.lots.iter().rev() {
            let ends = if lot.until.is_none() {
                rest.min(lot.amount)
            } else {
                0
            };
            rest = rest.saturating_sub(ends);
            lots.push(Lot {
                amount: ends,
                from: lot.from,
                until: Some(until),
            });
            lots.push(Lot {
                amount: lot.amount.saturating_sub(ends),
                ..*lot
            });
        }
        let mut left = Delegation::default();
        for lot in lots.into_iter().rev() {
            left.push(lot)?;
        }
        Ok(left)
    }

    /// What is due now, rounded down for each lot, and what stays when it has been paid.
    pub fn settle(&self, trace: &impl Trace) -> (Balance, Delegation) {
        let mut due: Balance = 0;
        let mut left = Delegation::default();
        for lot in &self.lots {
            let mut rest = Some(*lot);
            if let Some(from) = trace.resolve(lot.from) {
                let end = lot.until.and_then(|until| trace.resolve(until));
                let to = end.unwrap_or_else(|| trace.current());
                // Nothing for a lot that left before it began to earn.
                due =
                    due.saturating_add(accumulator::owed(lot.amount, to, from).unwrap_or_default());
                rest = end.is_none().then_some(Lot {
                    from: Mark::Known(to.max(from)),
                    ..*lot
                });
            }
            if let Some(lot) = rest {
                // As many lots as before at most: there is room.
                let pushed = left.push(lot);
                debug_assert!(pushed.is_ok(), "settling makes no lots");
            }
        }
        (due, left)
    }
}
