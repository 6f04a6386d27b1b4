//! Rewards of many holders in constant time: what one planck of stake has earned
//! since the beginning (vectors `accumulator_trace`).

use crate::wide::{mul_shr, shl64_add_div_rem};

/// The reward of one planck of stake so far, and what division left over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accumulator {
    /// Planck of reward for one planck of stake, as Q64; it only grows.
    pub acc_q64: u128,
    /// Remainder of the last division, in planck·2^-64; below the total that it
    /// was divided by, and without meaning for another total.
    pub carry: u128,
}

impl Accumulator {
    /// The accumulator after `reward` was shared by `total` planck of stake,
    /// rounded down; the remainder is carried to the next reward.
    ///
    /// `None`, with nothing shared, when `total` is 0 or a number does not fit:
    /// then the caller keeps the reward.
    #[must_use]
    pub fn push(self, reward: u128, total: u128) -> Option<Self> {
        let (step, carry) = shl64_add_div_rem(reward, self.carry, total)?;
        Some(Self {
            acc_q64: self.acc_q64.checked_add(step)?,
            carry,
        })
    }

    /// The accumulator after the total of stake changed. The remainder, less
    /// than one planck, becomes dust.
    #[must_use]
    pub const fn total_changed(self) -> Self {
        Self {
            acc_q64: self.acc_q64,
            carry: 0,
        }
    }

    /// What `stake` earned since the accumulator stood at `snapshot`.
    #[must_use]
    pub fn owed_since(self, stake: u128, snapshot: u128) -> Option<u128> {
        owed(stake, self.acc_q64, snapshot)
    }
}

/// What `stake` earned while the accumulator went from `snapshot` to `acc_q64`,
/// in planck, rounded down. `None` when the snapshot is the later one or the
/// result does not fit.
#[must_use]
pub fn owed(stake: u128, acc_q64: u128, snapshot: u128) -> Option<u128> {
    mul_shr(stake, acc_q64.checked_sub(snapshot)?, 64)
}
