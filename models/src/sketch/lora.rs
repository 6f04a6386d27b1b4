//! The update of a LoRA adapter, from its factors: uᵀ(B·A)v = (uᵀB)(Av).
//!
//! A change of factors that leaves B·A as it is (A → GA, B → BG⁻¹) leaves the sums as they
//! are, but for what rounding G·A and B·G⁻¹ to floats changes.

use super::{
    BITS, Seed,
    probe::{Probes, Sums},
    source::{self, Stored},
};
use crate::{
    Fault, ModelError,
    lora::{self, AdapterConfig, PREFIX, WEIGHTS},
};
use std::{collections::BTreeMap, path::Path};

/// Largest rank: each has 256 sums in memory.
const MAX_RANK: usize = 4_096;
/// Scales are multiples of 2^-32.
pub(crate) const SCALE_BITS: u32 = 32;

/// An adapter's factors.
pub(crate) struct Adapter {
    /// By the name of the tensor that they change.
    pub(crate) modules: BTreeMap<String, Module>,
    /// Whether the tensors that they change are stored as inputs by outputs.
    pub(crate) transposed: bool,
}

/// The factors of one tensor's update, `scale`·B·A.
pub(crate) struct Module {
    /// `[rank, inputs]`.
    pub(crate) a: Stored,
    /// `[outputs, rank]`.
    pub(crate) b: Stored,
    /// α/r, or α/√r, in units of 2^-32, rounded down.
    pub(crate) scale: i64,
    pub(crate) rank: usize,
    pub(crate) inputs: usize,
    outputs: usize,
}

fn refuse(detail: String) -> ModelError {
    ModelError::new(Fault::Config, detail)
}

impl Adapter {
    /// Reads the config and the headers in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, ModelError> {
        let config = AdapterConfig::read(dir)?;
        let mut tensors = source::open(&[lora::read_header(dir)?])?;
        let mut modules = BTreeMap::new();
        while let Some((name, first)) = tensors.pop_first() {
            let module = module_of(&name)
                .ok_or_else(|| refuse(format!("tensor {name:?} is no LoRA factor of a matrix")))?;
            // In order of name: a module's A comes before its B.
            let b = tensors
                .remove(&format!("{PREFIX}{module}.lora_B.weight"))
                .ok_or_else(|| refuse(format!("{module:?} has only one of its two factors")))?;
            // As a config lists the tensors of the only family whose files have another prefix.
            let listed = module.strip_prefix("transformer.").unwrap_or(module);
            modules.insert(
                format!("{listed}.weight"),
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

    /// Two factors of a module's update as the tensor has it, but for the scale: `[rows, rank]`
    /// and `[rank, columns]`.
    pub(crate) fn factors(&self, module: &Module) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let a = module.a.read(0, module.a.len())?;
        let b = module.b.read(0, module.b.len())?;
        Ok(match self.transposed {
            false => (b, a),
            true => (transposed(&a, module.inputs), transposed(&b, module.rank)),
        })
    }

    /// Sums of all probes; the same as those of the merged model's update, but for rounding.
    pub(super) fn sums(
        &self,
        base: Option<&BTreeMap<String, Stored>>,
        seed: &Seed,
    ) -> Result<Sums, ModelError> {
        if let Some(base) = base {
            self.check_fits(base)?;
        }
        let mut total: Sums = [0; BITS];
        for (name, module) in &self.modules {
            let (rows, columns) = self.shape(module);
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

    /// Refuses an adapter of other tensors than `base` has.
    pub(crate) fn check_fits(&self, base: &BTreeMap<String, Stored>) -> Result<(), ModelError> {
        self.modules
            .iter()
            .try_for_each(|(name, module)| check_fits(name, self.shape(module), base))
    }

    /// Rows and columns of the tensor that a module changes.
    pub(crate) fn shape(&self, module: &Module) -> (usize, usize) {
        match self.transposed {
            false => (module.outputs, module.inputs),
            true => (module.inputs, module.outputs),
        }
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
    fn new(config: &AdapterConfig, module: &str, a: Stored, b: Stored) -> Result<Self, ModelError> {
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
        let (named, scale) = config.scale(module)?;
        // Exact: a power of two times a float, whose fraction is then cut off.
        let scale = (scale * (1u64 << SCALE_BITS) as f64) as i64;
        if named != rank || scale == 0 {
            return Err(refuse(format!(
                "{module:?}: factors of rank {rank}, the config has {named}; its scale must not \
                 be below 2^-{SCALE_BITS}"
            )));
        }
        Ok(Self {
            a,
            b,
            scale,
            rank,
            inputs,
            outputs,
        })
    }

    /// What B·A is multiplied by.
    pub(crate) fn factor(&self) -> f64 {
        self.scale as f64 / (1u64 << SCALE_BITS) as f64
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
fn transposed<T: Copy>(values: &[T], columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
        .collect()
}
