//! Caps, quorum and consensus of a submission (protocol section 5, vectors
//! `caps` and `rank_flip_2pct`).

use crate::{
    MathError,
    error::sum,
    fixed::PERBILL,
    wide::{cmp_ratio, shl64_div},
};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// One validator's score of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Score in Perbill; more than a whole counts as a whole.
    pub score: u32,
    /// Weight, in planck; a row of weight 0 has no say.
    pub weight: u128,
}

/// How scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The lower weighted median: the smallest score that half of the weight
    /// does not exceed.
    Median,
    /// The weighted mean, the paper's. A few percent of the weight can swap two
    /// close submissions.
    Mean,
}

/// What limits one validator's weight in a consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// No limit.
    None,
    /// The total divided by this number of seats; 0 is no limit.
    Seats(u32),
    /// The stake at this percentile, by nearest rank. It makes many small
    /// accounts stronger than few large ones.
    Percentile(u8),
}

impl Cap {
    /// Stakes after the cap, in the same order.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the stakes' sum does not fit.
    pub fn apply(self, stakes: &[u128]) -> Result<Vec<u128>, MathError> {
        match self {
            Self::None => Ok(stakes.to_vec()),
            Self::Seats(seats) => seats_cap(stakes, seats),
            Self::Percentile(percent) => Ok(percentile_cap(stakes, percent)),
        }
    }
}

/// Each stake limited to `⌊total/seats⌋`; 0 seats are no limit.
///
/// # Errors
/// [`MathError::Overflow`] when the stakes' sum does not fit.
pub fn seats_cap(stakes: &[u128], seats: u32) -> Result<Vec<u128>, MathError> {
    let limit = sum(stakes.iter().copied())?
        .checked_div(u128::from(seats))
        .unwrap_or(u128::MAX);
    Ok(stakes.iter().map(|stake| limit.min(*stake)).collect())
}

/// Each stake limited to the element at `⌈percent/100·n⌉` of the ascending
/// order, counted from 1; the lowest for 0, the highest from 100 on.
#[must_use]
pub fn percentile_cap(stakes: &[u128], percent: u8) -> Vec<u128> {
    let mut sorted = stakes.to_vec();
    sorted.sort_unstable();
    let rank = usize::from(percent.min(100))
        .saturating_mul(sorted.len())
        .div_ceil(100)
        .max(1);
    let limit = sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0);
    stakes.iter().map(|stake| limit.min(*stake)).collect()
}

/// What was revealed about one submission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnout {
    /// Validators with stake that gave `Scored` or `Invalid`.
    pub scorers: u32,
    /// Their draw weight, in planck, before caps.
    pub scored: u128,
    /// Draw weight, in planck, of all that listed it, `Skipped` included.
    pub revealed: u128,
}

impl Turnout {
    /// Enough scorers, at least half of `total` revealed, and two thirds of that
    /// scored. Exact, and no sum that could overflow.
    #[must_use]
    pub fn has_quorum(&self, min_scorers: u32, total: u128) -> bool {
        let skipped = self.revealed.saturating_sub(self.scored);
        self.scorers >= min_scorers
            && self.revealed >= total.saturating_sub(self.revealed)
            && self
                .scored
                .checked_sub(skipped)
                .is_some_and(|rest| rest >= skipped)
    }
}

/// A submission's score as an exact fraction, so that only equal scores tie.
#[derive(Clone, Copy, Debug)]
pub struct Consensus {
    numerator: u128,
    denominator: u128,
    q64: u128,
}

impl Consensus {
    /// `score_sum / weight` in Perbill.
    fn new(score_sum: u128, weight: u128) -> Result<Self, MathError> {
        let denominator = whole_score(weight)?;
        let q64 = shl64_div(score_sum, denominator).ok_or(MathError::Overflow)?;
        Ok(Self {
            numerator: score_sum,
            denominator,
            q64,
        })
    }

    /// Numerator and denominator, to be kept between two steps of a settlement.
    #[must_use]
    pub const fn parts(&self) -> (u128, u128) {
        (self.numerator, self.denominator)
    }

    /// The score of these [`parts`](Self::parts); `None` for a denominator of 0 or
    /// a fraction above [`u64::MAX`].
    #[must_use]
    pub fn from_parts((numerator, denominator): (u128, u128)) -> Option<Self> {
        Some(Self {
            numerator,
            denominator,
            q64: shl64_div(numerator, denominator)?,
        })
    }

    /// The score as Q64, rounded down.
    #[must_use]
    pub const fn q64(&self) -> u128 {
        self.q64
    }

    /// Whether the score is above a number in Perbill; exact.
    #[must_use]
    pub fn exceeds(&self, perbill: u32) -> bool {
        let bound = (u128::from(perbill), u128::from(PERBILL));
        cmp_ratio((self.numerator, self.denominator), bound).is_gt()
    }
}

/// `weight` times [`PERBILL`]: the score sum if every score were a whole.
fn whole_score(weight: u128) -> Result<u128, MathError> {
    weight
        .checked_mul(u128::from(PERBILL))
        .ok_or(MathError::Overflow)
}

impl Ord for Consensus {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_ratio(
            (self.numerator, self.denominator),
            (other.numerator, other.denominator),
        )
    }
}

impl PartialOrd for Consensus {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Consensus {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Consensus {}

impl Aggregation {
    /// The consensus of `rows`; `None` when they have no weight.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the weights together reach
    /// [`crate::MAX_TOTAL`].
    pub fn of(self, rows: &[Row]) -> Result<Option<Consensus>, MathError> {
        match self {
            Self::Median => weighted_median(rows),
            Self::Mean => weighted_mean(rows),
        }
    }
}

/// `Σ score·weight / Σ weight`, exact.
///
/// # Errors
/// [`MathError::Overflow`] when the weights together reach [`crate::MAX_TOTAL`].
pub fn weighted_mean(rows: &[Row]) -> Result<Option<Consensus>, MathError> {
    let weight = sum(rows.iter().map(|row| row.weight))?;
    if weight == 0 {
        return Ok(None);
    }
    // No sum below is above this one, which fits.
    whole_score(weight)?;
    let score_sum = rows.iter().fold(0_u128, |sum, row| {
        sum.wrapping_add(row.weight.wrapping_mul(u128::from(row.score.min(PERBILL))))
    });
    Consensus::new(score_sum, weight).map(Some)
}

/// The smallest score with at least half of the weight at or below it.
///
/// # Errors
/// [`MathError::Overflow`] when the sum of the weights does not fit.
pub fn weighted_median(rows: &[Row]) -> Result<Option<Consensus>, MathError> {
    let total = sum(rows.iter().map(|row| row.weight))?;
    let is_half = |part: u128| part >= total.saturating_sub(part);
    let mut heavy: Vec<Row> = rows.iter().copied().filter(|row| row.weight > 0).collect();
    // Half of the rows are left each time; a sort would order those too that don't
    // matter. What is below them isn't half of the weight.
    let (mut rest, mut below) = (heavy.as_mut_slice(), 0_u128);
    while !rest.is_empty() {
        let middle = rest.len() / 2;
        let (low, row, high) = rest.select_nth_unstable_by_key(middle, |row| row.score);
        let with_low = sum(low.iter().map(|row| row.weight).chain([below]))?;
        if is_half(with_low) {
            rest = low;
            continue;
        }
        below = sum([with_low, row.weight])?;
        if is_half(below) {
            return Consensus::new(u128::from(row.score.min(PERBILL)), 1).map(Some);
        }
        rest = high;
    }
    Ok(None)
}
