//! What the units of work of the hook weigh, made of what was measured.

use crate::{
    Case, CaseState, Config, Due, MAX_CHALLENGERS, MAX_JURY, MAX_OPEN_CASES, OpenCases, PRUNE_ROWS,
    WeightInfo,
};
use arena_primitives::MAX_VALIDATORS;
use frame_support::weights::Weight;

type Info<T> = <T as Config>::WeightInfo;

/// Most candidates of a jury: those who have a seat in `Network`, and where they are asked fewer of
/// the task than three for each juror.
pub(crate) const MAX_CANDIDATES: u32 = MAX_VALIDATORS + MAX_JURY * 3;

/// Most jurors of both instances.
const JURORS: u32 = MAX_JURY * 2;

/// What time may ask of a case at the most: a jury is looked for, votes are counted, or the case
/// is closed and others become needless.
pub(crate) fn turn_weight<T: Config>() -> Weight {
    draw_weight::<T>().max(Info::<T>::step_tally(MAX_JURY))
}

/// Looking for a jury; where there is none the case is closed, with the votes of a first one at the
/// most.
fn draw_weight<T: Config>() -> Weight {
    Info::<T>::step_draw(MAX_CANDIDATES)
        .saturating_add(Info::<T>::step_close(MAX_JURY, MAX_CHALLENGERS))
        .saturating_add(Info::<T>::step_moot(MAX_OPEN_CASES))
}

/// Closing the largest case, after the last juror's vote where the hook does both.
fn close_weight<T: Config>() -> Weight {
    Info::<T>::step_close(JURORS, MAX_CHALLENGERS)
        .saturating_add(Info::<T>::step_tally(MAX_JURY))
        .saturating_add(Info::<T>::step_moot(MAX_OPEN_CASES))
}

/// What time asks of this case.
fn case_weight<T: Config>(case: &Case) -> Weight {
    let tally = Info::<T>::step_tally(MAX_JURY);
    match case.state {
        CaseState::Drawing { .. } => draw_weight::<T>(),
        CaseState::Committing { .. } => Info::<T>::step_move(),
        CaseState::Revealing { .. } if case.appeal.is_none() => tally,
        CaseState::Revealing { .. }
        | CaseState::Responding { .. }
        | CaseState::Appealable { .. }
        | CaseState::Ending { .. } => close_weight::<T>(),
    }
}

/// What is due; nothing of a case that is gone.
pub(crate) fn due_weight<T: Config>(due: &Due) -> Weight {
    match due {
        Due::Commitment { .. } => Info::<T>::step_expire(),
        Due::Case(id) => {
            OpenCases::<T>::get(id).map_or(Weight::zero(), |case| case_weight::<T>(&case))
        }
        Due::Run { .. } => Info::<T>::step_seed_run(),
    }
}

/// The units of work at the largest sizes, each with what it can't be taken without.
pub(crate) fn largest_units<T: Config>() -> [(&'static str, Weight); 6] {
    let always = Info::<T>::step_beacon().saturating_add(Info::<T>::step_look());
    let each = [
        ("drawing a jury", draw_weight::<T>()),
        ("counting votes", Info::<T>::step_tally(MAX_JURY)),
        ("closing a case", close_weight::<T>()),
        ("a claim that was not opened", Info::<T>::step_expire()),
        ("the seed of a run", Info::<T>::step_seed_run()),
        ("pruning", Info::<T>::step_prune(PRUNE_ROWS)),
    ];
    each.map(|(what, weight)| (what, weight.saturating_add(always)))
}
