//! A settlement computed again, beside what was stored of it.

use super::{comparison::Comparison, inputs::Inputs, likeness::Compared};
use crate::{payouts::Pay, views};
use arena_math::{
    MathError, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap, Consensus},
    place::Place,
    rewards::{RankRule, ValidatorRule},
    round::Panel,
    settle_placed,
};
use arena_primitives::{
    self as arena, AccountId, Hash, ModelLikeness, PERBILL, Round, TaskSpec, Unpaid,
};

/// What a round comes to.
pub(super) struct Settled {
    /// What each model and validator earns.
    pub(super) output: RoundOutput,
    /// The earlier model that each model is like.
    pub(super) likeness: Vec<Option<ModelLikeness>>,
}

/// What everybody in the round is due.
pub(super) fn pays(inputs: &Inputs, output: &RoundOutput, round: Round) -> Vec<Pay> {
    let trainers = inputs.models.iter().map(|model| &model.trainer);
    let trainers = trainers.zip(&output.trainer_payouts);
    let validators = inputs.validators.iter().zip(&output.validator_payouts);
    trainers
        .chain(validators)
        .filter_map(|(operator, amount)| {
            let counted = inputs.counted.get(operator)?;
            Some(Pay {
                round,
                operator: operator.clone(),
                role: counted.role,
                stake: counted.stake,
                commission: counted.commission,
                amount: *amount,
            })
        })
        .collect()
}

/// Settles the round again, of which so much was drawn.
pub(super) fn compute(
    spec: &TaskSpec,
    inputs: &Inputs,
    reward: u128,
) -> Result<Settled, MathError> {
    let cap = cap(spec);
    let committee = spec.rewards.committee.into();
    let panel = Panel::new(&inputs.validator_stakes, committee, cap)?;
    let mut compared = Compared::default();
    let output = settle_placed(&input(spec, inputs, reward), |consensus| {
        compared = places(inputs, consensus, panel.says());
        compared.places.clone()
    })?;
    Ok(Settled {
        output,
        likeness: compared.likeness,
    })
}

/// What each model ranks by: its own score, or one of a model that it is like.
fn places(inputs: &Inputs, consensus: &[Option<Consensus>], says: &[u128]) -> Compared {
    let Some(sketches) = &inputs.sketches else {
        return Compared {
            places: consensus.iter().map(|score| score.map(Place::of)).collect(),
            likeness: vec![None; consensus.len()],
        };
    };
    sketches.compare(&inputs.models, consensus, says, |validator, model| {
        let row = inputs.listed.get(validator);
        row.and_then(|row| row.get(model))
            .is_some_and(Option::is_some)
    })
}

fn cap(spec: &TaskSpec) -> Cap {
    match spec.rewards.cap {
        arena::WeightCap::None => Cap::None,
        arena::WeightCap::Seats(seats) => Cap::Seats(seats.into()),
        arena::WeightCap::Percentile(percent) => Cap::Percentile(percent),
    }
}

fn input<'a>(spec: &TaskSpec, inputs: &'a Inputs, reward: u128) -> RoundInput<'a> {
    let params = &spec.rewards;
    RoundInput {
        reward,
        gamma: params.gamma.deconstruct(),
        q: params.q.deconstruct(),
        rank_rule: match params.rank {
            arena::RankRule::ByStake { depth } => RankRule::ByStake {
                depth: depth.into(),
            },
            arena::RankRule::ByHead { alpha_milli } => RankRule::ByHead {
                alpha_q32: arena::milli_q32(alpha_milli),
            },
        },
        validator_rule: ValidatorRule {
            alpha_q32: arena::milli_q32(params.alpha_v_milli),
            lambda_q32: arena::milli_q32(params.lambda_milli),
            band: params.band.deconstruct(),
        },
        committee: params.committee.into(),
        cap: cap(spec),
        aggregation: match params.aggregation {
            arena::Aggregation::Median => Aggregation::Median,
            arena::Aggregation::Mean => Aggregation::Mean,
        },
        min_scorers: params.min_scorers.into(),
        baseline: spec.baseline.deconstruct(),
        trainer_stakes: &inputs.trainer_stakes,
        validator_stakes: &inputs.validator_stakes,
        listed: &inputs.listed,
    }
}

