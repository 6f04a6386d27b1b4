//! `x · wᵀ + b`.

use super::{Kernels, Matrix, are_ours, flat, product, values, widened, zeros};
use crate::{ModelError, weights::Weights};
use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Device, Error, Layout, Result, Shape, Storage, Tensor,
};
use std::ops::Range;

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
        if self.is_turned || !turns(kernels, self.weight.device()) {
            return Ok(self);
        }
        let (rows, columns) = self.weight.dims2()?;
        let mut turned = Turned::new(rows, columns)?;
        turned.push(&flat(&self.weight)?);
        Ok(Self {
            weight: turned.finish()?,
            bias: self.bias,
            is_turned: true,
        })
    }

    /// [`load`](Self::load)ed for evaluation by these kernels: [`turned`](Self::turned), without
    /// ever being there twice.
    pub(crate) fn load_turned(
        weights: &Weights,
        name: &str,
        has_bias: bool,
        kernels: Kernels,
    ) -> std::result::Result<Self, ModelError> {
        let weight = match turns(kernels, &Device::Cpu) {
            true => weights.get_turned(&format!("{name}.weight"))?,
            false => None,
        };
        let Some(weight) = weight else {
            return Ok(Self::load(weights, name, has_bias)?.turned(kernels)?);
        };
        Ok(Self {
            weight,
            bias: bias(weights, name, has_bias)?,
            is_turned: true,
        })
    }

    /// `{name}.weight`, and `{name}.bias` where there is one.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        has_bias: bool,
    ) -> std::result::Result<Self, ModelError> {
        let weight = weights.get(&format!("{name}.weight"))?;
        Ok(Self::new(weight, bias(weights, name, has_bias)?))
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

    /// Outputs `columns` of rows `[n, in]`, without what is added: `[n, columns]`, by the fast
    /// kernels.
    pub(super) fn some(&self, x: Matrix<'_>, columns: Range<usize>) -> Result<Vec<f32>> {
        let (outer, inner) = self.weight.dims2()?;
        let (storage, layout) = self.weight.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            return Err(Error::msg("a weight on another device"));
        };
        let weight = values(storage, layout)?;
        let (first, count) = (columns.start, columns.len());
        let weight = match self.is_turned {
            true => Matrix::new(&weight[first..], outer, count, inner),
            false => Matrix::new(&weight[first * inner..], count, inner, inner).transposed(),
        };
        product(Kernels::Fast, x, weight)
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

fn bias(
    weights: &Weights,
    name: &str,
    has_bias: bool,
) -> std::result::Result<Option<Tensor>, ModelError> {
    let bias = has_bias.then(|| weights.get(&format!("{name}.bias")));
    bias.transpose()
}

/// Whether these kernels want `[in, out]` on a device.
fn turns(kernels: Kernels, device: &Device) -> bool {
    kernels == Kernels::Fast && are_ours(device)
}

/// A matrix whose rows come one after the other and lie as columns.
pub(crate) struct Turned {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    /// Rows that came.
    done: usize,
}

impl Turned {
    /// Rows that are turned at a time, so that both sides stay in the cache.
    pub(crate) const SIDE: usize = 32;

    /// For so many rows of so many columns.
    pub(crate) fn new(rows: usize, columns: usize) -> Result<Self> {
        Ok(Self {
            values: zeros(rows.saturating_mul(columns))?,
            rows,
            columns,
            done: 0,
        })
    }

    /// Takes the next rows, whole ones.
    pub(crate) fn push(&mut self, values: &[f32]) {
        for block in values.chunks(Self::SIDE * self.columns.max(1)) {
            let count = (block.len() / self.columns.max(1)).min(self.rows - self.done);
            for left in (0..self.columns).step_by(Self::SIDE) {
                for column in left..self.columns.min(left + Self::SIDE) {
                    let to = &mut self.values[column * self.rows + self.done..][..count];
                    for (row, to) in to.iter_mut().enumerate() {
                        *to = block[row * self.columns + column];
                    }
                }
            }
            self.done += count;
        }
    }

    /// `[columns, rows]`, once all rows came.
    pub(crate) fn finish(self) -> Result<Tensor> {
        if self.done != self.rows {
            return Err(Error::msg("rows of a matrix are missing"));
        }
        Tensor::from_vec(self.values, (self.columns, self.rows), &Device::Cpu)
    }
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
            return Err(Error::msg("a turned weight isn't trained"));
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
