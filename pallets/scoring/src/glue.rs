//! What other pallets ask of scoring.

use crate::{Alike, Config, Expiring, ExpiringEnds, Grounds, Pallet, Reveals, RoundResults};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Disclosed, ModelLikeness, PublicData, Round, RoundResult, ScoreOutcome, TaskId,
    traits::{Clock, Results, Rounds},
};
use frame_support::traits::Get;
use sp_core::H256;

impl<T: Config> Results for Pallet<T> {
    fn result(task: TaskId, round: Round) -> Option<RoundResult> {
        RoundResults::<T>::get(task, round)
    }

    fn settling(task: TaskId) -> bool {
        Self::settles(task)
    }

    fn disclosed(
        task: TaskId,
        round: Round,
        validator: &AccountId,
        model: &H256,
    ) -> Option<Disclosed> {
        let reveal = Reveals::<T>::get((task, round, validator))?;
        let result = RoundResults::<T>::get(task, round);
        let roots: Vec<H256> = match &result {
            Some(result) => result.models.iter().map(|row| row.manifest_root).collect(),
            None => T::Rounds::models(task, round)
                .iter()
                .map(|row| row.manifest_root)
                .collect(),
        };
        let at = roots.iter().position(|root| root == model)?;
        let ScoreOutcome::Scored(raw) = reveal.outcomes.get(at).copied().flatten()? else {
            return None;
        };
        let entries = |models: usize| {
            let entries = reveal.outcomes.iter().take(models).flatten().count();
            u32::try_from(entries).ok()
        };
        Some(Disclosed {
            raw,
            samples_root: reveal.samples_root,
            place: entries(at)?,
            models: entries(usize::MAX)?,
            settled_at: result.map(|result| result.settled_at),
        })
    }

    fn ground(task: TaskId, round: Round) -> Option<(PublicData, H256)> {
        Grounds::<T>::get(task, round).or_else(|| Self::live_ground(task, round))
    }

    fn likeness(task: TaskId, model: &H256) -> Option<ModelLikeness> {
        Alike::<T>::get(task, model)
    }

    fn ended(task: TaskId) {
        let until = Self::now().saturating_add(T::Clock::blocks(T::ResultKeep::get()));
        let (head, tail) = ExpiringEnds::<T>::get();
        Expiring::<T>::insert(tail, (task, until));
        ExpiringEnds::<T>::put((head, tail.saturating_add(1)));
    }
}

impl<T: Config> Pallet<T> {
    /// What a round that isn't settled is scored on.
    pub(crate) fn live_ground(task: TaskId, round: Round) -> Option<(PublicData, H256)> {
        let data = T::Rounds::data(task, round)?;
        Some((data, Self::samples_seed(task, round)?))
    }
}
