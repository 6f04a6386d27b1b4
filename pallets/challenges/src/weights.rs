//! Weights, counted by hand: database accesses of the worst path, plus base reference time. They
//! are counts, not measurements.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Reference time of a call beside its database accesses: 50 µs.
const BASE: Weight = Weight::from_parts(50_000_000, 0);

/// Weights of this pallet.
pub trait WeightInfo {
    /// `open`.
    fn open() -> Weight;
    /// `resolve`, with a conviction.
    fn convict() -> Weight;
    /// `resolve`, with an acquittal.
    fn acquit() -> Weight;
    /// `expire`.
    fn expire() -> Weight;
}

/// The counts, with the runtime's cost of the database.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn open() -> Weight {
        // Task (3), model, position (2), open cases, their rows (16), conviction, id, holds,
        // account, clock; case, open cases, id, holds, account.
        BASE.saturating_add(T::DbWeight::get().reads_writes(28, 5))
    }
    fn acquit() -> Weight {
        Self::convict()
    }
    fn convict() -> Weight {
        // Case, open cases, rewards (6), position (4), holds, account, treasury; the same and
        // the conviction.
        BASE.saturating_add(T::DbWeight::get().reads_writes(15, 16))
    }
    fn expire() -> Weight {
        // Case, open cases, holds, account; the same.
        BASE.saturating_add(T::DbWeight::get().reads_writes(4, 4))
    }
}

impl WeightInfo for () {
    fn open() -> Weight {
        BASE
    }
    fn acquit() -> Weight {
        BASE
    }
    fn convict() -> Weight {
        BASE
    }
    fn expire() -> Weight {
        BASE
    }
}
