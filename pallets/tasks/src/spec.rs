//! What a spec must be before it is voted on.

use crate::{Config, Error};
use arena_primitives::{
    Architecture, DataSource, MAX_TRAINERS, MAX_VALIDATORS, Metric, NumericProfile, PERBILL,
    RankRule, RewardParams, TaskSpec, Uris, WeightCap, time::MINUTES_PER_DAY, traits::Clock,
};
use frame_support::ensure;
use sp_runtime::Perbill;

/// Most submission rounds of a task; also the bound of its other durations in days.
pub const MAX_ROUNDS: u32 = 366;
/// Above this distance decays to nothing at once, and the integer exponential ends.
pub const MAX_LAMBDA_MILLI: u32 = 88_000;
/// Largest exponent of stake: ten.
pub const MAX_ALPHA_MILLI: u32 = 10_000;
/// Most bits per byte that a score can be measured over, × 10⁹.
pub const MAX_BITS_PER_BYTE: u64 = 64_000_000_000;

/// Checks everything that can be told without knowing who will take part.
pub(crate) fn check<T: Config>(spec: &TaskSpec) -> Result<(), Error<T>> {
    ensure!(is_text(&spec.name), Error::<T>::BadName);
    ensure!(is_text(&spec.licence), Error::<T>::BadLicence);
    ensure!(
        spec.profile == NumericProfile::F32,
        Error::<T>::UnsupportedProfile
    );
    let worst_fits = match spec.metric {
        Metric::Accuracy => spec.worst < PERBILL,
        Metric::BitsPerByte => spec.worst > 0 && spec.worst <= MAX_BITS_PER_BYTE,
    };
    ensure!(worst_fits, Error::<T>::WorstOutOfRange);
    ensure!(is_perbill(spec.baseline), Error::<T>::BadRewardParameters);
    check_data::<T>(&spec.data)?;
    check_model::<T>(spec)?;
    check_rewards::<T>(&spec.rewards)?;
    check_time::<T>(spec)
}

/// At least one mirror, each a non-empty text.
pub(crate) fn are_mirrors(uris: &Uris) -> bool {
    !uris.is_empty() && uris.iter().all(|uri| is_text(uri))
}

fn is_text(bytes: &[u8]) -> bool {
    core::str::from_utf8(bytes).is_ok_and(|text| !text.trim().is_empty())
}

/// Decoding doesn't bound a `Perbill`.
fn is_perbill(part: Perbill) -> bool {
    u64::from(part.deconstruct()) <= PERBILL
}

fn check_data<T: Config>(data: &DataSource) -> Result<(), Error<T>> {
    match data {
        DataSource::Public(data) => {
            ensure!(
                data.bytes > 0 && are_mirrors(&data.uris),
                Error::<T>::BadData
            );
        }
    }
    Ok(())
}

fn check_model<T: Config>(spec: &TaskSpec) -> Result<(), Error<T>> {
    let model = &spec.model;
    let fits = |architecture: &Architecture| match (architecture, spec.metric) {
        (Architecture::Mlp | Architecture::Cnn, Metric::Accuracy) => true,
        (Architecture::Llama, Metric::BitsPerByte) => true,
        (Architecture::Mlp | Architecture::Cnn, Metric::BitsPerByte) => false,
        (Architecture::Llama, Metric::Accuracy) => false,
    };
    ensure!(
        !model.architectures.is_empty() && model.architectures.iter().all(fits),
        Error::<T>::BadArchitectures
    );
    let needs_context = spec.metric == Metric::BitsPerByte;
    ensure!(
        model.max_parameters > 0
            && model.max_bytes > 0
            && model.max_seconds > 0
            && (!needs_context || model.context > 0),
        Error::<T>::BadModelBounds
    );
    Ok(())
}

fn check_rewards<T: Config>(rewards: &RewardParams) -> Result<(), Error<T>> {
    let parts = [rewards.gamma, rewards.q, rewards.band]
        .into_iter()
        .all(is_perbill);
    let rank = match rewards.rank {
        RankRule::ByStake { depth } => depth > 0,
        RankRule::ByHead { alpha_milli } => alpha_milli <= MAX_ALPHA_MILLI,
    };
    let exponents =
        rewards.lambda_milli < MAX_LAMBDA_MILLI && rewards.alpha_v_milli <= MAX_ALPHA_MILLI;
    let cap = match rewards.cap {
        WeightCap::None => true,
        WeightCap::Seats(seats) => seats > 0,
        WeightCap::Percentile(percent) => (1..=100).contains(&percent),
    };
    ensure!(
        parts && rank && exponents && cap,
        Error::<T>::BadRewardParameters
    );
    let (committee, scorers) = (u32::from(rewards.committee), u32::from(rewards.min_scorers));
    let most = if committee == 0 {
        MAX_VALIDATORS
    } else {
        committee
    };
    ensure!(
        committee <= MAX_VALIDATORS && scorers > 0 && scorers <= most,
        Error::<T>::BadCommittee
    );
    ensure!(
        (1..=MAX_TRAINERS).contains(&u32::from(rewards.min_trainers)),
        Error::<T>::BadCommittee
    );
    Ok(())
}

fn check_time<T: Config>(spec: &TaskSpec) -> Result<(), Error<T>> {
    ensure!(
        (1..=MAX_ROUNDS).contains(&spec.rounds),
        Error::<T>::BadDuration
    );
    ensure!(
        (1..=MAX_ROUNDS).contains(&spec.final_days),
        Error::<T>::BadDuration
    );
    ensure!(spec.challenge_days <= MAX_ROUNDS, Error::<T>::BadDuration);
    ensure!(
        spec.round_minutes <= MAX_ROUNDS.saturating_mul(MINUTES_PER_DAY),
        Error::<T>::BadDuration
    );
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
    let commit_seconds = u64::from(windows.commit)
        .saturating_mul(u64::from(MINUTES_PER_DAY).saturating_mul(60))
        .checked_div(u64::from(T::Clock::blocks(MINUTES_PER_DAY)))
        .unwrap_or(0);
    ensure!(
        u64::from(spec.model.max_seconds) <= commit_seconds,
        Error::<T>::EvaluationTooLong
    );
    Ok(())
}
