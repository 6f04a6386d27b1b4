//! Delegation: an operator's and its delegators' parts, and shares of a pool
//! (paper 2.4; vectors `delegation`).

use crate::{
    fixed::PERBILL,
    wide::{mul_div, mul_div_ceil},
};

/// One position's reward, divided between its operator and its delegators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The operator's, in planck: all that the delegators do not get.
    pub operator: u128,
    /// All delegators' together, in planck, rounded down.
    pub delegators: u128,
}

/// `(1−σ)·delegated/(own + delegated)` of `gross` to the delegators, rounded
/// down, and the rest to the operator.
///
/// `commission` is σ in Perbill; more than a whole counts as a whole. `None`
/// when the stakes together reach [`crate::MAX_TOTAL`].
#[must_use]
pub fn delegation_split(gross: u128, own: u128, delegated: u128, commission: u32) -> Option<Split> {
    if delegated == 0 {
        return Some(Split {
            operator: gross,
            delegators: 0,
        });
    }
    let kept = u128::from(PERBILL.saturating_sub(commission));
    let part = kept.checked_mul(delegated)?;
    let whole = u128::from(PERBILL).checked_mul(own.checked_add(delegated)?)?;
    let delegators = mul_div(gross, part, whole)?;
    Some(Split {
        operator: gross.checked_sub(delegators)?,
        delegators,
    })
}

/// Shares that a deposit of `amount` buys, rounded down, so that those who are
/// in the pool never lose to one who enters. One share for a planck in an empty
/// pool.
///
/// `None` when the pool has shares and no value: it cannot be priced.
#[must_use]
pub fn shares_for_amount(amount: u128, pool_amount: u128, pool_shares: u128) -> Option<u128> {
    if pool_shares == 0 {
        Some(amount)
    } else {
        mul_div(amount, pool_shares, pool_amount)
    }
}

/// What `shares` are worth, in planck, rounded down in the pool's favour. `None`
/// for more shares than the pool has.
#[must_use]
pub fn amount_for_shares(shares: u128, pool_amount: u128, pool_shares: u128) -> Option<u128> {
    if shares > pool_shares {
        return None;
    }
    if shares == 0 {
        Some(0)
    } else {
        mul_div(shares, pool_amount, pool_shares)
    }
}

/// Shares to give up for `amount`, in planck, rounded up in the pool's favour.
/// `None` for more than the pool holds.
#[must_use]
pub fn shares_to_burn(amount: u128, pool_amount: u128, pool_shares: u128) -> Option<u128> {
    if amount > pool_amount {
        return None;
    }
    if amount == 0 {
        Some(0)
    } else {
        mul_div_ceil(amount, pool_shares, pool_amount)
    }
}
