//! What shares of a position are worth: `amount / shares` each. Pure.
//!
//! The price is one until the first slash. Shares are issued and paid rounded down, so that
//! nothing but a slash ever lowers it; what rounding keeps stays with those who stay.

use arena_math::shares;
use arena_primitives::{Balance, traits::DelegatedTotals};

/// What `owned` of the position's shares are worth, rounded down. `None` for more than there are.
pub fn worth(owned: Balance, totals: DelegatedTotals) -> Option<Balance> {
    shares::amount_for_shares(owned, totals.amount, totals.shares)
}

/// What one delegator takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// The shares that it gives up.
    pub shares: Balance,
    /// What the position pays for them.
    pub worth: Balance,
    /// What stays on hold for its other shares; 0 exactly when it gives up all of them.
    pub rest: Balance,
}

/// What giving up `amount` of `held` comes to, for an account with `owned` shares that are worth
/// at least `held`. `None` where the books don't fit that.
///
/// All of `held` gives up all shares. Less gives up as many as are worth at most `amount`, and
/// the hold falls by what they are worth, or by one unit more where the other shares are worth
/// that unit less: rounding is never left for a cut to find. So the hold falls by at most
/// `amount`; exactly by that while the price is one, by a unit less at most while it is below.
pub fn take(
    amount: Balance,
    held: Balance,
    owned: Balance,
    totals: DelegatedTotals,
) -> Option<Take> {
    if amount == held {
        return Some(Take {
            shares: owned,
            worth: worth(owned, totals)?,
            rest: 0,
        });
    }
    let given = shares::shares_for_amount(amount, totals.amount, totals.shares)?;
    let paid = worth(given, totals)?;
    let others = DelegatedTotals {
        amount: totals.amount.checked_sub(paid)?,
        shares: totals.shares.checked_sub(given)?,
    };
    let stays = worth(owned.checked_sub(given)?, others)?;
    Some(Take {
        shares: given,
        worth: paid,
        rest: held.checked_sub(paid)?.min(stays),
    })
}
