//! Which models of a round are like earlier ones, by the sketches that were revealed, and where
//! that ranks them.

use arena_math::{
    consensus::Consensus,
    place::Place,
    sketch::{Likeness, Sketch, Sketched, Thresholds, agreed},
};
use arena_primitives::{
    AccountId, BlockNumber, EarlierModel, Hash, LikenessRule, ModelLikeness, PERBILL, RoundModel,
};
use codec::Decode;
use sp_runtime::Perbill;

/// What a validator revealed of sketches.
#[derive(Clone, Debug, Default, Decode)]
pub(super) struct Revealed {
    /// Of each of the round's models; `None` where it wasn't drawn, or could not sketch.
    pub(super) models: Vec<Option<[u8; 32]>>,
    /// Of each of the earlier models.
    pub(super) earlier: Vec<Option<[u8; 32]>>,
}

/// What is known of sketches when a round is settled.
#[derive(Clone, Debug)]
pub(super) struct Sketches {
    /// When models count as alike.
    pub(super) rule: LikenessRule,
    /// The first commitment's block of each of the round's models.
    pub(super) committed: Vec<Option<BlockNumber>>,
    /// What they are compared with, each with its first commitment's block.
    pub(super) earlier: Vec<(EarlierModel, Option<BlockNumber>)>,
    /// What each validator revealed.
    pub(super) revealed: Vec<Option<Revealed>>,
}

/// A model of the round.
#[derive(Clone, Debug)]
struct Row<'a> {
    model: &'a RoundModel,
    committed: Option<BlockNumber>,
    sketch: Option<Sketch>,
    /// What it is ranked by; `None` without consensus.
    place: Option<Place<Consensus>>,
    likeness: Option<ModelLikeness>,
}

/// A model that the round's are compared with.
struct Known<'a> {
    model: Sketched<&'a AccountId>,
    root: Hash,
    place: Place<Consensus>,
}

/// What came of a round's comparisons, in the order of its models.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// What each model is ranked by.
    pub(super) places: Vec<Option<Place<Consensus>>>,
    /// The earlier model that each one is like.
    pub(super) likeness: Vec<Option<ModelLikeness>>,
}

