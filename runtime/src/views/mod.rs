//! What the arena's runtime API answers, read from the pallets. What a call reads is bounded by
//! constants, never by the caller's numbers.

mod accounts;
mod cases;
mod duties;
mod parameters;
mod positions;
mod rounds;
mod slashes;
mod tasks;
mod validators;
mod yields;

pub(crate) use accounts::{delegations, delegator_earnings, operator_earnings, stakes, unbonding};
pub(crate) use cases::{challenge, challenges};
pub(crate) use duties::duties;
pub(crate) use parameters::parameters;
pub(crate) use positions::{position, positions};
pub(crate) use rounds::{leaderboard, result, round, settled};
pub(crate) use slashes::slashes;
pub(crate) use tasks::{is_venue, submission, task, task_states, tasks, tasks_in};
pub(crate) use validators::{concentration, validators};
pub(crate) use yields::yields;

use crate::{BlockNumber, Runtime, System};
use alloc::vec::Vec;
use arena_primitives::{TaskId, Venue};
use arena_runtime_api::{MAX_PAGE, Refusal};
use sp_runtime::SaturatedConversion;

fn now() -> BlockNumber {
    System::block_number().saturated_into()
}

/// Rows of a page, as many as there can be at the most.
fn page(limit: u32) -> usize {
    usize::try_from(limit.min(MAX_PAGE)).unwrap_or(0)
}

/// Rows of a page, refused where they are none or too many.
fn checked_page(limit: u32) -> Result<usize, Refusal> {
    if limit == 0 || limit > MAX_PAGE {
        return Err(Refusal::LimitOutOfRange);
    }
    Ok(page(limit))
}

fn known(task: TaskId) -> Result<(), Refusal> {
    if task < pallet_arena_tasks::NextTaskId::<Runtime>::get() {
        Ok(())
    } else {
        Err(Refusal::UnknownTask)
    }
}

fn known_venue(venue: Venue) -> Result<(), Refusal> {
    match venue {
        Venue::Network => Ok(()),
        Venue::Task(task) => known(task),
    }
}

/// Tasks that are not over, or whose rows are not gone yet: as many as can be active at most.
fn active() -> Vec<TaskId> {
    pallet_arena_tasks::Active::<Runtime>::get().into_inner()
}
