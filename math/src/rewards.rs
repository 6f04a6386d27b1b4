//! A round's pools and who is paid what from them (protocol section 6; paper
//! 2.3; vectors `pool_split`, `geometric`, `rank_by_stake`, `task_days`).

use crate::{
    MathError,
    consensus::Row,
    error::sum,
    fixed::{
        ONE_Q64, PERBILL, exp2_neg_q64, lambda_c_q56, log2_q64, neg_log2_frac_q64, perbill_q64,
        pow_ratio, ratio_q64,
    },
    wide::{Divisor, mul_div, mul_shr},
};
use alloc::{vec, vec::Vec};

/// A score in Perbill as Q64, rounded down; more than a whole counts as a whole.
#[must_use]
pub fn score_q64(perbill: u32) -> u128 {
    perbill_q64(perbill)
}

/// `(trainers', validators')` pools of `reward`, in planck.
///
/// The trainers' is `⌊reward·(γ(1−τ) + (1−γ)τ)⌋` with `τ = T/(T+S)`, exactly; the
/// validators' is the rest. `gamma` is γ in Perbill, more than a whole counts as
/// a whole. `None` without stake, or when the stakes together reach
/// [`crate::MAX_TOTAL`].
#[must_use]
pub fn pool_split(
    reward: u128,
    gamma: u32,
    trainer_stake: u128,
    validator_stake: u128,
) -> Option<(u128, u128)> {
    let gamma = gamma.min(PERBILL);
    let whole = trainer_stake
        .checked_add(validator_stake)?
        .checked_mul(u128::from(PERBILL))?;
    let inverse = u128::from(PERBILL.saturating_sub(gamma)).checked_mul(trainer_stake)?;
    let part = u128::from(gamma)
        .checked_mul(validator_stake)?
        .checked_add(inverse)?;
    let trainers = mul_div(reward, part, whole)?;
    Some((trainers, reward.checked_sub(trainers)?))
}

/// `q^(rank−1)` for ranks 1 to `n`, as Q64, each step rounded down; `q` as Q64.
/// With `q` = 0 the winner takes all.
#[must_use]
pub fn geometric_weights(q_q64: u128, n: usize) -> Vec<u128> {
    let q = q_q64.min(ONE_Q64);
    let mut power = ONE_Q64;
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        out.push(power);
        power = mul_shr(power, q, 64).unwrap_or(0); // both at most 2^64: always fits
    }
    out
}

/// How trainers share their pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankRule {
    /// By place in the order of stake: dividing a stake earns nothing.
    ByStake {
        /// How many equal stakes the whole order counts as; 0 shares by stake.
        depth: u32,
    },
    /// The paper's, by place in the order of accounts.
    ByHead {
        /// Exponent of the stake, as Q32.
        alpha_q32: u64,
    },
}

impl RankRule {
    /// Each submission's payout from `pool`, in planck, rounded down.
    ///
    /// `keys` are the scores to rank by, higher is better; who has none, or no
    /// stake, earns nothing. Equal keys share.
    ///
    /// # Errors
    /// [`MathError::Overflow`] when the sum of stakes does not fit.
    pub fn payouts<K: Ord>(
        self,
        keys: &[Option<K>],
        stakes: &[u128],
        q_q64: u128,
        pool: u128,
    ) -> Result<Vec<u128>, MathError> {
        match self {
            Self::ByStake { depth } => rank_by_stake(keys, stakes, q_q64, depth, pool),
            Self::ByHead { alpha_q32 } => rank_by_head(keys, stakes, q_q64, alpha_q32, pool),
        }
    }
}

/// One that takes part in the ranking.
struct Entry<'a, K> {
    index: usize,
    stake: u128,
    key: &'a K,
}

/// The eligible entries, best first; equal keys in the order they came.
fn ranking<'a, K: Ord>(keys: &'a [Option<K>], stakes: &[u128]) -> Vec<Entry<'a, K>> {
    let pairs = keys.iter().zip(stakes).enumerate();
    let eligible = pairs.filter(|(_, (_, stake))| **stake > 0);
    let mut entries: Vec<_> = eligible
        .filter_map(|(index, (key, stake))| {
            key.as_ref().map(|key| Entry {
                index,
                stake: *stake,
                key,
            })
        })
        .collect();
    entries.sort_by(|a, b| b.key.cmp(a.key));
    entries
}

/// Each submission's place, from 1; equal keys share the first place of their
/// block. `None` for those without key or stake.
#[must_use]
pub fn ranks<K: Ord>(keys: &[Option<K>], stakes: &[u128]) -> Vec<Option<u32>> {
    let mut out = vec![None; keys.len()];
    let mut place = 1_u32;
    for block in ranking(keys, stakes).chunk_by(|a, b| a.key == b.key) {
        for entry in block {
            if let Some(slot) = out.get_mut(entry.index) {
                *slot = Some(place);
            }
        }
        // More submissions than a u32 counts do not fit in memory.
        place = place.saturating_add(u32::try_from(block.len()).unwrap_or(u32::MAX));
    }
    out
}

