//! How far two models are apart: the distance between their weight updates.
//!
//! Whole models and LoRA adapters are the same to it: an adapter is its product B·A, computed a
//! part at a time, so that factors in another gauge (A → GA, B → BG⁻¹) are no distance. Sums are
//! in f64 and in one order, so that every machine finds the same.

use crate::{
    Limits, ModelError, canonical_hash, inspect, is_adapter,
    sketch::{
        Adapter, Module, blame_base,
        source::{self, PART, Stored},
    },
};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Numbers of a product that one thread computes at a time.
const STRIP: usize = 1 << 12;
/// Units of a distance of 1.
const UNITS: f64 = 1e9;

/// How far two models are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// `‖ΔA − ΔB‖ / ‖ΔB‖` over all tensors in billionths, rounded down, at the most what fits;
    /// `None` where the models have other tensors.
    pub distance: Option<u32>,
    /// Whether both have the same [`canonical_hash`].
    pub same: bool,
    /// The same of each tensor, in ascending order of name; none where there is no distance.
    pub tensors: Vec<TensorDistance>,
}

/// How far two models are apart in one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorDistance {
    /// Its name in the config.
    pub name: String,
    /// Its numbers.
    pub values: u64,
    /// As in [`Comparison::distance`].
    pub distance: u32,
}

/// Compares the model or LoRA adapter in `model` with the one in `earlier`, which it is measured
/// by.
///
/// An update is what a model adds to `base`; to 0 where there is no base, or where it has no
/// tensor of the same name and shape. What an adapter doesn't name, it doesn't change. An adapter
/// and a whole model are compared where there is a base. Refuses weights that are not finite,
/// saying so where they are the earlier model's; a base that is malformed is
/// [`Fault::Data`](crate::Fault::Data). Memory is bounded whatever the size of a tensor (of an
/// adapter: by its largest factors).
pub fn compare(
    model: &Path,
    earlier: &Path,
    base: Option<&Path>,
) -> Result<Comparison, ModelError> {
    let base = base.map(source::of_base).transpose()?;
    let (one, other) = (
        Update::open(model)?,
        Update::open(earlier).map_err(of_earlier)?,
    );
    let same = canonical_hash(model)? == canonical_hash(earlier).map_err(of_earlier)?;
    let Some(common) = common(&one, &other, base.is_some()) else {
        return Ok(Comparison {
            distance: None,
            same,
            tensors: Vec::new(),
        });
    };
    let mut total = Squares::default();
    let mut tensors = Vec::new();
    for (name, values) in common {
        let before = base.as_ref().and_then(|base| base.get(&name));
        let squares = of_tensor(&one, &other, &name, values, before)?;
        total.add(squares);
        tensors.push(TensorDistance {
            name,
            values: values as u64,
            distance: squares.distance(),
        });
    }
    Ok(Comparison {
        distance: Some(total.distance()),
        same,
        tensors,
    })
}

/// An error that the other model is no reason for.
fn of_earlier(error: ModelError) -> ModelError {
    let detail = format!("the earlier model: {}", error.detail);
    ModelError::new(error.fault, detail)
}

/// What a model adds to its base.
enum Update {
    Whole(BTreeMap<String, Stored>),
    Adapter(Adapter),
}

impl Update {
    fn open(dir: &Path) -> Result<Self, ModelError> {
        if is_adapter(dir) {
            return Adapter::read(dir).map(Self::Adapter);
        }
        let checked = inspect::check(dir, None, &Limits::unlimited())?;
        source::of(&checked).map(Self::Whole)
    }

    fn is_adapter(&self) -> bool {
        matches!(self, Self::Adapter(_))
    }

    fn names(&self) -> Vec<&String> {
        match self {
            Self::Whole(tensors) => tensors.keys().collect(),
            Self::Adapter(adapter) => adapter.modules.keys().collect(),
        }
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Whole(tensors) => Some(tensors.get(name)?.shape.clone()),
            Self::Adapter(adapter) => {
                let (rows, columns) = adapter.shape(adapter.modules.get(name)?);
                Some(vec![rows, columns])
            }
        }
    }

    /// The update of one tensor, which has this one in the base.
    fn of<'a>(&'a self, name: &str, before: Option<&'a Stored>) -> Result<Delta<'a>, ModelError> {
        Ok(match self {
            Self::Whole(tensors) => match tensors.get(name) {
                Some(after) => Delta::Whole {
                    after,
                    before: before.filter(|before| before.shape == after.shape),
                },
                None => Delta::Nothing,
            },
            Self::Adapter(adapter) => match adapter.modules.get(name) {
                Some(module) => Delta::Product(Product::of(adapter, module)?),
                None => Delta::Nothing,
            },
        })
    }
}

