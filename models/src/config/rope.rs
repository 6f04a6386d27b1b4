//! Rotary positions: frequencies, and how contexts longer than those of training stretch them.

use super::refuse;
use crate::ModelError;
use serde::Deserialize;
use serde_json::Value;
use std::f64::consts::TAU;

/// How frequencies are scaled, by the names of `transformers`.
#[derive(Clone, Debug, PartialEq)]
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
    /// Each is divided by a factor of its own: sequences of at most the trained context have
    /// others than longer ones.
    LongRope {
        /// Of sequences of at most the trained context.
        short_factor: Vec<f64>,
        /// Of longer ones.
        long_factor: Vec<f64>,
        /// The trained context in tokens.
        original_max_position_embeddings: usize,
        /// Factor of cosines and sines.
        attention_factor: f64,
    },
}

impl RopeScaling {
    /// The `i`-th frequency in radians per position, scaled.
    fn apply(&self, frequency: f64, i: usize, is_long: bool) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                // Waves in the trained context.
                let waves = *original_max_position_embeddings as f64 * frequency / TAU;
                if waves < *low_freq_factor {
                    frequency / factor
                } else if waves > *high_freq_factor {
                    frequency
                } else {
                    let kept = (waves - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - kept) * frequency / factor + kept * frequency
                }
            }
            Self::LongRope {
                short_factor,
                long_factor,
                ..
            } => {
                let factors = if is_long { long_factor } else { short_factor };
                frequency / factors.get(i).copied().unwrap_or(1.0)
            }
        }
    }

    fn check(&self, half: usize) -> Result<(), ModelError> {
        let is_factor = |factor: &f64| (1e-3..=1e6).contains(factor);
        let is_context = |trained: &usize| (1..=1 << 24).contains(trained);
        let fits = match self {
            Self::Linear { factor } => (1.0..=1e6).contains(factor),
            Self::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: trained,
            } => {
                let ordered = *low > 0.0 && low < high && *high <= 1e6;
                ordered && is_context(trained) && (1.0..=1e6).contains(factor)
            }
            Self::LongRope {
                short_factor,
                long_factor,
                original_max_position_embeddings: trained,
                attention_factor,
            } => {
                let fit = |factors: &[f64]| factors.len() == half && factors.iter().all(is_factor);
                fit(short_factor)
                    && fit(long_factor)
                    && is_context(trained)
                    && is_factor(attention_factor)
            }
        };
        if fits {
            return Ok(());
        }
        Err(refuse(format!(
            "config.json: {self:?}: factor must be between 1 and 10⁶, low_freq_factor above 0 and \
             below high_freq_factor, original_max_position_embeddings between 1 and 2²⁴, \
             short_factor and long_factor {half} numbers between 10⁻³ and 10⁶"
        )))
    }
}

/// Rotary positions of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Numbers of each head that turn; even, the others stay.
    pub width: usize,
    /// How contexts longer than those of training stretch them.
    pub scaling: Option<RopeScaling>,
}

impl Rope {
    /// The frequencies in radians per position, the fastest first, of sequences of at most
    /// [`Rope::trained`] tokens or of longer ones.
    pub(crate) fn frequencies(&self, is_long: bool) -> Vec<f32> {
        (0..self.width / 2)
            .map(|i| {
                let frequency = 1.0 / libm::pow(self.theta, 2.0 * i as f64 / self.width as f64);
                let scaled = (self.scaling.as_ref())
                    .map_or(frequency, |scaling| scaling.apply(frequency, i, is_long));
                scaled as f32
            })
            .collect()
    }

    /// Sequences of more tokens than this have frequencies of their own.
    pub(crate) fn trained(&self) -> Option<usize> {
        match &self.scaling {
            Some(RopeScaling::LongRope {
                original_max_position_embeddings,
                ..
            }) => Some(*original_max_position_embeddings),
            _ => None,
        }
    }

    /// Factor of cosines and sines.
    pub(crate) fn factor(&self) -> f32 {
        match &self.scaling {
            Some(RopeScaling::LongRope {
                attention_factor, ..
            }) => *attention_factor as f32,
            _ => 1.0,
        }
    }
}

