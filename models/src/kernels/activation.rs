//! Activations.

use super::{
    are_ours,
    math::{exp, sigmoid, tanh, wide},
    room, values, widened,
};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

const CHUNK: usize = 16_384;
/// √(2/π).
const ROOT: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// What stands between two matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x·σ(x).
    Silu,
    /// GELU by its approximation with tanh.
    GeluTanh,
    /// GELU by the error function.
    Gelu,
    /// max(0, x).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Silu => x * sigmoid(x),
            Self::GeluTanh => 0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * x * x * x))),
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            // A NaN stays one.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Tanh => tanh(x),
        }
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            Self::GeluTanh => {
                let t = tanh(ROOT * (x + CUBIC * x * x * x));
                let inner = ROOT * (1.0 + 3.0 * CUBIC * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
            }
            Self::Gelu => {
                let share = 0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2));
                // The normal density.
                share + x * 0.398_942_3 * exp(-0.5 * x * x)
            }
            Self::Relu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Tanh => {
                let t = tanh(x);
                1.0 - t * t
            }
        }
    }

    /// One loop for each kind: a choice within a loop would keep it from using vectors.
    fn map(self, x: &[f32], f: impl Fn(Self, f32, usize) -> f32 + Sync) -> Result<Vec<f32>> {
        let mut out = room(x.len())?;
        out.extend_from_slice(x);
        out.par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(i, chunk)| {
                let at = i * CHUNK;
                wide(|| match self {
                    Self::Silu => run(chunk, at, |x, i| f(Self::Silu, x, i)),
                    Self::GeluTanh => run(chunk, at, |x, i| f(Self::GeluTanh, x, i)),
                    Self::Gelu => run(chunk, at, |x, i| f(Self::Gelu, x, i)),
                    Self::Relu => run(chunk, at, |x, i| f(Self::Relu, x, i)),
                    Self::Tanh => run(chunk, at, |x, i| f(Self::Tanh, x, i)),
                });
            });
        Ok(out)
    }
}

#[inline(always)]
fn run(chunk: &mut [f32], at: usize, f: impl Fn(f32, usize) -> f32) {
    for (i, v) in chunk.iter_mut().enumerate() {
        *v = f(*v, at + i);
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = self.map(values(storage, layout)?, |kind, x, _| kind.value(x))?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (x, g) = (super::flat(arg)?, super::flat(gradient)?);
        let out = self.map(&x, |kind, x, i| kind.slope(x) * g[i])?;
        Tensor::from_vec(out, arg.shape(), &Device::Cpu).map(Some)
    }
}

struct Gate(Activation);

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let up = values(up, up_layout)?;
        let gate = values(gate, layout)?;
        if up.len() != gate.len() {
            return Err(candle_core::Error::msg("a gate of another width"));
        }
        let mut out = room(gate.len())?;
        out.extend_from_slice(gate);
        let each = |(chunk, up): (&mut [f32], &[f32])| {
            wide(|| match self.0 {
                Activation::Silu => close(chunk, up, |x| Activation::Silu.value(x)),
                Activation::GeluTanh => close(chunk, up, |x| Activation::GeluTanh.value(x)),
                other => close(chunk, up, |x| other.value(x)),
            });
        };
        out.par_chunks_mut(CHUNK)
            .zip(up.par_chunks(CHUNK))
            .for_each(each);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (x, u, g) = (super::flat(gate)?, super::flat(up)?, super::flat(gradient)?);
        let of_gate = self.0.map(&x, |kind, x, i| kind.slope(x) * u[i] * g[i])?;
        let of_up = self.0.map(&x, |kind, x, i| kind.value(x) * g[i])?;
        Ok((
            Some(Tensor::from_vec(of_gate, gate.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(of_up, up.shape(), &Device::Cpu)?),
        ))
    }
}

#[inline(always)]
fn close(chunk: &mut [f32], up: &[f32], f: impl Fn(f32) -> f32) {
    for (v, u) in chunk.iter_mut().zip(up) {
        *v = f(*v) * u;
    }
}

/// The activation of each value.
pub(crate) fn activate(x: &Tensor, kind: Activation) -> Result<Tensor> {
    if are_ours(x.device()) {
        return x.contiguous()?.apply_op1(kind);
    }
    composed(x, kind)
}

/// The same with candle's operations, in f32: their GELU in bf16 rounds each of its steps.
pub(super) fn composed(x: &Tensor, kind: Activation) -> Result<Tensor> {
    let x = widened(x)?;
    match kind {
        Activation::Silu => x.silu(),
        Activation::GeluTanh => x.gelu(),
        Activation::Gelu => x.gelu_erf(),
        // A NaN stays one, which candle's own on a device would make a 0.
        Activation::Relu => x.lt(0f32)?.where_cond(&x.zeros_like()?, &x),
        Activation::Tanh => x.tanh(),
    }
}

/// `activation(gate) · up`.
pub(crate) fn gate(gate: &Tensor, up: &Tensor, kind: Activation) -> Result<Tensor> {
    if are_ours(gate.device()) {
        return gate.contiguous()?.apply_op2(&up.contiguous()?, Gate(kind));
    }
    composed_gate(gate, up, kind)
}

/// The same with candle's operations, in f32.
pub(super) fn composed_gate(gate: &Tensor, up: &Tensor, kind: Activation) -> Result<Tensor> {
    composed(gate, kind)? * widened(up)?
}
