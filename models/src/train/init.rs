//! Initial weights from ChaCha20; candle's own CPU generator can't be seeded.

use super::TrainConfig;
use crate::{
    Limits, ModelConfig, ModelError,
    config::refuse,
    inspect,
    weights::{Form, Weights},
};
use candle_core::{Device, Var};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use std::{collections::BTreeMap, path::Path};

/// Streams of one seed, so that no two uses share draws.
pub(super) const INIT: u64 = 0;
pub(super) const SUBSET: u64 = 1;
pub(super) const FIRST_EPOCH: u64 = 2;

/// What all draws of a training come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    /// A config's.
    Number(u64),
    /// A registered run's, the key of the cipher itself.
    Run([u8; 32]),
}

pub(super) fn rng(seed: Seed, stream: u64) -> ChaCha20Rng {
    let mut rng = match seed {
        Seed::Number(number) => ChaCha20Rng::seed_from_u64(number),
        Seed::Run(bytes) => ChaCha20Rng::from_seed(bytes),
    };
    rng.set_stream(stream);
    rng
}

/// Standard normal by Box and Muller.
pub(crate) fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let mut unit = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (radius, angle) = (unit(), unit());
    (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
}

/// Standard deviation of a matrix's initial values; `fan_in` is its inputs per output.
fn deviation(model: &ModelConfig, name: &str, fan_in: usize) -> f64 {
    match model {
        // He: keeps the variance through rectifiers.
        ModelConfig::Classifier(_) => (2.0 / fan_in.max(1) as f64).sqrt(),
        // Both matrices that write into the residual stream, so that its variance at the end
        // doesn't grow with the number of blocks.
        ModelConfig::Decoder(config) if name.contains("o_proj") || name.contains("down_proj") => {
            0.02 / (2.0 * config.num_hidden_layers as f64).sqrt()
        }
        _ => 0.02,
    }
}

/// All tensors of the model: those of the model to start from, or drawn.
pub(super) fn variables(
    model: &ModelConfig,
    config: &TrainConfig,
    seed: Seed,
) -> Result<BTreeMap<String, Var>, ModelError> {
    match &config.start {
        Some(start) => loaded(model, start),
        None => drawn(model, seed),
    }
}

fn loaded(model: &ModelConfig, start: &Path) -> Result<BTreeMap<String, Var>, ModelError> {
    let checked = inspect::check(start, None, &Limits::unlimited())?;
    if checked.config.tensors()? != model.tensors()? {
        return Err(refuse(
            "training config: the model to start from has other tensors",
        ));
    }
    let weights = Weights::open(&checked.config, &checked.shards, None, Form::default())?;
    let mut variables = BTreeMap::new();
    for (name, _) in model.tensors()? {
        let variable = Var::from_tensor(&weights.get(&name)?)?;
        variables.insert(name, variable);
    }
    Ok(variables)
}

/// Matrices normal, biases 0, norms 1.
fn drawn(model: &ModelConfig, seed: Seed) -> Result<BTreeMap<String, Var>, ModelError> {
    let mut rng = rng(seed, INIT);
    let mut variables = BTreeMap::new();
    for (name, shape) in model.tensors()? {
        let count = shape.iter().product();
        let values: Vec<f32> = if shape.len() > 1 {
            let deviation = deviation(model, &name, shape.iter().skip(1).product());
            (0..count)
                .map(|_| (deviation * normal(&mut rng)) as f32)
                .collect()
        } else {
            vec![if name.ends_with("bias") { 0.0 } else { 1.0 }; count]
        };
        variables.insert(name, Var::from_vec(values, shape, &Device::Cpu)?);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_should_have_mean_0_and_variance_1() {
        let mut rng = rng(Seed::Number(1), INIT);
        let values: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04,
            "{mean} {variance}"
        );
    }
    #[test]
    fn draws_should_differ_between_streams_and_seeds() {
        let first = |seed, stream| rng(seed, stream).next_u64();
        let zero = Seed::Run([0; 32]);
        let found = [
            first(zero, INIT),
            first(zero, SUBSET),
            first(zero, FIRST_EPOCH),
            first(Seed::Run([1; 32]), INIT),
            first(Seed::Number(0), INIT),
        ];
        // The first word of the cipher for a key of zeros, of RFC 8439.
        assert_eq!(found[0] as u32, 0xade0_b876);
        let distinct: std::collections::BTreeSet<u64> = found.into_iter().collect();
        assert_eq!(distinct.len(), found.len());
    }
}
