//! LoRA adapters as the PEFT library writes them: `W + s · B·A`, merged in f32.

use crate::{
    Fault, ModelConfig, ModelError,
    header::{self, Header},
    kernels::{Kernels, Matrix, product},
    weights::read_tensor,
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

/// Config of an adapter.
pub(crate) const CONFIG: &str = "adapter_config.json";
/// Factors of an adapter.
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";

/// What the PEFT library puts before a module's name.
pub(crate) const PREFIX: &str = "base_model.model.";
const MAX_RANK: usize = 4_096;
const MAX_ALPHA: f64 = 1_048_576.0;

/// What of an adapter's config counts. What could change the computation and isn't computed is
/// refused; what can't is ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_qalora: bool,
    #[serde(default)]
    lora_bias: bool,
    #[serde(default)]
    pub(crate) fan_in_fan_out: bool,
    bias: Option<String>,
    modules_to_save: Option<Value>,
    trainable_token_indices: Option<Value>,
    target_parameters: Option<Value>,
    layer_replication: Option<Value>,
    alora_invocation_tokens: Option<Value>,
}

/// A checked adapter.
#[derive(Debug)]
pub(crate) struct Adapter {
    path: PathBuf,
    header: Header,
    /// By the name of the base's tensor.
    pub(crate) deltas: BTreeMap<String, Delta>,
}

/// One tensor's update.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    a: String,
    b: String,
    /// Rows and columns of the update as `B·A`.
    shape: (usize, usize),
    rank: usize,
    /// Factor of `B·A`.
    pub(crate) scale: f64,
    /// Whether the base's matrix lies the other way round.
    is_turned: bool,
}

fn refuse(detail: impl Into<String>) -> ModelError {
    ModelError::new(Fault::Config, detail)
}

impl AdapterConfig {
    /// Reads and checks the one in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, ModelError> {
        Self::parse(&crate::inspect::read_capped(
            dir,
            CONFIG,
            1 << 20,
            Fault::Config,
        )?)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let raw: Self =
            serde_json::from_slice(bytes).map_err(|e| refuse(format!("{CONFIG}: {e}")))?;
        let holds = |value: &Option<Value>| match value {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
            Some(_) => true,
        };
        let unsupported = if raw.peft_type != "LORA" {
            "a peft_type other than LORA"
        } else if raw.use_dora {
            "use_dora"
        } else if raw.use_qalora {
            "use_qalora"
        } else if raw.lora_bias || raw.bias.as_deref().is_some_and(|bias| bias != "none") {
            "bias"
        } else if holds(&raw.modules_to_save) {
            "modules_to_save"
        } else if holds(&raw.trainable_token_indices) {
            "trainable_token_indices"
        } else if holds(&raw.target_parameters) {
            "target_parameters"
        } else if holds(&raw.layer_replication) {
            "layer_replication"
        } else if holds(&raw.alora_invocation_tokens) {
            "alora_invocation_tokens"
        } else {
            return Ok(raw);
        };
        Err(refuse(format!(
            "{CONFIG}: {unsupported} is not computed by this release"
        )))
    }

    /// Rank and factor of the update of `module`.
    pub(crate) fn scale(&self, module: &str) -> Result<(usize, f64), ModelError> {
        let rank = pattern(&self.rank_pattern, module)?.unwrap_or(self.r);
        let alpha = pattern(&self.alpha_pattern, module)?.unwrap_or(self.lora_alpha);
        if !(1..=MAX_RANK).contains(&rank) || !alpha.is_finite() || alpha.abs() > MAX_ALPHA {
            return Err(refuse(format!(
                "{CONFIG}: {module}: rank {rank} and alpha {alpha}; the rank must be in \
                 1..={MAX_RANK}, alpha within ±2²⁰"
            )));
        }
        let over = if self.use_rslora {
            (rank as f64).sqrt()
        } else {
            rank as f64
        };
        Ok((rank, alpha / over))
    }
}

/// The value for a module: of the first key that is its name or the end of it.
fn pattern<T: Copy>(by: &BTreeMap<String, T>, module: &str) -> Result<Option<T>, ModelError> {
    let is_plain = |key: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
        key.chars().all(plain)
    };
    if let Some(key) = by.keys().find(|key| !is_plain(key)) {
        return Err(refuse(format!(
            "{CONFIG}: pattern {key:?} is a regular expression; name modules plainly"
        )));
    }
    let mut fits = by.iter().filter(|(key, _)| {
        let before = module.strip_suffix(key.as_str());
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    match (fits.next(), fits.next()) {
        (Some((one, _)), Some((other, _))) => Err(refuse(format!(
            "{CONFIG}: {module} fits both {one:?} and {other:?}; name modules unmistakably"
        ))),
        (found, _) => Ok(found.map(|(_, value)| *value)),
    }
}

/// Whether a directory holds an adapter rather than a model.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(CONFIG).exists() && !dir.join(crate::inspect::CONFIG).exists()
}

