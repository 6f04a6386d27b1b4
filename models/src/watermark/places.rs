//! Which numbers of an update carry which bit, as the key draws them.

use super::{BITS, Key, MAX_BLOCK, MIN_BLOCK};
use crate::draw::below;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::collections::HashSet;

/// A number that carries a part of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Among the numbers of all carriers.
    pub(super) at: u64,
    /// Which bit.
    pub(super) bit: u8,
    /// Whether it counts with a minus.
    pub(super) is_minus: bool,
}

impl Place {
    /// `value` with the place's sign.
    pub(super) fn signed<T: std::ops::Neg<Output = T>>(&self, value: T) -> T {
        if self.is_minus { -value } else { value }
    }

    /// Index of the bit.
    pub(super) fn index(&self) -> usize {
        usize::from(self.bit)
    }
}

/// Numbers that carry each bit, of `total`; `None` where they are too few for a mark.
pub(super) fn block(total: u64) -> Option<usize> {
    let block = (total / (2 * BITS as u64)).min(MAX_BLOCK as u64) as usize;
    (block >= MIN_BLOCK).then_some(block)
}

/// `block` places for each bit among `total` numbers, all distinct, in ascending order.
pub(super) fn draw(key: Key, total: u64, block: usize) -> Vec<Place> {
    let mut rng = ChaCha20Rng::from_seed(key);
    let mut seen = HashSet::with_capacity(BITS * block);
    let mut places = Vec::with_capacity(BITS * block);
    for bit in 0..=u8::MAX {
        for _ in 0..block {
            // At the most half of all numbers are taken, so that this ends soon.
            let (at, is_minus) = loop {
                let drawn = below(&mut rng, total.saturating_mul(2));
                if seen.insert(drawn / 2) {
                    break (drawn / 2, drawn % 2 == 1);
                }
            };
            places.push(Place { at, bit, is_minus });
        }
    }
    places.sort_unstable_by_key(|place| place.at);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_should_be_a_share_of_the_numbers_in_bounds() {
        assert_eq!(block(64 * 512 - 1), None);
        assert_eq!(block(64 * 512), Some(64));
        assert_eq!(block(100_000), Some(195));
        assert_eq!(block(4_096 * 512), Some(4_096));
        assert_eq!(block(u64::MAX), Some(4_096));
    }

    #[test]
    fn draw_should_be_distinct_and_give_every_bit_as_many() {
        let places = draw([3; 32], 40_000, 78);
        assert_eq!(places.len(), 256 * 78);
        assert!(places.windows(2).all(|w| w[0].at < w[1].at));
        assert!(places.iter().all(|place| place.at < 40_000));
        for bit in 0..=u8::MAX {
            assert_eq!(places.iter().filter(|place| place.bit == bit).count(), 78);
        }
        let minus = places.iter().filter(|place| place.is_minus).count();
        assert!((9_500..10_500).contains(&minus), "{minus}");
        assert_ne!(places, draw([4; 32], 40_000, 78));
    }

    #[test]
    fn draw_should_be_what_it_says() {
        // The first words of ChaCha20 with a key of zeros, from RFC 8439's appendix A.1.
        let first = u64::from_le_bytes([0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        let places = draw([0; 32], 1 << 40, 64);
        let found = places
            .iter()
            .find(|place| place.at == first % (1 << 41) / 2);
        let found = found.unwrap();
        assert_eq!((found.bit, found.is_minus), (0, first % 2 == 1));
    }
}
