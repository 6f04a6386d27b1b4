//! Who judges: the draw of a jury by stake (protocol section 7).
//!
//! Weighted sampling without replacement by Efraimidis and Spirakis (Information Processing
//! Letters 97, 2006): each candidate has a uniform `u` in (0, 1] and wins by `u^(1/stake)`,
//! largest first. Taking logarithms, the smallest `−log2(u)/stake` wins. The first seat is drawn
//! in proportion to stake, and each other one in proportion to the stake of who is left.

use crate::{fixed::neg_log2_frac_q64, wide::cmp_ratio};
use alloc::vec::Vec;

/// The drawn places of `stakes`, in the order of their seats.
///
/// `words` has 64 random bits for each candidate, of which `u = (word + 1)/2^64` is made. A stake
/// of 0 is never drawn, nor is a candidate without a word; where there are no more candidates
/// than seats, all are drawn. Keys are fractions of logarithms that [`crate::fixed`] bounds the
/// error of, and are compared exactly; of equal ones the lower place is first.
#[must_use]
pub fn draw(stakes: &[u128], words: &[u64], seats: usize) -> Vec<usize> {
    let mut keys: Vec<(u128, u128, usize)> = stakes
        .iter()
        .zip(words)
        .enumerate()
        .filter(|(_, (stake, _))| **stake > 0)
        .filter_map(|(place, (stake, word))| Some((distance(*word)?, *stake, place)))
        .collect();
    // By place where keys are equal, so that no order is left to the sort.
    keys.sort_unstable_by(|a, b| cmp_ratio((a.0, a.1), (b.0, b.1)).then(a.2.cmp(&b.2)));
    keys.truncate(seats);
    keys.into_iter().map(|(_, _, place)| place).collect()
}

/// `−log2((word + 1)/2^64)` as Q64, in 0..=64.
fn distance(word: u64) -> Option<u128> {
    // At most 2^64, so that it is always there.
    neg_log2_frac_q64(u128::from(word).wrapping_add(1))
}
