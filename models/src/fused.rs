//! Row-wise steps with their gradients, each in one pass.
//!
//! Composed of candle's operations they take most of a training step's time on a CPU: every
//! broadcast is a strided loop of its own, forward and backward.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, Device, Error, Layout, Result, Shape, Tensor,
};

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

/// `Σ aᵢ·bᵢ` in eight lanes, which a compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a.zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn largest(row: &[f32]) -> f32 {
    // Keeps a NaN, unlike `f32::max`, so that it reaches the loss and is found there.
    row.iter()
        .fold(f32::NEG_INFINITY, |max, v| if *v <= max { max } else { *v })
}

struct CausalSoftmax;

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let length = layout.shape().dim(D::Minus1)?;
        let input = values(storage, layout)?;
        let mut output = vec![0.0; input.len()];
        for (i, (row, out)) in input
            .chunks_exact(length)
            .zip(output.chunks_exact_mut(length))
            .enumerate()
        {
            let seen = i % length + 1;
            let max = largest(&row[..seen]);
            let mut total = 0.0;
            for (out, v) in out.iter_mut().zip(&row[..seen]) {
                *out = (v - max).exp();
                total += *out;
            }
            out[..seen].iter_mut().for_each(|v| *v /= total);
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad_res: &Tensor) -> Result<Option<Tensor>> {
        let length = arg.dim(D::Minus1)?;
        let (mut share, gradient) = (flat(res)?, flat(grad_res)?);
        for (share, gradient) in share
            .chunks_exact_mut(length)
            .zip(gradient.chunks_exact(length))
        {
            let mean = dot(share, gradient);
            share
                .iter_mut()
                .zip(gradient)
                .for_each(|(s, g)| *s *= g - mean);
        }
        Tensor::from_vec(share, arg.shape(), &Device::Cpu).map(Some)
    }
}

/// Softmax over the last dimension of square scores `[…, length, length]`, where a position
/// sees itself and those before.
pub(crate) fn causal_softmax(scores: &Tensor) -> Result<Tensor> {
    scores.contiguous()?.apply_op1(CausalSoftmax)
}

struct RmsNorm {
    eps: f64,
}

impl RmsNorm {
    fn scale(&self, row: &[f32]) -> f32 {
        (1.0 / (f64::from(dot(row, row)) / row.len() as f64 + self.eps).sqrt()) as f32
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
        let mut output = values(x, layout)?.to_vec();
        for row in output.chunks_exact_mut(weight.len()) {
            let scale = self.scale(row);
            row.iter_mut()
                .zip(weight)
                .for_each(|(v, w)| *v *= scale * w);
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
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
        let mut grad_weight = vec![0.0; width];
        let mut weighted = vec![0.0; width];
        for (row, gradient) in rows
            .chunks_exact_mut(width)
            .zip(gradient.chunks_exact(width))
        {
            let scale = self.scale(row);
            for i in 0..width {
                grad_weight[i] += gradient[i] * row[i] * scale;
                weighted[i] = gradient[i] * weights[i];
            }
            let pull = dot(row, &weighted) * scale * scale / width as f32;
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

/// `x / √(mean(x²) + eps) · weight` over the last dimension.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op2(weight, RmsNorm { eps })
}

struct Nll {
    targets: Vec<u32>,
}

impl CustomOp1 for Nll {
    fn name(&self) -> &'static str {
        "nll"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, classes) = layout.shape().dims2()?;
        let rows = values(storage, layout)?.chunks_exact(classes);
        let losses = rows.zip(&self.targets).map(|(row, target)| {
            let chosen = row
                .get(*target as usize)
                .ok_or_else(|| Error::msg("no such class"))?;
            let max = largest(row);
            Ok(row.iter().map(|v| (v - max).exp()).sum::<f32>().ln() - (chosen - max))
        });
        let losses = losses.collect::<Result<Vec<f32>>>()?;
        Ok((CpuStorage::F32(losses), self.targets.len().into()))
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
            row.iter_mut().for_each(|v| *v = (*v - max).exp());
            let scale = gradient / row.iter().sum::<f32>();
            row.iter_mut().for_each(|v| *v *= scale);
            row[*target as usize] -= gradient;
        }
        Tensor::from_vec(logits, arg.shape(), &Device::Cpu).map(Some)
    }
}

/// Negative log-likelihood of each row's target: logits `[n, classes]`, targets `[n]` u32.
pub(crate) fn nll(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(Nll {
        targets: targets.to_vec1()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    /// Compares a gradient with differences of the function.
    fn check(shape: &[usize], f: impl Fn(&Tensor) -> Result<Tensor>) {
        let count: usize = shape.iter().product();
        let at: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7).sin()).collect();
        let value = |x: &Tensor| {
            let out = f(x).unwrap().flatten_all().unwrap();
            let n = out.elem_count();
            let weights: Vec<f32> = (0..n).map(|i| (i as f32 * 0.9 + 1.0).cos()).collect();
            (out * Tensor::from_vec(weights, n, &Device::Cpu).unwrap())
                .unwrap()
                .sum_all()
                .unwrap()
        };
        let variable = Var::from_vec(at.clone(), shape, &Device::Cpu).unwrap();
        let gradients = value(variable.as_tensor()).backward().unwrap();
        let found = flat(gradients.get(&variable).unwrap()).unwrap();
        for i in 0..count {
            let moved = |by: f32| {
                let mut x = at.clone();
                x[i] += by;
                let x = Tensor::from_vec(x, shape, &Device::Cpu).unwrap();
                value(&x).to_scalar::<f32>().unwrap()
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (found[i] - expected).abs() < 2e-3,
                "{i}: {} {expected}",
                found[i]
            );
        }
    }

    #[test]
    fn gradients_should_equal_differences() {
        check(&[2, 5, 5], causal_softmax);
        let weight = Tensor::new(&[0.5f32, 1.5, -1.0], &Device::Cpu).unwrap();
        check(&[4, 3], |x| rms_norm(x, &weight, 1e-5));
        let x = Tensor::new(&[[0.5f32, 1.5, -1.0], [2.0, 0.1, 0.3]], &Device::Cpu).unwrap();
        check(&[3], |weight| rms_norm(&x, weight, 1e-5));
        let targets = Tensor::new(&[2u32, 0, 1], &Device::Cpu).unwrap();
        check(&[3, 4], |x| nll(x, &targets));
    }

    #[test]
    fn a_nan_should_not_vanish() {
        let logits = Tensor::new(&[[0.0f32, f32::NAN]], &Device::Cpu).unwrap();
        let targets = Tensor::new(&[0u32], &Device::Cpu).unwrap();
        assert!(nll(&logits, &targets).unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
    }
}
