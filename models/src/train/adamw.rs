//! AdamW whose whole state can be saved.

use crate::{ModelError, weights::Weights};
use candle_core::{Device, Tensor, Var, backprop::GradStore};
use std::collections::BTreeMap;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;
const EPSILON: f32 = 1e-8;
/// Gradients of a larger norm are scaled down to it.
const MAX_NORM: f64 = 1.0;

/// One tensor in training.
pub(super) struct Parameter {
    pub(super) variable: Var,
    pub(super) values: Vec<f32>,
    /// Running mean of the gradient.
    pub(super) mean: Vec<f32>,
    /// Running mean of the squared gradient.
    pub(super) square: Vec<f32>,
}

/// The optimizer with the weights it moves, in order of name.
pub(super) struct AdamW {
    pub(super) parameters: BTreeMap<String, Parameter>,
}

impl AdamW {
    pub(super) fn new(variables: BTreeMap<String, Var>) -> Result<Self, ModelError> {
        let mut parameters = BTreeMap::new();
        for (name, variable) in variables {
            let values: Vec<f32> = variable.flatten_all()?.to_vec1()?;
            let zeros = vec![0.0; values.len()];
            let parameter = Parameter {
                variable,
                values,
                mean: zeros.clone(),
                square: zeros,
            };
            parameters.insert(name, parameter);
        }
        Ok(Self { parameters })
    }

    /// The weights, tracked for gradients; they follow every step.
    pub(super) fn weights(&self) -> Weights<'static> {
        let tensor = |p: &Parameter| p.variable.as_tensor().clone();
        Weights::new(
            self.parameters
                .iter()
                .map(|(n, p)| (n.clone(), tensor(p)))
                .collect(),
        )
    }

    /// Moves the weights; `count` is 1 for the first step.
    pub(super) fn step(
        &mut self,
        gradients: &GradStore,
        learning_rate: f64,
        weight_decay: f64,
        count: u64,
    ) -> Result<(), ModelError> {
        let mut flat = Vec::with_capacity(self.parameters.len());
        let mut squares = 0.0;
        for parameter in self.parameters.values() {
            let gradient: Vec<f32> = match gradients.get(&parameter.variable) {
                Some(gradient) => gradient.flatten_all()?.to_vec1()?,
                None => vec![0.0; parameter.values.len()],
            };
            squares += gradient
                .iter()
                .map(|g| f64::from(*g) * f64::from(*g))
                .sum::<f64>();
            flat.push(gradient);
        }
        let clip = (MAX_NORM / (squares.sqrt() + 1e-6)).min(1.0) as f32;
        let exponent = count as f64;
        let mean_scale = (1.0 / (1.0 - libm::pow(f64::from(BETA1), exponent))) as f32;
        let square_scale = (1.0 / (1.0 - libm::pow(f64::from(BETA2), exponent))) as f32;
        for (parameter, gradient) in self.parameters.values_mut().zip(&flat) {
            let is_matrix = parameter.variable.rank() > 1;
            let decay = if is_matrix {
                (learning_rate * weight_decay) as f32
            } else {
                0.0
            };
            let moments = parameter.mean.iter_mut().zip(&mut parameter.square);
            for ((value, gradient), (mean, square)) in
                parameter.values.iter_mut().zip(gradient).zip(moments)
            {
                let gradient = gradient * clip;
                *mean = BETA1 * *mean + (1.0 - BETA1) * gradient;
                *square = BETA2 * *square + (1.0 - BETA2) * gradient * gradient;
                let change = *mean * mean_scale / ((*square * square_scale).sqrt() + EPSILON);
                *value -= *value * decay + learning_rate as f32 * change;
            }
            parameter.publish()?;
        }
        Ok(())
    }
}

impl Parameter {
    /// Makes the variable equal to `values`.
    pub(super) fn publish(&self) -> Result<(), ModelError> {
        let values = Tensor::from_slice(&self.values, self.variable.shape(), &Device::Cpu)?;
        Ok(self.variable.set(&values)?)
    }
}
