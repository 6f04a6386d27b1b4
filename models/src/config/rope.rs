//! Rotary positions: frequencies, and how contexts longer than those of training stretch them.

use super::refuse;
use crate::ModelError;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How frequencies are scaled, by the names of `transformers`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// Each is divided by the factor.
    Linear {
        /// How much longer contexts are.
        factor: f64,
    },
    /// Llama 3.1: the slow ones are divided by the factor, the fast ones stay, and those between
    /// go from one to the other.
    Llama3 {
        /// How much longer contexts are.
        factor: f64,
        /// Waves of more than the trained context over this are slow.
        low_freq_factor: f64,
        /// Waves of less than the trained context over this are fast.
        high_freq_factor: f64,
        /// The trained context in tokens.
        original_max_position_embeddings: usize,
    },
}

impl RopeScaling {
    /// One frequency in radians per position, scaled.
    fn apply(self, frequency: f64) -> f64 {
        match self {
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                // Waves in the trained context.
                let waves = original_max_position_embeddings as f64 * frequency / TAU;
                if waves < low_freq_factor {
                    frequency / factor
                } else if waves > high_freq_factor {
                    frequency
                } else {
                    let kept = (waves - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - kept) * frequency / factor + kept * frequency
                }
            }
        }
    }

    fn check(self) -> Result<(), ModelError> {
        let (factor, fits) = match self {
            RopeScaling::Linear { factor } => (factor, true),
            RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: trained,
            } => {
                let ordered = low > 0.0 && low < high && high <= 1e6;
                (factor, ordered && (1..=1 << 24).contains(&trained))
            }
        };
        if fits && (1.0..=1e6).contains(&factor) {
            return Ok(());
        }
        Err(refuse(format!(
            "config.json: {self:?}: factor must be between 1 and 10⁶, low_freq_factor above 0 and \
             below high_freq_factor, original_max_position_embeddings between 1 and 2²⁴"
        )))
    }
}

/// The rotary frequencies of a head of `width`, in radians per position, the fastest first.
pub(crate) fn frequencies(width: usize, theta: f64, scaling: Option<RopeScaling>) -> Vec<f32> {
    (0..width / 2)
        .map(|i| {
            let frequency = 1.0 / theta.powf(2.0 * i as f64 / width as f64);
            scaling.map_or(frequency, |scaling| scaling.apply(frequency)) as f32
        })
        .collect()
}

/// `rope_parameters` or `rope_scaling` of a `config.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRope {
    pub(super) rope_theta: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
}

impl RawRope {
    pub(super) fn scaling(&self) -> Result<Option<RopeScaling>, ModelError> {
        let need = |name: &str, value: Option<f64>| {
            value.ok_or_else(|| refuse(format!("config.json: rope scaling without {name}")))
        };
        let scaling = match self.rope_type.as_deref() {
            None | Some("default") => return Ok(None),
            Some("linear") => RopeScaling::Linear {
                factor: need("factor", self.factor)?,
            },
            Some("llama3") => RopeScaling::Llama3 {
                factor: need("factor", self.factor)?,
                low_freq_factor: need("low_freq_factor", self.low_freq_factor)?,
                high_freq_factor: need("high_freq_factor", self.high_freq_factor)?,
                original_max_position_embeddings: self
                    .original_max_position_embeddings
                    .ok_or_else(|| {
                        refuse("config.json: rope scaling without original_max_position_embeddings")
                    })?,
            },
            Some(other) => {
                return Err(refuse(format!(
                    "config.json: rope scaling {other:?} is not computed by this release"
                )));
            }
        };
        scaling.check().map(|()| Some(scaling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA3: RopeScaling = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8_192,
    };

    #[test]
    fn llama3_should_stretch_slow_waves_and_leave_fast_ones() {
        let frequency = |waves: f64| waves * TAU / 8_192.0;
        let ratio = |waves| LLAMA3.apply(frequency(waves)) / frequency(waves);
        assert_eq!((ratio(0.5), ratio(5.0), ratio(1_000.0)), (0.125, 1.0, 1.0));
        // Half way between 1 and 4 waves.
        assert!((ratio(2.5) - (1.0 + 0.125) / 2.0).abs() < 1e-12);
        // It has no jumps.
        assert!((ratio(1.0) - 0.125).abs() < 1e-12 && (ratio(4.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn frequencies_should_fall_from_one_radian() {
        let plain = frequencies(8, 10_000.0, None);
        assert_eq!(plain, [1.0, 0.1, 0.01, 0.001]);
        let linear = frequencies(8, 10_000.0, Some(RopeScaling::Linear { factor: 4.0 }));
        assert_eq!(linear, [0.25, 0.025, 0.0025, 0.00025]);
    }
}
