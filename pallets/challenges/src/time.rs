//! Windows of cases in blocks, and how long all of them are.

use crate::{Config, Pallet};
use arena_primitives::{
    BlockNumber, TaskId, TaskPhase,
    traits::{Clock, TaskStates},
};
use frame_support::traits::Get;
use sp_runtime::SaturatedConversion;

/// Blocks that moves from one state to the next may take beyond their windows.
const SLACK: BlockNumber = 8;

fn window<T: Config>(minutes: u32, least: BlockNumber) -> BlockNumber {
    T::Clock::blocks(minutes).max(least)
}

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Blocks of whose randomness a draw is made.
    pub(crate) fn seed_blocks() -> BlockNumber {
        T::Clock::windows().seed.max(1)
    }

    pub(crate) fn open_window() -> BlockNumber {
        window::<T>(T::OpenWithin::get(), 10)
    }

    pub(crate) fn respond_window() -> BlockNumber {
        window::<T>(T::RespondWithin::get(), 4)
    }

    pub(crate) fn vote_window() -> BlockNumber {
        window::<T>(T::VoteWithin::get(), 6)
    }

    pub(crate) fn reveal_window() -> BlockNumber {
        window::<T>(T::RevealWithin::get(), 3)
    }

    pub(crate) fn appeal_window() -> BlockNumber {
        window::<T>(T::AppealWithin::get(), 3)
    }

    /// Blocks from a case's opening to its end, with an appeal.
    pub fn procedure(answer: bool) -> BlockNumber {
        let instance = Self::seed_blocks()
            .saturating_add(Self::vote_window())
            .saturating_add(Self::reveal_window());
        let answer = if answer { Self::respond_window() } else { 0 };
        instance
            .saturating_mul(2)
            .saturating_add(answer)
            .saturating_add(Self::appeal_window())
            .saturating_add(SLACK)
    }

    /// Whether `blocks` from now are left of the task. Only its challenge phase ends by itself.
    pub(crate) fn fits(task: TaskId, blocks: BlockNumber) -> bool {
        match T::Tasks::phase(task) {
            Some(TaskPhase::Challenge) => T::Tasks::phase_ends(task)
                .is_some_and(|ends| Self::now().saturating_add(blocks) <= ends),
            Some(TaskPhase::Submission | TaskPhase::FinalValidation) => true,
            Some(TaskPhase::Closed | TaskPhase::Cancelled) | None => false,
        }
    }
}
