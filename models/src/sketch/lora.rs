//! The update of a LoRA adapter, from its factors: uᵀ(B·A)v = (uᵀB)(Av).
//!
//! A change of factors that leaves B·A as it is (A → GA, B → BG⁻¹) leaves the sums as they
//! are, but for what rounding G·A and B·G⁻¹ to floats changes.

use super::{
    BITS, Seed,
    probe::{Probes, Sums},
    source::{self, Stored},
};
use crate::{Fault, ModelError, header};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

const CONFIG: &str = Adapter::CONFIG;
const WEIGHTS: &str = Adapter::WEIGHTS;
/// Longest `adapter_config.json` in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// What `peft` puts before a module's name.
const PREFIX: &str = "base_model.model.";
/// Largest rank: each has 256 sums in memory.
const MAX_RANK: usize = 4_096;
/// Largest `lora_alpha`.
const MAX_ALPHA: f64 = (1u64 << 20) as f64;
/// Scales are multiples of 2^-32.
const SCALE_BITS: u32 = 32;

/// An adapter's factors.
pub(crate) struct Adapter {
    /// By the name of the tensor that they change.
    pub(crate) modules: BTreeMap<String, Module>,
    /// Whether the tensors that they change are stored as inputs by outputs.
    transposed: bool,
}

/// The factors of one tensor's update, `scale`·B·A.
pub(crate) struct Module {
    /// `[rank, inputs]`.
    pub(crate) a: Stored,
    /// `[outputs, rank]`.
    pub(crate) b: Stored,
    /// α/r, or α/√r, in units of 2^-32, rounded down.
    pub(crate) scale: i64,
    rank: usize,
    inputs: usize,
    outputs: usize,
}

#[derive(Deserialize)]
struct Config {
    peft_type: String,
    lora_alpha: f64,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
}

fn refuse(detail: String) -> ModelError {
    ModelError::new(Fault::Config, detail)
}

impl Config {
    fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(CONFIG);
        let size = fs::metadata(&path)
            .map_err(|e| ModelError::io(&path, &e))?
            .len();
        if size > MAX_CONFIG_BYTES {
            return Err(refuse(format!(
                "{CONFIG} has {size} bytes, at most {MAX_CONFIG_BYTES}"
            )));
        }
        let json = fs::read(&path).map_err(|e| ModelError::io(&path, &e))?;
        let config: Self =
            serde_json::from_slice(&json).map_err(|e| refuse(format!("{CONFIG}: {e}")))?;
        if config.peft_type != "LORA" || config.use_dora {
            return Err(refuse(format!(
                "{CONFIG}: only plain LoRA has a sketch, no DoRA"
            )));
        }
        Ok(config)
    }

    /// α of `module`: that of the pattern it ends with, or the common one.
    fn alpha(&self, module: &str) -> Result<f64, ModelError> {
        let ends = |key: &str| match module.strip_suffix(key) {
            Some(before) => before.is_empty() || before.ends_with('.'),
            None => false,
        };
        let literal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut found = None;
        for (key, alpha) in &self.alpha_pattern {
            if !key.chars().all(literal) {
                return Err(refuse(format!(
                    "{CONFIG}: pattern {key:?} is not the end of a name"
                )));
            }
            if ends(key) && found.replace(*alpha).is_some_and(|other| other != *alpha) {
                return Err(refuse(format!("{CONFIG}: two patterns for {module:?}")));
            }
        }
        let alpha = found.unwrap_or(self.lora_alpha);
        match alpha > 0.0 && alpha <= MAX_ALPHA {
            true => Ok(alpha),
            false => Err(refuse(format!(
                "{CONFIG}: alpha {alpha} is not in (0, {MAX_ALPHA}]"
            ))),
        }
    }

    fn scale(&self, module: &str, rank: usize) -> Result<i64, ModelError> {
        let alpha = self.alpha(module)?;
        // Exact: a power of two times a float, whose fraction is then cut off.
        let alpha = (alpha * (1u64 << SCALE_BITS) as f64) as u128;
        let scale = match self.use_rslora {
            true => (alpha * alpha / rank as u128).isqrt(),
            false => alpha / rank as u128,
        };
        i64::try_from(scale)
            .ok()
            .filter(|scale| *scale > 0)
            .ok_or_else(|| refuse(format!("{CONFIG}: the scale of {module:?} is too small")))
    }
}

impl Adapter {
    pub(crate) const CONFIG: &str = "adapter_config.json";
    pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";

    /// Whether `dir` holds an adapter.
    pub(crate) fn is_in(dir: &Path) -> bool {
        dir.join(CONFIG).exists()
    }

    /// Reads the config and the headers in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, ModelError> {
        let config = Config::read(dir)?;
        let path = dir.join(WEIGHTS);
        if !path.exists() {
            return Err(ModelError::new(
                Fault::Weights,
                format!("{WEIGHTS} is missing; add it"),
            ));
        }
        let header = header::read(&path)?;
        let mut tensors = source::open(&[(path, header)])?;
        let mut modules = BTreeMap::new();
        while let Some((name, first)) = tensors.pop_first() {
            let module = module_of(&name)
                .ok_or_else(|| refuse(format!("tensor {name:?} is no LoRA factor of a matrix")))?;
            // In order of name: a module's A comes before its B.
            let b = tensors
                .remove(&format!("{PREFIX}{module}.lora_B.weight"))
                .ok_or_else(|| refuse(format!("{module:?} has only one of its two factors")))?;
            modules.insert(
                format!("{module}.weight"),
                Module::new(&config, module, first, b)?,
            );
        }
        if modules.is_empty() {
            return Err(ModelError::new(
                Fault::Weights,
                format!("{WEIGHTS} has no factor"),
            ));
        }
        Ok(Self {
            modules,
            transposed: config.fan_in_fan_out,
        })
    }

    /// Sums of all probes; the same as those of the merged model's update, but for rounding.
    pub(super) fn sums(
        &self,
        base: Option<&BTreeMap<String, Stored>>,
        seed: &Seed,
    ) -> Result<Sums, ModelError> {
        let mut total: Sums = [0; BITS];
        for (name, module) in &self.modules {
            let (rows, columns) = match self.transposed {
                false => (module.outputs, module.inputs),
                true => (module.inputs, module.outputs),
            };
            if let Some(base) = base {
                check_fits(name, (rows, columns), base)?;
            }
            let probes = Probes::new(seed, name, rows, columns);
            let sums = module.sums(&probes, self.transposed)?;
            for (total, sum) in total.iter_mut().zip(sums) {
                *total = sum
                    .and_then(|sum| total.checked_add(sum))
                    .ok_or_else(|| too_large(name))?;
            }
        }
        Ok(total)
    }
}

