//! Weights of staking: **counted, not measured.**
//!
//! Each is a base time for the code itself plus the database reads and writes that a reader can
//! count in the pallet's code, at the prices of `T::DbWeight`; proof sizes are rough upper bounds
//! of the rows' encoded lengths. A hold costs two reads and two writes (account, holds). A roster
//! is at most 50 kB.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What the calls and hooks weigh.
pub trait WeightInfo {
    /// `stake`, into a position that is new; `listed` operators of the role are looked at.
    fn stake(listed: u32) -> Weight;
    /// `decrease`; `listed` operators of `Network` are looked at.
    fn decrease(listed: u32) -> Weight;
    /// `withdraw` with `chunks` that unbond, and as many slashes pending as there can be.
    fn withdraw(chunks: u32) -> Weight;
    /// `set_commission`.
    fn set_commission() -> Weight;
    /// `set_service_key`, including one signature.
    fn set_service_key() -> Weight;
    /// `clear_service_key`.
    fn clear_service_key() -> Weight;
    /// `reap`.
    fn reap() -> Weight;
    /// `take_seat`; `listed` operators of the role are looked at.
    fn take_seat(listed: u32) -> Weight;
    /// `cancel_slash`.
    fn cancel_slash() -> Weight;
    /// One offender of an offence; `listed` operators of `Network` are looked at.
    fn on_offence(listed: u32) -> Weight;
    /// A block's author is counted.
    fn note_author() -> Weight;
    /// The hook looks at one slash, or at nothing.
    fn step_look() -> Weight;
    /// The hook applies one slash.
    fn step_apply() -> Weight;
}

/// Counted weights at the runtime's database prices.
pub struct SubstrateWeight<T>(PhantomData<T>);

const ROSTER: u64 = 50_000;

fn of<T: frame_system::Config>(micros: u64, proof: u64, reads: u64, writes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

/// A position and its session keys for each operator of a roster.
fn each<T: frame_system::Config>(listed: u32) -> Weight {
    of::<T>(5, 1_200, 2, 0).saturating_mul(u64::from(listed))
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn stake(listed: u32) -> Weight {
        // limits, position, roster, venue (3), hold (2); who is displaced
        of::<T>(80, 10_000 + ROSTER, 9, 6).saturating_add(each::<T>(listed))
    }
    fn decrease(listed: u32) -> Weight {
        // as stake, and unbonding and a second hold
        of::<T>(100, 12_000 + ROSTER, 12, 9).saturating_add(each::<T>(listed))
    }
    fn withdraw(chunks: u32) -> Weight {
        // chunks, hold, position, slashes pending; each chunk may end a position: position,
        // venue (2), roster
        let chunk = of::<T>(6, 1_000 + ROSTER, 5, 2).saturating_mul(u64::from(chunks));
        of::<T>(80, 12_000, 38, 3).saturating_add(chunk)
    }
    fn set_commission() -> Weight {
        of::<T>(25, 5_000, 3, 1)
    }
    fn set_service_key() -> Weight {
        of::<T>(110, 8_000, 6, 7)
    }
    fn clear_service_key() -> Weight {
        of::<T>(25, 4_000, 1, 4)
    }
    fn reap() -> Weight {
        of::<T>(30, 5_000 + ROSTER, 4, 2)
    }
    fn take_seat(listed: u32) -> Weight {
        // as stake, without a hold
        of::<T>(70, 8_000 + ROSTER, 7, 4).saturating_add(each::<T>(listed))
    }
    fn cancel_slash() -> Weight {
        of::<T>(30, 6_000, 3, 3)
    }
    fn on_offence(listed: u32) -> Weight {
        // disabling (3), position, round, fault, chunks, queue, pending, limits, time
        of::<T>(100, 12_000 + ROSTER, 12, 8).saturating_add(each::<T>(listed))
    }
    fn note_author() -> Weight {
        of::<T>(5, 1_000, 1, 1)
    }
    fn step_look() -> Weight {
        of::<T>(5, 1_500, 2, 1)
    }
    fn step_apply() -> Weight {
        // slash, pending, fault; position, chunks, two holds, issuance and books; the position
        // again, the counter; what of delegated stake is leaving
        of::<T>(200, 40_000 + ROSTER, 24, 18)
    }
}

/// For tests: nothing weighs anything.
impl WeightInfo for () {
    fn stake(_: u32) -> Weight {
        Weight::zero()
    }
    fn decrease(_: u32) -> Weight {
        Weight::zero()
    }
    fn withdraw(_: u32) -> Weight {
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
    fn take_seat(_: u32) -> Weight {
        Weight::zero()
    }
    fn cancel_slash() -> Weight {
        Weight::zero()
    }
    fn on_offence(_: u32) -> Weight {
        Weight::zero()
    }
    fn note_author() -> Weight {
        Weight::zero()
    }
    fn step_look() -> Weight {
        Weight::zero()
    }
    fn step_apply() -> Weight {
        Weight::zero()
    }
}
