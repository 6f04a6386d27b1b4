//! Sketches of a round's models: what validators agree on, which models are like earlier ones, and
//! where that ranks them.

use super::{
    Work,
    columns::{outcomes, perbill},
};
use crate::{
    Alike, BestEarlier, Config, EarlierModels, EarlierRow, ModelRow, RevealedSketches, Seeds,
    SketchRow, Sketches,
};
use alloc::vec::Vec;
use arena_math::{
    consensus::Consensus,
    place::Place,
    sketch::{Likeness, Sketch, Sketched, Thresholds, agreed},
};
use arena_primitives::{
    AccountId, Balance, EarlierModel, ModelLikeness, PERBILL, Round, TaskId, TaskSpec,
    traits::Rounds,
};
use core::cmp::Reverse;
use sp_core::H256;
use sp_runtime::Perbill;

/// A model that the round's are compared with.
struct Known<'a> {
    model: Sketched<&'a AccountId>,
    root: H256,
    /// Where it ranks in this round, or by its best score so far.
    place: Place<Consensus>,
}

/// A stored score as a fraction.
fn stored(score: Perbill) -> Option<Consensus> {
    Consensus::from_parts((score.deconstruct().into(), PERBILL.into()))
}

/// What a model is ranked by; `None` without consensus.
pub(super) fn place(row: &ModelRow) -> Option<Place<Consensus>> {
    let (score, copies) = row.below.or(row.consensus.map(|score| (score, 0)))?;
    Some(Place::copied(Consensus::from_parts(score)?, copies))
}

fn sketched<'a>(operator: &'a AccountId, row: &SketchRow) -> Option<Sketched<&'a AccountId>> {
    Some(Sketched {
        committed: row.committed?,
        operator,
        sketch: Sketch(row.agreed?),
    })
}

/// What is known of a model's sketch when a settlement begins. Nothing is read of tasks after
/// that, since the task may end meanwhile.
pub(super) fn unknown<T: Config>(task: TaskId, spec: &TaskSpec, root: &H256) -> SketchRow {
    let asked = spec.likeness.is_some();
    SketchRow {
        agreed: None,
        committed: asked.then(|| T::Rounds::committed_at(task, root)).flatten(),
    }
}

/// What a round's models are compared with.
pub(super) fn earlier_rows<T: Config>(
    task: TaskId,
    round: Round,
    spec: &TaskSpec,
) -> Vec<EarlierRow> {
    if spec.likeness.is_none() {
        return Vec::new();
    }
    let earlier = Seeds::<T>::get(task, round).map(|state| state.earlier);
    let row = |model: EarlierModel| EarlierRow {
        sketch: unknown::<T>(task, spec, &model.manifest_root),
        model,
    };
    earlier.into_iter().flatten().map(row).collect()
}

impl<T: Config> Work<T> {
    pub(crate) fn sketches(&mut self) -> &[Option<RevealedSketches>] {
        let (task, round) = (self.state.task, self.state.round);
        let validators = &self.state.validators;
        self.sketches.get_or_insert_with(|| {
            validators
                .iter()
                .map(|row| Sketches::<T>::get((task, round, &row.counted.operator)))
                .collect()
        })
    }

    /// Finds what validators agree on of a sketch: of the earlier models', then of the round's.
    pub(super) fn agree(&mut self, next: usize) {
        self.reveals();
        self.sketches();
        match next.checked_sub(self.state.earlier.len()) {
            None => self.agree_on_earlier(next),
            Some(model) => self.agree_on_model(model),
        }
    }

    fn agree_on_earlier(&mut self, place: usize) {
        let sketches = self.sketches.as_deref().unwrap_or_default();
        let says = self.panel.says().iter().copied();
        let votes = sketches.iter().zip(says).filter_map(|(row, say)| {
            let sketch = row.as_ref()?.earlier.get(place).copied().flatten();
            Some((sketch, say))
        });
        let agreed = self.agreed(votes);
        if let Some(row) = self.state.earlier.get_mut(place) {
            row.sketch.agreed = agreed;
        }
    }

    /// Who was drawn and could not sketch it counts against every sketch.
    fn agree_on_model(&mut self, model: usize) {
        let reveals = self.reveals.as_deref().unwrap_or_default();
        let sketches = self.sketches.as_deref().unwrap_or_default();
        let says = self.panel.says().iter().copied();
        let rows = outcomes(reveals, model).zip(sketches).zip(says);
        let votes = rows.filter_map(|((outcome, row), say)| {
            outcome?;
            let row = row.as_ref();
            let sketch = row.and_then(|row| row.models.get(model).copied().flatten());
            Some((sketch, say))
        });
        let agreed = self.agreed(votes);
        let Some(row) = self.state.models.get_mut(model) else {
            return;
        };
        let root = row.model.manifest_root;
        let mut earlier = self.state.earlier.iter();
        let listed = earlier.find(|row| row.model.manifest_root == root);
        row.sketch.agreed = agreed.or(listed.and_then(|row| row.sketch.agreed));
    }

