//! Activations.

use super::{
    PART, are_ours, made,
    math::{exp, sigmoid, tanh},
    values, widened,
};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Error, Layout, Result, Shape, Tensor};

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

    /// The values, or the slopes, of `x`, times the factors' numbers at the same place.
    fn map<const SLOPES: bool, const N: usize>(
        self,
        x: &[f32],
        factors: [&[f32]; N],
    ) -> Result<Vec<f32>> {
        if factors.iter().any(|factor| factor.len() != x.len()) {
            return Err(Error::msg("factors of another width"));
        }
        // One loop for each kind: a choice within a loop would keep it from using vectors.
        macro_rules! of {
            ($kind:expr) => {
                made(
                    x.len(),
                    PART,
                    #[inline(always)]
                    |places| {
                        let factors = factors.map(|factor| &factor[places.clone()]);
                        let x = &x[places];
                        #[inline(always)]
                        move |i| {
                            let found = match SLOPES {
                                true => $kind.slope(x[i]),
                                false => $kind.value(x[i]),
                            };
                            factors
                                .iter()
                                .fold(found, |found, factor| found * factor[i])
                        }
                    },
                )
            };
        }
        match self {
            Self::Silu => of!(Self::Silu),
            Self::GeluTanh => of!(Self::GeluTanh),
            Self::Gelu => of!(Self::Gelu),
            Self::Relu => of!(Self::Relu),
            Self::Tanh => of!(Self::Tanh),
        }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = self.map::<false, 0>(values(storage, layout)?, [])?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (x, g) = (super::flat(arg)?, super::flat(gradient)?);
        let out = self.map::<true, 1>(&x, [&g])?;
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
        let (gate, up) = (values(gate, layout)?, values(up, up_layout)?);
        let out = self.0.map::<false, 1>(gate, [up])?;
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
        let of_gate = self.0.map::<true, 2>(&x, [&u, &g])?;
        let of_up = self.0.map::<false, 1>(&x, [&g])?;
        Ok((
            Some(Tensor::from_vec(of_gate, gate.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(of_up, up.shape(), &Device::Cpu)?),
        ))
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