/// `rope_parameters` or `rope_scaling` of a `config.json`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    #[serde(rename = "type")]
    old_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    partial_rotary_factor: Option<f64>,
    short_factor: Option<Vec<f64>>,
    long_factor: Option<Vec<f64>>,
    attention_factor: Option<f64>,
}

/// What a config says of rotary positions outside of `rope_parameters` and `rope_scaling`.
#[derive(Clone, Copy)]
pub(super) struct Outside {
    pub(super) theta: f64,
    pub(super) head_dim: usize,
    pub(super) partial: Option<f64>,
    pub(super) trained: Option<usize>,
    pub(super) positions: usize,
}

/// Reads one object of rope parameters, or none of them.
pub(super) fn read(value: Option<&Value>, outside: Outside) -> Result<Rope, ModelError> {
    let raw: RawRope = match value {
        None => RawRope::default(),
        Some(value) => RawRope::deserialize(value)
            .map_err(|e| refuse(format!("config.json: rope parameters: {e}")))?,
    };
    let theta = raw.rope_theta.unwrap_or(outside.theta);
    if !(1.0 < theta && theta <= 1e12) {
        return Err(refuse(format!(
            "config.json: rope_theta is {theta}, which is not between 1 and 10¹²"
        )));
    }
    let partial = agree(
        "partial_rotary_factor",
        raw.partial_rotary_factor,
        outside.partial,
    )?;
    let turning = outside.head_dim as f64 * partial.unwrap_or(1.0);
    let width = turning as usize;
    if !(2..=outside.head_dim).contains(&width) || !width.is_multiple_of(2) {
        return Err(refuse(format!(
            "config.json: {turning} numbers of a head would turn; it must be an even number of \
             2 to head_dim ({})",
            outside.head_dim
        )));
    }
    let scaling = raw.scaling(outside)?;
    if let Some(scaling) = &scaling {
        scaling.check(width / 2)?;
    }
    Ok(Rope {
        theta,
        width,
        scaling,
    })
}

/// A fact that may be written in two places.
fn agree<T: PartialEq + std::fmt::Debug>(
    name: &str,
    one: Option<T>,
    other: Option<T>,
) -> Result<Option<T>, ModelError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(refuse(format!(
            "config.json: {name} is {one:?} in one place and {other:?} in another"
        ))),
        (one, other) => Ok(one.or(other)),
    }
}

