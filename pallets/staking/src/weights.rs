//! Weights of staking: **counted, not measured.**
//!
//! Each is a base time for the code itself plus the database reads and writes that a reader can
//! count in `actions.rs`, at the prices of `T::DbWeight`; proof sizes are rough upper bounds of
//! the rows' encoded lengths. A hold costs two reads and two writes (account, holds).

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls and hooks weigh.
pub trait WeightInfo {
    /// `stake`, into a position that is new.
    fn stake() -> Weight;
    /// `decrease`; `authors` is how many positions of `Network` are looked at.
    fn decrease(authors: u32) -> Weight;
    /// `withdraw`, with all chunks there can be.
    fn withdraw() -> Weight;
    /// `set_commission`.
    fn set_commission() -> Weight;
    /// `set_service_key`, including one signature.
    fn set_service_key() -> Weight;
    /// `clear_service_key`.
    fn clear_service_key() -> Weight;
    /// `reap`.
    fn reap() -> Weight;
    /// One offender of an offence.
    fn on_offence() -> Weight;
}

/// Counted weights at the runtime's database prices.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn of<T: frame_system::Config>(micros: u64, proof: u64, reads: u64, writes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn stake() -> Weight {
        // limits, position, seats, venue (2), hold (2)
        of::<T>(60, 8_000, 7, 4)
    }
    fn decrease(authors: u32) -> Weight {
        // as stake, and unbonding and a second hold; each author a position and session keys
        let each = of::<T>(5, 700, 2, 0).saturating_mul(u64::from(authors));
        of::<T>(100, 10_000, 10, 8).saturating_add(each)
    }
    fn withdraw() -> Weight {
        // chunks, hold; each chunk may end a position: position, venue (2)
        of::<T>(120, 30_000, 99, 35)
    }
    fn set_commission() -> Weight {
        of::<T>(25, 5_000, 3, 1)
    }
    fn set_service_key() -> Weight {
        of::<T>(110, 6_000, 5, 5)
    }
    fn clear_service_key() -> Weight {
        of::<T>(25, 3_000, 1, 3)
    }
    fn reap() -> Weight {
        of::<T>(25, 5_000, 3, 1)
    }
    fn on_offence() -> Weight {
        of::<T>(120, 12_000, 8, 8)
    }
}

/// For tests: nothing weighs anything.
impl WeightInfo for () {
    fn stake() -> Weight {
        Weight::zero()
    }
    fn decrease(_: u32) -> Weight {
        Weight::zero()
    }
    fn withdraw() -> Weight {
        Weight::zero()
    }
    fn set_commission() -> Weight {
        Weight::zero()
    }
    fn set_service_key() -> Weight {
        Weight::zero()
    }
    fn clear_service_key() -> Weight {
        Weight::zero()
    }
    fn reap() -> Weight {
        Weight::zero()
    }
    fn on_offence() -> Weight {
        Weight::zero()
    }
}