/// Names and sizes of all tensors that either one updates; `None` where they don't fit together.
fn common(one: &Update, other: &Update, has_base: bool) -> Option<Vec<(String, usize)>> {
    if one.is_adapter() != other.is_adapter() && !has_base {
        return None;
    }
    let names: BTreeSet<&String> = one.names().into_iter().chain(other.names()).collect();
    let each = |name: &String| {
        let shape = match (one.shape(name), other.shape(name)) {
            (Some(shape), Some(same)) if shape == same => shape,
            (Some(shape), None) if other.is_adapter() => shape,
            (None, Some(shape)) if one.is_adapter() => shape,
            _ => return None,
        };
        Some((name.clone(), shape.iter().product()))
    };
    names.into_iter().map(each).collect()
}

fn of_tensor(
    one: &Update,
    other: &Update,
    name: &str,
    values: usize,
    before: Option<&Stored>,
) -> Result<Squares, ModelError> {
    let one = one.of(name, before)?;
    let other = other.of(name, before).map_err(of_earlier)?;
    let mut squares = Squares::default();
    for from in (0..values).step_by(PART) {
        let count = PART.min(values - from);
        let earlier = other.read(from, count).map_err(of_earlier)?;
        squares.add_values(&one.read(from, count)?, &earlier);
    }
    Ok(squares)
}

/// Sums over the numbers of a tensor, in their order, or over tensors in order of name.
#[derive(Clone, Copy, Default)]
struct Squares {
    difference: f64,
    earlier: f64,
}

impl Squares {
    fn add_values(&mut self, one: &[f64], earlier: &[f64]) {
        for (one, earlier) in one.iter().zip(earlier) {
            let difference = one - earlier;
            self.difference += difference * difference;
            self.earlier += earlier * earlier;
        }
    }

    fn add(&mut self, more: Self) {
        self.difference += more.difference;
        self.earlier += more.earlier;
    }

    /// Two updates that are both 0 are 0 apart, and anything is as far as can be from 0.
    fn distance(self) -> u32 {
        if self.difference == 0.0 {
            return 0;
        }
        // Rounds down, and ends at what fits; so does a division by 0.
        (self.difference.sqrt() / self.earlier.sqrt() * UNITS) as u32
    }
}

/// A tensor's update, read in parts.
enum Delta<'a> {
    Nothing,
    Whole {
        after: &'a Stored,
        before: Option<&'a Stored>,
    },
    Product(Product),
}

impl Delta<'_> {
    /// `count` numbers from the one at `from`, row-major.
    fn read(&self, from: usize, count: usize) -> Result<Vec<f64>, ModelError> {
        Ok(match self {
            Self::Nothing => vec![0.0; count],
            Self::Whole { after, before } => {
                let after = after.read(from, count)?;
                let mut values: Vec<f64> = after.into_iter().map(f64::from).collect();
                if let Some(before) = before {
                    let before = before.read(from, count).map_err(blame_base)?;
                    let pairs = values.iter_mut().zip(before);
                    pairs.for_each(|(value, before)| *value -= f64::from(before));
                }
                values
            }
            Self::Product(product) => product.read_part(from, count),
        })
    }
}

/// The product of two factors.
struct Product {
    /// `[rows, rank]`.
    left: Vec<f32>,
    /// `[rank, columns]`.
    right: Vec<f32>,
    rank: usize,
    columns: usize,
    scale: f64,
}

impl Product {
    fn of(adapter: &Adapter, module: &Module) -> Result<Self, ModelError> {
        let (left, right) = adapter.factors(module)?;
        Ok(Self {
            left,
            right,
            rank: module.rank,
            columns: adapter.shape(module).1,
            scale: module.factor(),
        })
    }

    /// As [`Delta::read`], on all threads: each number is one thread's, from first to last.
    fn read_part(&self, from: usize, count: usize) -> Vec<f64> {
        let mut values = vec![0.0; count];
        let strips = values.par_chunks_mut(STRIP).enumerate();
        strips.for_each(|(strip, values)| self.fill(from + strip * STRIP, values));
        values
    }

    /// Sums over the rank, in ascending order: parts of high rank that cancel do so here as they
    /// do where the product is computed.
    fn fill(&self, mut at: usize, mut values: &mut [f64]) {
        while !values.is_empty() {
            let (row, column) = (at / self.columns, at % self.columns);
            let width = values.len().min(self.columns - column);
            let (line, rest) = values.split_at_mut(width);
            for k in 0..self.rank {
                let factor = f64::from(self.left[row * self.rank + k]) * self.scale;
                let start = k * self.columns + column;
                for (sum, value) in line.iter_mut().zip(&self.right[start..start + width]) {
                    *sum += factor * f64::from(*value);
                }
            }
            at += width;
            values = rest;
        }
    }
}
