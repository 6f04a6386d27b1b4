//! `x · wᵀ + b`.

use super::{Kernels, Matrix, are_ours, flat, product, values, widened, zeros};
use crate::{ModelError, weights::Weights};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor};

/// A matrix `[out, in]`, and what is added to each row of its product.
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// `{name}.weight`, and `{name}.bias` where there is one.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        has_bias: bool,
    ) -> std::result::Result<Self, ModelError> {
        let bias = has_bias.then(|| weights.get(&format!("{name}.bias")));
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"))?,
            bias: bias.transpose()?,
        })
    }

    /// The same in f32, for products that bf16 would round too much.
    pub(crate) fn widened(self) -> Result<Self> {
        Ok(Self {
            weight: widened(&self.weight)?,
            bias: self.bias.as_ref().map(widened).transpose()?,
        })
    }

    /// Rows `[n, in]` to `[n, out]`.
    pub(crate) fn apply(&self, kernels: Kernels, x: &Tensor) -> Result<Tensor> {
        if !are_ours(x.device()) {
            return self.composed(x);
        }
        let (x, weight) = (x.contiguous()?, self.weight.contiguous()?);
        match &self.bias {
            Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, Affine(kernels)),
            None => x.apply_op2(&weight, Affine(kernels)),
        }
    }

    /// The same with candle's operations, in the type of the weight.
    pub(super) fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = self.weight.dtype();
        let product = x.to_dtype(dtype)?.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => widened(&product)?
                .broadcast_add(&widened(bias)?)?
                .to_dtype(dtype),
            None => Ok(product),
        }
    }
}

struct Affine(Kernels);

impl Affine {
    fn forward(
        &self,
        x: (&CpuStorage, &Layout),
        w: (&CpuStorage, &Layout),
    ) -> Result<(Vec<f32>, Shape)> {
        let ((n, inner), (outer, _)) = (x.1.shape().dims2()?, w.1.shape().dims2()?);
        let x = Matrix::new(values(x.0, x.1)?, n, inner, inner);
        let w = Matrix::new(values(w.0, w.1)?, outer, inner, inner);
        Ok((product(self.0, x, w.transposed())?, (n, outer).into()))
    }

    fn backward(&self, x: &Tensor, w: &Tensor, gradient: &Tensor) -> Result<(Tensor, Tensor)> {
        let ((n, inner), (outer, _)) = (x.dims2()?, w.dims2()?);
        let (xs, ws, gs) = (flat(x)?, flat(w)?, flat(gradient)?);
        let g = Matrix::new(&gs, n, outer, outer);
        let of_x = product(self.0, g, Matrix::new(&ws, outer, inner, inner))?;
        let of_w = product(self.0, g.transposed(), Matrix::new(&xs, n, inner, inner))?;
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
