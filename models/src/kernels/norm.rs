//! Norms of rows.

use super::{
    are_ours, flat, made,
    math::{dot, sum, wide},
    room, rows_at_a_time, values, widened, zeros,
};
use crate::{ModelError, weights::Weights};
use candle_core::{CpuStorage, CustomOp2, D, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

struct RmsNorm {
    eps: f64,
}

impl RmsNorm {
    #[inline(always)]
    fn scale(&self, row: &[f32]) -> f32 {
        (1.0 / (dot(row, row) / row.len() as f64 + self.eps).sqrt()) as f32
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = values(weight, weight_layout)?;
        let x = values(x, layout)?;
        if weight.is_empty() || !x.len().is_multiple_of(weight.len()) {
            return Err(Error::msg("a norm of another width"));
        }
        let normed = made(
            x.len(),
            weight.len(),
            #[inline(always)]
            |places| {
                let row = &x[places];
                let (scale, weight) = (self.scale(row), &weight[..row.len()]);
                #[inline(always)]
                move |i| row[i] * scale * weight[i]
            },
        )?;
        Ok((CpuStorage::F32(normed), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _res: &Tensor,
        grad_res: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (mut rows, weights, gradient) = (flat(x)?, flat(weight)?, flat(grad_res)?);
        let width = weights.len();
        let mut grad_weight = zeros(width)?;
        let mut weighted = zeros(width)?;
        for (row, gradient) in rows
            .chunks_exact_mut(width)
            .zip(gradient.chunks_exact(width))
        {
            let scale = self.scale(row);
            for i in 0..width {
                grad_weight[i] += gradient[i] * row[i] * scale;
                weighted[i] = gradient[i] * weights[i];
            }
            let pull = dot(row, &weighted) as f32 * scale * scale / width as f32;
            row.iter_mut()
                .zip(&weighted)
                .for_each(|(v, g)| *v = scale * (g - *v * pull));
        }
        let grad_x = Tensor::from_vec(rows, x.shape(), &Device::Cpu)?;
        Ok((
            Some(grad_x),
            Some(Tensor::from_vec(grad_weight, width, &Device::Cpu)?),
        ))
    }
}

/// `x / √(mean(x²) + eps) · weight` over rows as wide as the weight.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if are_ours(x.device()) {
        let weight = weight.contiguous()?;
        return x.contiguous()?.apply_op2(&weight, RmsNorm { eps });
    }
    composed_rms_norm(x, weight, eps)
}

/// The same with candle's operations, in f32.
pub(super) fn composed_rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let shape = x.shape().clone();
    let x = widened(x)?.reshape(((), weight.elem_count()))?;
    let scale = ((x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?).recip()?;
    x.broadcast_mul(&scale)?
        .broadcast_mul(&widened(weight)?)?
        .reshape(shape)
}

struct LayerNorm {
    eps: f64,
}

impl candle_core::CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
        let width = weight.len();
        if bias.len() != width {
            return Err(Error::msg("a norm's weight and bias differ in width"));
        }
        let x = values(x, layout)?;
        let mut output = room(x.len())?;
        output.extend_from_slice(x);
        let chunk = rows_at_a_time(width) * width;
        output.par_chunks_mut(chunk.max(1)).for_each(|rows| {
            wide!({
                for row in rows.chunks_exact_mut(width) {
                    let mean = (sum(row) / width as f64) as f32;
                    row.iter_mut().for_each(|v| *v -= mean);
                    let scale = 1.0 / (dot(row, row) / width as f64 + self.eps).sqrt();
                    let scale = scale as f32;
                    for (i, v) in row.iter_mut().enumerate() {
                        *v = *v * scale * weight[i] + bias[i];
                    }
                }
            });
        });
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }
}

/// `(x − mean(x)) / √(var(x) + eps) · weight + bias` over the last dimension; not trained here.
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if are_ours(x.device()) {
        return x.contiguous()?.apply_op3(weight, bias, LayerNorm { eps });
    }
    composed_layer_norm(x, weight, bias, eps)
}

/// The same with candle's operations, in f32.
pub(super) fn composed_layer_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let x = widened(x)?;
    let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?
        .broadcast_mul(&widened(weight)?)?
        .broadcast_add(&widened(bias)?)
}

/// Weight and bias of a [`layer_norm`].
pub(crate) struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    /// `{name}.weight` and `{name}.bias`.
    pub(crate) fn load(weights: &Weights, name: &str) -> std::result::Result<Self, ModelError> {
        let part = |part: &str| weights.get(&format!("{name}.{part}"));
        Ok(Self {
            weight: part("weight")?,
            bias: part("bias")?,
        })
    }

    /// Norms rows.
    pub(crate) fn apply(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, eps)
    }
}
