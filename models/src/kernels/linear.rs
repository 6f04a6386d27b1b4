//! `x · wᵀ + b`.

use super::{Kernels, Matrix, are_ours, flat, product, values, widened, zeros};
use crate::{ModelError, weights::Weights};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor};

/// A matrix `[out, in]`, and what is added to each row of its product.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    /// Whether the weight lies as `[in, out]`.
    is_turned: bool,
}

impl Linear {
    /// From `[out, in]`, and a bias `[out]`.
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            weight,
            bias,
            is_turned: false,
        }
    }

    /// Outputs.
    pub(crate) fn outputs(&self) -> Result<usize> {
        self.weight.dim(usize::from(self.is_turned))
    }

    /// The weight as it lies.
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// What is added.
    pub(crate) fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// With the weight as `[in, out]`, which the fast kernels read in order; not for training.
    pub(crate) fn turned(self, kernels: Kernels) -> Result<Self> {
        if self.is_turned || kernels != Kernels::Fast || !are_ours(self.weight.device()) {
            return Ok(self);
        }
        let (outer, inner) = self.weight.dims2()?;
        let turned = turned(&flat(&self.weight)?, outer, inner)?;
        Ok(Self {
            weight: Tensor::from_vec(turned, (inner, outer), &Device::Cpu)?,
            bias: self.bias,
            is_turned: true,
        })
    }

    /// `{name}.weight`, and `{name}.bias` where there is one.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        has_bias: bool,
    ) -> std::result::Result<Self, ModelError> {
        let bias = has_bias.then(|| weights.get(&format!("{name}.bias")));
        let weight = weights.get(&format!("{name}.weight"))?;
        Ok(Self::new(weight, bias.transpose()?))
    }

    /// The same in f32, for products that bf16 would round too much.
    pub(crate) fn widened(self) -> Result<Self> {
        Ok(Self {
            weight: widened(&self.weight)?,
            bias: self.bias.as_ref().map(widened).transpose()?,
            is_turned: self.is_turned,
        })
    }

    /// Rows `[n, in]` to `[n, out]`.
    pub(crate) fn apply(&self, kernels: Kernels, x: &Tensor) -> Result<Tensor> {
        if !are_ours(x.device()) {
            return self.composed(x);
        }
        let (x, weight) = (x.contiguous()?, self.weight.contiguous()?);
        let op = Affine {
            kernels,
            is_turned: self.is_turned,
        };
        match &self.bias {
            Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op),
            None => x.apply_op2(&weight, op),
        }
    }

    /// The same with candle's operations, in the type of the weight.
    pub(super) fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = self.weight.dtype();
        let weight = match self.is_turned {
            true => self.weight.clone(),
            false => self.weight.t()?,
        };
        let product = x.to_dtype(dtype)?.matmul(&weight)?;
        match &self.bias {
            Some(bias) => widened(&product)?
                .broadcast_add(&widened(bias)?)?
                .to_dtype(dtype),
            None => Ok(product),
        }
    }
}

/// Columns as rows, some of each at a time, so that both sides stay in the cache.
fn turned(values: &[f32], rows: usize, columns: usize) -> Result<Vec<f32>> {
    const SIDE: usize = 32;
    let mut out = zeros(values.len())?;
    for top in (0..rows).step_by(SIDE) {
        for left in (0..columns).step_by(SIDE) {
            for column in left..columns.min(left + SIDE) {
                for row in top..rows.min(top + SIDE) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    Ok(out)
}

struct Affine {
    kernels: Kernels,
    is_turned: bool,
}

impl Affine {
    fn forward(
        &self,
        x: (&CpuStorage, &Layout),
        w: (&CpuStorage, &Layout),
    ) -> Result<(Vec<f32>, Shape)> {
        let ((n, inner), (rows, columns)) = (x.1.shape().dims2()?, w.1.shape().dims2()?);
        let x = Matrix::new(values(x.0, x.1)?, n, inner, inner);
        let w = Matrix::new(values(w.0, w.1)?, rows, columns, columns);
        let (w, outer) = match self.is_turned {
            true => (w, columns),
            false => (w.transposed(), rows),
        };
        Ok((product(self.kernels, x, w)?, (n, outer).into()))
    }

    fn backward(&self, x: &Tensor, w: &Tensor, gradient: &Tensor) -> Result<(Tensor, Tensor)> {
        if self.is_turned {
            return Err(candle_core::Error::msg("a turned weight isn't trained"));
        }
        let ((n, inner), (outer, _)) = (x.dims2()?, w.dims2()?);
        let (xs, ws, gs) = (flat(x)?, flat(w)?, flat(gradient)?);
        let g = Matrix::new(&gs, n, outer, outer);
        let of_x = product(self.kernels, g, Matrix::new(&ws, outer, inner, inner))?;
        let of_w = product(
            self.kernels,
            g.transposed(),
            Matrix::new(&xs, n, inner, inner),
        )?;
        Ok((
            Tensor::from_vec(of_x, (n, inner), &Device::Cpu)?,
            Tensor::from_vec(of_w, (outer, inner), &Device::Cpu)?,
        ))
    }
}

impl CustomOp2 for Affine {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (out, shape) = self.forward((x, x_layout), (w, w_layout))?;
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (of_x, of_w) = self.backward(x, w, gradient)?;
        Ok((Some(of_x), Some(of_w)))
    }
}

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "linear-with-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (mut out, shape) = self.forward((x, x_layout), (w, w_layout))?;
        let bias = values(bias, bias_layout)?;
        for row in out.chunks_exact_mut(bias.len().max(1)) {
            row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
        }
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (of_x, of_w) = self.backward(x, w, gradient)?;
        let mut of_bias = zeros(bias.elem_count())?;
        for row in flat(gradient)?.chunks_exact(of_bias.len().max(1)) {
            of_bias.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
        }
        let of_bias = Tensor::from_vec(of_bias, bias.shape(), &Device::Cpu)?;
        Ok((Some(of_x), Some(of_w), Some(of_bias)))
    }
}
