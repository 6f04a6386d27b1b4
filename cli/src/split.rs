//! How positions share out what they earn, computed a second time: operators, delegators, and
//! what division leaves over. Nothing here reads the chain.

use anyhow::{Context, Result};
use arena_math::{
    accumulator::{self, Accumulator},
    shares::delegation_split,
};
use arena_primitives::{Balance, BlockNumber, Round, StakeSnapshot};
use codec::Decode;
use sp_runtime::Perbill;

/// What one pay comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The operator's.
    pub(crate) operator: Balance,
    /// All delegators' together.
    pub(crate) delegators: Balance,
    /// Whole units of what nobody can claim.
    pub(crate) dust: Balance,
}

impl Parts {
    /// What is owed of it.
    pub(crate) fn owed(&self) -> Balance {
        self.operator.saturating_add(self.delegators)
    }

    /// What the chain tells of it: not the dust.
    pub(crate) fn told(self) -> Self {
        Parts { dust: 0, ..self }
    }
}

/// What a position has earned.
#[derive(Debug, Default)]
pub(crate) struct Earned {
    /// The operator's.
    pub(crate) operator: Balance,
    /// The operator's part of each pay, with its block and round, ascending.
    paid: Vec<(BlockNumber, Round, Balance)>,
    /// All delegators' together.
    pub(crate) delegators: Balance,
    /// The accumulator after each pay of delegators, with its block and round, ascending.
    moved: Vec<(BlockNumber, Round, u128)>,
}

impl Earned {
    /// Adds a pay.
    pub(crate) fn pay(
        &mut self,
        block: BlockNumber,
        round: Round,
        stake: StakeSnapshot,
        commission: Perbill,
        amount: Balance,
    ) -> Result<Parts> {
        let whole = delegation_split(amount, stake.own, stake.delegated, commission.deconstruct())
            .context("a pay doesn't fit the stakes that share it")?;
        let mut parts = Parts {
            operator: whole.operator,
            ..Parts::default()
        };
        if whole.delegators > 0 {
            let before = Accumulator {
                acc_q64: self.acc(block, Round::MAX),
                carry: 0,
            };
            let after = before
                .push(whole.delegators, stake.shares)
                .context("a pay of delegators doesn't fit their shares")?;
            parts.dust = after.carry >> 64;
            parts.delegators = whole.delegators.saturating_sub(parts.dust);
            self.moved.push((block, round, after.acc_q64));
        }
        self.paid.push((block, round, parts.operator));
        self.operator = self.operator.saturating_add(parts.operator);
        self.delegators = self.delegators.saturating_add(parts.delegators);
        Ok(parts)
    }

    /// What of the operator's part could be claimed by then, claimed or not.
    pub(crate) fn operator_free(&self, moment: Moment, free: Free) -> Balance {
        let last = match free {
            Free::Nothing | Free::UpTo(None) => return 0,
            Free::All => Round::MAX,
            Free::UpTo(Some(round)) => round,
        };
        let paid = self.paid.iter();
        let free = paid.filter(|(block, round, _)| *block <= moment.block && *round <= last);
        free.fold(0, |sum, (_, _, amount)| sum.saturating_add(*amount))
    }

    /// The accumulator as of `block`, pays of rounds after `round` left out.
    pub(crate) fn acc(&self, block: BlockNumber, round: Round) -> u128 {
        let mut moved = self.moved.iter().rev();
        moved
            .find(|(at, of, _)| *at <= block && *of <= round)
            .map_or(0, |(_, _, acc)| *acc)
    }
}

/// A value of the accumulator, as delegation keeps it.
#[derive(Clone, Copy, Debug, Decode)]
pub(crate) enum Mark {
    /// This one.
    #[codec(index = 0)]
    Known(u128),
    /// The value once a round has been paid.
    #[codec(index = 1)]
    After {
        /// The round.
        round: Round,
        _seen: u128,
    },
    /// The last one.
    #[codec(index = 2)]
    Last,
}

/// Shares that came and, if at all, left at one time.
#[derive(Clone, Copy, Debug, Decode)]
pub(crate) struct Lot {
    /// How many.
    pub(crate) shares: Balance,
    /// They earn from here on,
    pub(crate) from: Mark,
    /// up to here.
    pub(crate) until: Option<Mark>,
}

