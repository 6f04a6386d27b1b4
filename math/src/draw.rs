//! Who scores what: the draw by stake (protocol section 5, vectors `draw`).

use crate::{fixed::ONE_Q64, wide::mul_div};

/// `Some(k·s)` when a stake of `s` is drawn with a probability below 1.
///
/// A product beyond 128 bits is above every total, so that it counts as certain.
fn uncertain(stake: u128, total: u128, committee: u32) -> Option<u128> {
    let scaled = u128::from(committee).checked_mul(stake)?;
    (committee != 0 && scaled < total).then_some(scaled)
}

/// What a pair's 64-bit hash must be below: `⌊2^64·min(1, k·s/S)⌋`.
///
/// 2^64 means always. A committee of 0 is everybody.
#[must_use]
pub fn draw_threshold(stake: u128, total: u128, committee: u32) -> u128 {
    match uncertain(stake, total, committee) {
        None => ONE_Q64,
        // `scaled < total`, so the quotient is below 2^64.
        Some(scaled) => mul_div(ONE_Q64, scaled, total).unwrap_or(ONE_Q64),
    }
}

/// Whether a pair's hash draws it.
#[must_use]
pub fn is_drawn(hash: u64, threshold: u128) -> bool {
    u128::from(hash) < threshold
}

/// A drawn validator's weight: its capped stake over the probability
/// `min(1, k·s/S)` of its plain stake, rounded down. 0 for a stake of 0; `None`
/// when it does not fit, which needs a capped stake above the plain one.
#[must_use]
pub fn draw_weight(capped: u128, stake: u128, total: u128, committee: u32) -> Option<u128> {
    if stake == 0 {
        return Some(0);
    }
    match uncertain(stake, total, committee) {
        None => Some(capped),
        Some(scaled) => mul_div(capped, total, scaled),
    }
}
