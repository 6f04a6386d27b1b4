//! The offchain worker: [`decide`] is a pure function from what is seen to what is to be done;
//! [`edge`] sees and does it.
//!
//! At every block it compares what is due with what the best state shows, and sends what is
//! missing. So it is safe to run twice, to be skipped, to restart, and on a fork.

pub mod decide;
pub mod edge;
mod jobs;

pub use edge::run;

/// What the offchain worker signs with.
pub mod crypto {
    use frame_system::offchain::AppCrypto;
    use sp_core::sr25519;
    use sp_runtime::{MultiSignature, MultiSigner};

    /// Service keys: sr25519 under the key type `aren`.
    pub struct ServiceKey;

    impl AppCrypto<MultiSigner, MultiSignature> for ServiceKey {
        type RuntimeAppPublic = arena_primitives::service_key::Public;
        type GenericPublic = sr25519::Public;
        type GenericSignature = sr25519::Signature;
    }
}
