//! What tasks ask of challenges.

use crate::{CasesOf, Config, Convicted, OpenCases, Pallet, Verdict};
use arena_primitives::{AccountId, MAX_TRAINERS, TaskId, traits::Cases};

impl<T: Config> Cases for Pallet<T> {
    /// A case that nobody decided in time doesn't hold the task up.
    fn open_cases(task: TaskId) -> u32 {
        let now = Self::now();
        let open = CasesOf::<T>::get(task)
            .iter()
            .filter_map(OpenCases::<T>::get)
            .filter(|case| !case.is_late(now))
            .count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    fn is_convicted(task: TaskId, trainer: &AccountId) -> bool {
        Convicted::<T>::contains_key(task, trainer)
    }

    fn ended(task: TaskId) {
        for id in CasesOf::<T>::get(task) {
            let Some(case) = OpenCases::<T>::get(id) else {
                continue;
            };
            if let Err(error) = Self::return_bond(&case) {
                log::error!(target: "arena::challenges", "bond of case {id} stays held: {error:?}");
            }
            Self::close(id, case, Verdict::Expired, 0, 0);
        }
        // Nobody is convicted twice, and a task has at most so many trainers at a time.
        let _ = Convicted::<T>::clear_prefix(task, MAX_TRAINERS, None);
    }
}
