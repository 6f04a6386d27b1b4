//! A task's reward parameters in the terms of `arena_math`.

use arena_math::{
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
};
use arena_primitives::{self as arena, TaskSpec};

pub(super) fn cap(spec: &TaskSpec) -> Cap {
    match spec.rewards.cap {
        arena::WeightCap::None => Cap::None,
        arena::WeightCap::Seats(seats) => Cap::Seats(seats.into()),
        arena::WeightCap::Percentile(percent) => Cap::Percentile(percent),
    }
}

pub(super) fn aggregation(spec: &TaskSpec) -> Aggregation {
    match spec.rewards.aggregation {
        arena::Aggregation::Median => Aggregation::Median,
        arena::Aggregation::Mean => Aggregation::Mean,
    }
}

pub(super) fn rank_rule(spec: &TaskSpec) -> RankRule {
    match spec.rewards.rank {
        arena::RankRule::ByStake { depth } => RankRule::ByStake {
            depth: depth.into(),
        },
        arena::RankRule::ByHead { alpha_milli } => RankRule::ByHead {
            alpha_q32: arena::milli_q32(alpha_milli),
        },
    }
}

pub(super) fn validator_rule(spec: &TaskSpec) -> ValidatorRule {
    ValidatorRule {
        alpha_q32: arena::milli_q32(spec.rewards.alpha_v_milli),
        lambda_q32: arena::milli_q32(spec.rewards.lambda_milli),
        band: spec.rewards.band.deconstruct(),
    }
}
