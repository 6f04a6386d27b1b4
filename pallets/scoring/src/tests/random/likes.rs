//! The second book's view of sketches: what validators agree on, who copied whom, and what that
//! makes of the ranks.

use super::{
    book::{Duty, Line},
    *,
};
use arena_math::{RoundOutput, fixed::perbill_q64};
use arena_primitives::{ModelLikeness, hash::Domain};
use std::cmp::Reverse;

type Sketch = [u8; 32];
/// A score as Q64, and how many copies away its model is.
type Key = (u128, Reverse<u32>);

/// The sketch of a model: those of every third trainer are near each other.
pub(super) fn sketch_of(root: &H256) -> Sketch {
    let (trainer, version) = (root.0[0], root.0[31]);
    let mut sketch = arena_primitives::hash::hash(Domain::Job, &(trainer % 3)).0;
    let bits = (0..usize::from(trainer) * 4).chain(128..128 + usize::from(version) * 5);
    for bit in bits {
        sketch[bit / 8] ^= 1 << (bit % 8);
    }
    sketch
}

fn distance(a: &Sketch, b: &Sketch) -> u16 {
    let bit = |of: &Sketch, at: usize| of[at / 8] >> (at % 8) & 1;
    (0..256).filter(|at| bit(a, *at) != bit(b, *at)).count() as u16
}

/// What two thirds of the weight agree on.
fn agreed(votes: &[(Option<Sketch>, u128)]) -> Option<Sketch> {
    let all: u128 = votes.iter().map(|(_, weight)| weight).sum();
    let (sketch, _) = votes.iter().find(|(sketch, _)| {
        let same = votes.iter().filter(|(other, _)| other == sketch);
        let weight: u128 = same.map(|(_, weight)| weight).sum();
        weight > 0 && weight * 3 >= all * 2
    })?;
    *sketch
}

/// A model that others may be like.
struct Known {
    root: H256,
    trainer: AccountId,
    first: BlockNumber,
    sketch: Option<Sketch>,
    key: Option<Key>,
    /// Where it is in the round; `None` for one of earlier rounds.
    place: Option<usize>,
}

/// What was found of a round's models.
pub(super) struct Found {
    keys: Vec<Option<Key>>,
}

impl Found {
    /// Each trainer's part of the pool.
    pub(super) fn payouts(&self, case: &Case, pool: u128) -> Vec<u128> {
        let stakes: Vec<_> = case.trainers.values().copied().collect();
        let q_q64 = perbill_q64(700_000_000);
        let payouts = rules(&case.spec)
            .0
            .payouts(&self.keys, &stakes, q_q64, pool);
        payouts.expect("small stakes")
    }
}

impl Book {
    /// Each validator's sketches with its weight, of those who revealed.
    fn revealed(&self, line: &Line, whole: &RoundOutput) -> Vec<(&Fits, u128)> {
        let weights = self.stakes.keys().zip(&whole.capped_weights);
        let row = |(who, weight): (&AccountId, &u128)| {
            let bytes: &[u8; 32] = who.as_ref();
            let duty: Duty = (line.info.task, line.info.round, bytes[0]);
            let row = self
                .commits
                .get(&duty)
                .filter(|_| self.reveals.contains(&duty))?;
            Some((row.fits.as_ref()?, *weight))
        };
        weights.filter_map(row).collect()
    }

