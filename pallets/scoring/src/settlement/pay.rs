//! Pay and faults, one position after the other.

use super::{Work, count, index};
use crate::{
    Commits, Config, DISCLOSED_ROUNDS, Event, Grounds, Misses, ModelRow, PRUNE_ROWS, Pallet,
    Reveals, RoundResults, Settlement, Sketches, Stage, draws::Chance,
};
use arena_primitives::{
    Balance, Unpaid, Venue,
    traits::{Counted, Stakes, TaskRewards},
};
use frame_support::traits::Get;

impl<T: Config> Work<T> {
    /// Books what a position earned; what can't be booked stays for the treasury.
    fn pay(state: &mut Settlement, counted: &Counted, amount: Balance) -> bool {
        if amount == 0 {
            return true;
        }
        let (task, round) = (state.task, state.round);
        match T::Rewards::pay(task, round, counted, amount) {
            Ok(()) => {
                state.paid = state.paid.saturating_add(amount);
                true
            }
            Err(error) => {
                log::error!(
                    target: "arena::scoring",
                    "{amount} of round {round} of task {task} goes to the treasury: {error:?}"
                );
                false
            }
        }
    }

    pub(super) fn pay_trainer(&mut self, model: usize) {
        let Some(row) = self.state.models.get(model).cloned() else {
            return;
        };
        let paid = row
            .counted
            .is_some_and(|counted| Self::pay(&mut self.state, &counted, row.reward));
        if let Some(row) = self.state.models.get_mut(model).filter(|_| !paid) {
            row.reward = 0;
        }
    }

    /// Pays a validator, or judges its absence; and removes its rows but for the reveal, which can
    /// be challenged.
    pub(super) fn pay_or_judge(&mut self, validator: usize) {
        let Some(row) = self.state.validators.get(validator).cloned() else {
            return;
        };
        let (task, round) = (self.state.task, self.state.round);
        let key = (task, round, &row.counted.operator);
        let committed = Commits::<T>::take(key).is_some();
        let revealed = Reveals::<T>::contains_key(key);
        if self.spec.likeness.is_some() {
            Sketches::<T>::remove(key);
        }
        if revealed {
            if Misses::<T>::contains_key(task, &row.counted.operator) {
                Misses::<T>::remove(task, &row.counted.operator);
            }
        } else if committed {
            self.slash(&row.counted);
        } else {
            self.note_absence(&row.counted);
        }
        let paid = Self::pay(&mut self.state, &row.counted, row.reward);
        if let Some(row) = self.state.validators.get_mut(validator) {
            row.revealed = revealed;
            if !paid {
                row.reward = 0;
            }
        }
    }

    /// Removes some of the reveals of the round whose scores can't be challenged any more, and
    /// at last what they were made on.
    pub(super) fn forget(&self, next: u32) -> Stage {
        let task = self.state.task;
        let round = self.state.round.saturating_sub(DISCLOSED_ROUNDS);
        let result = RoundResults::<T>::get(task, round);
        let rows = result.map(|result| result.validators).unwrap_or_default();
        let after = next.saturating_add(PRUNE_ROWS);
        for row in rows.iter().take(index(after)).skip(index(next)) {
            Reveals::<T>::remove((task, round, &row.validator));
        }
        if after < count(rows.len()) {
            Stage::Forget { next: after }
        } else {
            Grounds::<T>::remove(task, round);
            Stage::Finish
        }
    }

    /// Who committed and didn't reveal loses a part of its own stake, or a tenth of the round's
    /// draw over the number of validators if that is more.
    fn slash(&self, counted: &Counted) {
        let validators = Balance::from(count(self.state.validators.len()));
        let least = self
            .state
            .drawn
            .div_ceil(validators.saturating_mul(10).max(1));
        let part = T::NonRevealSlash::get().mul_ceil(counted.stake.own);
        let (task, round) = (self.state.task, self.state.round);
        let validator = counted.operator.clone();
        let slashed = T::Stakes::slash_own(Venue::Task(task), &validator, part.max(least));
        Pallet::<T>::deposit_event(Event::NotRevealed {
            task,
            round,
            validator,
            slashed,
        });
    }

    /// Who was drawn and didn't commit has a miss; the last of too many in a row takes its seat.
    /// Nobody could commit where the data was missing.
    fn note_absence(&self, counted: &Counted) {
        if self.state.unpaid == Some(Unpaid::NoData) {
            return;
        }
        let (task, round) = (self.state.task, self.state.round);
        let Some((seed, total)) = Pallet::<T>::seed_and_total(task, round) else {
            return;
        };
        let validator = counted.operator.clone();
        let stake = counted.stake.counted(self.spec.rewards.max_leverage);
        let chance = Chance::new(seed, stake, total, &self.spec);
        let drawn = |row: &ModelRow| chance.hits(&validator, &row.model);
        if !self.state.models.iter().any(drawn) {
            return;
        }
        let misses = Misses::<T>::get(task, &validator).saturating_add(1);
        if misses < T::MaxMisses::get() {
            Misses::<T>::insert(task, &validator, misses);
        } else {
            Misses::<T>::remove(task, &validator);
            T::Stakes::chill(Venue::Task(task), &validator);
        }
        Pallet::<T>::deposit_event(Event::Missed {
            task,
            round,
            validator,
            misses,
        });
    }
}
