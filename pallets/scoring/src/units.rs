//! What the units of work of the hook weigh, made of what was measured.

use crate::{Config, PRUNE_ROWS, WeightInfo};
use arena_primitives::{MAX_ACTIVE_TASKS, MAX_TRAINERS, MAX_VALIDATORS, ROSTER_PER_SEAT};
use frame_support::weights::Weight;

type Info<T> = <T as Config>::WeightInfo;

/// Completing the largest round's seed: its roster is read with all that it lists.
pub(crate) fn complete_weight<T: Config>() -> Weight {
    Info::<T>::step_complete(MAX_VALIDATORS.saturating_mul(ROSTER_PER_SEAT))
}

/// Beginning the largest round's settlement. What was measured has full seats; rosters may list
/// more.
pub(crate) fn begin_weight<T: Config>() -> Weight {
    let seats = MAX_TRAINERS.saturating_add(MAX_VALIDATORS);
    let more = seats.saturating_mul(ROSTER_PER_SEAT.saturating_sub(1));
    Info::<T>::step_begin().saturating_add(Info::<T>::step_complete(more))
}

/// Paying or judging a validator of a round of `models`: it was there, or slept through its
/// reveal, or was absent; then its draw is looked for, and what it finds may cost its seat.
pub(crate) fn step_validator<T: Config>(models: u32) -> Weight {
    Info::<T>::step_paid()
        .max(Info::<T>::step_slashed())
        .max(Info::<T>::step_absent(models).saturating_add(Info::<T>::step_chilled()))
}

/// The units of work of rounds of `trainers` and `validators`, each with what it can't be taken
/// without.
pub(crate) fn units<T: Config>(trainers: u32, validators: u32) -> [(&'static str, Weight); 12] {
    let always = Info::<T>::step_look(MAX_ACTIVE_TASKS).saturating_add(Info::<T>::step_resume());
    let seeds = Info::<T>::step_seed().saturating_mul(u64::from(MAX_ACTIVE_TASKS) * 2);
    let reveals = Info::<T>::step_reveals(validators);
    let each = [
        ("a block of all seeds", seeds),
        ("completing a seed", complete_weight::<T>()),
        ("beginning a settlement", begin_weight::<T>()),
        (
            "a consensus",
            reveals.saturating_add(Info::<T>::step_score(validators)),
        ),
        (
            "a sketch",
            reveals
                .saturating_add(Info::<T>::step_sketches(validators))
                .saturating_add(Info::<T>::step_sketch(validators)),
        ),
        ("a likeness", Info::<T>::step_like(trainers)),
        ("a draw", Info::<T>::step_draw(trainers)),
        (
            "a pot",
            reveals.saturating_add(Info::<T>::step_pot(validators)),
        ),
        (
            "a payment",
            Info::<T>::step_trainer().max(step_validator::<T>(trainers)),
        ),
        ("old reveals", Info::<T>::step_forget(PRUNE_ROWS)),
        ("a result", Info::<T>::step_finish(trainers, validators)),
        ("pruning", Info::<T>::step_prune(PRUNE_ROWS)),
    ];
    each.map(|(what, weight)| (what, weight.saturating_add(always)))
}

/// The units of work at the largest sizes.
pub(crate) fn largest_units<T: Config>() -> [(&'static str, Weight); 12] {
    units::<T>(MAX_TRAINERS, MAX_VALIDATORS)
}