    fn known(&self, line: &Line, whole: &RoundOutput) -> Vec<Known> {
        let rows = self.revealed(line, whole);
        let first = |root: &H256| self.first[&(line.info.task, *root)];
        let mut known: Vec<Known> = Vec::new();
        for (at, model) in line.earlier.iter().enumerate() {
            let votes = rows
                .iter()
                .map(|(row, weight)| (row.sketches.earlier[at], *weight));
            let score = perbill_q64(model.score.deconstruct());
            known.push(Known {
                root: model.manifest_root,
                trainer: model.trainer.clone(),
                first: first(&model.manifest_root),
                sketch: agreed(&votes.collect::<Vec<_>>()),
                key: Some((score, Reverse(0))),
                place: None,
            });
        }
        for (at, model) in line.models.iter().enumerate() {
            let drawn = rows.iter().filter(|(row, _)| row.outcomes[at].is_some());
            let votes = drawn.map(|(row, weight)| (row.sketches.models[at], *weight));
            let agreed = agreed(&votes.collect::<Vec<_>>());
            let mut before = known.iter();
            let listed = before.position(|known| known.root == model.manifest_root);
            let sketch = agreed.or(listed.and_then(|at| known[at].sketch));
            let key = whole.consensus_q64[at].map(|score| (score, Reverse(0)));
            if let Some(at) = listed.filter(|_| key.is_some()) {
                known.remove(at);
            }
            known.push(Known {
                root: model.manifest_root,
                trainer: model.trainer.clone(),
                first: first(&model.manifest_root),
                sketch: sketch.filter(|_| key.is_some()),
                key,
                place: Some(at),
            });
        }
        known.sort_by_key(|known| (known.first, known.trainer.clone()));
        known
    }

    /// Whom a model is like, of those before it.
    fn like(known: &[Known], at: usize) -> Vec<(u16, usize)> {
        let model = &known[at];
        let Some(sketch) = model.sketch else {
            return Vec::new();
        };
        let mut like = Vec::new();
        for (place, other) in known[..at].iter().enumerate() {
            let same_time = (other.first, &other.trainer) == (model.first, &model.trainer);
            let Some(theirs) = other.sketch.filter(|_| !same_time) else {
                continue;
            };
            let near = distance(&sketch, &theirs);
            let had = known[..place].iter().any(|own| {
                let own_sketch = own.sketch.filter(|_| own.trainer == model.trainer);
                own_sketch.is_some_and(|own| distance(&own, &theirs) <= near.max(13))
            });
            if other.trainer != model.trainer && near <= 38 && !had {
                like.push((near, place));
            }
        }
        like
    }

    /// Compares what the chain found of a settled round, and notes its best models.
    pub(super) fn compare(&mut self, line: &Line, whole: &RoundOutput) -> Found {
        let (task, round) = (line.info.task, line.info.round);
        let result = Scoring::result(task, round).expect("is settled");
        let mut known = self.known(line, whole);
        let mut keys = vec![None; line.models.len()];
        let mut copies = BTreeSet::new();
        for at in 0..known.len() {
            let Some(place) = known[at].place else {
                continue;
            };
            let like = Self::like(&known, at);
            for (_, earlier) in like.iter().filter(|(near, _)| *near <= 13) {
                let (score, Reverse(away)) = known[*earlier].key.expect("has a sketch");
                let below = Some((score, Reverse(away + 1)));
                known[at].key = known[at].key.min(below);
            }
            let nearest = like.iter().min().map(|(near, earlier)| ModelLikeness {
                earlier: known[*earlier].root,
                distance: *near,
                matches: *near <= 13,
            });
            assert_eq!(result.models[place].likeness, nearest);
            if let Some(found) = nearest {
                self.count(if found.matches { "match" } else { "flag" }, true);
                copies.extend(found.matches.then_some(known[at].root));
            }
            keys[place] = known[at].key.filter(|_| whole.ranks[place].is_some());
        }
        self.note_best(line, whole, &copies);
        Found { keys }
    }

    fn note_best(&mut self, line: &Line, whole: &RoundOutput, copies: &BTreeSet<H256>) {
        let best = self.best.entry(line.info.task).or_default();
        for (model, score) in line.models.iter().zip(&whole.consensus_q64) {
            let parts = score.map(|score| (((score + 1) * 1_000_000_000) >> 64) as u32);
            // Exactly the baseline is not above it.
            let above = score.is_some_and(|score| score > perbill_q64(100_000_000));
            let Some(parts) = parts.filter(|_| above && !copies.contains(&model.manifest_root))
            else {
                continue;
            };
            let score = Perbill::from_parts(parts);
            match best
                .iter_mut()
                .find(|row| row.manifest_root == model.manifest_root)
            {
                Some(row) => row.score = row.score.max(score),
                None => best.push(EarlierModel {
                    trainer: model.trainer.clone(),
                    manifest_root: model.manifest_root,
                    score,
                }),
            }
        }
        best.sort_by_key(|model| Reverse(model.score));
        best.truncate(16);
    }
}
