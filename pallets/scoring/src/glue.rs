//! What other pallets ask of scoring.

use crate::{Config, Expiring, ExpiringEnds, Pallet, RoundResults};
use arena_primitives::{
    Round, RoundResult, TaskId,
    traits::{Clock, Results},
};
use frame_support::traits::Get;

impl<T: Config> Results for Pallet<T> {
    fn result(task: TaskId, round: Round) -> Option<RoundResult> {
        RoundResults::<T>::get(task, round)
    }

    fn settling(task: TaskId) -> bool {
        Self::settles(task)
    }

    fn ended(task: TaskId) {
        let until = Self::now().saturating_add(T::Clock::blocks(T::ResultKeep::get()));
        let (head, tail) = ExpiringEnds::<T>::get();
        Expiring::<T>::insert(tail, (task, until));
        ExpiringEnds::<T>::put((head, tail.saturating_add(1)));
    }
}
