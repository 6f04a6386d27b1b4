//! What the calls do.

mod appeal;
mod bring;
mod claims;
mod respond;
mod vote;

pub use respond::{LossRoots, ProvenLosses};
pub use vote::{COMMIT_TAG, REVEAL_TAG};

use crate::{Config, Pallet};
use arena_primitives::{AccountId, traits::ServiceKeys};

impl<T: Config> Pallet<T> {
    /// For whom `signer` speaks: as a service key for its operator, else for itself.
    pub(crate) fn speaker(signer: AccountId) -> AccountId {
        T::ServiceKeys::operator_of(&signer).unwrap_or(signer)
    }
}
