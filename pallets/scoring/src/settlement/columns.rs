//! One model's reveals: what enters its consensus, and what is told of it.

use crate::Revealed;
use alloc::{collections::BTreeMap, vec::Vec};
use arena_math::{Listed, consensus::Consensus};
use arena_primitives::{
    Balance, InfraFault, MinerFault, ModelStatus, PERBILL, ScoreOutcome, TaskSpec,
};
use sp_runtime::Perbill;

/// What one model's validators revealed, in the panel's order.
pub(super) fn outcomes(
    reveals: &[Option<Revealed>],
    model: usize,
) -> impl Iterator<Item = Option<ScoreOutcome>> {
    reveals
        .iter()
        .map(move |reveal| reveal.as_ref()?.get(model).copied().flatten())
}

/// How an outcome enters the consensus.
pub(super) fn listed(outcome: ScoreOutcome, spec: &TaskSpec) -> Listed {
    match outcome {
        ScoreOutcome::Scored(raw) => Listed::Scored(spec.score(raw).deconstruct()),
        ScoreOutcome::Invalid(_) => Listed::Invalid,
        ScoreOutcome::Skipped(_) => Listed::Skipped,
    }
}

/// What is told of a model, by weight of what was revealed.
pub(super) struct Votes {
    scored: Vec<(u64, Balance)>,
    faults: BTreeMap<MinerFault, Balance>,
    skips: BTreeMap<InfraFault, Balance>,
}

impl Votes {
    /// Of outcomes and the say of who revealed them.
    pub(super) fn new(votes: impl Iterator<Item = (ScoreOutcome, Balance)>) -> Self {
        let mut all = Votes {
            scored: Vec::new(),
            faults: BTreeMap::new(),
            skips: BTreeMap::new(),
        };
        for (outcome, weight) in votes {
            let sum = match outcome {
                ScoreOutcome::Scored(raw) => {
                    all.scored.push((raw, weight));
                    continue;
                }
                ScoreOutcome::Invalid(fault) => all.faults.entry(fault).or_default(),
                ScoreOutcome::Skipped(fault) => all.skips.entry(fault).or_default(),
            };
            *sum = sum.saturating_add(weight);
        }
        all
    }

    /// How the model fared with this consensus.
    pub(super) fn status(&self, consensus: Option<&Consensus>) -> ModelStatus {
        let Some(consensus) = consensus else {
            return ModelStatus::Skipped(heaviest(&self.skips));
        };
        let scored = total(self.scored.iter().map(|(_, weight)| weight));
        let invalid = total(self.faults.values());
        match heaviest(&self.faults) {
            Some(fault) if consensus.q64() == 0 && invalid >= scored => ModelStatus::Invalid(fault),
            _ => ModelStatus::Scored,
        }
    }

    /// Lower weighted median of the raw values.
    pub(super) fn raw(mut self) -> Option<u64> {
        self.scored.sort_unstable();
        let total = total(self.scored.iter().map(|(_, weight)| weight));
        let mut below: Balance = 0;
        self.scored.into_iter().find_map(|(raw, weight)| {
            below = below.saturating_add(weight);
            (below >= total.saturating_sub(below)).then_some(raw)
        })
    }
}

fn total<'a>(weights: impl Iterator<Item = &'a Balance>) -> Balance {
    weights.fold(0, |sum: Balance, weight| sum.saturating_add(*weight))
}

/// The one with the most weight; of equals the first.
fn heaviest<F: Ord + Copy>(weights: &BTreeMap<F, Balance>) -> Option<F> {
    let mut best: Option<(F, Balance)> = None;
    for (fault, weight) in weights {
        if best.is_none_or(|(_, most)| *weight > most) {
            best = Some((*fault, *weight));
        }
    }
    best.map(|(fault, _)| fault)
}

/// A Q64 fraction that was rounded down, in Perbill, rounded down. One unit in its last place is
/// added first, so that a whole number of Perbill stays what it was.
pub(super) fn perbill(q64: u128) -> Perbill {
    let parts = q64.saturating_add(1).saturating_mul(u128::from(PERBILL)) >> 64;
    Perbill::from_parts(u32::try_from(parts).unwrap_or(u32::MAX))
}
