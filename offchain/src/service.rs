//! Signing with service keys, and sending.

use crate::TARGET;
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber,
    traits::{DutyCalls, DutyCheck, ServiceKeys},
};
use codec::{Decode, Encode};
use frame_system::offchain::{
    AppCrypto, CreateSignedTransaction, CreateTransactionBase, SigningTypes, SubmitTransaction,
};
use sp_core::H256;
use sp_runtime::{
    RuntimeAppPublic, SaturatedConversion,
    offchain::storage::StorageValueRef,
    traits::{IdentifyAccount, One, Saturating},
};

/// Transactions of one key after one block, of all workers together.
pub const MAX_SENT: u32 = 4;
/// Prefix of the keys under which it is kept how many transactions a key sent after a block.
const SENT_PREFIX: &[u8] = b"arena::sent";

/// What offchain workers sign with.
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

/// What was sent after the newest block before a worker begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: this is the first worker of the block.
    Nothing,
    /// What the workers before it sent with the same key.
    OtherWorkers,
}

/// How many transactions a key sent after one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Sent {
    /// Number and parent of the block.
    after: (BlockNumber, H256),
    /// How many.
    count: u32,
}

/// A service key of the node's keystore, with its operator.
pub struct Signer<T: SigningTypes> {
    public: T::Public,
    /// The key's account.
    pub account: AccountId,
    /// Whose it is.
    pub operator: AccountId,
    sent: Sent,
}

/// All service keys of the keystore that are registered.
pub fn signers<T, Id, Keys>(before: Before) -> Vec<Signer<T>>
where
    T: SigningTypes + frame_system::Config<AccountId = AccountId, Hash = H256>,
    Id: AppCrypto<T::Public, T::Signature>,
    Keys: ServiceKeys,
{
    let after = (
        frame_system::Pallet::<T>::block_number().saturated_into(),
        frame_system::Pallet::<T>::parent_hash(),
    );
    let public = Id::RuntimeAppPublic::all().into_iter().map(|key| {
        let generic: Id::GenericPublic = key.into();
        let public: T::Public = generic.into();
        public
    });
    public
        .filter_map(|public| {
            let account: AccountId = public.clone().into_account();
            let operator = Keys::operator_of(&account)?;
            let sent = match before {
                Before::Nothing => None,
                Before::OtherWorkers => sent_by(&account).filter(|sent| sent.after == after),
            };
            Some(Signer {
                public,
                account,
                operator,
                sent: sent.unwrap_or(Sent { after, count: 0 }),
            })
        })
        .collect()
}

fn sent_key(account: &AccountId) -> Vec<u8> {
    let mut key = SENT_PREFIX.to_vec();
    account.encode_to(&mut key);
    key
}

fn sent_by(account: &AccountId) -> Option<Sent> {
    let sent = StorageValueRef::persistent(&sent_key(account)).get();
    sent.ok().flatten()
}

/// Whether the pool would take a duty now: whether it is due in the next block. `None` if the call
/// is no duty.
pub fn check<T>(call: &impl DutyCalls, account: &AccountId) -> Option<DutyCheck>
where
    T: frame_system::Config,
{
    let newest = frame_system::Pallet::<T>::block_number();
    let hash = frame_system::Pallet::<T>::block_hash(newest);
    let next = newest.saturating_add(One::one());
    // As the pool has it checked; what that changes is taken back.
    sp_io::storage::start_transaction();
    frame_system::Pallet::<T>::initialize(&next, &hash, &Default::default());
    let found = call.check_duty(account);
    sp_io::storage::rollback_transaction();
    found
}

impl<T> Signer<T>
where
    T: SigningTypes + frame_system::Config<AccountId = AccountId, Hash = H256>,
{
    /// Signs and sends a call, with the nonce after those that this key sent after the newest
    /// block. Beyond [`MAX_SENT`] nothing is sent: the next block sees what is missing.
    ///
    /// A duty that the pool would refuse is not sent: it would leave its nonce to nobody, and all
    /// that the key sends after it would wait. Nonces begin anew at the chain's after each block,
    /// so that what a pool dropped holds up nothing either.
    pub fn send<C, Id>(&mut self, call: <T as CreateTransactionBase<C>>::RuntimeCall)
    where
        T: CreateSignedTransaction<C>,
        <T as CreateTransactionBase<C>>::RuntimeCall: DutyCalls,
        Id: AppCrypto<T::Public, T::Signature>,
    {
        if self.sent.count >= MAX_SENT {
            return;
        }
        if let Some(Err(refusal)) = check::<T>(&call, &self.account) {
            log::debug!(
                target: TARGET,
                "not sent, as the pool would refuse it: a duty of {:?} ({refusal:?})", self.operator,
            );
            return;
        }
        let nonce = frame_system::Pallet::<T>::account_nonce(&self.account)
            .saturating_add(self.sent.count.into());
        let signed = <T as CreateSignedTransaction<C>>::create_signed_transaction::<Id>(
            call,
            self.public.clone(),
            self.account.clone(),
            nonce,
        );
        let Some(extrinsic) = signed else {
            log::warn!(target: TARGET, "the service key of {:?} can't sign", self.operator);
            return;
        };
        self.sent.count = self.sent.count.saturating_add(1);
        StorageValueRef::persistent(&sent_key(&self.account)).set(&self.sent);
        if SubmitTransaction::<T, C>::submit_transaction(extrinsic).is_err() {
            // Where it is due, the same call of an earlier block waits there with this nonce.
            log::debug!(target: TARGET, "the pool refused a transaction of {:?}", self.operator);
        }
    }
}
