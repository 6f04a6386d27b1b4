//! What stays of a task that is over goes, some rows at a time.

use crate::{
    Acquittals, CasesOf, Config, Convicted, Ended, EndedEnds, Marks, OpenCases, PRUNE_ROWS, Pallet,
    Runs, Verdict, WeightInfo,
};
use alloc::vec::Vec;
use arena_primitives::TaskId;
use frame_support::weights::WeightMeter;

impl<T: Config> Pallet<T> {
    /// Cases of a task that is over end in the next block; its other rows follow.
    pub(crate) fn end_task(task: TaskId) {
        let now = Self::now();
        for id in CasesOf::<T>::get(task) {
            // What ends already keeps its reason.
            let open = OpenCases::<T>::get(id).filter(|case| !case.state.is_ending());
            if let Some(mut case) = open {
                let before = case.state.due();
                case.state.end(Verdict::Cancelled, now);
                Self::save(id, before, &case);
            }
        }
        let (head, tail) = EndedEnds::<T>::get();
        Ended::<T>::insert(tail, task);
        EndedEnds::<T>::put((head, tail.saturating_add(1)));
    }

    /// Removes some of what is left of the task that ended first.
    pub(crate) fn prune_ended(meter: &mut WeightMeter) {
        if meter.try_consume(T::WeightInfo::step_look()).is_err() {
            return;
        }
        let (head, tail) = EndedEnds::<T>::get();
        let Some(task) = Ended::<T>::get(head) else {
            return;
        };
        let step = T::WeightInfo::step_prune(PRUNE_ROWS);
        if meter.try_consume(step).is_ok() && Self::prune(task) {
            Ended::<T>::remove(head);
            EndedEnds::<T>::put((head.saturating_add(1), tail));
        }
    }

    /// `true` when nothing is left. A convict stays one until its last case is over.
    pub(crate) fn prune(task: TaskId) -> bool {
        let most = usize::try_from(PRUNE_ROWS).unwrap_or(0);
        let runs: Vec<_> = Runs::<T>::iter_prefix(task).take(most).collect();
        for (trainer, run) in &runs {
            Self::drop_run(task, trainer, run);
        }
        if !runs.is_empty() {
            return false;
        }
        if Marks::<T>::clear_prefix(task, PRUNE_ROWS, None).loops > 0
            || Acquittals::<T>::clear_prefix(task, PRUNE_ROWS, None).loops > 0
            || CasesOf::<T>::contains_key(task)
        {
            return false;
        }
        Convicted::<T>::clear_prefix(task, PRUNE_ROWS, None).loops == 0
    }
}
