//! Weights of delegation: **counted, not measured.**
//!
//! Each is a base time for the code itself plus the database reads and writes that a reader can
//! count in `actions.rs` and `exits.rs`, at the prices of `T::DbWeight`; proof sizes are rough
//! upper bounds of the rows' encoded lengths. A hold costs two reads and two writes (account,
//! holds), and so does a transfer, and so does a slash of a hold, whose sink costs one more of
//! each.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls weigh.
pub trait WeightInfo {
    /// `delegate`, with a cut.
    fn delegate() -> Weight;
    /// `undelegate`, with a cut, in a position with as many live pools as there can be.
    fn undelegate() -> Weight;
    /// `withdraw` of an account with `chunks` that unbond, each the last of its pool.
    fn withdraw(chunks: u32) -> Weight;
    /// `claim` and `claim_for`, of as many lots as there can be, with a cut.
    fn claim(lots: u32) -> Weight;
    /// `apply_slash`.
    fn apply_slash() -> Weight;
    /// A slash of what leaves a position with `exits` live pools; for the caller of
    /// `LeavingStake`.
    fn slash_leaving(exits: u32) -> Weight;
}

/// Counted weights at the runtime's database prices.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn of<T: frame_system::Config>(micros: u64, proof: u64, reads: u64, writes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn delegate() -> Weight {
        // venue (2), limits, delegation, accumulator, position, hold (2), sink
        of::<T>(100, 10_000, 9, 5)
    }
    fn undelegate() -> Weight {
        // as delegate, and time, chunks, a second hold, live pools, pool, number of the next
        of::<T>(180, 24_000, 14, 10)
    }
    fn withdraw(chunks: u32) -> Weight {
        // chunks, hold (2), sink; each chunk its pool, venue (2), live pools
        let each = of::<T>(15, 10_000, 4, 2).saturating_mul(u64::from(chunks));
        of::<T>(60, 6_000, 4, 4).saturating_add(each)
    }
    fn claim(_: u32) -> Weight {
        // delegation, state, venue (2), accumulator, position, transfer (2), slash (3); two
        // values for each of two marks of 16 lots
        of::<T>(150, 18_000, 75, 8)
    }
    fn apply_slash() -> Weight {
        // delegation, position, slash (3), venue, accumulator
        of::<T>(60, 8_000, 7, 5)
    }
    fn slash_leaving(exits: u32) -> Weight {
        // live pools; each pool
        let each = of::<T>(3, 2_700, 1, 1).saturating_mul(u64::from(exits));
        of::<T>(20, 11_000, 1, 0).saturating_add(each)
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
    fn withdraw(_: u32) -> Weight {
        Weight::zero()
    }
    fn claim(_: u32) -> Weight {
        Weight::zero()
    }
    fn apply_slash() -> Weight {
        Weight::zero()
    }
    fn slash_leaving(_: u32) -> Weight {
        Weight::zero()
    }
}