    fn agreed(&self, votes: impl Iterator<Item = (Option<[u8; 32]>, Balance)>) -> Option<[u8; 32]> {
        let votes = votes.map(|(sketch, say)| (sketch.map(Sketch), say));
        let agreed = agreed(votes).unwrap_or_else(|error| {
            log::error!(target: "arena::scoring", "task {}: {error:?}", self.state.task);
            None
        });
        agreed.map(|sketch| sketch.0)
    }

    /// All that have a sketch: earlier models that have no consensus in this round, by their best
    /// scores, and the round's own.
    fn known(&self) -> Vec<Known<'_>> {
        let scored = |root: &H256| {
            let mut models = self.state.models.iter();
            models.any(|row| row.model.manifest_root == *root && row.consensus.is_some())
        };
        let earlier = self.state.earlier.iter().filter_map(|row| {
            let EarlierModel {
                trainer,
                manifest_root: root,
                score,
            } = &row.model;
            Some(Known {
                model: sketched(trainer, &row.sketch).filter(|_| !scored(root))?,
                root: *root,
                place: Place::of(stored(*score)?),
            })
        });
        let models = self.state.models.iter().filter_map(|row| {
            Some(Known {
                model: sketched(&row.model.trainer, &row.sketch)?,
                root: row.model.manifest_root,
                place: place(row)?,
            })
        });
        earlier.chain(models).collect()
    }

    /// The model whose first commitment is at this place of their order; those of which nothing is
    /// known come last.
    fn committed(&self, place: usize) -> Option<usize> {
        let mut order: Vec<_> = self.state.models.iter().enumerate().collect();
        order.sort_by_key(|(_, row)| {
            let committed = row.sketch.committed;
            (committed.is_none(), committed, &row.model.trainer)
        });
        order.get(place).map(|(model, _)| *model)
    }

    /// Compares a model with all that were committed to before; those have been compared.
    pub(super) fn compare(&mut self, next: usize) {
        let Some(model) = self.committed(next) else {
            return;
        };
        let found = self.likeness(model);
        let Some(row) = self.state.models.get_mut(model) else {
            return;
        };
        let Some((likeness, place)) = found else {
            return;
        };
        row.likeness = Some(likeness);
        row.below = place.map(|place| {
            let (score, copies) = place.parts();
            (score.parts(), copies)
        });
        let root = row.model.manifest_root;
        Alike::<T>::insert(self.state.task, root, likeness);
    }

    /// The nearest of the models that this one is like, and where it ranks if it matches any.
    fn likeness(&self, model: usize) -> Option<(ModelLikeness, Option<Place<Consensus>>)> {
        let rule = self.spec.likeness?;
        let thresholds = Thresholds::new(rule.match_bits.into(), rule.flag_bits.into())?;
        let row = self.state.models.get(model)?;
        let own = sketched(&row.model.trainer, &row.sketch)?;
        let known = self.known();
        let models: Vec<_> = known.iter().map(|known| known.model).collect();
        let mut nearest: Option<(u32, &Known<'_>)> = None;
        let (before, mut below) = (place(row)?, place(row)?);
        for (index, distance) in own.like(&models, &thresholds) {
            let other = known.get(index)?;
            if thresholds.of(distance) == Likeness::Match {
                below = below.below(other.place);
            }
            let order = |(distance, known): (u32, &Known<'_>)| {
                (
                    distance,
                    known.model.committed,
                    known.model.operator.clone(),
                )
            };
            if nearest.is_none_or(|found| order((distance, other)) < order(found)) {
                nearest = Some((distance, other));
            }
        }
        let (distance, other) = nearest?;
        let likeness = ModelLikeness {
            earlier: other.root,
            distance: u16::try_from(distance).ok()?,
            matches: thresholds.of(distance) == Likeness::Match,
        };
        Some((likeness, (below < before).then_some(below)))
    }

    /// Notes the best of the round's models for later rounds, but for those that match an earlier
    /// one: who copies them is near that one too. Of equal scores the earlier stays.
    pub(super) fn note_best(&self) {
        if self.spec.likeness.is_none() {
            return;
        }
        let task = self.state.task;
        let mut best = BestEarlier::<T>::get(task).into_inner();
        let listed = best.len();
        let baseline = self.spec.baseline.deconstruct();
        for (row, score) in self.state.models.iter().zip(self.consensus()) {
            let matches = row.likeness.is_some_and(|likeness| likeness.matches);
            let Some(score) = score.filter(|score| score.exceeds(baseline) && !matches) else {
                continue;
            };
            let score = perbill(score.q64());
            let root = row.model.manifest_root;
            let mut known = best.iter_mut().take(listed);
            match known.find(|known| known.manifest_root == root) {
                Some(known) => {
                    known.trainer = row.model.trainer.clone();
                    known.score = known.score.max(score);
                }
                None => best.push(EarlierModel {
                    trainer: row.model.trainer.clone(),
                    manifest_root: root,
                    score,
                }),
            }
        }
        best.sort_by_key(|model| Reverse(model.score));
        BestEarlier::<T>::insert(task, EarlierModels::truncate_from(best));
    }
}
