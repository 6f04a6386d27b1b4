//! What validators report.

use crate::{
    cast::{Habit, Side, Trainer, Validator},
    chance::Chance,
};
use arena_primitives::{AccountId, InfraFault, PERBILL, Round, ScoreOutcome};
use std::collections::BTreeMap;

/// A round as its validators find it.
pub(crate) struct View<'a> {
    pub(crate) chance: &'a Chance,
    pub(crate) round: Round,
    /// Deviation of one machine's measurements.
    pub(crate) own_noise: f64,
    /// Each trainer's model: whose, and its accuracy on the round's samples.
    pub(crate) truths: BTreeMap<AccountId, (&'a Trainer, f64)>,
    /// Consensus of the last settled round.
    pub(crate) last: &'a BTreeMap<AccountId, u64>,
    /// What a copier says of a trainer that it knows nothing of.
    pub(crate) guess: f64,
}

impl View<'_> {
    /// The outcome that a validator reports of a trainer's model.
    pub(crate) fn report(&self, validator: &Validator, trainer: &AccountId) -> ScoreOutcome {
        let Some((of, truth)) = self.truths.get(trainer) else {
            return ScoreOutcome::Skipped(InfraFault::Download);
        };
        if of.for_friends && validator.operator.side != of.operator.side {
            return ScoreOutcome::Skipped(InfraFault::Download);
        }
        if let (Habit::Copy, Some(raw)) = (validator.habit, self.last.get(trainer)) {
            return ScoreOutcome::Scored(*raw);
        }
        let error = self
            .chance
            .normal(("error", self.round, validator.eyes, of.mind));
        let measured = truth + self.own_noise * error;
        let is_theirs = of.operator.side == Side::Attacker;
        let said = match validator.habit {
            Habit::Honest | Habit::Jump | Habit::Withhold => measured,
            Habit::Copy => self.guess,
            Habit::Constant(score) => score,
            Habit::Lie(lie) | Habit::Favour(lie) if is_theirs => measured + lie,
            Habit::Lie(lie) if self.is_ahead(*truth, 2.0 * lie) => measured - lie,
            Habit::Lie(_) | Habit::Favour(_) => measured,
        };
        ScoreOutcome::Scored(raw(said))
    }

    /// Whether a model of this accuracy is better than the attackers' best, and by less than
    /// `reach`: lies about others cost pay and win nothing.
    fn is_ahead(&self, truth: f64, reach: f64) -> bool {
        let best = self.best(Side::Attacker);
        truth > best && truth < best + reach
    }

    /// The best accuracy of a side's models; 0 without one.
    pub(crate) fn best(&self, side: Side) -> f64 {
        let all = self.truths.values();
        let theirs = all.filter(|(trainer, _)| trainer.operator.side == side);
        theirs.map(|(_, truth)| *truth).fold(0.0, f64::max)
    }

    /// Whether a validator reveals what it has committed to.
    pub(crate) fn reveals(&self, validator: &Validator) -> bool {
        validator.habit != Habit::Withhold || self.best(Side::Attacker) >= self.best(Side::Honest)
    }
}

/// Accuracy in Perbill.
fn raw(accuracy: f64) -> u64 {
    (accuracy.clamp(0.0, 1.0) * PERBILL as f64) as u64
}
