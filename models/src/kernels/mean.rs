//! The mean of losses.

use super::values;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

struct Mean;

impl CustomOp1 for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = values(storage, layout)?;
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let mean = (sum / values.len().max(1) as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let each = gradient.to_scalar::<f32>()? / arg.elem_count().max(1) as f32;
        Tensor::full(each, arg.shape(), arg.device()).map(Some)
    }
}

/// The mean of all values, summed in f64 in their order.
pub(crate) fn mean(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Mean)
}
