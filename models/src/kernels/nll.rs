//! Losses of classes.

use super::{
    Kernels, Linear, Matrix, PART, are_ours, flat, made,
    math::{exponentials, fuses, largest, sum_of_exponentials, tanh, wide},
    room, values, widened,
};
use candle_core::{
    CpuStorage, CustomOp1, D, Device, Error, Layout, Result, Shape, Storage, Tensor,
};
use rayon::prelude::*;

/// Most logits in memory at once where a vocabulary is large.
const CHUNK_LOGITS: usize = 1 << 23;
/// Classes of a large vocabulary that are looked at together: their logits stay in a cache that
/// all cores share.
const CLASSES: usize = 1024;
/// [`CHUNK_LOGITS`] on a device with kernels of its own, which a small product leaves idle.
const DEVICE_CHUNK_LOGITS: usize = 1 << 25;

struct Nll {
    targets: Vec<u32>,
}

impl Nll {
    #[inline(always)]
    fn loss(row: &[f32], target: u32) -> Result<f32> {
        let chosen = *row
            .get(target as usize)
            .ok_or_else(|| Error::msg("no such class"))?;
        let max = largest(row);
        let total = sum_of_exponentials::<false>(row, max);
        Ok((libm::log(total) - (f64::from(chosen) - f64::from(max))) as f32)
    }
}

impl CustomOp1 for Nll {
    fn name(&self) -> &'static str {
        "nll"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, classes) = layout.shape().dims2()?;
        if n != self.targets.len() {
            return Err(Error::msg("as many targets as rows are wanted"));
        }
        let logits = values(storage, layout)?;
        let losses = logits
            .par_chunks_exact(classes)
            .zip(&self.targets)
            .map(|(row, target)| wide!(Self::loss(row, *target)));
        let losses = losses.collect::<Result<Vec<f32>>>()?;
        Ok((CpuStorage::F32(losses), n.into()))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad_res: &Tensor) -> Result<Option<Tensor>> {
        let (_, classes) = arg.dims2()?;
        let (mut logits, gradient) = (flat(arg)?, flat(grad_res)?);
        for ((row, target), gradient) in logits
            .chunks_exact_mut(classes)
            .zip(&self.targets)
            .zip(gradient)
        {
            let max = largest(row);
            let scale = (f64::from(gradient) / exponentials::<false>(row, max, 1.0)) as f32;
            row.iter_mut().for_each(|v| *v *= scale);
            row[*target as usize] -= gradient;
        }
        Tensor::from_vec(logits, arg.shape(), &Device::Cpu).map(Some)
    }
}

/// Negative log-likelihood of each row's target: logits `[n, classes]`, targets `[n]`.
pub(crate) fn nll(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    if are_ours(logits.device()) {
        return logits.contiguous()?.apply_op1(Nll {
            targets: targets.to_vec(),
        });
    }
    composed(logits, targets)
}

/// The same with candle's operations, in f32.
pub(super) fn composed(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if n != targets.len() {
        return Err(Error::msg("as many targets as rows are wanted"));
    }
    // A device would read outside of the row, or end everything.
    if targets.iter().any(|target| *target as usize >= classes) {
        return Err(Error::msg("no such class"));
    }
    let logits = widened(logits)?;
    let max = logits.max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&max)?;
    let total = shifted.exp()?.sum(D::Minus1)?.log()?;
    let targets = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
    let chosen = shifted.gather(&targets, D::Minus1)?.squeeze(D::Minus1)?;
    total - chosen
}

/// `cap · tanh(x / cap)` of each value.
struct SoftCap(f32);

