//! Logs in memory, and what forgers do to them.

use anyhow::{Context, Result};
use arena_models::train::registered::{LogLeaf, Segment, object};
use arena_primitives::{Hash, Sampling, drawn_segments};
use std::{collections::BTreeSet, fs, path::Path, rc::Rc};

/// Both files of a checkpoint.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) weights: Vec<u8>,
    pub(crate) optimizer: Vec<u8>,
}

/// A log with its checkpoints.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) leaves: Vec<LogLeaf>,
    pub(crate) states: Vec<Rc<State>>,
    /// Segments that weren't trained as their leaves say.
    pub(crate) forged: BTreeSet<u32>,
}

impl Log {
    pub(crate) fn read(dir: &Path, leaves: Vec<LogLeaf>) -> Result<Self> {
        let state = |leaf: &LogLeaf| -> Result<_> {
            Ok(Rc::new(State {
                weights: fs::read(object(dir, &leaf.weights))?,
                optimizer: fs::read(object(dir, &leaf.optimizer))?,
            }))
        };
        Ok(Self {
            states: leaves.iter().map(state).collect::<Result<_>>()?,
            leaves,
            forged: BTreeSet::new(),
        })
    }

    pub(crate) fn segment(&self, at: u32) -> Segment {
        Segment {
            from: self.leaves[at as usize],
            to: self.leaves[at as usize + 1],
        }
    }

    /// The segments that the chain draws.
    pub(crate) fn drawn(&self, seed: &[u8; 32], sampling: Sampling) -> Vec<u32> {
        let leaves: Vec<_> = (self.leaves.iter())
            .map(|leaf| arena_primitives::LogLeaf {
                step: leaf.step,
                weights: leaf.weights,
                optimizer: leaf.optimizer,
                update: leaf.update,
            })
            .collect();
        drawn_segments(&Hash::from(*seed), &leaves, sampling)
    }

    /// Puts another state in the place of leaf `at`.
    pub(crate) fn put(&mut self, at: usize, state: State) {
        self.leaves[at].weights = *blake3::hash(&state.weights).as_bytes();
        self.leaves[at].optimizer = *blake3::hash(&state.optimizer).as_bytes();
        self.states[at] = Rc::new(state);
    }

    /// Commits to true norms of the updates of segments.
    pub(crate) fn measure(&mut self, segments: impl IntoIterator<Item = u32>) -> Result<()> {
        for at in segments {
            let at = at as usize;
            let before = numbers(&self.states[at].weights)?;
            let after = numbers(&self.states[at + 1].weights)?;
            let squares: f64 = before
                .iter()
                .zip(&after)
                .map(|(a, b)| (f64::from(*b) - f64::from(*a)).powi(2))
                .sum();
            self.leaves[at + 1].update = (squares.sqrt() * (1u64 << 32) as f64) as u64;
        }
        Ok(())
    }

    /// Marks segments as forged.
    pub(crate) fn forge(&mut self, segments: impl IntoIterator<Item = u32>) {
        self.forged.extend(segments);
    }

    /// Commits to a norm of nothing for each forged segment, so that none is drawn for its large
    /// update.
    pub(crate) fn understate(&mut self) {
        for at in &self.forged {
            self.leaves[*at as usize + 1].update = 1;
        }
    }
}

fn data_start(file: &[u8]) -> Result<usize> {
    let length = file.first_chunk::<8>().context("no header")?;
    Ok(8 + u64::from_le_bytes(*length) as usize)
}

/// The numbers of a checkpoint's file.
fn numbers(file: &[u8]) -> Result<Vec<f32>> {
    let data = file.get(data_start(file)?..).context("no numbers")?;
    let (values, _) = data.as_chunks();
    Ok(values.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// The file with other numbers.
fn with_numbers(file: &[u8], values: impl Iterator<Item = f32>) -> Result<Vec<u8>> {
    let mut bytes = file[..data_start(file)?].to_vec();
    bytes.extend(values.flat_map(f32::to_le_bytes));
    Ok(bytes)
}

impl State {
    /// A point on the line to another state.
    pub(crate) fn towards(&self, other: &Self, share: f32) -> Result<Self> {
        let between = |a: &[u8], b: &[u8]| {
            let (from, to) = (numbers(a)?, numbers(b)?);
            let point = |(x, y): (&f32, &f32)| x + (y - x) * share;
            with_numbers(a, from.iter().zip(&to).map(point))
        };
        Ok(Self {
            weights: between(&self.weights, &other.weights)?,
            optimizer: between(&self.optimizer, &other.optimizer)?,
        })
    }

    /// With other weights.
    pub(crate) fn with_weights(&self, weights: &[u8]) -> Self {
        Self {
            weights: weights.to_vec(),
            optimizer: self.optimizer.clone(),
        }
    }

    /// With uniform noise of at most `size` on each weight.
    pub(crate) fn noised(&self, size: f32, chance: &mut Chance) -> Result<Self> {
        let values = numbers(&self.weights)?;
        let noised = values.iter().map(|v| v + size * chance.signed());
        let weights = with_numbers(&self.weights, noised)?;
        Ok(self.with_weights(&weights))
    }
}

/// Draws of a forger.
pub(crate) struct Chance(blake3::OutputReader);

impl Chance {
    pub(crate) fn new(name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(name.as_bytes());
        Self(hasher.finalize_xof())
    }

    fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Below `bound`; uneven by 2⁻⁵⁰ at the most.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound.max(1) as u64) as usize
    }

    /// In −1 to 1.
    fn signed(&mut self) -> f32 {
        ((self.word() >> 40) as f32 / (1u32 << 23) as f32) - 1.0
    }
}
