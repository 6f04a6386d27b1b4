//! AIArena's reward mathematics in integers.
//!
//! Every function is the integer (`ref`) layer of the golden vectors in
//! `vectors/golden_rewards.json`, bit for bit; `vectors/golden_rewards.py`
//! generates them and is the definition in doubt (`vectors/other_vectors.py` makes
//! other cases from a seed). No floats, no dependencies, no
//! panics: what does not fit is `None` or a [`MathError`]. Formulas are those of
//! the paper (arXiv:2412.14566) and of protocol sections 5 and 6.
//!
//! | module | what | vectors | source |
//! | --- | --- | --- | --- |
//! | [`wide`] | 256-bit multiply and divide | under all of them | |
//! | [`fixed`] | logarithm, powers | `exp_neg`, `ref_exp2_neg_q64`, `ref_log2_q64`, `pow_ratio` | |
//! | [`draw`] | who scores what | `draw` | protocol 5 |
//! | [`consensus`] | caps, quorum, median, mean | `caps`, `rank_flip_2pct` | protocol 5 |
//! | [`rewards`] | pools, trainers, validators | `geometric`, `pool_split`, `typo_check_validator_pool`, `rank_by_stake`, `task_days` | paper 2.3, protocol 6 |
//! | [`round`] | all of it, in one call | `rounds` | protocol 5 and 6 |
//! | [`shares`] | operators and delegators | `delegation` | paper 2.4, protocol 6 |
//! | [`accumulator`] | rewards of many holders | `accumulator_trace` | |
//! | [`sketch`] | likeness of two models | | protocol 7 |
//! | [`jury`] | who judges a case | | protocol 7, Efraimidis and Spirakis 2006 |
//! | [`concentration`] | how unequal weights are | | arXiv 2507.02951 |
//! | [`place`] | ranks of models that are like others | | protocol 6 |
//!
//! Units: amounts and stakes are planck in `u128`; scores, γ, q and commissions
//! are Perbill in `u32`; exponents and λ are Q32 in `u64`; Q64 fractions are
//! `u128`, because 1.0 is 2^64. Payouts are rounded down, and what is left is
//! dust that the caller keeps.
#![no_std]
#![deny(missing_docs)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation
)]

extern crate alloc;

pub mod accumulator;
pub mod concentration;
pub mod consensus;
pub mod draw;
mod error;
pub mod fixed;
pub mod jury;
pub mod place;
pub mod rewards;
pub mod round;
pub mod shares;
pub mod sketch;
pub mod wide;

pub use error::MathError;
pub use round::{Listed, RoundInput, RoundOutput, settle, settle_placed};

/// Weights of one round that are together below this, in planck, never overflow:
/// a sum of them times [`fixed::PERBILL`] fits 128 bits. About 3.4·10^29.
pub const MAX_TOTAL: u128 = u128::MAX / 1_000_000_000;
