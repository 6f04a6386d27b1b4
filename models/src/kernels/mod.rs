//! The arithmetic of models: operations on candle tensors with their gradients, each in one
//! pass over plain rows.
//!
//! Composed of candle's operations they take most of a pass's time on a CPU: every broadcast is
//! a strided loop of its own, forward and backward, and every square of scores lies in memory
//! as a whole.
//!
//! Everything here but [`Kernels::Fast`] matrix products gives the same bits on every machine:
//! sums have a fixed order, of lanes whose number is fixed; multiplications and additions are
//! never fused; `exp` and its relatives are polynomials. Wider vectors, where a machine has
//! them, compute the same IEEE operations on more lanes at a time, and threads share rows.

mod activation;
mod attention;
mod conv;
mod linear;
mod math;
mod mean;
mod nll;
mod norm;
mod product;
mod rotary;

pub(crate) use activation::{Activation, activate, gate};
pub(crate) use attention::{Attention, attend};
pub(crate) use conv::conv2d;
pub(crate) use linear::Linear;
pub(crate) use mean::mean;
pub(crate) use nll::{nll, nll_in_chunks};
pub(crate) use norm::{layer_norm, rms_norm};
pub(crate) use product::{Matrix, product};
pub(crate) use rotary::{Rotary, rotate, table as rotary_table};

use candle_core::{CpuStorage, Error, Layout, Result, Tensor};

/// How matrices are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Each sum in the order of its terms; the same bits on every machine.
    Exact,
    /// As fast as this machine can.
    Fast,
}

/// What an allocation that failed says; [`is_starved`] finds it.
const STARVED: &str = "no memory for";

/// Room for `count` numbers, or an error instead of an abort.
fn room(count: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(|_| Error::msg(format!("{STARVED} {count} numbers")))?;
    Ok(values)
}

fn zeros(count: usize) -> Result<Vec<f32>> {
    let mut values = room(count)?;
    values.resize(count, 0.0);
    Ok(values)
}

/// Whether an operation failed for want of memory.
pub(crate) fn is_starved(error: &Error) -> bool {
    error.to_string().contains(STARVED)
}

/// Contiguous f32 values of an operation's argument.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::msg("argument is not contiguous"))?;
    storage
        .as_slice::<f32>()?
        .get(start..end)
        .ok_or_else(|| Error::msg("layout reaches past its storage"))
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Rows that one thread takes at a time: some ten thousand numbers.
fn rows_at_a_time(width: usize) -> usize {
    (16_384 / width.max(1)).max(1)
}

#[cfg(test)]
mod tests;
