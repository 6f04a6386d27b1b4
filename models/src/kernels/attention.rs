//! Attention over sequences that lie one after the other, with no padding between them.
//!
//! Scores are computed for some queries at a time, so that the square of all positions is never
//! in memory.

use super::{
    Kernels, Matrix, are_ours, flat,
    math::{dot, exponentials, fuses, largest, tanh, wide},
    product::product_alone,
    room, values, widened, zeros,
};
use candle_core::{CpuStorage, CustomOp3, D, DType, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::{ops::Range, sync::Arc};

/// Queries that are scored at a time.
const BLOCK: usize = 128;
/// Most scores in memory at once on a device with kernels of its own; each of the steps from
/// scores to shares has as many numbers.
const DEVICE_SCORES: usize = 1 << 25;

/// Who sees whom, and how that is weighed.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads; divides the query heads.
    pub(crate) kv_heads: usize,
    /// Width of a head.
    pub(crate) width: usize,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// Scores become `cap · tanh(score / cap)`.
    pub(crate) cap: Option<f32>,
    /// Whether a position sees itself and those before, or all.
    pub(crate) causal: bool,
    /// Most positions that one sees, itself included; causal only.
    pub(crate) window: Option<usize>,
    /// Rows of each sequence.
    pub(crate) lengths: Arc<Vec<usize>>,
}

/// Some queries of one head of one sequence, and the keys that any of them sees.
struct Block {
    queries: Range<usize>,
    keys: Range<usize>,
}

impl Attention {
    /// Keys that position `i` of `length` sees.
    fn seen(&self, i: usize, length: usize) -> Range<usize> {
        if !self.causal {
            return 0..length;
        }
        let first = self
            .window
            .map_or(0, |window| (i + 1).saturating_sub(window));
        first..i + 1
    }

    fn blocks(&self, length: usize, most: usize) -> impl Iterator<Item = Block> {
        (0..length).step_by(most).map(move |start| {
            let end = (start + most).min(length);
            let last = self.seen(end - 1, length);
            Block {
                queries: start..end,
                keys: self.seen(start, length).start..last.end,
            }
        })
    }

    /// First row and length of each sequence.
    fn sequences(&self) -> Vec<(usize, usize)> {
        let mut start = 0;
        let place = |length: &usize| {
            let at = start;
            start += length;
            (at, *length)
        };
        self.lengths.iter().map(place).collect()
    }

    /// First row and length of each sequence, with each of `heads` heads.
    fn parts(&self, heads: usize) -> Vec<(usize, usize, usize)> {
        let of = |(start, length)| (0..heads).map(move |head| (start, length, head));
        self.sequences().into_iter().flat_map(of).collect()
    }

    fn rows<'a>(&self, values: &'a [f32], across: usize) -> Rows<'a> {
        Rows {
            values,
            across,
            width: self.width,
        }
    }

    fn check(&self, rows: usize, q: usize, kv: usize) -> Result<()> {
        let total: usize = self.lengths.iter().sum();
        let fits = rows == total
            && self.kv_heads > 0
            && self.heads.is_multiple_of(self.kv_heads)
            && q == self.heads * self.width
            && kv == self.kv_heads * self.width
            && self.window != Some(0);
        if fits {
            return Ok(());
        }
        Err(Error::msg("queries, keys or lengths of another shape"))
    }
}

/// Rows `[n, heads · width]` of one argument.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    across: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    /// Rows `range` of the sequence at `start`, of one head.
    fn head(&self, start: usize, range: &Range<usize>, head: usize) -> Matrix<'a> {
        let at = (start + range.start) * self.across + head * self.width;
        Matrix::new(&self.values[at..], range.len(), self.width, self.across)
    }
}

struct Attend {
    shape: Attention,
    kernels: Kernels,
}

/// The arguments of one call.
struct Call<'a> {
    attend: &'a Attend,
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
}

