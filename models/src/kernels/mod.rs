//! The arithmetic of models: operations on candle tensors with their gradients, each in one
//! pass over plain rows.
//!
//! Composed of candle's operations they take most of a pass's time on a CPU: every broadcast is
//! a strided loop of its own, forward and backward, and every square of scores lies in memory
//! as a whole.
//!
//! Everything here but [`Kernels::Fast`] matrix products, attention and losses gives the same bits
//! on every machine: sums have a fixed order, of lanes whose number is fixed; multiplications and
//! additions are never fused; `exp` and its relatives are polynomials. Wider vectors, where a machine has
//! them, compute the same IEEE operations on more lanes at a time, and threads share rows.
//!
//! On a device that has no kernel of ours each operation is composed of candle's. Matrices are
//! multiplied there in the type of the weights, f32 or bf16; everything else is f32.

mod activation;
mod add;
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
pub(crate) use add::add;
pub(crate) use attention::{Attention, attend};
pub(crate) use conv::conv2d;
pub(crate) use linear::{Linear, Turned};
pub(crate) use mean::mean;
pub(crate) use nll::{nll, nll_in_chunks};
pub(crate) use norm::{Norm, rms_norm};
pub(crate) use product::{Matrix, product};
pub(crate) use rotary::{Rotary, rotate, table as rotary_table};

use candle_core::{CpuStorage, DType, Device, Error, Layout, Result, Tensor};
use math::wide;
use rayon::prelude::*;
use std::{mem::MaybeUninit, ops::Range};

/// How matrices are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Each sum in the order of its terms; the same bits on every machine.
    Exact,
    /// As fast as this machine can.
    Fast,
}

#[cfg(test)]
thread_local! {
    /// Has this thread compose all operations, as a device would.
    pub(crate) static COMPOSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether operations on a device run by kernels of ours, and not composed of candle's.
pub(crate) fn are_ours(device: &Device) -> bool {
    #[cfg(test)]
    if COMPOSED.get() {
        return false;
    }
    device.is_cpu()
}

/// The same values in f32.
pub(crate) fn widened(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::F32)
}

/// What an allocation that failed says; [`is_starved`] finds it.
const STARVED: &str = "no memory for";
/// What the driver and cuBLAS say of one on their device.
const DEVICE_STARVED: [&str; 2] = ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"];

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

/// Numbers that one thread takes at a time.
const PART: usize = 16_384;

/// `count` numbers, made in parts of `part` by all threads: `f` is given a part's places, and
/// what it gives back makes each number from its place in the part. Both closures must be
/// `#[inline(always)]`; see [`math::wide`].
#[allow(
    unsafe_code,
    reason = "zeros that are overwritten at once take a tenth of a cheap operation's time"
)]
fn made<G: Fn(usize) -> f32>(
    count: usize,
    part: usize,
    f: impl Fn(Range<usize>) -> G + Sync,
) -> Result<Vec<f32>> {
    let mut out = room(count)?;
    let part = part.max(1);
    let fill = |(n, slots): (usize, &mut [MaybeUninit<f32>])| {
        wide!({
            let make = f(n * part..n * part + slots.len());
            for (i, slot) in slots.iter_mut().enumerate() {
                slot.write(make(i));
            }
        });
    };
    out.spare_capacity_mut()[..count]
        .par_chunks_mut(part)
        .with_min_len((PART / part).max(1))
        .enumerate()
        .for_each(fill);
    // SAFETY: each of the first `count` slots lies in one part, and was written there.
    unsafe { out.set_len(count) };
    Ok(out)
}

/// Whether an operation failed for want of memory.
pub(crate) fn is_starved(error: &Error) -> bool {
    let text = error.to_string();
    text.contains(STARVED) || DEVICE_STARVED.iter().any(|name| text.contains(name))
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
    (PART / width.max(1)).max(1)
}

#[cfg(test)]
mod composed_tests;
#[cfg(test)]
mod tests;