fn too_large(name: &str) -> ModelError {
    let detail = format!("the update of {name:?} is beyond 2^47; no trained adapter is");
    ModelError::new(Fault::Weights, detail)
}

/// `model.x.q_proj` of `base_model.model.model.x.q_proj.lora_A.weight`.
fn module_of(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight")
}

fn check_fits(
    name: &str,
    shape: (usize, usize),
    base: &BTreeMap<String, Stored>,
) -> Result<(), ModelError> {
    match base.get(name).map(Stored::matrix) {
        None => Err(refuse(format!(
            "the base has no tensor {name:?}; the adapter is another's"
        ))),
        Some(found) if found != Some(shape) => Err(refuse(format!(
            "the adapter changes {name:?} as {} by {}, the base has {found:?}",
            shape.0, shape.1
        ))),
        Some(_) => Ok(()),
    }
}

impl Module {
    fn new(config: &Config, module: &str, a: Stored, b: Stored) -> Result<Self, ModelError> {
        let shapes = || {
            refuse(format!(
                "factors of {module:?}: {:?} and {:?}",
                a.shape, b.shape
            ))
        };
        let (rank, inputs) = a.matrix().ok_or_else(shapes)?;
        let (outputs, same) = b.matrix().ok_or_else(shapes)?;
        if rank != same || rank == 0 || rank > MAX_RANK {
            return Err(shapes());
        }
        let scale = config.scale(module, rank)?;
        Ok(Self {
            a,
            b,
            scale,
            rank,
            inputs,
            outputs,
        })
    }

    /// ⌊(uᵀB)(Av) / 2^32⌋·scale in units of 2^-80; `None` where it is beyond 2^47.
    fn sums(
        &self,
        probes: &Probes,
        transpose: bool,
    ) -> Result<impl Iterator<Item = Option<i128>> + use<>, ModelError> {
        let a = self.a.read_fixed(0, self.a.len())?;
        let b = transposed(&self.b.read_fixed(0, self.b.len())?, self.rank);
        let (a, b) = match transpose {
            false => (
                probes.by_columns(&a, self.inputs),
                probes.by_rows(&b, self.outputs),
            ),
            true => (
                probes.by_rows(&a, self.inputs),
                probes.by_columns(&b, self.outputs),
            ),
        };
        let scale = i128::from(self.scale);
        let empty = self.inputs == 0 || self.outputs == 0;
        Ok((0..BITS).map(move |probe| {
            if empty {
                return Some(0);
            }
            let pairs = a.iter().zip(&b);
            pairs
                .map(|(a, b)| a[probe].checked_mul(b[probe]))
                .try_fold(0i128, |sum, product| sum.checked_add(product?))
                .and_then(|sum| (sum >> SCALE_BITS).checked_mul(scale))
        }))
    }
}

/// Columns as rows.
fn transposed(values: &[i64], columns: usize) -> Vec<i64> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: &str) -> Config {
        let json = format!(r#"{{"peft_type":"LORA","lora_alpha":16{extra}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn scale_should_be_alpha_over_rank_or_its_root() {
        let one = 1i64 << 32;
        assert_eq!(config("").scale("m", 8).unwrap(), 2 * one);
        assert_eq!(config("").scale("m", 3).unwrap(), 16 * one / 3);
        let root = config(r#","use_rslora":true"#);
        assert_eq!(root.scale("m", 16).unwrap(), 4 * one);
        // 16/√8 = 5.656854…
        assert_eq!(root.scale("m", 8).unwrap(), 24_296_003_999);
    }

    #[test]
    fn alpha_should_follow_patterns_of_whole_names() {
        let config = config(r#","alpha_pattern":{"q_proj":4,"layers.1.v_proj":8.5}"#);
        assert_eq!(config.alpha("model.layers.0.q_proj").unwrap(), 4.0);
        assert_eq!(config.alpha("model.layers.1.v_proj").unwrap(), 8.5);
        assert_eq!(config.alpha("model.layers.0.v_proj").unwrap(), 16.0);
        assert_eq!(config.alpha("model.layers.0.xq_proj").unwrap(), 16.0);
    }

    #[test]
    fn alpha_should_refuse_what_it_cannot_scale_by() {
        for extra in [
            r#","alpha_pattern":{"m":0}"#,
            r#","alpha_pattern":{"m":-1}"#,
            r#","alpha_pattern":{"m":1e9}"#,
            r#","alpha_pattern":{"m":1e-30}"#,
            r#","alpha_pattern":{"m":1,"x.m":2}"#,
            r#","alpha_pattern":{".*m":1}"#,
        ] {
            let error = config(extra).scale("x.m", 8).unwrap_err();
            assert_eq!(error.fault, Fault::Config, "{extra}");
        }
    }
}
