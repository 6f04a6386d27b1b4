//! Cases with their answers and votes, registered trainings, and marks.

mod answers;
mod claims;
mod runs;
mod votes;

pub(super) use answers::{loss_roots, respond_score, respond_training};
pub(super) use claims::{appeal, commit_case, join, open_case, poke};
pub(super) use runs::{heartbeat, register_mark, register_run};
pub(super) use votes::{commit_vote, reveal_vote};

use crate::{tests::random::world::World, *};
use arena_primitives::CaseId;
use pallet_arena_challenges::{Case, OpenCases};

/// An open case that fits.
fn case(world: &mut World, fits: impl Fn(&Case) -> bool) -> Option<(CaseId, Case)> {
    let open: Vec<(CaseId, Case)> = OpenCases::<Runtime>::iter().collect();
    world.dice.one_of(&open, |(_, case)| fits(case))
}