/// `⌊pool·w/Σw⌋` for each weight; nothing when all weights are 0.
fn pay(pool: u128, weights: &[(usize, u128)], len: usize) -> Result<Vec<u128>, MathError> {
    let mut out = vec![0; len];
    let Some(total) = Divisor::new(sum(weights.iter().map(|(_, weight)| *weight))?) else {
        return Ok(out);
    };
    for (index, weight) in weights {
        if let Some(slot) = out.get_mut(*index) {
            *slot = total.mul_div(pool, *weight).ok_or(MathError::Overflow)?;
        }
    }
    Ok(out)
}

/// Payouts by place in the order of accounts: `q^(rank−1)·t^α`, each block of
/// equal keys sharing the mean of its places. Rounded down.
///
/// # Errors
/// [`MathError::Overflow`] when a sum does not fit.
pub fn rank_by_head<K: Ord>(
    keys: &[Option<K>],
    stakes: &[u128],
    q_q64: u128,
    alpha_q32: u64,
    pool: u128,
) -> Result<Vec<u128>, MathError> {
    let entries = ranking(keys, stakes);
    let largest = entries.iter().map(|entry| entry.stake).max().unwrap_or(0);
    let mut places = geometric_weights(q_q64, entries.len()).into_iter();
    let mut weights = Vec::with_capacity(entries.len());
    for block in entries.chunk_by(|a, b| a.key == b.key) {
        let taken = sum(places.by_ref().take(block.len()))?;
        let count = u128::try_from(block.len()).map_err(|_| MathError::Overflow)?;
        let place = taken.checked_div(count).unwrap_or(0);
        for entry in block {
            let power = pow_ratio(entry.stake, largest, alpha_q32).ok_or(MathError::Overflow)?;
            weights.push((
                entry.index,
                mul_shr(place, power, 64).ok_or(MathError::Overflow)?,
            ));
        }
    }
    pay(pool, &weights, keys.len())
}

/// How much of the pool the stretch from `from` to `to` of the order gets.
struct StakeCurve {
    total: u128,
    q_q64: u128,
    /// `depth·(−log2 q)` as Q64; `None` where the pool is shared by stake.
    steepness: Option<u128>,
}

impl StakeCurve {
    fn new(total: u128, q_q64: u128, depth: u32) -> Result<Self, MathError> {
        let q_q64 = q_q64.min(ONE_Q64);
        let steepness = if depth == 0 || q_q64 == ONE_Q64 {
            None
        } else if q_q64 == 0 {
            Some(0)
        } else {
            let one = neg_log2_frac_q64(q_q64).ok_or(MathError::Overflow)?;
            Some(
                one.checked_mul(u128::from(depth))
                    .ok_or(MathError::Overflow)?,
            )
        };
        Ok(Self {
            total,
            q_q64,
            steepness,
        })
    }

    /// As Q64, before normalisation.
    fn mass(&self, from: u128, to: u128) -> Option<u128> {
        match self.steepness {
            None => ratio_q64(to.checked_sub(from)?, self.total),
            Some(_) if self.q_q64 == 0 => Some(if from == 0 { ONE_Q64 } else { 0 }),
            Some(steepness) => {
                let start = exp2_neg_q64(mul_div(steepness, from, self.total)?);
                let end = exp2_neg_q64(mul_div(steepness, to, self.total)?);
                // The last binary place of the power may be off by one, so a
                // tiny stretch may seem to end above its start: it has no mass.
                Some(start.saturating_sub(end))
            }
        }
    }
}

/// Payouts by place in the order of stake: `q^(D·C_{i−1}) − q^(D·C_i)` with `C`
/// the cumulative share of stake, a block of equal keys sharing by stake. `q` as
/// Q64. Rounded down.
///
/// # Errors
/// [`MathError::Overflow`] when the sum of stakes does not fit.
pub fn rank_by_stake<K: Ord>(
    keys: &[Option<K>],
    stakes: &[u128],
    q_q64: u128,
    depth: u32,
    pool: u128,
) -> Result<Vec<u128>, MathError> {
    let entries = ranking(keys, stakes);
    let curve = StakeCurve::new(sum(entries.iter().map(|entry| entry.stake))?, q_q64, depth)?;
    let mut weights = Vec::with_capacity(entries.len());
    let mut from = 0_u128;
    for block in entries.chunk_by(|a, b| a.key == b.key) {
        let stake = sum(block.iter().map(|entry| entry.stake))?;
        let to = from.checked_add(stake).ok_or(MathError::Overflow)?;
        let mass = curve.mass(from, to).ok_or(MathError::Overflow)?;
        for entry in block {
            weights.push((
                entry.index,
                mul_div(mass, entry.stake, stake).ok_or(MathError::Overflow)?,
            ));
        }
        from = to;
    }
    pay(pool, &weights, keys.len())
}

