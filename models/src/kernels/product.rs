//! Products of matrices.

use super::{Kernels, math::wide, room, zeros};
use candle_core::{Error, Result};
use rayon::prelude::*;

/// Rows and columns of the result that are computed at a time.
const TILE: usize = 4;
const PANEL: usize = 16;
/// Multiplications below which other threads aren't asked.
const SMALL: usize = 1 << 16;

/// A matrix within a slice: (i, j) is at `i · down + j · across`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    down: usize,
    across: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row, `down` numbers from one to the next.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize, down: usize) -> Self {
        Self {
            values,
            rows,
            columns,
            down,
            across: 1,
        }
    }

    /// With rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            down: self.across,
            across: self.down,
            ..self
        }
    }

    fn check(&self) -> Result<()> {
        let last = |count: usize, step: usize| count.saturating_sub(1).saturating_mul(step);
        let end = last(self.rows, self.down)
            .saturating_add(last(self.columns, self.across))
            .saturating_add(1);
        if self.rows == 0 || self.columns == 0 || end <= self.values.len() {
            return Ok(());
        }
        Err(Error::msg("a matrix reaches past its values"))
    }
}

/// `a · b` as contiguous rows, by all threads where it pays.
pub(crate) fn product(kernels: Kernels, a: Matrix<'_>, b: Matrix<'_>) -> Result<Vec<f32>> {
    let work = a.rows.saturating_mul(a.columns).saturating_mul(b.columns);
    // A thread of the pool has a share of the work already.
    let is_shared = rayon::current_thread_index().is_some();
    multiplied(kernels, a, b, work >= SMALL && !is_shared)
}

/// [`product`] by this thread alone, for callers that have shared their work already.
pub(super) fn product_alone(kernels: Kernels, a: Matrix<'_>, b: Matrix<'_>) -> Result<Vec<f32>> {
    multiplied(kernels, a, b, false)
}

fn multiplied(kernels: Kernels, a: Matrix<'_>, b: Matrix<'_>, threaded: bool) -> Result<Vec<f32>> {
    a.check()?;
    b.check()?;
    if a.columns != b.rows {
        return Err(Error::msg(format!(
            "{}×{} by {}×{}",
            a.rows, a.columns, b.rows, b.columns
        )));
    }
    let count = a.rows.saturating_mul(b.columns);
    if count == 0 || a.columns == 0 {
        return zeros(count);
    }
    match kernels {
        Kernels::Exact => exact(a, b, threaded),
        Kernels::Fast => fast(a, b, threaded),
    }
}

#[allow(
    unsafe_code,
    reason = "the matrix kernels take pointers; bounds are checked before"
)]
fn fast(a: Matrix<'_>, b: Matrix<'_>, threaded: bool) -> Result<Vec<f32>> {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let threads = rayon::current_num_threads();
    let parallelism = if !threaded || threads < 2 {
        gemm::Parallelism::None
    } else {
        gemm::Parallelism::Rayon(threads)
    };
    let mut out = room(m * n)?;
    // SAFETY: `check` holds that every element of `a` and `b` lies within their slices; `out`
    // has room for m·n numbers, and the kernel, which is not told to read them, writes each.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.values.as_ptr(),
            a.across as isize,
            a.down as isize,
            b.values.as_ptr(),
            b.across as isize,
            b.down as isize,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
        out.set_len(m * n);
    }
    Ok(out)
}

/// Each element is the sum of its terms in their order, from 0, with no term fused to the sum.
fn exact(a: Matrix<'_>, b: Matrix<'_>, threaded: bool) -> Result<Vec<f32>> {
    let (n, k) = (b.columns, b.rows);
    let panels = pack(b)?;
    let mut out = zeros(a.rows * n)?;
    let tile = |(i, out): (usize, &mut [f32])| {
        wide!({
            for (p, panel) in panels.chunks_exact(k * PANEL).enumerate() {
                multiply(a, i * TILE, panel, out, n, p * PANEL);
            }
        });
    };
    if threaded {
        out.par_chunks_mut(TILE * n).enumerate().for_each(tile);
    } else {
        out.chunks_mut(TILE * n).enumerate().for_each(tile);
    }
    Ok(out)
}

/// The columns in panels of [`PANEL`], each row after row, so that neighbours are computed
/// together.
fn pack(b: Matrix<'_>) -> Result<Vec<f32>> {
    let (n, k) = (b.columns, b.rows);
    let mut panels = zeros(n.div_ceil(PANEL) * PANEL * k)?;
    for (p, panel) in panels.chunks_exact_mut(k * PANEL).enumerate() {
        let width = PANEL.min(n - p * PANEL);
        for (row, packed) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (j, value) in packed.iter_mut().take(width).enumerate() {
                *value = b.values[row * b.down + (p * PANEL + j) * b.across];
            }
        }
    }
    Ok(panels)
}

/// At most [`TILE`] rows of `a` from `first` by a panel, into columns from `left`.
#[inline(always)]
fn multiply(
    a: Matrix<'_>,
    first: usize,
    panel: &[f32],
    out: &mut [f32],
    width: usize,
    left: usize,
) {
    let rows = out.len() / width;
    let mut sums = [[0.0f32; PANEL]; TILE];
    for (at, column) in panel.chunks_exact(PANEL).enumerate() {
        for (i, sums) in sums.iter_mut().enumerate() {
            // Rows that aren't there repeat the last one, and are dropped.
            let row = first + i.min(rows - 1);
            let factor = a.values[row * a.down + at * a.across];
            for (sum, value) in sums.iter_mut().zip(column) {
                *sum += factor * value;
            }
        }
    }
    let columns = PANEL.min(width - left);
    for (row, sums) in out.chunks_exact_mut(width).zip(&sums) {
        row[left..left + columns].copy_from_slice(&sums[..columns]);
    }
}
