//! What other pallets ask of challenges.

use crate::{CasesOf, Config, Convicted, OpenCases, Pallet};
use arena_primitives::{AccountId, TaskId, traits::Cases};

impl<T: Config> Cases for Pallet<T> {
    fn open_cases(task: TaskId) -> u32 {
        let open = CasesOf::<T>::get(task)
            .iter()
            .filter_map(OpenCases::<T>::get)
            .filter(|case| !case.state.is_ending())
            .count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    fn is_convicted(task: TaskId, operator: &AccountId) -> bool {
        Convicted::<T>::contains_key(task, operator)
    }

    fn is_accused(task: TaskId, operator: &AccountId) -> bool {
        CasesOf::<T>::get(task)
            .iter()
            .filter_map(OpenCases::<T>::get)
            .any(|case| case.accused() == operator)
    }

    fn ended(task: TaskId) {
        Self::end_task(task);
    }
}