/// How validators share the pot of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorRule {
    /// Exponent of the weight, as Q32.
    pub alpha_q32: u64,
    /// λ, how steeply pay falls with the distance to the consensus, as Q32.
    pub lambda_q32: u64,
    /// Distance that costs nothing, in Perbill.
    pub band: u32,
}

/// Pot number `index` of `count` pots of one pool: an equal part, the first ones
/// a planck more until the pool is used up. 0 for an index that there is not.
#[must_use]
pub fn submission_pot(pool: u128, count: u32, index: u32) -> u128 {
    let (count, index) = (u128::from(count), u128::from(index));
    match (pool.checked_div(count), pool.checked_rem(count)) {
        (Some(part), Some(extra)) if index < count => {
            part.saturating_add(u128::from(index < extra))
        }
        _ => 0,
    }
}

/// A score on its way to a payout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Where the payout goes.
    pub(crate) slot: usize,
    /// To the consensus, as Q64.
    pub(crate) distance: u128,
    /// Logarithm of the weight, as Q64.
    pub(crate) log_weight: u128,
}

/// Pays one pot after the other by the same rule.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    slope_q56: u128,
    band_q64: u128,
    alpha_q32: u64,
    /// The last loss of each slot and its power: within the band it is mostly the
    /// same in all submissions.
    powers: Vec<(u128, u128)>,
    /// Of one submission's claims: losses, then weights.
    losses: Vec<u128>,
}

impl Payer {
    pub(crate) fn new(rule: &ValidatorRule, slots: usize) -> Self {
        Self {
            slope_q56: lambda_c_q56(rule.lambda_q32),
            band_q64: perbill_q64(rule.band),
            alpha_q32: rule.alpha_q32,
            powers: vec![(0, ONE_Q64); slots],
            losses: Vec::with_capacity(slots),
        }
    }

    /// Adds each claim's part of `pot`, rounded down, to its slot of `payouts`.
    pub(crate) fn pay(
        &mut self,
        pot: u128,
        claims: &[Claim],
        payouts: &mut [u128],
    ) -> Result<(), MathError> {
        if pot == 0 {
            return Ok(());
        }
        // Logarithms are in the order of the weights.
        let heaviest = claims.iter().map(|claim| claim.log_weight).max();
        let heaviest = heaviest.unwrap_or(0);
        self.losses.clear();
        for claim in claims {
            let loss = self.loss(claim, heaviest).ok_or(MathError::Overflow)?;
            self.losses.push(loss);
        }
        // The best weight is then exactly 1.0, however far all of them are.
        let least = self.losses.iter().copied().min().unwrap_or(0);
        let mut total = 0_u128;
        for (claim, loss) in claims.iter().zip(&mut self.losses) {
            let relative = loss.saturating_sub(least);
            *loss = match self.powers.get_mut(claim.slot) {
                Some((last, power)) if *last == relative => *power,
                Some(known) => {
                    *known = (relative, exp2_neg_q64(relative));
                    known.1
                }
                None => exp2_neg_q64(relative),
            };
            total = total.checked_add(*loss).ok_or(MathError::Overflow)?;
        }
        let Some(total) = Divisor::new(total) else {
            return Ok(());
        };
        for (claim, weight) in claims.iter().zip(&self.losses) {
            let part = total.mul_div(pot, *weight).ok_or(MathError::Overflow)?;
            if let Some(slot) = payouts.get_mut(claim.slot) {
                *slot = slot.checked_add(part).ok_or(MathError::Overflow)?;
            }
        }
        Ok(())
    }

    /// `λ·max(0, distance − band) − α·log(weight/heaviest)`, as Q64.
    fn loss(&self, claim: &Claim, heaviest: u128) -> Option<u128> {
        let distance = claim.distance.saturating_sub(self.band_q64);
        let far = mul_shr(self.slope_q56, distance, 56)?;
        let lighter = heaviest.saturating_sub(claim.log_weight);
        far.checked_add(mul_shr(u128::from(self.alpha_q32), lighter, 32)?)
    }
}

/// What the validators of `rows` get from one submission's pot, in planck,
/// rounded down: `e^(−λ·max(0, |score − consensus| − band))·weight^α`, normalised.
///
/// # Errors
/// [`MathError::Overflow`] when a sum does not fit.
pub fn validator_payouts(
    pot: u128,
    consensus_q64: u128,
    rows: &[Row],
    rule: &ValidatorRule,
) -> Result<Vec<u128>, MathError> {
    let claims: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(slot, row)| {
            // Who has no weight has no logarithm, and no claim.
            Some(Claim {
                slot,
                distance: consensus_q64.abs_diff(score_q64(row.score)),
                log_weight: log2_q64(row.weight)?,
            })
        })
        .collect();
    let mut out = vec![0; rows.len()];
    Payer::new(rule, rows.len()).pay(pot, &claims, &mut out)?;
    Ok(out)
}
