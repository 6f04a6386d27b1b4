//! Types, traits and wire formats that the AIArena crates share.
//!
//! - [`types`]: numbers, accounts, venues, roles, positions.
//! - [`spec`]: what a task is.
//! - [`round`]: what a round counts, what is found in it, and what stays of it.
//! - [`shard`]: sealed evaluation data.
//! - [`challenge`]: what cases are about.
//! - [`duty`]: what the feeless calls are told apart and refused by.
//! - [`traits`]: the glue between pallets; wired in the runtime's `configs/arena.rs`.
//! - [`job`]: the wire between a node's offchain worker and its executor.
//! - [`hash`]: domain-tagged hashes of protocol section 10.
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

pub mod challenge;
pub mod duty;
pub mod hash;
pub mod job;
pub mod round;
pub mod shard;
pub mod spec;
pub mod time;
pub mod traits;
pub mod types;

pub use challenge::*;
pub use duty::*;
pub use round::*;
pub use shard::{MAX_SHARD_PROOF, Shard, ShardProof, ShardState};
pub use spec::*;
pub use types::*;

/// Service keys: sr25519 under the key type `aren` (protocol section 10).
pub mod service_key {
    use sp_core::crypto::KeyTypeId;

    /// The keystore's key type of a service key.
    pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"aren");

    mod app {
        use sp_application_crypto::{app_crypto, sr25519};
        app_crypto!(sr25519, super::KEY_TYPE);
    }

    /// Public half of a service key.
    pub type Public = app::Public;
    /// Signature by a service key.
    pub type Signature = app::Signature;
    #[cfg(feature = "std")]
    /// Key pair of a service key.
    pub type Pair = app::Pair;
}