impl Call<'_> {
    /// Weights `[queries, keys]` of a block, and for each query the inverse of their sum; with a
    /// cap, its slope at each score if it is wanted.
    fn weigh(
        &self,
        start: usize,
        head: usize,
        block: &Block,
        length: usize,
        slopes: Option<&mut Vec<f32>>,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let shape = &self.attend.shape;
        let group = shape.heads / shape.kv_heads;
        let q = self.q.head(start, &block.queries, head);
        let k = self.k.head(start, &block.keys, head / group);
        let mut scores = product_alone(self.attend.kernels, q, k.transposed())?;
        if let (Some(slopes), Some(cap)) = (slopes, shape.cap) {
            let slope = |s: &f32| {
                let t = tanh(s * shape.scale / cap);
                1.0 - t * t
            };
            slopes.extend(scores.iter().map(slope));
        }
        let shares = match self.attend.kernels == Kernels::Fast && fuses() {
            true => wide!(self.share::<true>(&mut scores, block, length)),
            false => wide!(self.share::<false>(&mut scores, block, length)),
        };
        Ok((scores, shares))
    }

    /// Turns scores into weights, and gives for each query the inverse of their sum.
    #[inline(always)]
    fn share<const FUSED: bool>(
        &self,
        scores: &mut [f32],
        block: &Block,
        length: usize,
    ) -> Vec<f32> {
        let shape = &self.attend.shape;
        let width = block.keys.len();
        let mut shares = Vec::with_capacity(block.queries.len());
        for (i, row) in scores.chunks_exact_mut(width).enumerate() {
            let seen = shape.seen(block.queries.start + i, length);
            let (first, end) = (seen.start - block.keys.start, seen.end - block.keys.start);
            row[..first].fill(0.0);
            row[end..].fill(0.0);
            let row = &mut row[first..end];
            let scale = match shape.cap {
                None => shape.scale,
                Some(cap) => {
                    row.iter_mut()
                        .for_each(|v| *v = cap * tanh(*v * shape.scale / cap));
                    1.0
                }
            };
            let max = largest(row);
            shares.push((1.0 / exponentials::<FUSED>(row, max, scale)) as f32);
        }
        shares
    }

    /// What one head of one sequence mixes, `[length, width]`.
    fn forward(&self, start: usize, length: usize, head: usize) -> Result<Vec<f32>> {
        let shape = &self.attend.shape;
        let group = shape.heads / shape.kv_heads;
        let mut mixed = room(length * shape.width)?;
        for block in shape.blocks(length, BLOCK) {
            let (weights, shares) = self.weigh(start, head, &block, length, None)?;
            let (n, m) = (block.queries.len(), block.keys.len());
            let weights = Matrix::new(&weights, n, m, m);
            let v = self.v.head(start, &block.keys, head / group);
            let found = product_alone(self.attend.kernels, weights, v)?;
            for (row, share) in found.chunks_exact(shape.width).zip(shares) {
                mixed.extend(row.iter().map(|v| v * share));
            }
        }
        Ok(mixed)
    }

    /// Gradients of the queries of each head of a group, and of their keys and values.
    fn backward(
        &self,
        gradient: Rows<'_>,
        start: usize,
        length: usize,
        kv_head: usize,
    ) -> Result<Gradients> {
        let shape = &self.attend.shape;
        let kernels = self.attend.kernels;
        let group = shape.heads / shape.kv_heads;
        let width = shape.width;
        let mut found = Gradients {
            queries: Vec::with_capacity(group),
            keys: zeros(length * width)?,
            values: zeros(length * width)?,
        };
        for head in kv_head * group..(kv_head + 1) * group {
            let mut queries = room(length * width)?;
            for block in shape.blocks(length, BLOCK) {
                let (n, m) = (block.queries.len(), block.keys.len());
                let mut slopes = Vec::new();
                let (mut shares, totals) =
                    self.weigh(start, head, &block, length, Some(&mut slopes))?;
                for (row, share) in shares.chunks_exact_mut(m).zip(totals) {
                    row.iter_mut().for_each(|v| *v *= share);
                }
                let g = gradient.head(start, &block.queries, head);
                let v = self.v.head(start, &block.keys, kv_head);
                let mut scores = product_alone(kernels, g, v.transposed())?;
                for (row, share) in scores.chunks_exact_mut(m).zip(shares.chunks_exact(m)) {
                    let mean = dot(row, share) as f32;
                    row.iter_mut()
                        .zip(share)
                        .for_each(|(g, p)| *g = p * (*g - mean) * shape.scale);
                }
                scores.iter_mut().zip(&slopes).for_each(|(g, s)| *g *= s);
                let shares = Matrix::new(&shares, n, m, m);
                let scores = Matrix::new(&scores, n, m, m);
                let k = self.k.head(start, &block.keys, kv_head);
                let q = self.q.head(start, &block.queries, head);
                queries.extend(product_alone(kernels, scores, k)?);
                let at = block.keys.start * width;
                add(
                    &mut found.values[at..],
                    &product_alone(kernels, shares.transposed(), g)?,
                );
                add(
                    &mut found.keys[at..],
                    &product_alone(kernels, scores.transposed(), q)?,
                );
            }
            found.queries.push(queries);
        }
        Ok(found)
    }
}

