//! Logarithms and powers in fixed point, within 2^-61 of the real values.
//!
//! `Qn` is an integer with `n` binary places: 1.0 is `2^n`. A Q64 fraction is a
//! `u128`, because 1.0 itself needs 65 bits.

use crate::wide::{mul_shr, shl64_div};

/// 1.0 as Q64.
pub const ONE_Q64: u128 = 1 << 64;

/// 1.0 as Q32.
pub const ONE_Q32: u64 = 1 << 32;

/// Parts in a whole, for numbers in Perbill.
pub const PERBILL: u32 = 1_000_000_000;

/// `⌊ln 2 · 2^64⌋`.
pub const LN2_Q64: u128 = 12_786_308_645_202_655_659;

/// `⌊log2 e · 2^64⌋`, 65 bits.
pub const LOG2E_Q64: u128 = 26_613_026_195_688_644_983;

/// A Perbill number as Q64, rounded down; more than a whole counts as a whole.
#[must_use]
pub fn perbill_q64(perbill: u32) -> u128 {
    // Two digits of 32 bits: division by 128 bits costs far more.
    let first = u64::from(perbill.min(PERBILL)) << 32;
    let second = (first % 1_000_000_000) << 32;
    (u128::from(first / 1_000_000_000) << 32) | u128::from(second / 1_000_000_000)
}

/// A Perbill number as Q32, rounded down; it may be above a whole.
#[must_use]
pub fn perbill_q32(perbill: u32) -> u64 {
    (u64::from(perbill) << 32) / 1_000_000_000
}

/// `log2 x` as Q64, rounded down; `None` for 0.
#[must_use]
pub fn log2_q64(x: u128) -> Option<u128> {
    let whole = x.checked_ilog2()?;
    // Mantissa as Q63, in [2^63, 2^64).
    let (mut mantissa, _) = halves(x.wrapping_shl(127_u32.wrapping_sub(whole)));
    let mut places = 0_u64;
    for _ in 0..64 {
        // The top bit of the square is the next binary place of the logarithm.
        let (high, low) = square(mantissa);
        let bit = high >> 63;
        places = (places << 1) | bit;
        mantissa = if bit == 1 {
            high
        } else {
            (high << 1) | (low >> 63)
        };
    }
    Some((u128::from(whole) << 64) | u128::from(places))
}

/// `2^-(y/2^64)` as Q64, for `y` as Q64; 0 from `y` = 64.0 on.
#[must_use]
pub fn exp2_neg_q64(y: u128) -> u128 {
    if (y >> 64) >= 64 {
        return 0;
    }
    // Both factors are below 2^64.
    let (t, _) = halves((y & ONE_Q64.wrapping_sub(1)).wrapping_mul(LN2_Q64));
    let r = ONE_Q64.wrapping_sub(u128::from(one_less_exp(t)));
    r.checked_shr(u32::try_from(y >> 64).unwrap_or(u32::MAX))
        .unwrap_or(0)
}

/// `1 − e^-t` as Q64 for `t` below 1.0 as Q64: twenty terms of the series,
/// `⌊t·(1 − next)⌋ / j` from the last to the first, each rounded down.
fn one_less_exp(t: u64) -> u64 {
    let mut term = 0_u64;
    for j in (1..=20_u64).rev() {
        // ⌊t·(2^64 − term)/2^64⌋ is t less the same product rounded up, which is
        // at most t.
        let (high, low) = halves(u128::from(t).wrapping_mul(u128::from(term)));
        let rest = t.wrapping_sub(high).wrapping_sub(u64::from(low != 0));
        term = rest.checked_div(j).unwrap_or(0); // j ≥ 1
    }
    term
}

const fn square(x: u64) -> (u64, u64) {
    halves((x as u128).wrapping_mul(x as u128))
}

/// The high and the low 64 bits.
const fn halves(x: u128) -> (u64, u64) {
    ((x >> 64) as u64, (x & 0xFFFF_FFFF_FFFF_FFFF) as u64)
}

/// `e^-x` as Q64 for `x` as Q64.
#[must_use]
pub fn exp_neg_q64(x: u128) -> u128 {
    // An exponent too large for 128 bits is far beyond 64, where the power is 0.
    exp2_neg_q64(mul_shr(x, LOG2E_Q64, 64).unwrap_or(u128::MAX))
}

/// `-log2(q/2^64)` as Q64 for `0 < q ≤ 2^64`, rounded up; `None` outside.
#[must_use]
pub fn neg_log2_frac_q64(q: u128) -> Option<u128> {
    (64_u128 << 64).checked_sub(log2_q64(q)?)
}

/// `(t/t_max)^alpha` as Q64 for an exponent as Q32; `None` when a stake is 0 or
/// `t > t_max`.
///
/// It depends only on the ratio of the stakes, so no power of a stake is formed.
#[must_use]
pub fn pow_ratio(t: u128, t_max: u128, alpha_q32: u64) -> Option<u128> {
    neg_log2_pow_ratio(t, t_max, alpha_q32).map(exp2_neg_q64)
}

/// `-alpha·log2(t/t_max)` as Q64, rounded down: the exponent of [`pow_ratio`].
#[must_use]
pub fn neg_log2_pow_ratio(t: u128, t_max: u128, alpha_q32: u64) -> Option<u128> {
    let distance = log2_q64(t_max)?.checked_sub(log2_q64(t)?)?;
    mul_shr(u128::from(alpha_q32), distance, 32)
}

/// `⌊λ·log2 e·2^56⌋` for λ as Q32: turns distances into binary exponents.
#[must_use]
pub fn lambda_c_q56(lambda_q32: u64) -> u128 {
    // 64 + 65 − 40 bits always fit.
    mul_shr(u128::from(lambda_q32), LOG2E_Q64, 40).unwrap_or(u128::MAX)
}

/// `part/whole` as Q64, rounded down; `None` for a whole of 0 or a ratio beyond
/// 128 bits.
#[must_use]
pub fn ratio_q64(part: u128, whole: u128) -> Option<u128> {
    shl64_div(part, whole)
}