/// What an account has in a position.
#[derive(Clone, Debug, Default, Decode)]
pub(crate) struct Delegation {
    pub(crate) _held: Balance,
    /// Its shares.
    pub(crate) lots: Vec<Lot>,
}

/// What of a position's pay can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Free {
    /// All.
    All,
    /// That of rounds up to this one; nothing without.
    UpTo(Option<Round>),
    /// Nothing: a challenge took it.
    Nothing,
}

/// Where a venue stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// As of this block.
    pub(crate) block: BlockNumber,
    /// The last round that was settled.
    pub(crate) settled: Option<Round>,
    /// It pays no more.
    pub(crate) ended: bool,
}

impl Delegation {
    /// What a claim pays: each lot by what the accumulator of `earned` moved while it was there,
    /// rounded down.
    pub(crate) fn due(&self, earned: &Earned, moment: Moment, free: Free) -> Balance {
        let limit = match free {
            Free::Nothing | Free::UpTo(None) => return 0,
            Free::All => u128::MAX,
            Free::UpTo(Some(round)) => earned.acc(moment.block, round),
        };
        let resolve = |mark| match mark {
            Mark::Known(value) => Some(value),
            Mark::Last => moment.ended.then(|| earned.acc(moment.block, Round::MAX)),
            Mark::After { round, .. } => {
                let paid = moment.ended || moment.settled >= Some(round);
                paid.then(|| earned.acc(moment.block, round))
            }
        };
        let of_lot = |lot: &Lot| {
            let from = resolve(lot.from)?;
            let end = lot.until.and_then(resolve);
            let end = end.unwrap_or_else(|| earned.acc(moment.block, Round::MAX));
            accumulator::owed(lot.shares, end.min(limit).max(from), from)
        };
        let due = self.lots.iter().filter_map(of_lot);
        due.fold(0, Balance::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAKE: StakeSnapshot = StakeSnapshot {
        own: 100,
        delegated: 300,
        shares: 300,
    };

    fn earned() -> Earned {
        let mut earned = Earned::default();
        for (block, round) in [(10, 1), (20, 2), (30, 3)] {
            let parts = earned
                .pay(block, round, STAKE, Perbill::from_percent(10), 4_000)
                .unwrap();
            // 10 % of the delegators' 3,000 are the operator's.
            assert_eq!((parts.operator, parts.delegators), (1_300, 2_700));
        }
        earned
    }

    fn lot(shares: Balance, from: Mark, until: Option<Mark>) -> Delegation {
        Delegation {
            _held: shares,
            lots: vec![Lot {
                shares,
                from,
                until,
            }],
        }
    }

    fn after(round: Round) -> Mark {
        Mark::After { round, _seen: 0 }
    }

    #[test]
    fn lots_should_earn_from_where_they_came_to_where_they_left() {
        let earned = earned();
        let moment = Moment {
            block: 30,
            settled: Some(3),
            ended: false,
        };
        let due = |lot: Delegation| lot.due(&earned, moment, Free::All);
        assert_eq!(due(lot(100, after(0), None)), 2_700);
        assert_eq!(due(lot(100, after(1), None)), 1_800);
        assert_eq!(due(lot(100, after(1), Some(after(2)))), 900);
        assert_eq!(due(lot(100, after(3), None)), 0);
        // A round that is still to be paid.
        assert_eq!(due(lot(100, after(4), None)), 0);
        assert_eq!(due(lot(100, after(0), Some(Mark::Last))), 2_700);
        assert_eq!(due(lot(100, Mark::Known(9 << 64), None)), 1_800);
    }

    #[test]
    fn what_is_locked_or_forfeited_should_not_be_due() {
        let earned = earned();
        let moment = Moment {
            block: 25,
            settled: Some(2),
            ended: false,
        };
        let all = lot(100, after(0), None);
        assert_eq!(all.due(&earned, moment, Free::All), 1_800);
        assert_eq!(all.due(&earned, moment, Free::UpTo(Some(1))), 900);
        assert_eq!(all.due(&earned, moment, Free::UpTo(None)), 0);
        assert_eq!(all.due(&earned, moment, Free::Nothing), 0);
        let operator = |free| earned.operator_free(moment, free);
        assert_eq!(operator(Free::All), 2_600);
        assert_eq!(operator(Free::UpTo(Some(1))), 1_300);
        assert_eq!(operator(Free::UpTo(None)), 0);
        assert_eq!(operator(Free::Nothing), 0);
    }
}
