//! How unequal weights are, in integers: what a chain can say of itself.

use crate::{MathError, error::sum, fixed::PERBILL, wide::mul_div};
use alloc::vec::Vec;

/// Shares are counted in parts of this size before they are squared.
const FINE: u128 = 1_000_000_000_000;

/// Measures of a list of weights; all zero where there is no weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concentration {
    /// All weight.
    pub total: u128,
    /// Gini coefficient in Perbill, rounded down: 0 when all are equal, `1 − 1/n` when one has
    /// all.
    pub gini: u32,
    /// Herfindahl–Hirschman index in Perbill, rounded down: the sum of squared shares.
    pub hhi: u32,
    /// The fewest that have at least 51 % of the weight together; exact.
    pub majority: u32,
    /// The share of the largest in Perbill, rounded down.
    pub top: u32,
}

impl Concentration {
    /// Of these weights, in any order.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the weights' sum, times their number, does not fit.
    pub fn of(weights: &[u128]) -> Result<Self, MathError> {
        let total = sum(weights.iter().copied())?;
        if total == 0 {
            return Ok(Self::default());
        }
        let mut sorted = weights.to_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let top = sorted.first().copied().unwrap_or(0);
        Ok(Self {
            total,
            gini: gini(&sorted, total)?,
            hhi: hhi(&sorted, total)?,
            majority: majority(&sorted, total)?,
            top: perbill(top, total)?,
        })
    }
}

fn perbill(part: u128, whole: u128) -> Result<u32, MathError> {
    mul_div(part, u128::from(PERBILL), whole)
        .and_then(|share| u32::try_from(share).ok())
        .ok_or(MathError::Overflow)
}

/// `Σ (n + 1 − 2i)·w_i / (n·total)`, the heaviest first, `i` from 1.
fn gini(sorted: &[u128], total: u128) -> Result<u32, MathError> {
    let count = u128::try_from(sorted.len()).map_err(|_| MathError::Overflow)?;
    let (mut above, mut below) = (0u128, 0u128);
    for (place, weight) in (1u128..).zip(sorted) {
        let ahead = count
            .saturating_add(1)
            .saturating_sub(place.saturating_mul(2));
        let behind = place
            .saturating_mul(2)
            .saturating_sub(count.saturating_add(1));
        let add = |sum: u128, factor: u128| {
            let part = weight.checked_mul(factor).ok_or(MathError::Overflow)?;
            sum.checked_add(part).ok_or(MathError::Overflow)
        };
        above = add(above, ahead)?;
        below = add(below, behind)?;
    }
    let whole = total.checked_mul(count).ok_or(MathError::Overflow)?;
    perbill(above.saturating_sub(below), whole)
}

fn hhi(sorted: &[u128], total: u128) -> Result<u32, MathError> {
    let squares: Vec<u128> = sorted
        .iter()
        .map(|weight| {
            let share = mul_div(*weight, FINE, total).ok_or(MathError::Overflow)?;
            share.checked_mul(share).ok_or(MathError::Overflow)
        })
        .collect::<Result<_, _>>()?;
    perbill(sum(squares)?, FINE.saturating_mul(FINE))
}

fn majority(sorted: &[u128], total: u128) -> Result<u32, MathError> {
    // Rounded up: the least that is 51 % or more.
    let most = mul_div(total, 49, 100).ok_or(MathError::Overflow)?;
    let wanted = total.saturating_sub(most);
    let mut so_far = 0u128;
    for (place, weight) in (1u32..).zip(sorted) {
        so_far = so_far.saturating_add(*weight);
        if so_far >= wanted {
            return Ok(place);
        }
    }
    Err(MathError::Overflow)
}
