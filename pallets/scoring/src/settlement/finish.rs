//! The end of a settlement: its result.

use super::{Work, columns::perbill, count};
use crate::{Config, Event, Grounds, Pallet, RoundResults, Seeds};
use arena_math::round::mean_distance;
use arena_primitives::{
    Balance, BlockNumber, ModelResult, RoundResult, ValidatorResult,
    traits::{Rounds, TaskRewards},
};
use frame_support::BoundedVec;
use sp_runtime::Perbill;

impl<T: Config> Work<T> {
    pub(super) fn finish(&mut self, now: BlockNumber) {
        let state = &self.state;
        let (task, round) = (state.task, state.round);
        // Skipped pots, dust and what couldn't be booked: the parts sum to the whole.
        let treasury = state.drawn.saturating_sub(state.paid);
        if treasury > 0 {
            T::Rewards::to_treasury(treasury);
        }
        let result = self.result(treasury, now);
        Pallet::<T>::deposit_event(Event::RoundSettled {
            task,
            round,
            drawn: result.drawn,
            treasury,
            unpaid: result.unpaid,
            models: count(result.models.len()),
            revealed: count(result.validators.len()),
        });
        RoundResults::<T>::insert(task, round, result);
        self.note_best();
        if let Some(ground) = Pallet::<T>::live_ground(task, round) {
            Grounds::<T>::insert(task, round, ground);
        }
        Seeds::<T>::remove(task, round);
        T::Rounds::settled(task, round);
    }

    fn result(&self, treasury: Balance, now: BlockNumber) -> RoundResult {
        let state = &self.state;
        let consensus = self.consensus();
        let models = state.models.iter().zip(consensus);
        let models = models.map(|(row, score)| ModelResult {
            trainer: row.model.trainer.clone(),
            manifest_root: row.model.manifest_root,
            status: row.status,
            raw: row.raw,
            score: score.map(|score| perbill(score.q64())),
            rank: row.rank,
            reward: row.reward,
            likeness: row.likeness,
        });
        let validators = state.validators.iter().filter(|row| row.revealed);
        let validators = validators.map(|row| ValidatorResult {
            validator: row.counted.operator.clone(),
            distance: mean_distance(row.distance).map(Perbill::from_parts),
            reward: row.reward,
        });
        RoundResult {
            settled_at: now,
            drawn: state.drawn,
            treasury,
            unpaid: state.unpaid,
            models: BoundedVec::truncate_from(models.collect()),
            validators: BoundedVec::truncate_from(validators.collect()),
        }
    }
}