/// Compares all that was stored of a round, but for what its models are like.
pub(super) fn compare(
    comparison: &mut Comparison,
    spec: &TaskSpec,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
) {
    let unpaid = unpaid(spec, inputs, output);
    comparison.equal(|| "unpaid".into(), &stored.unpaid, &unpaid);
    let paid = |amount: Option<&u128>| match unpaid {
        Some(_) => 0,
        None => amount.copied().unwrap_or(0),
    };
    compare_models(comparison, inputs, output, stored, paid);
    compare_validators(comparison, inputs, output, stored, paid);
    let all = output
        .trainer_payouts
        .iter()
        .chain(&output.validator_payouts);
    let spent = all.fold(0u128, |sum, amount| sum.saturating_add(paid(Some(amount))));
    let treasury = stored.drawn.0.saturating_sub(spent);
    comparison.equal(|| "treasury".into(), &stored.treasury.0, &treasury);
}

fn compare_models(
    comparison: &mut Comparison,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
    paid: impl Fn(Option<&u128>) -> u128,
) {
    let models = stored.models.iter();
    let names: Vec<(&AccountId, Hash)> = models
        .map(|model| (&model.trainer, model.manifest_root))
        .collect();
    let models = inputs.models.iter();
    let expected: Vec<(&AccountId, Hash)> = models
        .map(|model| (&model.trainer, model.manifest_root))
        .collect();
    comparison.equal(|| "models".into(), &names, &expected);
    for (index, model) in stored.models.iter().enumerate() {
        let name = |what: &str| format!("{what} of trainer {}", model.trainer);
        let consensus = output.consensus_q64.get(index).copied().flatten();
        comparison.equal(|| name("score"), &model.score, &consensus.and_then(perbill));
        let rank = output.ranks.get(index).copied().flatten();
        comparison.equal(|| name("rank"), &model.rank, &rank);
        let payout = paid(output.trainer_payouts.get(index));
        comparison.equal(|| name("payout"), &model.reward.0, &payout);
    }
}

/// Compares what the chain found the models to be like.
pub(super) fn compare_likeness(
    comparison: &mut Comparison,
    stored: &[arena::ModelResult],
    found: &[Option<ModelLikeness>],
) {
    for (row, found) in stored.iter().zip(found) {
        let name = || format!("likeness of the model of {}", row.trainer);
        comparison.equal(name, &row.likeness, found);
    }
}

fn compare_validators(
    comparison: &mut Comparison,
    inputs: &Inputs,
    output: &RoundOutput,
    stored: &views::Result,
    paid: impl Fn(Option<&u128>) -> u128,
) {
    let revealed: Vec<usize> = (0..inputs.validators.len())
        .filter(|index| inputs.revealed.get(*index) == Some(&true))
        .collect();
    let names: Vec<&AccountId> = stored.validators.iter().map(|row| &row.account).collect();
    let expected: Vec<&AccountId> = revealed
        .iter()
        .filter_map(|index| inputs.validators.get(*index))
        .collect();
    comparison.equal(|| "validators".into(), &names, &expected);
    for (row, index) in stored.validators.iter().zip(&revealed) {
        let name = |what: &str| format!("{what} of validator {}", row.account);
        let distance = output.mean_distance.get(*index).copied().flatten();
        comparison.equal(|| name("distance"), &row.distance, &distance);
        let payout = paid(output.validator_payouts.get(*index));
        comparison.equal(|| name("payout"), &row.reward.0, &payout);
    }
}

/// A Q64 fraction that was rounded down, in Perbill, as results store it.
fn perbill(q64: u128) -> Option<u32> {
    let parts = q64.saturating_add(1).saturating_mul(u128::from(PERBILL)) >> 64;
    u32::try_from(parts).ok()
}

/// Why a round pays nothing.
pub(super) fn unpaid(spec: &TaskSpec, inputs: &Inputs, output: &RoundOutput) -> Option<Unpaid> {
    if !inputs.has_data {
        return Some(Unpaid::NoData);
    }
    if inputs.validator_stakes.iter().all(|stake| *stake == 0) {
        return Some(Unpaid::NoValidators);
    }
    if inputs.models.is_empty() {
        return Some(Unpaid::TooFewModels);
    }
    if !output.quorum.contains(&true) {
        return Some(Unpaid::NoQuorum);
    }
    let ranked = output.ranks.iter().flatten().count();
    (ranked < usize::from(spec.rewards.min_trainers)).then_some(Unpaid::TooFewModels)
}

#[cfg(test)]
mod tests;
