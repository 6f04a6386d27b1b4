//! Amounts that property tests draw.

use arena_math::MAX_TOTAL;
use proptest::prelude::*;

/// Numbers of every size, not only large ones.
pub(crate) fn any_size() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0_u32..128).prop_map(|(x, shift)| x >> shift)
}

/// Stakes of every size; up to 64 of them stay below the bound of a round.
pub(crate) fn stake() -> impl Strategy<Value = u128> {
    prop_oneof![1 => Just(0), 9 => any_size().prop_map(|x| x % (MAX_TOTAL / 64))]
}