/// The file of factors in `dir`, and its header.
pub(crate) fn read_header(dir: &Path) -> Result<(PathBuf, Header), ModelError> {
    let path = dir.join(WEIGHTS);
    if !path.is_file() {
        return Err(ModelError::new(
            Fault::Weights,
            format!("{WEIGHTS} is missing; add it"),
        ));
    }
    let header = header::read(&path)?;
    Ok((path, header))
}

impl Adapter {
    /// Reads the adapter in `dir` and checks it against the model that it belongs to, without
    /// reading a weight.
    pub(crate) fn check(dir: &Path, base: &ModelConfig) -> Result<Self, ModelError> {
        let raw = AdapterConfig::read(dir)?;
        let (path, header) = read_header(dir)?;
        let shapes: BTreeMap<String, Vec<usize>> = base.tensors()?.into_iter().collect();
        let mut deltas = BTreeMap::new();
        let mut used = 0;
        for name in header.tensors.keys() {
            let Some(module) = name
                .strip_prefix(PREFIX)
                .and_then(|name| name.strip_suffix(".lora_A.weight"))
            else {
                continue;
            };
            let listed = format!("{module}.weight");
            let target = base.listed_as(&listed).map(std::borrow::Cow::into_owned);
            let shape = target.as_ref().and_then(|target| shapes.get(target));
            let (Some(target), Some([rows, columns])) = (target, shape.map(Vec::as_slice)) else {
                return Err(refuse(format!(
                    "{WEIGHTS}: {name:?} updates no matrix of the base"
                )));
            };
            let delta = delta(&raw, &header, module, (*rows, *columns))?;
            // Two names may mean one tensor, as with and without `transformer.` in GPT-2.
            if deltas.insert(target, delta).is_some() {
                return Err(refuse(format!(
                    "{WEIGHTS}: {name:?} updates a matrix that another pair updates too"
                )));
            }
            used += 2;
        }
        if used != header.tensors.len() || deltas.is_empty() {
            return Err(refuse(format!(
                "{WEIGHTS}: {} tensors, {used} of which are pairs \
                 {PREFIX}<module>.lora_A.weight and .lora_B.weight; nothing else is computed",
                header.tensors.len()
            )));
        }
        Ok(Self {
            path,
            header,
            deltas,
        })
    }

    /// Numbers in all factors.
    pub(crate) fn parameters(&self) -> u64 {
        let each = |delta: &Delta| {
            let (rows, columns) = delta.shape;
            (delta.rank as u64).saturating_mul((rows + columns) as u64)
        };
        self.deltas.values().map(each).sum()
    }

    /// The factors `A` `[rank, in]` and `B` `[out, rank]` of an update.
    pub(crate) fn factors(&self, delta: &Delta) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let file = File::open(&self.path).map_err(|e| ModelError::io(&self.path, &e))?;
        let read = |name: &String| {
            let info =
                self.header.tensors.get(name).ok_or_else(|| {
                    ModelError::new(Fault::Weights, format!("{name:?} is missing"))
                })?;
            let values = read_tensor(&file, &self.path, self.header.data_start, info)?;
            if values.iter().any(|v| !v.is_finite()) {
                let detail = format!("tensor {name:?} has a NaN or an infinity");
                return Err(ModelError::new(Fault::NonFinite, detail));
            }
            Ok(values)
        };
        Ok((read(&delta.a)?, read(&delta.b)?))
    }

    /// The values of a tensor with its update added. The same bits on every machine.
    pub(crate) fn merge(
        &self,
        delta: &Delta,
        mut weight: Vec<f32>,
    ) -> Result<Vec<f32>, ModelError> {
        let (a, b) = self.factors(delta)?;
        let (rows, columns) = delta.shape;
        let a = Matrix::new(&a, delta.rank, columns, columns);
        let b = Matrix::new(&b, rows, delta.rank, delta.rank);
        let update = if delta.is_turned {
            product(Kernels::Exact, a.transposed(), b.transposed())?
        } else {
            product(Kernels::Exact, b, a)?
        };
        let scale = delta.scale as f32;
        for (w, d) in weight.iter_mut().zip(&update) {
            *w += d * scale;
        }
        if weight.iter().any(|w| !w.is_finite()) {
            return Err(ModelError::new(
                Fault::NonFinite,
                format!("{:?} merged with its base is not finite", delta.a),
            ));
        }
        Ok(weight)
    }
}

