//! Rotary positions.

use super::{are_ours, math::wide, room, rows_at_a_time, values, widened};
use candle_core::{CpuStorage, CustomOp1, D, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Cosines and sines for each row of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// Rows of `half` cosines, then as many of sines, by position.
    table: Arc<Vec<f32>>,
    half: usize,
    /// The table's row for each row of the batch.
    rows: Arc<Vec<u32>>,
    /// Width of a head, of which the first `2 · half` numbers turn.
    head: usize,
    /// Cosines and sines `[rows, 1, half]` on a device that has no kernel of ours.
    tensors: Option<(Tensor, Tensor)>,
}

/// A table of the angles `position · frequency` for each frequency of `frequencies`, in radians
/// per position, of `positions` positions from 0; cosines and sines are scaled.
pub(crate) fn table(frequencies: &[f32], positions: usize, scale: f32) -> Vec<f32> {
    let mut table = Vec::with_capacity(positions * frequencies.len() * 2);
    for position in 0..positions {
        // The product in f32, as the reference rounds it; its functions in f64.
        let angles = frequencies.iter().map(|f| f64::from(position as f32 * f));
        table.extend(angles.clone().map(|a| libm::cos(a) as f32 * scale));
        table.extend(angles.map(|a| libm::sin(a) as f32 * scale));
    }
    table
}

impl Rotary {
    pub(crate) fn new(
        table: Arc<Vec<f32>>,
        half: usize,
        head: usize,
        rows: Vec<u32>,
        device: &Device,
    ) -> Result<Self> {
        let mut rotary = Self {
            table,
            half,
            rows: Arc::new(rows),
            head,
            tensors: None,
        };
        if !are_ours(device) {
            rotary.tensors = Some(rotary.on(device)?);
        }
        Ok(rotary)
    }

    fn on(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let width = self.half * 2;
        let mut gathered = room(self.rows.len() * width)?;
        for row in self.rows.iter() {
            gathered.extend_from_slice(&self.table[*row as usize * width..][..width]);
        }
        let rows = Tensor::from_vec(gathered, (self.rows.len(), 1, width), device)?;
        Ok((
            rows.narrow(D::Minus1, 0, self.half)?,
            rows.narrow(D::Minus1, self.half, self.half)?,
        ))
    }

    /// [`rotate`] with candle's operations, in f32.
    pub(super) fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let (n, width) = x.dims2()?;
        let (cos, sin) = match &self.tensors {
            Some(tensors) => tensors.clone(),
            None => self.on(x.device())?,
        };
        let x = widened(x)?.reshape((n, width / self.head, self.head))?;
        let (a, b) = (
            x.narrow(D::Minus1, 0, self.half)?,
            x.narrow(D::Minus1, self.half, self.half)?,
        );
        let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        let rest = self.head - 2 * self.half;
        let turned = if rest == 0 {
            Tensor::cat(&[left, right], D::Minus1)?
        } else {
            let rest = x.narrow(D::Minus1, 2 * self.half, rest)?;
            Tensor::cat(&[left, right, rest], D::Minus1)?
        };
        turned.reshape((n, width))
    }
}

struct Rotate {
    by: Rotary,
    /// Back, as gradients turn.
    back: bool,
}

/// Turns each head of a row by its angles: as many cosines as sines.
#[inline(always)]
fn turn(row: &mut [f32], head: usize, angles: &[f32], sign: f32) {
    let half = angles.len() / 2;
    let (cos, sin) = angles.split_at(half);
    for head in row.chunks_exact_mut(head) {
        let (left, right) = head.split_at_mut(half);
        let (cos, sin, right) = (&cos[..half], &sin[..half], &mut right[..half]);
        for (i, a) in left.iter_mut().enumerate() {
            let (b, c, s) = (right[i], cos[i], sin[i] * sign);
            right[i] = b * c + *a * s;
            *a = *a * c - b * s;
        }
    }
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = layout.shape().dims2()?;
        let (half, head) = (self.by.half, self.by.head);
        if n != self.by.rows.len() || width % head != 0 || 2 * half > head {
            return Err(Error::msg("positions of another batch"));
        }
        let x = values(storage, layout)?;
        let mut output = room(x.len())?;
        output.extend_from_slice(x);
        let sign = if self.back { -1.0 } else { 1.0 };
        let rows = rows_at_a_time(width);
        output
            .par_chunks_mut((rows * width).max(1))
            .zip(self.by.rows.par_chunks(rows))
            .for_each(|(chunk, at)| {
                wide!({
                    for (i, row) in chunk.chunks_exact_mut(width).enumerate() {
                        let angles = &self.by.table[at[i] as usize * 2 * half..][..2 * half];
                        turn(row, head, angles, sign);
                    }
                });
            });
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let back = Rotate {
            by: self.by.clone(),
            back: !self.back,
        };
        gradient.contiguous()?.apply_op1(back).map(Some)
    }
}

/// Turns the first against the second half of what turns of each head of rows
/// `[n, heads · width]`.
pub(crate) fn rotate(x: &Tensor, by: &Rotary) -> Result<Tensor> {
    if !are_ours(x.device()) {
        return by.composed(x);
    }
    x.contiguous()?.apply_op1(Rotate {
        by: by.clone(),
        back: false,
    })
}
