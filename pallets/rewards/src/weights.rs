//! Weights of rewards: **counted, not measured.**
//!
//! Each is a base time for the code itself plus the database reads and writes that a reader can
//! count in `actions.rs`, at the prices of `T::DbWeight`; proof sizes are rough upper bounds of
//! the rows' encoded lengths. A transfer costs two reads and two writes.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls and hooks weigh.
pub trait WeightInfo {
    /// `claim`.
    fn claim() -> Weight;
    /// `claim_for`.
    fn claim_for() -> Weight;
    /// An author's pay, once a block.
    fn note_author() -> Weight;
}

/// Counted weights at the runtime's database prices.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn of<T: frame_system::Config>(micros: u64, proof: u64, reads: u64, writes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn claim() -> Weight {
        // state (2), earnings, transfer (2)
        of::<T>(60, 6_000, 5, 3)
    }
    fn claim_for() -> Weight {
        Self::claim()
    }
    fn note_author() -> Weight {
        // rate, clock, round, position, books, account, issuance, earnings, value of the round
        of::<T>(60, 8_000, 9, 5)
    }
}

/// For tests: nothing weighs anything.
impl WeightInfo for () {
    fn claim() -> Weight {
        Weight::zero()
    }
    fn claim_for() -> Weight {
        Weight::zero()
    }
    fn note_author() -> Weight {
        Weight::zero()
    }
}