fn delta(
    raw: &AdapterConfig,
    header: &Header,
    module: &str,
    base: (usize, usize),
) -> Result<Delta, ModelError> {
    let (rank, scale) = raw.scale(module)?;
    let (a, b) = (
        format!("{PREFIX}{module}.lora_A.weight"),
        format!("{PREFIX}{module}.lora_B.weight"),
    );
    for name in [&a, &b] {
        if let Some(info) = header.tensors.get(name) {
            header::check_dtype(name, info)?;
        }
    }
    let shape = |name: &str| header.tensors.get(name).map(|info| info.shape.as_slice());
    let (out, into) = match (shape(&a), shape(&b)) {
        (Some([one, into]), Some([out, other])) if *one == rank && *other == rank => (*out, *into),
        (a, b) => {
            return Err(refuse(format!(
                "{WEIGHTS}: {module}: lora_A {a:?} and lora_B {b:?}; {CONFIG} makes them \
                 [{rank}, in] and [out, {rank}]"
            )));
        }
    };
    let is_turned = raw.fan_in_fan_out;
    let fits = if is_turned { (into, out) } else { (out, into) };
    if fits != base {
        return Err(refuse(format!(
            "{WEIGHTS}: {module}: an update of {out}×{into}; the base's matrix is {}×{}",
            base.0, base.1
        )));
    }
    Ok(Delta {
        a,
        b,
        shape: (out, into),
        rank,
        scale,
        is_turned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: &str) -> Result<AdapterConfig, ModelError> {
        let json = format!(r#"{{"peft_type":"LORA","r":8,"lora_alpha":16{extra}}}"#);
        AdapterConfig::parse(json.as_bytes())
    }

    fn scale(extra: &str, module: &str) -> (usize, f64) {
        config(extra).unwrap().scale(module).unwrap()
    }

    #[test]
    fn scale_should_be_alpha_over_rank_or_its_root() {
        assert_eq!(scale("", "m"), (8, 2.0));
        assert_eq!(scale(r#","use_rslora":true"#, "m"), (8, 16.0 / 8f64.sqrt()));
    }

    #[test]
    fn patterns_should_be_whole_names_or_the_ends_of_them() {
        let extra = r#","alpha_pattern":{"q_proj":4,"layers.1.v_proj":8.5},
            "rank_pattern":{"q_proj":2}"#;
        assert_eq!(scale(extra, "model.layers.0.q_proj"), (2, 2.0));
        assert_eq!(scale(extra, "model.layers.1.v_proj"), (8, 8.5 / 8.0));
        assert_eq!(scale(extra, "model.layers.0.v_proj"), (8, 2.0));
        assert_eq!(scale(extra, "model.layers.0.xq_proj"), (8, 2.0));
    }

    #[test]
    fn what_is_not_computed_should_be_refused() {
        for extra in [
            r#","use_dora":true"#,
            r#","use_qalora":true"#,
            r#","bias":"all""#,
            r#","lora_bias":true"#,
            r#","modules_to_save":["lm_head"]"#,
            r#","trainable_token_indices":[1]"#,
            r#","target_parameters":["x"]"#,
            r#","layer_replication":[[0,1]]"#,
            r#","alora_invocation_tokens":[1]"#,
            r#","peft_type":"IA3""#,
        ] {
            assert_eq!(config(extra).unwrap_err().fault, Fault::Config, "{extra}");
        }
        for extra in [
            r#","alpha_pattern":{"m":1e9}"#,
            r#","rank_pattern":{"m":0}"#,
            r#","rank_pattern":{"m":100000}"#,
            r#","alpha_pattern":{"m":1,"x.m":2}"#,
            r#","alpha_pattern":{".*m":1}"#,
        ] {
            let error = config(extra).unwrap().scale("x.m").unwrap_err();
            assert_eq!(error.fault, Fault::Config, "{extra}");
        }
        let neutral = r#","modules_to_save":null,"bias":"none","layer_replication":null,"new":1"#;
        assert!(config(neutral).is_ok());
    }
}