struct Gradients {
    queries: Vec<Vec<f32>>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

/// Puts what one head found into its place among rows of `across` numbers.
fn scatter(found: &[f32], width: usize, to: &mut [f32], across: usize, at: usize) {
    for (row, from) in to[at..].chunks_mut(across).zip(found.chunks_exact(width)) {
        row[..width].copy_from_slice(from);
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = &self.shape;
        let ((rows, across), (_, kv)) = (q_layout.shape().dims2()?, k_layout.shape().dims2()?);
        shape.check(rows, across, kv)?;
        let call = Call {
            attend: self,
            q: shape.rows(values(q, q_layout)?, across),
            k: shape.rows(values(k, k_layout)?, kv),
            v: shape.rows(values(v, v_layout)?, kv),
        };
        let parts = shape.parts(shape.heads);
        let mixed = parts
            .par_iter()
            .map(|(start, length, head)| call.forward(*start, *length, *head))
            .collect::<Result<Vec<_>>>()?;
        let mut out = zeros(rows * across)?;
        for ((start, _, head), mixed) in parts.into_iter().zip(mixed) {
            let at = start * across + head * shape.width;
            scatter(&mixed, shape.width, &mut out, across, at);
        }
        Ok((CpuStorage::F32(out), (rows, across).into()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = &self.shape;
        let ((rows, across), (_, kv)) = (q.dims2()?, k.dims2()?);
        let (qs, ks, vs, gs) = (flat(q)?, flat(k)?, flat(v)?, flat(gradient)?);
        let call = Call {
            attend: self,
            q: shape.rows(&qs, across),
            k: shape.rows(&ks, kv),
            v: shape.rows(&vs, kv),
        };
        let parts = shape.parts(shape.kv_heads);
        let found = parts
            .par_iter()
            .map(|(start, length, head)| {
                call.backward(shape.rows(&gs, across), *start, *length, *head)
            })
            .collect::<Result<Vec<_>>>()?;
        let (mut of_q, mut of_k, mut of_v) =
            (zeros(rows * across)?, zeros(rows * kv)?, zeros(rows * kv)?);
        let (group, width) = (shape.heads / shape.kv_heads, shape.width);
        for ((start, _, head), found) in parts.into_iter().zip(found) {
            for (i, queries) in found.queries.iter().enumerate() {
                let at = start * across + (head * group + i) * width;
                scatter(queries, width, &mut of_q, across, at);
            }
            let at = start * kv + head * width;
            scatter(&found.keys, width, &mut of_k, kv, at);
            scatter(&found.values, width, &mut of_v, kv, at);
        }
        Ok((
            Some(Tensor::from_vec(of_q, q.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(of_k, k.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(of_v, v.shape(), &Device::Cpu)?),
        ))
    }
}

/// Mixes the values of what each position sees: queries `[n, heads · width]`, keys and values
/// `[n, kv_heads · width]`, to `[n, heads · width]`.
pub(crate) fn attend(
    kernels: Kernels,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    shape: &Attention,
) -> Result<Tensor> {
    if !are_ours(q.device()) {
        return composed(q, k, v, shape, DEVICE_SCORES);
    }
    let attend = Attend {
        shape: shape.clone(),
        kernels,
    };
    q.contiguous()?
        .apply_op3(&k.contiguous()?, &v.contiguous()?, attend)
}

/// The same with candle's operations, of at most `most` scores at a time: the products in the
/// type of the values, the shares in f32.
pub(super) fn composed(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    shape: &Attention,
    most: usize,
) -> Result<Tensor> {
    shape.check(q.dim(0)?, q.dim(1)?, k.dim(1)?)?;
    let dtype = v.dtype();
    let mut out = Vec::new();
    for (start, length) in shape.sequences() {
        let heads = |x: &Tensor, n: usize| {
            x.narrow(0, start, length)?
                .to_dtype(dtype)?
                .reshape((length, n, shape.width))?
                .transpose(0, 1)?
                .contiguous()
        };
        // The query heads of a group share keys.
        let group = shape.heads / shape.kv_heads;
        let shared = |x: &Tensor| {
            let x = heads(x, shape.kv_heads)?.unsqueeze(1)?;
            x.expand((shape.kv_heads, group, length, shape.width))?
                .reshape((shape.heads, length, shape.width))
        };
        let (q, k, v) = (heads(q, shape.heads)?, shared(k)?, shared(v)?);
        let queries = most / (shape.heads * length).max(1);
        for block in shape.blocks(length, queries.clamp(1, length.max(1))) {
            out.push(composed_block(&q, &k, &v, shape, &block)?);
        }
    }
    Tensor::cat(&out, 0)
}

fn composed_block(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    shape: &Attention,
    block: &Block,
) -> Result<Tensor> {
    let (n, m) = (block.queries.len(), block.keys.len());
    let q = q.narrow(1, block.queries.start, n)?.contiguous()?;
    let k = k.narrow(1, block.keys.start, m)?.contiguous()?;
    let v = v.narrow(1, block.keys.start, m)?.contiguous()?;
    let scores = widened(&q.matmul(&k.transpose(1, 2)?)?)?;
    let mut scores = match shape.cap.map(f64::from) {
        None => (scores * f64::from(shape.scale))?,
        Some(cap) => ((scores * (f64::from(shape.scale) / cap))?.tanh()? * cap)?,
    };
    if let Some(mask) = mask(shape, block, q.device())? {
        scores = scores.broadcast_add(&mask)?;
    }
    let shifted = scores
        .broadcast_sub(&scores.max_keepdim(D::Minus1)?)?
        .exp()?;
    let shares = shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?;
    shares
        .to_dtype(v.dtype())?
        .matmul(&v)?
        .transpose(0, 1)?
        .reshape((n, shape.heads * shape.width))
}

/// `[queries, keys]` of 0 where a query sees a key and −∞ elsewhere, made on the device; none
/// where all see all.
fn mask(shape: &Attention, block: &Block, device: &Device) -> Result<Option<Tensor>> {
    if !shape.causal {
        return Ok(None);
    }
    let (n, m) = (block.queries.len(), block.keys.len());
    let places = |range: &Range<usize>, after: usize| -> Vec<u32> {
        range.clone().map(|place| (place + after) as u32).collect()
    };
    let queries = Tensor::from_vec(places(&block.queries, 0), (n, 1), device)?;
    let keys = Tensor::from_vec(places(&block.keys, 0), (1, m), device)?;
    let hidden = Tensor::full(f32::NEG_INFINITY, (n, m), device)?;
    let seen = Tensor::zeros((n, m), DType::F32, device)?;
    let mut mask = keys.broadcast_gt(&queries)?.where_cond(&hidden, &seen)?;
    if let Some(window) = shape.window {
        let left = Tensor::from_vec(places(&block.keys, window), (1, m), device)?;
        mask = left.broadcast_le(&queries)?.where_cond(&hidden, &mask)?;
    }
    Ok(Some(mask))
}
