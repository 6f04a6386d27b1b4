//! The hook: seeds first, since a block's output can be added in no other block; then, as far as
//! the weight goes, what can wait a block.

use crate::{
    Alike, BestEarlier, Commits, Config, Event, Expiring, ExpiringEnds, Grounds, Misses,
    PRUNE_ROWS, Pallet, Reveals, RoundResults, SeedState, Seeds, Settling, Sketches, WeightInfo,
    settlement::Work,
    units::{begin_weight, complete_weight},
};
use arena_primitives::{
    BlockNumber, MAX_ACTIVE_TASKS, Role, Round, RoundInfo, ShardState, TaskId, Venue,
    traits::{BlockVrf, Rounds, Stakes},
};
use frame_support::{
    traits::Get,
    weights::{Weight, WeightMeter},
};

impl<T: Config> Pallet<T> {
    /// The hook, with `limit` as the most that it may use of the block. Never called with less
    /// than the hook has but by measurements: what doesn't fit a block waits for the next.
    pub fn tick(now: BlockNumber, limit: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(limit);
        let look = T::WeightInfo::step_look(MAX_ACTIVE_TASKS);
        if meter.try_consume(look).is_err() {
            return meter.consumed();
        }
        let mut closed = T::Rounds::closed_rounds();
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
        let step = T::WeightInfo::step_seed();
        for info in closed {
            if meter.can_consume(step) && Self::gather(info, parent, vrf) {
                meter.consume(step);
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
            if meter.try_consume(T::DbWeight::get().reads(1)).is_err() {
                return false;
            }
            let Some(state) = Seeds::<T>::get(task, round) else {
                continue;
            };
            if state.total.is_some() {
                continue;
            }
            if meter.try_consume(complete_weight::<T>()).is_err() {
                return false;
            }
            Self::complete(task, round, state);
        }
        true
    }

    /// Fixes what a round's draw divides by, and what its models are compared with: its seed is
    /// known from now on.
    pub(crate) fn complete(task: TaskId, round: Round, mut state: SeedState) {
        let Some(spec) = T::Rounds::spec(task) else {
            return;
        };
        let total = T::Stakes::all(Venue::Task(task), Role::Validator, round)
            .iter()
            .map(|position| position.stake.counted(spec.rewards.max_leverage))
            .fold(0u128, |sum, stake| sum.saturating_add(stake));
        state.total = Some(total);
        if spec.likeness.is_some() {
            state.earlier = BestEarlier::<T>::get(task);
        }
        Seeds::<T>::insert(task, round, state);
        if let Some(seed) = Self::seed(task, round) {
            Self::deposit_event(Event::SeedCompleted { task, round, seed });
        }
    }

    /// Settles one round after the other, each as far as the weight goes; the next block
    /// continues where this one stopped.
    fn settle_due(closed: &[RoundInfo], now: BlockNumber, meter: &mut WeightMeter) {
        // A missing shard is tasks' to judge first.
        let judged = |info: &&RoundInfo| info.shard != ShardState::Awaited;
        let mut due = closed
            .iter()
            .filter(|info| now >= info.schedule.settle)
            .filter(judged);
        loop {
            if meter.try_consume(T::WeightInfo::step_resume()).is_err() {
                return;
            }
            let mut work = match Settling::<T>::take() {
                Some(state) => Work::<T>::resume(state),
                None => {
                    // The one that was finished in this block isn't alive any more.
                    let alive = |info: &&RoundInfo| T::Rounds::info(info.task, info.round);
                    let Some(info) = due.find(|info| alive(info).is_some()) else {
                        return;
                    };
                    if meter.try_consume(begin_weight::<T>()).is_err() {
                        return;
                    }
                    Work::<T>::begin(info.task, info.round)
                }
            };
            match &mut work {
                Some(work) => {
                    if !work.run(now, meter) {
                        Settling::<T>::put(work.state());
                        return;
                    }
                }
                // A live round has a spec; its end must not depend on that.
                None => log::error!(target: "arena::scoring", "a round that is due has no spec"),
            }
        }
    }

    /// Removes what is left of the task that ended first, when its results' time has passed.
    pub(crate) fn prune_due(now: BlockNumber, meter: &mut WeightMeter) {
        let (head, tail) = ExpiringEnds::<T>::get();
        let Some((task, _)) = Expiring::<T>::get(head).filter(|(_, until)| now >= *until) else {
            return;
        };
        if Self::settles(task) {
            return;
        }
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

    /// Whether a round of the task is being settled.
    pub(crate) fn settles(task: TaskId) -> bool {
        Settling::<T>::get().is_some_and(|state| state.task == task)
    }

    /// `true` when nothing is left.
    fn prune(task: TaskId) -> bool {
        let mut left = PRUNE_ROWS;
        let clears: [&dyn Fn(u32) -> sp_io::MultiRemovalResults; 8] = [
            &|limit| Seeds::<T>::clear_prefix(task, limit, None),
            &|limit| Commits::<T>::clear_prefix((task,), limit, None),
            &|limit| Reveals::<T>::clear_prefix((task,), limit, None),
            &|limit| Sketches::<T>::clear_prefix((task,), limit, None),
            &|limit| Grounds::<T>::clear_prefix(task, limit, None),
            &|limit| Alike::<T>::clear_prefix(task, limit, None),
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
        BestEarlier::<T>::remove(task);
        true
    }
}
