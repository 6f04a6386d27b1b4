//! What other pallets ask of challenges.

use crate::{Accused, CasesOf, Config, Convicted, Juries, JurySizes, OpenCases, Pallet};
use arena_primitives::{
    AccountId, BlockNumber, TaskId,
    traits::{Cases, Runs},
};

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
        Accused::<T>::contains_key(task, operator)
    }

    fn ended(task: TaskId) {
        Self::end_task(task);
    }
}

impl<T: Config> Runs for Pallet<T> {
    fn registered_before(task: TaskId, trainer: &AccountId, block: BlockNumber) -> bool {
        crate::Runs::<T>::get(task, trainer).is_some_and(|run| run.at < block)
    }
}

impl<T: Config> Pallet<T> {
    /// How large juries are, as genesis set it.
    pub fn jury_sizes() -> JurySizes {
        Juries::<T>::get()
    }
}
