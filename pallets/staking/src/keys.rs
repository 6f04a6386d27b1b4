//! Service keys: the keys with which operators' nodes send their duties.

use crate::{types::KeyRecord, *};
use arena_primitives::{
    AccountId, BlockNumber,
    hash::{Domain, preimage},
    traits::ServiceKeys,
};
use frame_support::ensure;
use sp_core::sr25519;
use sp_runtime::{DispatchResult, traits::Verify};

impl KeyRecord {
    /// Does `key` act in block `now`?
    pub fn acts(&self, key: &AccountId, now: BlockNumber) -> bool {
        if now >= self.from {
            self.key == *key
        } else {
            self.previous.as_ref() == Some(key)
        }
    }
}

impl<T: Config> ServiceKeys for Pallet<T> {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        let operator = OperatorOf::<T>::get(key)?;
        let acts = ServiceKey::<T>::get(&operator)?.acts(key, Self::now());
        acts.then_some(operator)
    }

    fn key_of(operator: &AccountId) -> Option<AccountId> {
        ServiceKey::<T>::get(operator).map(|record| record.key)
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_service_key(
        operator: AccountId,
        key: AccountId,
        proof: sr25519::Signature,
    ) -> DispatchResult {
        ensure!(key != operator, Error::<T>::KeyIsOperator);
        ensure!(
            !RetiredKeys::<T>::contains_key(&key),
            Error::<T>::KeyRetired
        );
        ensure!(!OperatorOf::<T>::contains_key(&key), Error::<T>::KeyInUse);
        let public = sr25519::Public::from_raw(*AsRef::<[u8; 32]>::as_ref(&key));
        let message = preimage(Domain::ServiceKeyProof, &operator);
        ensure!(
            proof.verify(message.as_slice(), &public),
            Error::<T>::InvalidProof
        );

        // The key sends transactions without a balance, so its account must exist. The
        // reference stays when the key is dropped: its nonce must never start again.
        frame_system::Pallet::<T>::inc_sufficients(&key);
        let now = Self::now();
        let previous = ServiceKey::<T>::get(&operator)
            .and_then(|dropped| Self::keep_until_next_block(dropped, now));
        OperatorOf::<T>::insert(&key, &operator);
        let record = KeyRecord {
            key: key.clone(),
            from: now.saturating_add(1),
            previous,
        };
        ServiceKey::<T>::insert(&operator, record);
        Self::deposit_event(Event::ServiceKeySet { operator, key });
        Ok(())
    }

    /// Retires an operator's keys, but for the one that acts in this block: it is returned, and
    /// keeps its row for as long as it acts.
    fn keep_until_next_block(dropped: KeyRecord, now: BlockNumber) -> Option<AccountId> {
        RetiredKeys::<T>::insert(&dropped.key, ());
        if now >= dropped.from {
            if let Some(earlier) = dropped.previous {
                OperatorOf::<T>::remove(earlier);
            }
            Some(dropped.key)
        } else {
            OperatorOf::<T>::remove(&dropped.key);
            dropped.previous
        }
    }

    /// Acts at once: who clears a key may have lost it.
    pub(crate) fn do_clear_service_key(operator: AccountId) -> DispatchResult {
        let KeyRecord { key, previous, .. } =
            ServiceKey::<T>::take(&operator).ok_or(Error::<T>::NoServiceKey)?;
        RetiredKeys::<T>::insert(&key, ());
        OperatorOf::<T>::remove(&key);
        if let Some(previous) = previous {
            OperatorOf::<T>::remove(previous);
        }
        Self::deposit_event(Event::ServiceKeyCleared { operator, key });
        Ok(())
    }
}
