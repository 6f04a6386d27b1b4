//! Which samples count: a seeded draw without replacement.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Uniform in `0..bound` from 64-bit draws; draws at or above the largest multiple of `bound`
/// are thrown away, so that there is no bias. `bound` 0 gives 0.
pub(crate) fn below(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return draw % bound;
        }
    }
}

/// `count` of `0..total` (all if `count` is 0 or at least `total`), ascending.
///
/// Partial Fisher–Yates: position `i` swaps with `i + below(total − i)`, on ChaCha20 seeded
/// with `seed`.
pub fn draw(total: usize, count: usize, seed: [u8; 32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..total).collect();
    if count == 0 || count >= total {
        return order;
    }
    let mut rng = ChaCha20Rng::from_seed(seed);
    for i in 0..count {
        order.swap(i, i + below(&mut rng, (total - i) as u64) as usize);
    }
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn draw_should_take_all_for_zero() {
        assert_eq!(draw(4, 0, [1; 32]), [0, 1, 2, 3]);
        assert_eq!(draw(0, 5, [1; 32]), [0usize; 0]);
    }

    #[test]
    fn draw_should_stay_what_it_is() {
        assert_eq!(draw(100, 5, [7; 32]), draw(100, 5, [7; 32]));
        assert_ne!(draw(100, 5, [7; 32]), draw(100, 5, [8; 32]));
    }

    proptest! {
        #[test]
        fn draw_should_be_distinct_sorted_and_of_size(
            total in 1usize..200, count in 1usize..250, seed: [u8; 32],
        ) {
            let drawn = draw(total, count, seed);
            prop_assert_eq!(drawn.len(), count.min(total));
            prop_assert!(drawn.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(drawn.iter().all(|i| *i < total));
        }
    }
}
