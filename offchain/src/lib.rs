//! What the pallets' offchain workers share.
//!
//! - [`executor`]: the line to the executor.
//! - [`jobs`]: jobs as a task's spec makes them.
//! - [`shelf`]: what a worker keeps in the node's local storage, and removes one day.
//! - [`service`]: signing with service keys, and sending.
//!
//! Nothing here knows a duty: what is to be done, each pallet decides by a pure function.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::float_arithmetic
    )
)]

extern crate alloc;

pub mod executor;
pub mod jobs;
pub mod service;
pub mod shelf;

#[cfg(test)]
mod tests;

pub use executor::{EXECUTOR_KEY, Executor, JobView, Line};
pub use service::{Before, Signer, crypto, signers};
pub use shelf::Shelf;

/// Target of the workers' log lines.
pub const TARGET: &str = "arena::offchain";