impl RawRope {
    fn scaling(self, outside: Outside) -> Result<Option<RopeScaling>, ModelError> {
        let lacks = |name: &str| refuse(format!("config.json: rope scaling without {name}"));
        let kind = agree("the rope's type", self.rope_type, self.old_type)?;
        let trained = || {
            let named = self.original_max_position_embeddings;
            agree("original_max_position_embeddings", named, outside.trained)?
                .ok_or_else(|| lacks("original_max_position_embeddings"))
        };
        Ok(Some(match kind.as_deref() {
            None | Some("default") => return Ok(None),
            Some("linear") => RopeScaling::Linear {
                factor: self.factor.ok_or_else(|| lacks("factor"))?,
            },
            Some("llama3") => RopeScaling::Llama3 {
                factor: self.factor.ok_or_else(|| lacks("factor"))?,
                low_freq_factor: self
                    .low_freq_factor
                    .ok_or_else(|| lacks("low_freq_factor"))?,
                high_freq_factor: self
                    .high_freq_factor
                    .ok_or_else(|| lacks("high_freq_factor"))?,
                original_max_position_embeddings: trained()?,
            },
            // Its names over time.
            Some("longrope" | "su") => {
                let trained = trained()?;
                let longer = outside.positions as f64 / trained.max(1) as f64;
                let factor = self.factor.unwrap_or(longer);
                let usual = if factor <= 1.0 {
                    1.0
                } else {
                    (1.0 + libm::log(factor) / libm::log(trained as f64)).sqrt()
                };
                RopeScaling::LongRope {
                    short_factor: self.short_factor.ok_or_else(|| lacks("short_factor"))?,
                    long_factor: self.long_factor.ok_or_else(|| lacks("long_factor"))?,
                    original_max_position_embeddings: trained,
                    attention_factor: self.attention_factor.unwrap_or(usual),
                }
            }
            Some(other) => {
                return Err(refuse(format!(
                    "config.json: rope scaling {other:?} is not computed by this release"
                )));
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_should_stretch_slow_waves_and_leave_fast_ones() {
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8_192,
        };
        let frequency = |waves: f64| waves * TAU / 8_192.0;
        let ratio = |waves| llama3.apply(frequency(waves), 0, false) / frequency(waves);
        assert_eq!((ratio(0.5), ratio(5.0), ratio(1_000.0)), (0.125, 1.0, 1.0));
        // Half way between 1 and 4 waves.
        assert!((ratio(2.5) - (1.0 + 0.125) / 2.0).abs() < 1e-12);
        // It has no jumps.
        assert!((ratio(1.0) - 0.125).abs() < 1e-12 && (ratio(4.0) - 1.0).abs() < 1e-12);
    }

    fn outside() -> Outside {
        Outside {
            theta: 10_000.0,
            head_dim: 8,
            partial: None,
            trained: None,
            positions: 64,
        }
    }

    fn rope(json: &str) -> Result<Rope, ModelError> {
        read(Some(&serde_json::from_str(json).unwrap()), outside())
    }

    #[test]
    fn frequencies_should_fall_from_one_radian() {
        let plain = read(None, outside()).unwrap();
        assert_eq!(plain.frequencies(false), [1.0, 0.1, 0.01, 0.001]);
        let linear = rope(r#"{"rope_type":"linear","factor":4.0}"#).unwrap();
        assert_eq!(linear.frequencies(false), [0.25, 0.025, 0.0025, 0.00025]);
        let half = rope(r#"{"partial_rotary_factor":0.5}"#).unwrap();
        assert_eq!(half.frequencies(false), [1.0, 0.01]);
    }

    #[test]
    fn long_rope_should_have_two_sets_and_a_factor() {
        let long = rope(
            r#"{"type":"su","short_factor":[1,1,1,1],"long_factor":[2,2,2,4],
            "original_max_position_embeddings":16}"#,
        )
        .unwrap();
        assert_eq!(long.frequencies(false), [1.0, 0.1, 0.01, 0.001]);
        assert_eq!(long.frequencies(true), [0.5, 0.05, 0.005, 0.00025]);
        assert_eq!(long.trained(), Some(16));
        // √(1 + ln 4 / ln 16).
        assert_eq!(long.factor(), 1.5f64.sqrt() as f32);
    }

    #[test]
    fn contradictions_should_be_refused() {
        for json in [
            r#"{"rope_type":"linear","type":"llama3","factor":2.0}"#,
            r#"{"rope_type":"linear","factor":0.5}"#,
            r#"{"rope_type":"linear"}"#,
            r#"{"rope_type":"yarn","factor":2.0}"#,
            r#"{"rope_type":"longrope","short_factor":[1],"long_factor":[1,1,1,1],
                "original_max_position_embeddings":16}"#,
            r#"{"rope_type":"longrope","short_factor":[1,1,1,1],"long_factor":[1,1,1,1]}"#,
            r#"{"partial_rotary_factor":0.4}"#,
            r#"{"partial_rotary_factor":2.0}"#,
            r#"{"rope_theta":0.5}"#,
            r#"{"mystery":1}"#,
        ] {
            assert!(rope(json).is_err(), "{json}");
        }
        let twice = Outside {
            trained: Some(32),
            ..outside()
        };
        let json = r#"{"rope_type":"longrope","short_factor":[1,1,1,1],"long_factor":[1,1,1,1],
            "original_max_position_embeddings":16}"#;
        assert!(read(Some(&serde_json::from_str(json).unwrap()), twice).is_err());
    }
}
