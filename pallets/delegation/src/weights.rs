//! Weights of delegation: **counted, not measured.**
//!
//! Each is a base time for the code itself plus the database reads and writes that a reader can
//! count in `actions.rs`, at the prices of `T::DbWeight`; proof sizes are rough upper bounds of
//! the rows' encoded lengths. A hold costs two reads and two writes (account, holds), and so
//! does a transfer.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// `delegate`.
    fn delegate() -> Weight;
    /// `undelegate`.
    fn undelegate() -> Weight;
    /// `withdraw`.
    fn withdraw() -> Weight;
    /// `claim` and `claim_for`, of as many lots as there can be.
    fn claim() -> Weight;
}

/// Counted weights at the runtime's database prices.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn of<T: frame_system::Config>(micros: u64, proof: u64, reads: u64, writes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn delegate() -> Weight {
        // venue (2), limits, delegation, accumulator, position, hold (2)
        of::<T>(70, 9_000, 8, 4)
    }
    fn undelegate() -> Weight {
        // as delegate, and chunks and a second hold
        of::<T>(110, 12_000, 11, 7)
    }
    fn withdraw() -> Weight {
        of::<T>(50, 6_000, 3, 3)
    }
    fn claim() -> Weight {
        // delegation, state, venue (2), accumulator, transfer (2); two values for each of two
        // marks of 16 lots
        of::<T>(120, 16_000, 71, 5)
    }
}

/// For tests: nothing weighs anything.
impl WeightInfo for () {
    fn delegate() -> Weight {
        Weight::zero()
    }
    fn undelegate() -> Weight {
        Weight::zero()
    }
    fn withdraw() -> Weight {
        Weight::zero()
    }
    fn claim() -> Weight {
        Weight::zero()
    }
}