impl CustomOp1 for SoftCap {
    fn name(&self) -> &'static str {
        "soft-cap"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let cap = self.0;
        let out = made(
            x.len(),
            PART,
            #[inline(always)]
            |places| {
                let x = &x[places];
                #[inline(always)]
                move |i| cap * tanh(x[i] / cap)
            },
        )?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// `cap · tanh(x / cap)` of each value.
fn capped(x: &Tensor, cap: f32) -> Result<Tensor> {
    if are_ours(x.device()) {
        return x.apply_op1(SoftCap(cap));
    }
    composed_cap(x, cap)
}

/// The same with candle's operations, in f32.
pub(super) fn composed_cap(x: &Tensor, cap: f32) -> Result<Tensor> {
    let cap = f64::from(cap);
    (widened(x)? / cap)?.tanh()? * cap
}

/// [`nll`] of the rows' products with `head`, capped where there is a cap, without ever holding
/// all logits.
pub(crate) fn nll_in_chunks(
    kernels: Kernels,
    hidden: &Tensor,
    head: &Linear,
    cap: Option<f32>,
    targets: &[u32],
) -> Result<Vec<f32>> {
    let rows = hidden.dim(0)?;
    let by_classes = kernels == Kernels::Fast && are_ours(hidden.device()) && head.bias().is_none();
    let (most, width) = match (by_classes, are_ours(hidden.device())) {
        (true, _) => (CHUNK_LOGITS, CLASSES),
        (false, true) => (CHUNK_LOGITS, head.outputs()?),
        (false, false) => (DEVICE_CHUNK_LOGITS, head.outputs()?),
    };
    let step = (most / width.max(1)).max(1);
    let mut losses = room(rows)?;
    for start in (0..rows).step_by(step) {
        let length = step.min(rows - start);
        let hidden = hidden.narrow(0, start, length)?;
        let targets = &targets[start..start + length];
        if by_classes {
            losses.extend(nll_by_classes(&hidden, head, cap, targets)?);
            continue;
        }
        let logits = head.apply(kernels, &hidden)?;
        let logits = match cap {
            None => logits,
            Some(cap) => capped(&logits, cap)?,
        };
        losses.extend(nll(&logits, targets)?.to_vec1::<f32>()?);
    }
    Ok(losses)
}

/// What is known of a row's logits after some classes.
struct Seen {
    max: f32,
    /// `Σ exp(logit − max)`.
    total: f64,
    /// The target's logit.
    chosen: f32,
}

impl Seen {
    #[inline(always)]
    fn take<const FUSED: bool>(&mut self, row: &mut [f32], cap: Option<f32>) {
        if let Some(cap) = cap {
            row.iter_mut().for_each(|v| *v = cap * tanh(*v / cap));
        }
        let max = largest(row);
        // What is not a number stays.
        let max = if max < self.max { self.max } else { max };
        if max > self.max || max.is_nan() {
            self.total *= libm::exp(f64::from(self.max) - f64::from(max));
            self.max = max;
        }
        self.total += sum_of_exponentials::<FUSED>(row, self.max);
    }
}

/// [`nll_in_chunks`] by some classes after others, of all rows at once: a row's logits are never
/// together, its sum is corrected where a later class has a larger one.
fn nll_by_classes(
    hidden: &Tensor,
    head: &Linear,
    cap: Option<f32>,
    targets: &[u32],
) -> Result<Vec<f32>> {
    let classes = head.outputs()?;
    if targets.iter().any(|target| *target as usize >= classes) {
        return Err(Error::msg("no such class"));
    }
    let (rows, width) = hidden.dims2()?;
    let hidden = hidden.contiguous()?;
    let (storage, layout) = hidden.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Error::msg("hidden states on another device"));
    };
    let x = Matrix::new(values(storage, layout)?, rows, width, width);
    let unseen = |_| Seen {
        max: f32::NEG_INFINITY,
        total: 0.0,
        chosen: 0.0,
    };
    let fuses = fuses();
    let mut seen: Vec<Seen> = (0..rows).map(unseen).collect();
    for first in (0..classes).step_by(CLASSES) {
        let count = CLASSES.min(classes - first);
        let mut logits = head.some(x, first..first + count)?;
        let each = |((row, seen), target): ((&mut [f32], &mut Seen), &u32)| {
            match fuses {
                true => wide!(seen.take::<true>(row, cap)),
                false => wide!(seen.take::<false>(row, cap)),
            }
            let place = (*target as usize).checked_sub(first);
            if let Some(chosen) = place.and_then(|place| row.get(place)) {
                seen.chosen = *chosen;
            }
        };
        logits
            .par_chunks_exact_mut(count)
            .zip(&mut seen)
            .zip(targets)
            .for_each(each);
    }
    let loss = |seen: Seen| {
        (libm::log(seen.total) - (f64::from(seen.chosen) - f64::from(seen.max))) as f32
    };
    Ok(seen.into_iter().map(loss).collect())
}
