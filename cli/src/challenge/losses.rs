//! Losses that a validator proves.

use anyhow::{Context, Result, anyhow, ensure};
use arena_models::{LossRow, SampleLoss, samples_proof};
use arena_primitives::{Hash, LossLeaf, ProvenLoss, SAMPLES, ScoreOutcome, drawn_samples};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

/// A loss as it is written.
pub(super) fn row(leaf: &LossLeaf) -> LossRow {
    (leaf.index, leaf.nll, leaf.tokens, leaf.bytes, leaf.correct)
}

/// What `arena-executor losses` prints.
#[derive(Debug, Deserialize)]
pub(super) struct Losses {
    model: Hash,
    roots: BTreeMap<Hash, Hash>,
    samples: u32,
    losses: Vec<LossRow>,
}

impl Losses {
    /// Reads a file; `model` is the one that they must be of.
    pub(super) fn read(path: &Path, model: Hash) -> Result<Self> {
        let text =
            fs::read(path).with_context(|| format!("can't read the losses {}", path.display()))?;
        let found: Losses = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} has no losses as `arena-executor losses` prints them",
                path.display()
            )
        })?;
        ensure!(
            found.model == model,
            "{} has the losses of {:?}, and the case is about {model:?}",
            path.display(),
            found.model
        );
        ensure!(
            usize::try_from(found.samples) == Ok(found.losses.len()),
            "{} has {} losses, not {}",
            path.display(),
            found.losses.len(),
            found.samples
        );
        Ok(found)
    }

    /// How many losses there are.
    pub(super) fn samples(&self) -> u32 {
        self.samples
    }

    /// The roots of a reveal's models, in its order. `models` are the round's, each with what the
    /// validator revealed of it; where that is not known any more, models with a root here are
    /// taken to be those that were scored.
    pub(super) fn roots(
        &self,
        models: &[Hash],
        outcomes: Option<&[Option<ScoreOutcome>]>,
    ) -> Result<Vec<Hash>> {
        let Some(outcomes) = outcomes else {
            let known = models.iter().filter_map(|model| self.roots.get(model));
            return Ok(known.copied().collect());
        };
        let drawn = models
            .iter()
            .zip(outcomes)
            .filter_map(|(model, outcome)| Some((model, (*outcome)?)));
        drawn
            .map(|(model, outcome)| match outcome {
                ScoreOutcome::Scored(_) => self.roots.get(model).copied().ok_or_else(|| {
                    anyhow!("the file has no root of {model:?}, which was scored in that round too")
                }),
                ScoreOutcome::Invalid(_) | ScoreOutcome::Skipped(_) => Ok(Hash::zero()),
            })
            .collect()
    }

    /// The losses that a jury with this draw asks for, with their places.
    pub(super) fn drawn(&self, draw: &Hash) -> Result<Vec<(u32, ProvenLoss)>> {
        let losses: Vec<SampleLoss> = self.losses.iter().copied().map(SampleLoss::from).collect();
        drawn_samples(draw, self.samples, SAMPLES)
            .into_iter()
            .map(|place| {
                let proven = proof(&losses, place)
                    .ok_or_else(|| anyhow!("there are more losses than can be proven"))?;
                Ok((place, proven))
            })
            .collect()
    }
}

/// The loss at a place with its proof.
fn proof(losses: &[SampleLoss], place: u32) -> Option<ProvenLoss> {
    let place = usize::try_from(place).ok()?;
    let loss = losses.get(place)?;
    let beside: Vec<Hash> = samples_proof(losses, place)?
        .into_iter()
        .map(Hash::from)
        .collect();
    Some(ProvenLoss {
        leaf: LossLeaf {
            index: loss.index,
            nll: loss.nll.to_bits(),
            tokens: loss.tokens,
            bytes: loss.bytes,
            correct: loss.correct,
        },
        proof: beside.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_models::samples_root;
    use arena_primitives::MinerFault;

    fn hash(byte: u8) -> Hash {
        Hash::repeat_byte(byte)
    }

    fn losses(count: u32) -> Losses {
        let line = |at: u32| (at * 2, f64::from(at).to_bits(), at, 1, at == 3);
        Losses {
            model: hash(1),
            roots: [(hash(1), hash(11)), (hash(3), hash(13))].into(),
            samples: count,
            losses: (0..count).map(line).collect(),
        }
    }

    #[test]
    fn drawn_losses_should_be_proven_under_the_root() {
        for count in [1, 2, 7, 300] {
            let given = losses(count);
            let all: Vec<SampleLoss> = given.losses.iter().copied().map(SampleLoss::from).collect();
            let root = Hash::from(samples_root(&all));
            let drawn = given.drawn(&hash(9)).unwrap();
            assert_eq!(
                drawn.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
                drawn_samples(&hash(9), count, SAMPLES)
            );
            assert!(!drawn.is_empty());
            for (place, proven) in &drawn {
                assert!(proven.is_under(&root, count, *place), "{place} of {count}");
            }
        }
    }

    #[test]
    fn roots_should_be_those_of_the_reveal_in_its_order() {
        let given = losses(2);
        let models = [hash(1), hash(2), hash(3), hash(4)];
        let scored = Some(ScoreOutcome::Scored(5));
        let invalid = Some(ScoreOutcome::Invalid(MinerFault::Config));
        let outcomes = [scored, invalid, scored, None];
        let all = given.roots(&models, Some(&outcomes)).unwrap();
        assert_eq!(all, [hash(11), Hash::zero(), hash(13)]);
        assert_eq!(given.roots(&models, None).unwrap(), [hash(11), hash(13)]);
        let missing = given.roots(&models, Some(&[scored; 4])).unwrap_err();
        assert!(missing.to_string().contains("no root of 0x0202"));
    }

    #[test]
    fn file_should_be_of_the_model_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.json");
        let (model, root) = ("11".repeat(32), "22".repeat(32));
        let text = format!(
            r#"{{"seed": "0x{root}", "model": "0x{model}", "roots": {{"0x{model}": "0x{root}"}},
                "samples": 1, "losses": [[0, 4602678819172646912, 1, 0, true]]}}"#
        );
        fs::write(&path, &text).unwrap();
        let read = Losses::read(&path, hash(0x11)).unwrap();
        assert_eq!(read.roots[&hash(0x11)], hash(0x22));
        assert_eq!(read.losses, [(0, 0.5f64.to_bits(), 1, 0, true)]);
        assert!(Losses::read(&path, hash(0x12)).is_err());
        fs::write(&path, text.replace("\"samples\": 1", "\"samples\": 2")).unwrap();
        assert!(Losses::read(&path, hash(0x11)).is_err());
    }
}
