//! The hook: seeds first, since a block's output can be added in no other block; then, as far as
//! the weight goes, what can wait a block.

use crate::{
    Commits, Config, Event, Expiring, ExpiringEnds, Misses, PRUNE_ROWS, Pallet, Reveals,
    RoundResults, Seeds, WeightInfo,
};
use arena_primitives::{
    BlockNumber, MAX_ACTIVE_TASKS, MAX_VALIDATORS, Role, RoundInfo, TaskId, Venue,
    traits::{BlockVrf, Rounds, Stakes},
};
use frame_support::{
    traits::Get,
    weights::{Weight, WeightMeter},
};

impl<T: Config> Pallet<T> {
    /// The hook.
    pub(crate) fn tick(now: BlockNumber) -> Weight {
        Self::tick_with(now, T::MaxTickWeight::get())
    }

    /// What the hook does, with this much weight in place of `MaxTickWeight`.
    pub fn tick_with(now: BlockNumber, limit: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(limit);
        let mut closed = T::Rounds::closed_rounds();
        meter.consume(T::WeightInfo::step_look(MAX_ACTIVE_TASKS));
        Self::gather_all(&closed, now, &mut meter);
        // Who waits longest is first.
        closed.sort_by_key(|info| (info.schedule.settle, info.task));
        if Self::complete_seeds(&closed, now, &mut meter) {
            Self::settle_due(&closed, now, &mut meter);
        }
        Self::prune_due(now, &mut meter);
        meter.consumed()
    }

    fn gather_all(closed: &[RoundInfo], now: BlockNumber, meter: &mut WeightMeter) {
        let Some(parent) = now.checked_sub(1) else {
            return;
        };
        let vrf = T::Vrf::parent();
        for info in closed {
            if Self::gather(info, parent, vrf) {
                meter.consume(T::WeightInfo::step_seed());
            }
        }
    }

    /// `false` if the weight ended.
    fn complete_seeds(closed: &[RoundInfo], now: BlockNumber, meter: &mut WeightMeter) -> bool {
        for info in closed {
            let (task, round) = (info.task, info.round);
            if now < info.schedule.commit || now >= info.schedule.settle {
                continue;
            }
            meter.consume(T::DbWeight::get().reads(1));
            let Some(mut state) = Seeds::<T>::get(task, round) else {
                continue;
            };
            if state.total.is_some() {
                continue;
            }
            if meter
                .try_consume(T::WeightInfo::step_complete(MAX_VALIDATORS))
                .is_err()
            {
                return false;
            }
            let Some(spec) = T::Rounds::spec(task) else {
                continue;
            };
            let total = T::Stakes::all(Venue::Task(task), Role::Validator, round)
                .iter()
                .map(|position| position.stake.counted(spec.rewards.max_leverage))
                .fold(0u128, |sum, stake| sum.saturating_add(stake));
            state.total = Some(total);
            Seeds::<T>::insert(task, round, state);
            if let Some(seed) = Self::seed(task, round) {
                Self::deposit_event(Event::SeedCompleted { task, round, seed });
            }
        }
        true
    }

    fn settle_due(closed: &[RoundInfo], now: BlockNumber, meter: &mut WeightMeter) {
        let mut settled = false;
        for info in closed.iter().filter(|info| now >= info.schedule.settle) {
            let models = T::Rounds::models(info.task, info.round).len() as u32;
            let validators =
                T::Stakes::all(Venue::Task(info.task), Role::Validator, info.round).len() as u32;
            let weight = T::WeightInfo::step_settle(models, validators);
            // A round of the largest sizes may be above the limit by itself (see the README).
            // It goes alone then: late is better than never.
            if settled && !meter.can_consume(weight) {
                return;
            }
            meter.consume(weight);
            Self::settle_round(info.task, info.round, now);
            settled = true;
        }
    }

    /// Removes what is left of the task that ended first, when its results' time has passed.
    fn prune_due(now: BlockNumber, meter: &mut WeightMeter) {
        let (head, tail) = ExpiringEnds::<T>::get();
        let Some((task, _)) = Expiring::<T>::get(head).filter(|(_, until)| now >= *until) else {
            return;
        };
        if meter
            .try_consume(T::WeightInfo::step_prune(PRUNE_ROWS))
            .is_err()
        {
            return;
        }
        if Self::prune(task) {
            Expiring::<T>::remove(head);
            ExpiringEnds::<T>::put((head.saturating_add(1), tail));
        }
    }

    /// `true` when nothing is left.
    fn prune(task: TaskId) -> bool {
        let mut left = PRUNE_ROWS;
        let clears: [&dyn Fn(u32) -> sp_io::MultiRemovalResults; 5] = [
            &|limit| Seeds::<T>::clear_prefix(task, limit, None),
            &|limit| Commits::<T>::clear_prefix((task,), limit, None),
            &|limit| Reveals::<T>::clear_prefix((task,), limit, None),
            &|limit| Misses::<T>::clear_prefix(task, limit, None),
            &|limit| RoundResults::<T>::clear_prefix(task, limit, None),
        ];
        for clear in clears {
            if left == 0 {
                return false;
            }
            let removed = clear(left);
            if removed.maybe_cursor.is_some() {
                return false;
            }
            left = left.saturating_sub(removed.loops);
        }
        true
    }
}
