//! The update of a model whose weights are whole: W − W₀.

use super::{
    BITS, Seed,
    probe::{self, Part, Probes, Sums},
    source::{PART, Stored},
};
use crate::{Fault, ModelError};
use std::collections::BTreeMap;

/// Columns that a row counts for at least where memory is bounded.
const NARROW: usize = 64;

/// Sums of all probes over `model` less `base`.
pub(super) fn sums(
    model: &BTreeMap<String, Stored>,
    base: Option<&BTreeMap<String, Stored>>,
    seed: &Seed,
) -> Result<Sums, ModelError> {
    if let Some(base) = base {
        check_same_tensors(model, base)?;
    }
    let mut total = [0; BITS];
    for (name, tensor) in model {
        let before = base.and_then(|base| base.get(name));
        let Some((rows, columns)) = tensor.matrix() else {
            check_finite(tensor)?;
            continue;
        };
        let probes = Probes::new(seed, name, rows, columns);
        for Rectangle {
            row,
            column,
            height,
            width,
        } in rectangles(rows, columns)
        {
            let (from, count) = (row * columns + column, height * width);
            let mut values = tensor.read_fixed(from, count)?;
            if let Some(before) = before {
                let old = before.read_fixed(from, count).map_err(super::blame_base)?;
                values
                    .iter_mut()
                    .zip(old)
                    .for_each(|(new, old)| *new -= old);
            }
            let part = Part {
                values: &values,
                width,
                first_row: row,
                first_column: column,
            };
            total = probe::added(total, probes.bilinear(&part));
        }
    }
    Ok(total)
}

/// Reads a tensor for its NaNs alone, which make a model's sketch and mark void wherever they
/// are.
pub(crate) fn check_finite(tensor: &Stored) -> Result<(), ModelError> {
    for from in (0..tensor.len()).step_by(PART) {
        tensor.read(from, PART.min(tensor.len() - from))?;
    }
    Ok(())
}

/// Refuses a model that has other tensors than `base`.
pub(crate) fn check_same_tensors(
    model: &BTreeMap<String, Stored>,
    base: &BTreeMap<String, Stored>,
) -> Result<(), ModelError> {
    let refuse = |detail: String| Err(ModelError::new(Fault::Config, detail));
    for (name, tensor) in model {
        match base.get(name) {
            None => return refuse(format!("tensor {name:?} is not one of the base")),
            Some(before) if before.shape != tensor.shape => {
                return refuse(format!(
                    "tensor {name:?} has shape {:?}, {:?} in the base",
                    tensor.shape, before.shape
                ));
            }
            Some(_) => {}
        }
    }
    match base.keys().find(|name| !model.contains_key(*name)) {
        Some(name) => refuse(format!("tensor {name:?} of the base is missing")),
        None => Ok(()),
    }
}

/// Whole rows, or a part of one row that starts at a multiple of 256.
struct Rectangle {
    row: usize,
    column: usize,
    height: usize,
    width: usize,
}

/// Divides a matrix into parts of at most [`PART`] values.
fn rectangles(rows: usize, columns: usize) -> impl Iterator<Item = Rectangle> {
    // However few its columns, a row has signs for 256 probes in memory.
    let height = (PART / columns.max(NARROW)).max(1);
    let width = if columns > PART { PART } else { columns.max(1) };
    (0..rows).step_by(height).flat_map(move |row| {
        (0..columns).step_by(width).map(move |column| Rectangle {
            row,
            column,
            height: height.min(rows - row),
            width: width.min(columns - column),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_should_cover_a_matrix_once_in_bounded_parts() {
        for (rows, columns) in [
            (0, 5),
            (5, 0),
            (1, 1),
            (3, PART + 65),
            (100_000, 27),
            (700, 4_096),
        ] {
            let mut next = 0;
            for r in rectangles(rows, columns) {
                assert_eq!(r.row * columns + r.column, next, "{rows} {columns}");
                assert!(r.height == 1 || r.width == columns);
                assert!(r.height * r.width <= PART && r.column.is_multiple_of(256));
                next += r.height * r.width;
            }
            assert_eq!(next, rows * columns);
        }
    }
}
