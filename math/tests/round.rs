//! Rules of a round that the golden rounds do not use: baseline, rank by head,
//! and the validators' distance to the consensus.

use arena_math::{
    Listed, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap},
    fixed::ONE_Q32,
    rewards::{RankRule, ValidatorRule},
    settle,
};

fn round(rank_rule: RankRule, baseline: u32) -> RoundOutput {
    let first = vec![
        Some(Listed::Scored(880_000_000)),
        Some(Listed::Scored(500_000_000)),
        None,
    ];
    let second = vec![
        Some(Listed::Scored(900_000_000)),
        Some(Listed::Scored(500_000_000)),
        Some(Listed::Skipped),
    ];
    settle(&RoundInput {
        reward: 2_000,
        gamma: 500_000_000,
        q: 500_000_000,
        rank_rule,
        validator_rule: ValidatorRule {
            alpha_q32: ONE_Q32,
            lambda_q32: 0,
            band: 0,
        },
        committee: 0,
        cap: Cap::Percentile(88),
        aggregation: Aggregation::Median,
        min_scorers: 1,
        baseline,
        trainer_stakes: &[30, 60, 90],
        validator_stakes: &[10, 10],
        listed: &[first, second],
    })
    .expect("small numbers fit")
}

#[test]
fn by_head_shares_by_rank_and_stake() {
    let out = round(RankRule::ByHead { alpha_q32: ONE_Q32 }, 0);
    assert_eq!((out.trainer_pool, out.validator_pool), (1_000, 1_000));
    // Half the weight for twice the stake; the third was never scored.
    assert_eq!(out.trainer_payouts, [500, 500, 0]);
    assert_eq!(out.ranks, [Some(1), Some(2), None]);
    assert_eq!(out.quorum, [true, true, false]);
    assert_eq!(out.validator_payouts, [500, 500]);
}

#[test]
fn the_baseline_must_be_exceeded() {
    let out = round(RankRule::ByStake { depth: 1 }, 500_000_000);
    assert_eq!(out.ranks, [Some(1), None, None]);
    assert_eq!(out.trainer_payouts, [1_000, 0, 0]);
    let out = round(RankRule::ByStake { depth: 1 }, 880_000_000);
    assert_eq!(
        (out.trainer_payouts, out.trainer_dust),
        (vec![0, 0, 0], 1_000)
    );
}

#[test]
fn distances_are_means_over_what_was_scored() {
    // The lower median is the first validator's score; the second is off by 0.02
    // in one of two submissions.
    let out = round(RankRule::ByStake { depth: 1 }, 0);
    assert_eq!(out.mean_distance, [Some(0), Some(10_000_000)]);
}
