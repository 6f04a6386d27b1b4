//! Chance: all of it comes from one seed.

use crate::{Balance, UNIT};
use sp_core::H256;

/// Calls that are meant to be wrong draw half of their arguments without regard to what is.
const WRONG_PART: u64 = 50;

/// SplitMix64, and whether the call at hand is meant to be wrong.
pub(super) struct Dice {
    state: u64,
    pub(super) wrong: bool,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice {
            state: seed,
            wrong: false,
        }
    }

    pub(super) fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `n`, which is above 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        bytes
    }

    pub(super) fn hash(&mut self) -> H256 {
        H256(self.bytes())
    }

    pub(super) fn any<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let len = list.len() as u64;
        (len > 0).then(|| list[self.below(len) as usize].clone())
    }

    /// True for an argument that disregards what is.
    pub(super) fn slips(&mut self) -> bool {
        self.wrong && self.chance(WRONG_PART)
    }

    /// One of `list` that fits, looked for from a random place on.
    pub(super) fn one_of<T: Clone>(
        &mut self,
        list: &[T],
        mut fits: impl FnMut(&T) -> bool,
    ) -> Option<T> {
        if self.slips() {
            return self.any(list);
        }
        let start = self.below(list.len().max(1) as u64) as usize;
        let (before, from) = list.split_at(start.min(list.len()));
        from.iter().chain(before).find(|x| fits(x)).cloned()
    }

    /// From `low` to `high`, in whole thousandths of a token and some odd units.
    pub(super) fn amount(&mut self, low: Balance, high: Balance) -> Balance {
        if self.slips() {
            let odd = [
                0,
                1,
                UNIT / 2,
                low.saturating_sub(1),
                high.saturating_mul(1_000),
                u128::MAX,
            ];
            return odd[self.below(6) as usize];
        }
        let span = high.saturating_sub(low).saturating_add(1);
        let word = u128::from(self.word()) << 64 | u128::from(self.word());
        low + word % span
    }
}
