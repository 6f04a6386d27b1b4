//! What a conviction takes.

use crate::*;
use arena_primitives::{AccountId, Balance, TaskId, Venue, traits::Taken};
use frame_support::storage::with_storage_layer;
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_forfeit(
        task: TaskId,
        operator: &AccountId,
        payees: &[(AccountId, Balance)],
    ) -> Taken {
        let venue = Venue::Task(task);
        let total = Earned::<T>::get(venue, operator).owed();
        let paid = match with_storage_layer(|| Self::share_out(total, payees)) {
            Ok(paid) => paid,
            Err(reason) => {
                log::error!(target: LOG, "{total} of task {task} is not there: {reason:?}");
                return Taken::default();
            }
        };
        let burned = total.saturating_sub(paid);
        Earned::<T>::remove(venue, operator);
        Forfeited::<T>::insert(venue, operator, ());
        Self::do_note_burned(burned);
        Self::deposit_event(Event::Forfeited {
            task,
            operator: operator.clone(),
            burned,
            paid,
        });
        Taken { total, paid }
    }

    /// Pays `payees` of `total` in their order, as far as it goes, and burns what is left. The
    /// part of an account that can't take it is burned, too. Returns what was paid.
    fn share_out(
        total: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Result<Balance, DispatchError> {
        let (mut left, mut paid) = (total, Balance::default());
        for (who, amount) in payees {
            let part = left.min(*amount);
            if part == 0 {
                continue;
            }
            left = left.saturating_sub(part);
            match with_storage_layer(|| Self::send(who, part)) {
                Ok(()) => paid = paid.saturating_add(part),
                Err(reason) => log::warn!(target: LOG, "{part} for {who:?} burned: {reason:?}"),
            }
        }
        let burned = total.saturating_sub(paid);
        if burned > 0 {
            Self::burn(burned)?;
        }
        Ok(paid)
    }
}