impl Sketches {
    /// Compares a round's models in the order of their first commitments. `says` are the
    /// validators' weights, `is_listed` tells of whom which model was revealed.
    pub(super) fn compare(
        &self,
        models: &[RoundModel],
        consensus: &[Option<Consensus>],
        says: &[u128],
        is_listed: impl Fn(usize, usize) -> bool,
    ) -> Compared {
        let earlier = self.agreed_on_earlier(says);
        let mut rows: Vec<Row<'_>> = models
            .iter()
            .enumerate()
            .map(|(index, model)| Row {
                model,
                committed: self.committed.get(index).copied().flatten(),
                sketch: self
                    .agreed_on_model(index, says, &is_listed)
                    .or_else(|| self.listed_before(&model.manifest_root, &earlier)),
                place: consensus.get(index).copied().flatten().map(Place::of),
                likeness: None,
            })
            .collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| {
            let row = rows.get(*index);
            row.map(|row| (row.committed.is_none(), row.committed, &row.model.trainer))
        });
        for index in order {
            let found = self.likeness(index, &rows, consensus, &earlier);
            if let (Some((likeness, place)), Some(row)) = (found, rows.get_mut(index)) {
                row.likeness = Some(likeness);
                row.place = Some(place);
            }
        }
        Compared {
            places: rows.iter().map(|row| row.place).collect(),
            likeness: rows.iter().map(|row| row.likeness).collect(),
        }
    }

    fn agreed_on_earlier(&self, says: &[u128]) -> Vec<Option<Sketch>> {
        let of_one = |place: usize| {
            agree(self.revealed.iter().zip(says).filter_map(|(row, say)| {
                let sketch = row.as_ref()?.earlier.get(place).copied().flatten();
                Some((sketch, *say))
            }))
        };
        (0..self.earlier.len()).map(of_one).collect()
    }

    /// Who was drawn and could not sketch it counts against every sketch.
    fn agreed_on_model(
        &self,
        model: usize,
        says: &[u128],
        is_listed: impl Fn(usize, usize) -> bool,
    ) -> Option<Sketch> {
        let rows = self.revealed.iter().zip(says).enumerate();
        let drawn = rows.filter(|(validator, _)| is_listed(*validator, model));
        agree(drawn.map(|(_, (row, say))| {
            let row = row.as_ref();
            (
                row.and_then(|row| row.models.get(model).copied().flatten()),
                *say,
            )
        }))
    }

    /// What was agreed on of the same model as one of earlier rounds.
    fn listed_before(&self, root: &Hash, agreed: &[Option<Sketch>]) -> Option<Sketch> {
        let mut listed = self.earlier.iter().zip(agreed);
        let found = listed.find(|((model, _), _)| model.manifest_root == *root);
        found.and_then(|(_, sketch)| *sketch)
    }

    /// All that have a sketch: earlier models that have no consensus in this round, by their best
    /// scores, and the round's own.
    fn known<'a>(
        &'a self,
        rows: &[Row<'a>],
        consensus: &[Option<Consensus>],
        agreed: &[Option<Sketch>],
    ) -> Vec<Known<'a>> {
        let is_scored = |root: &Hash| {
            let mut scored = rows
                .iter()
                .zip(consensus)
                .filter(|(_, score)| score.is_some());
            scored.any(|(row, _)| row.model.manifest_root == *root)
        };
        let earlier = self.earlier.iter().zip(agreed).filter_map(|(row, sketch)| {
            let (model, committed) = row;
            Some(Known {
                model: sketched(&model.trainer, *committed, *sketch)
                    .filter(|_| !is_scored(&model.manifest_root))?,
                root: model.manifest_root,
                place: Place::of(stored(model.score)?),
            })
        });
        let own = rows.iter().filter_map(|row| {
            Some(Known {
                model: sketched(&row.model.trainer, row.committed, row.sketch)?,
                root: row.model.manifest_root,
                place: row.place?,
            })
        });
        earlier.chain(own).collect()
    }

    /// The nearest of the models that this one is like, and where it ranks.
    fn likeness(
        &self,
        index: usize,
        rows: &[Row<'_>],
        consensus: &[Option<Consensus>],
        agreed: &[Option<Sketch>],
    ) -> Option<(ModelLikeness, Place<Consensus>)> {
        let rule = &self.rule;
        let thresholds = Thresholds::new(rule.match_bits.into(), rule.flag_bits.into())?;
        let row = rows.get(index)?;
        let own = sketched(&row.model.trainer, row.committed, row.sketch)?;
        let known = self.known(rows, consensus, agreed);
        let models: Vec<_> = known.iter().map(|known| known.model).collect();
        let like: Vec<(u32, &Known<'_>)> = own
            .like(&models, &thresholds)
            .into_iter()
            .filter_map(|(place, distance)| Some((distance, known.get(place)?)))
            .collect();
        let is_match = |distance| thresholds.of(distance) == Likeness::Match;
        let matched = like.iter().filter(|(distance, _)| is_match(*distance));
        let place = matched.fold(row.place?, |place, (_, other)| place.below(other.place));
        let nearest = like.iter().min_by_key(|(distance, other)| {
            (*distance, other.model.committed, other.model.operator)
        });
        let (distance, other) = nearest?;
        let likeness = ModelLikeness {
            earlier: other.root,
            distance: u16::try_from(*distance).ok()?,
            matches: is_match(*distance),
        };
        Some((likeness, place))
    }
}

/// A stored score as a fraction.
fn stored(score: Perbill) -> Option<Consensus> {
    Consensus::from_parts((score.deconstruct().into(), PERBILL.into()))
}

fn sketched(
    operator: &AccountId,
    committed: Option<BlockNumber>,
    sketch: Option<Sketch>,
) -> Option<Sketched<&AccountId>> {
    Some(Sketched {
        committed: committed?,
        operator,
        sketch: sketch?,
    })
}

/// What two thirds of the weight say; nothing where the weights can't be summed.
fn agree(votes: impl Iterator<Item = (Option<[u8; 32]>, u128)>) -> Option<Sketch> {
    let votes = votes.map(|(sketch, say)| (sketch.map(Sketch), say));
    agreed(votes).unwrap_or_default()
}
