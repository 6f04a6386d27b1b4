//! What governs the chain now.

use crate::{
    ArenaChallenges, ArenaStaking, Runtime,
    configs::governance::dynamic_params::{challenges, scoring, tasks},
};
use arena_runtime_api::{
    ChallengeParameters, EmissionParameters, ParametersView, ScoringParameters, StakeParameters,
    TaskParameters,
};
use frame_support::traits::Get;

fn stake() -> StakeParameters {
    let limits = ArenaStaking::limits();
    StakeParameters {
        min_own_author: limits.min_own_author.into(),
        min_own_validator: limits.min_own_validator.into(),
        min_own_trainer: limits.min_own_trainer.into(),
        min_delegation: limits.min_delegation.into(),
        seats_authors: limits.seats_authors,
        seats_validators: limits.seats_validators,
        seats_trainers: limits.seats_trainers,
        min_authors: limits.min_authors,
        commission_cap: limits.commission_cap.deconstruct(),
        max_leverage: limits.max_leverage,
        slash_deferral_minutes: limits.slash_deferral_minutes,
    }
}

fn of_challenges() -> ChallengeParameters {
    let juries = ArenaChallenges::jury_sizes();
    ChallengeParameters {
        open_minutes: challenges::OpenWithin::get(),
        respond_minutes: challenges::RespondWithin::get(),
        vote_minutes: challenges::VoteWithin::get(),
        reveal_minutes: challenges::RevealWithin::get(),
        appeal_minutes: challenges::AppealWithin::get(),
        jury: juries.first,
        appeal_jury: juries.appeal,
        juror_fee: challenges::JurorFee::get().into(),
        bond_share: challenges::BondShare::get().deconstruct(),
        challenger_share: challenges::ChallengerShare::get().deconstruct(),
        juror_slash: challenges::JurorSlash::get().deconstruct(),
        overturned_slash: challenges::OverturnedSlash::get().deconstruct(),
        max_replay_bytes: challenges::MaxReplayBytes::get(),
        run_deposit: challenges::RunDeposit::get().into(),
        largest_segments: challenges::LargestSegments::get(),
        random_segments: challenges::RandomSegments::get(),
    }
}

/// What governs the chain now.
pub(crate) fn parameters() -> ParametersView {
    let rate = pallet_arena_rewards::Rate::<Runtime>::get();
    ParametersView {
        time: ArenaStaking::time(),
        stake: stake(),
        emission: EmissionParameters {
            per_day: rate.per_day.into(),
            network_share: rate.network_share.deconstruct(),
        },
        tasks: TaskParameters {
            proposal_deposit: tasks::ProposalDeposit::get().into(),
            proposal_lifetime_minutes: tasks::ProposalLifetime::get(),
        },
        scoring: ScoringParameters {
            non_reveal_slash: scoring::NonRevealSlash::get().deconstruct(),
            max_misses: scoring::MaxMisses::get(),
            result_keep_minutes: scoring::ResultKeep::get(),
        },
        challenges: of_challenges(),
    }
}
