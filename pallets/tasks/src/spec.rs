//! What a spec must be before it is voted on, and the limits that governance sets it.

use crate::{Config, Error};
use arena_primitives::{
    MAX_ACTIVE_TASKS, MAX_ROUNDS, SpecFault, TaskSpec,
    time::{MINUTES_PER_DAY, scoring_blocks},
    traits::Clock,
};
use frame_support::{ensure, traits::Get};
use sp_runtime::Perbill;

/// Limits of all tasks that are proposed or approved from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLimits {
    /// Most submission rounds.
    pub rounds: u32,
    /// Longest round, in minutes.
    pub round_minutes: u32,
    /// Longest final validation, in days.
    pub final_days: u32,
    /// Longest challenge phase, in days.
    pub challenge_days: u32,
    /// Most bytes of a model.
    pub model_bytes: u64,
    /// Most of the tasks' emission that one task may draw.
    pub share: Perbill,
    /// Most tasks that are active at a time.
    pub active: u32,
}

impl Default for TaskLimits {
    /// Nothing below what the runtime can bear.
    fn default() -> Self {
        TaskLimits {
            rounds: MAX_ROUNDS,
            round_minutes: u32::MAX,
            final_days: MAX_ROUNDS,
            challenge_days: MAX_ROUNDS,
            model_bytes: u64::MAX,
            share: Perbill::one(),
            active: MAX_ACTIVE_TASKS,
        }
    }
}

impl TaskLimits {
    fn allow(&self, spec: &TaskSpec) -> bool {
        spec.rounds <= self.rounds
            && spec.round_minutes <= self.round_minutes
            && spec.final_days <= self.final_days
            && spec.challenge_days <= self.challenge_days
            && spec.model.max_bytes <= self.model_bytes
    }
}

impl<T> From<SpecFault> for Error<T> {
    fn from(fault: SpecFault) -> Self {
        use SpecFault as F;
        match fault {
            F::Name => Error::BadName,
            F::Licence => Error::BadLicence,
            F::Worst => Error::WorstOutOfRange,
            F::DataBytes | F::DataUris => Error::BadData,
            F::ShardBytes | F::ShardRoot => Error::BadSeal,
            F::NoArchitectures | F::Architecture(..) => Error::BadArchitectures,
            F::MaxParameters | F::MaxBytes | F::MaxSeconds | F::Context => Error::BadModelBounds,
            F::BaseRoot | F::BaseUris => Error::BadBase,
            F::Baseline
            | F::Gamma
            | F::Q
            | F::Band
            | F::Depth
            | F::AlphaT
            | F::Lambda
            | F::AlphaV
            | F::Seats
            | F::Percentile => Error::BadRewardParameters,
            F::Committee | F::MinScorers | F::MinTrainers => Error::BadCommittee,
            F::Rounds | F::RoundMinutes | F::FinalDays | F::ChallengeDays => Error::BadDuration,
            F::Likeness => Error::BadLikeness,
        }
    }
}

/// Checks everything that can be told without knowing who will take part.
pub(crate) fn check<T: Config>(spec: &TaskSpec) -> Result<(), Error<T>> {
    spec.check()?;
    ensure!(
        spec.challenge_days >= T::Clock::challenge_days(),
        Error::<T>::ChallengeTooShort
    );
    ensure!(T::Limits::get().allow(spec), Error::<T>::AboveLimit);
    let windows = T::Clock::windows();
    ensure!(
        T::Clock::blocks(spec.round_minutes) >= windows.total(),
        Error::<T>::RoundTooShort
    );
    // Stake that leaves at the beginning of a round counts in it to its settlement.
    let round = T::Clock::blocks(spec.round_minutes).saturating_add(windows.total());
    let last = T::Clock::blocks(spec.final_days.saturating_mul(MINUTES_PER_DAY));
    ensure!(
        round.max(last) <= T::Clock::unbonding(),
        Error::<T>::OutlivesStake
    );
    let scoring = scoring_blocks(windows.commit, spec.sealed().is_some());
    let scoring_seconds = u64::from(scoring)
        .saturating_mul(u64::from(MINUTES_PER_DAY).saturating_mul(60))
        .checked_div(u64::from(T::Clock::blocks(MINUTES_PER_DAY)))
        .unwrap_or(0);
    ensure!(
        u64::from(spec.model.max_seconds) <= scoring_seconds,
        Error::<T>::EvaluationTooLong
    );
    Ok(())
}
