//! A mark in an adapter: the smallest change of its factors B that moves all sums.
//!
//! With A as it is, the sum of bit k is linear in B: its slope at the row of an output is
//! s·Σ ±(column of A) over the bit's places in that row. The smallest change of B by which every
//! sum moves as it is to is a combination of the 256 slopes, which 256 equations give.

use super::{
    BITS,
    embed::{Goal, refuse},
    number,
    places::Place,
    reading::Reading,
    update::{self, Carrier},
};
use crate::{
    ModelError,
    sketch::{Adapter, Module, SCALE_BITS},
};
use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt};

/// What equations that say the same are told apart by, relative to the largest.
const LEAST_PIVOT: f64 = 1e-9;

type Square = Vec<[f64; BITS]>;

/// A module whose matrix carries a part of the mark.
struct Part<'a> {
    module: &'a Module,
    /// Columns of A, one after the other.
    columns: Vec<f64>,
    /// B, row by row.
    b: Vec<f32>,
    /// Mean square of B: modules change in proportion to what they are.
    weight: f64,
    scale: f64,
    /// Bits with their places' signs and inputs, by output.
    rows: BTreeMap<usize, Vec<(usize, f64, usize)>>,
}

/// Moves the sums of an adapter's update.
pub(super) fn write(adapter: &Adapter, reading: &Reading, goal: &Goal) -> Result<(), ModelError> {
    let mut parts = Vec::new();
    for carrier in &reading.carriers {
        let places = &reading.places[carrier.range(&reading.places)];
        if let Some(module) = adapter.modules.get(&carrier.name) {
            parts.push(Part::new(module, adapter.transposed, carrier, places)?);
        }
    }
    let mut products = vec![[0.0; BITS]; BITS];
    for part in &parts {
        for row in part.rows.keys() {
            part.add_products(*row, &mut products);
        }
    }
    let one = (1u64 << 40) as f64;
    let combination = solve(products, goal.moves.map(|to| to / one))
        .ok_or_else(|| refuse("the factors have too few numbers to carry a mark".into()))?;
    parts.iter().try_for_each(|part| part.write(&combination))
}

impl<'a> Part<'a> {
    fn new(
        module: &'a Module,
        transposed: bool,
        carrier: &Carrier,
        places: &[Place],
    ) -> Result<Self, ModelError> {
        let a = module.a.read(0, module.a.len())?;
        let column = |input| a.iter().skip(input).step_by(module.inputs);
        let columns = (0..module.inputs).flat_map(column).map(|v| f64::from(*v));
        let b = module.b.read(0, module.b.len())?;
        let squares: f64 = b.iter().map(|v| f64::from(*v).powi(2)).sum();
        let mut rows: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for place in places {
            let (output, input) = update::output_and_input(carrier, place, transposed);
            let sign = place.signed(1.0);
            rows.entry(output)
                .or_default()
                .push((place.index(), sign, input));
        }
        Ok(Self {
            columns: columns.collect(),
            weight: squares / b.len().max(1) as f64,
            scale: module.scale as f64 / (1u64 << SCALE_BITS) as f64,
            module,
            b,
            rows,
        })
    }

    /// The slope of each bit's sum at a row of B, where it has any.
    fn slopes(&self, row: usize) -> BTreeMap<usize, Vec<f64>> {
        let rank = self.module.rank;
        let mut slopes = BTreeMap::new();
        for (bit, sign, input) in self.rows.get(&row).into_iter().flatten() {
            let slope = slopes.entry(*bit).or_insert_with(|| vec![0.0; rank]);
            let column = self.columns.iter().skip(input * rank);
            for (to, a) in slope.iter_mut().zip(column) {
                *to += sign * a * self.scale;
            }
        }
        slopes
    }

    /// Adds what a row has of the slopes' products with each other.
    fn add_products(&self, row: usize, products: &mut Square) {
        let slopes = self.slopes(row);
        for (k, one) in &slopes {
            for (l, other) in slopes.range(..=k) {
                let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
                products[*k][*l] += self.weight * product;
            }
        }
    }

    /// Adds the combination of slopes to B in its file.
    fn write(&self, combination: &[f64; BITS]) -> Result<(), ModelError> {
        let tensor = &self.module.b;
        let io = |e: std::io::Error| ModelError::io(tensor.path(), &e);
        let file = File::options()
            .write(true)
            .open(tensor.path())
            .map_err(io)?;
        let rank = self.module.rank;
        for row in self.rows.keys() {
            let first = row * rank;
            let mut values: Vec<f64> = self.b[first..first + rank]
                .iter()
                .map(|v| f64::from(*v))
                .collect();
            for (bit, slope) in self.slopes(*row) {
                for (value, slope) in values.iter_mut().zip(slope) {
                    *value += self.weight * combination[bit] * slope;
                }
            }
            let bytes: Vec<u8> = values
                .into_iter()
                .flat_map(|v| number::bytes(number::nearest(v, tensor.dtype), tensor.dtype))
                .collect();
            file.write_all_at(&bytes, tensor.offset(first))
                .map_err(io)?;
        }
        file.sync_all().map_err(io)
    }
}

/// Solves `matrix`·x = `right` for a symmetric matrix of which the lower half is given, by
/// Cholesky's decomposition; `None` where it has no inverse.
fn solve(mut matrix: Square, right: [f64; BITS]) -> Option<[f64; BITS]> {
    let largest = (0..BITS).map(|k| matrix[k][k]).fold(0.0, f64::max);
    for k in 0..BITS {
        for l in 0..=k {
            let known: f64 = (0..l).map(|i| matrix[k][i] * matrix[l][i]).sum();
            let rest = matrix[k][l] - known;
            matrix[k][l] = match l == k {
                true if rest > LEAST_PIVOT * largest => rest.sqrt(),
                true => return None,
                false => rest / matrix[l][l],
            };
        }
    }
    let mut x = right;
    for k in 0..BITS {
        let known: f64 = (0..k).map(|i| matrix[k][i] * x[i]).sum();
        x[k] = (x[k] - known) / matrix[k][k];
    }
    for k in (0..BITS).rev() {
        let known: f64 = (k + 1..BITS).map(|i| matrix[i][k] * x[i]).sum();
        x[k] = (x[k] - known) / matrix[k][k];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solve_should_find_what_gives_the_right_side() {
        let entry = |k: usize, l: usize| match k == l {
            true => 300.0,
            false => (((k + 1) * (l + 1)) % 7) as f64 / 7.0,
        };
        let mut matrix = vec![[0.0; BITS]; BITS];
        for (k, row) in matrix.iter_mut().enumerate() {
            for (l, value) in row.iter_mut().enumerate().take(k + 1) {
                *value = entry(k, l);
            }
        }
        let right = std::array::from_fn(|k| k as f64 - 100.0);
        let x = solve(matrix, right).unwrap();
        for (k, wanted) in right.iter().enumerate() {
            let found: f64 = (0..BITS).map(|l| entry(k, l) * x[l]).sum();
            assert!((found - wanted).abs() < 1e-9, "{k}: {found}");
        }
        assert!(solve(vec![[1.0; BITS]; BITS], right).is_none());
    }
}
