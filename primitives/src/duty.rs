//! Duties: the feeless calls of service keys.

use crate::{
    AccountId, Hash, Round, TaskId, Uris,
    hash::{Domain, hash},
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Prefix of [`Publication::storage_key`].
pub const PUBLICATION_PREFIX: &[u8] = b"arena::publish";

/// Where a node keeps number and hash of the last finalized block, as SCALE, for its offchain
/// worker, which sees the best block alone.
pub const FINALIZED_KEY: &[u8] = b"arena::finalized";

/// What a trainer's node keeps of a committed model, to publish it in its round's window.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Publication {
    /// The model.
    pub manifest_root: Hash,
    /// Where it can be fetched.
    pub uris: Uris,
    /// What hides it until it is published.
    pub nonce: Hash,
}

impl Publication {
    /// Where it lies in the node's persistent local storage, as SCALE.
    pub fn storage_key(task: TaskId, round: Round, trainer: &AccountId) -> Vec<u8> {
        let mut key = PUBLICATION_PREFIX.to_vec();
        (task, round, trainer).encode_to(&mut key);
        key
    }

    /// What `trainer` committed to.
    pub fn commitment(&self, trainer: &AccountId) -> Hash {
        submission_commitment(trainer, self.manifest_root, self.nonce)
    }
}

/// What a trainer commits to in `submit`: `H(operator ‖ manifest_root ‖ nonce)`.
pub fn submission_commitment(trainer: &AccountId, manifest_root: Hash, nonce: Hash) -> Hash {
    hash(Domain::Submission, &(trainer, manifest_root, nonce))
}

/// Identifies one due of an operator: the pool keeps one transaction for each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DutyTag {
    /// Names the call.
    pub call: [u8; 8],
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// Who signed.
    pub key: AccountId,
}

/// Why a duty was refused in the pool; the number is the `Custom` code of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[repr(u8)]
pub enum DutyRefusal {
    /// The signer is nobody's service key.
    NotAServiceKey = 1,
    /// No such task or round.
    UnknownRound = 2,
    /// The window is not open.
    WrongPhase = 3,
    /// The operator has no such role in the task.
    NotInRole = 4,
    /// It was done before.
    AlreadyDone = 5,
    /// It matches no commitment.
    Mismatch = 6,
    /// The content is malformed.
    BadContent = 7,
    /// The round's evaluation data isn't open.
    NoData = 8,
}
