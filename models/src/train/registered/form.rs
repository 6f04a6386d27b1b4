//! The files of a checkpoint.

use super::LogLeaf;
use crate::{
    Fault, ModelConfig, ModelError,
    train::adamw::{AdamW, Parameter},
    weights::{floats, le_floats},
};
use candle_core::{Device, Var};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::collections::BTreeMap;

/// A norm in units of 2⁻³².
const UNIT: f64 = (1u64 << 32) as f64;

type Shapes = BTreeMap<String, Vec<usize>>;

/// The one way to write some tensors: a safetensors file of f32 in ascending order of name, with
/// no metadata. A file of the form has this header and then numbers, so nothing is parsed.
pub(super) struct Form {
    pub(super) header: Vec<u8>,
    shapes: Shapes,
}

impl Form {
    fn new(shapes: Shapes) -> Result<Self, ModelError> {
        let failed = |e: String| ModelError::new(Fault::TooLarge, format!("a checkpoint: {e}"));
        let mut infos = Vec::with_capacity(shapes.len());
        let mut end = 0usize;
        for (name, shape) in &shapes {
            let start = end;
            end = bytes_of(shape)
                .and_then(|bytes| start.checked_add(bytes))
                .ok_or_else(|| failed(format!("{name:?} is too large")))?;
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: shape.clone(),
                data_offsets: (start, end),
            };
            infos.push((name.clone(), info));
        }
        let metadata = Metadata::new(None, infos).map_err(|e| failed(e.to_string()))?;
        let mut json = serde_json::to_vec(&metadata).map_err(|e| failed(e.to_string()))?;
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        Ok(Self { header, shapes })
    }

    /// Bytes of a file.
    pub(super) fn size(&self) -> u64 {
        let data = self.shapes.values().filter_map(|shape| bytes_of(shape));
        data.fold(self.header.len() as u64, |sum, bytes| {
            sum.saturating_add(bytes as u64)
        })
    }

    /// The file of these values, in ascending order of name.
    fn encode<'a>(&self, values: impl Iterator<Item = &'a [f32]>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size() as usize);
        bytes.extend_from_slice(&self.header);
        for values in values {
            let at = bytes.len();
            bytes.resize(at.saturating_add(values.len().saturating_mul(4)), 0);
            let places = bytes[at..].as_chunks_mut().0.iter_mut();
            places
                .zip(values)
                .for_each(|(place, value)| *place = value.to_le_bytes());
        }
        bytes
    }

    /// All numbers of a file, as bytes; `None` if it is not of the form, or has one that is not
    /// finite.
    pub(super) fn numbers<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let data = file.strip_prefix(self.header.as_slice())?;
        let is_whole = file.len() as u64 == self.size();
        (is_whole && are_finite(floats(data))).then_some(data)
    }

    /// Names and sizes, in ascending order of name.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&String, &Vec<usize>)> {
        self.shapes.iter()
    }
}

/// Looks at all of them rather than up to the first that isn't, several at a time.
fn are_finite(numbers: impl Iterator<Item = f32>) -> bool {
    numbers.fold(true, |all, v| all & v.is_finite())
}

/// Bytes of a tensor; `None` beyond what can be counted.
fn bytes_of(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(4usize, |n, d| n.checked_mul(*d))
}

/// How the checkpoints of one model are written.
pub(super) struct Forms {
    pub(super) weights: Form,
    pub(super) optimizer: Form,
}

/// The state of a training, as its two files.
pub(super) struct Checkpoint {
    pub(super) weights: Vec<u8>,
    pub(super) optimizer: Vec<u8>,
}

impl Forms {
    pub(super) fn new(model: &ModelConfig) -> Result<Self, ModelError> {
        let shapes: Shapes = model.tensors()?.into_iter().collect();
        let moment = |kind: &'static str| {
            let named = move |(name, shape): (&String, &Vec<usize>)| {
                (format!("{kind}.{name}"), shape.clone())
            };
            shapes.iter().map(named)
        };
        let moments = moment("mean").chain(moment("square")).collect();
        Ok(Self {
            optimizer: Form::new(moments)?,
            weights: Form::new(shapes)?,
        })
    }

    /// The files of a state, which must be finite.
    pub(super) fn encode(&self, step: u64, optimizer: &AdamW) -> Result<Checkpoint, ModelError> {
        let parameters = || optimizer.parameters.values();
        let weights = parameters().map(|p| p.values.as_slice());
        let means = parameters().map(|p| p.mean.as_slice());
        let moments = means.chain(parameters().map(|p| p.square.as_slice()));
        let mut all = weights.clone().chain(moments.clone());
        if !all.all(|values| are_finite(values.iter().copied())) {
            let detail = format!("the state after step {step} is not finite; lower learning_rate");
            return Err(ModelError::new(Fault::NonFinite, detail));
        }
        Ok(Checkpoint {
            weights: self.weights.encode(weights),
            optimizer: self.optimizer.encode(moments),
        })
    }

    /// The state that both files are of; `None` if they are of none.
    pub(super) fn decode(&self, checkpoint: &Checkpoint) -> Result<Option<AdamW>, ModelError> {
        let (Some(weights), Some(moments)) = (
            self.weights.numbers(&checkpoint.weights),
            self.optimizer.numbers(&checkpoint.optimizer),
        ) else {
            return Ok(None);
        };
        let (means, squares) = moments.split_at(weights.len());
        let mut parameters = BTreeMap::new();
        let mut at = 0;
        for (name, shape) in self.weights.tensors() {
            let part = at..at + 4 * shape.iter().product::<usize>();
            at = part.end;
            let values = le_floats(&weights[part.clone()]);
            let parameter = Parameter {
                variable: Var::from_slice(&values, shape.as_slice(), &Device::Cpu)?,
                values,
                mean: le_floats(&means[part.clone()]),
                square: le_floats(&squares[part]),
            };
            parameters.insert(name.clone(), parameter);
        }
        Ok(Some(AdamW { parameters }))
    }

    /// Norm of the update from one file of weights to another, in units of 2⁻³².
    pub(super) fn update(&self, before: &[u8], after: &[u8]) -> u64 {
        let numbers = |file| floats(<[u8]>::get(file, self.weights.header.len()..).unwrap_or(&[]));
        let difference = |(a, b): (f32, f32)| f64::from(b) - f64::from(a);
        let squares: f64 = numbers(before)
            .zip(numbers(after))
            .map(|pair| difference(pair).powi(2))
            .sum();
        // A cast rounds down, and stays below the largest.
        (squares.sqrt() * UNIT) as u64
    }
}

impl Checkpoint {
    pub(super) fn leaf(&self, step: u64, update: u64) -> LogLeaf {
        LogLeaf {
            step,
            weights: *blake3::hash(&self.weights).as_bytes(),
            optimizer: *blake3::hash(&self.optimizer).as_bytes(),
            update,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::output::to_safetensors;

    fn form() -> Form {
        let shapes = [("b".to_string(), vec![2]), ("a".to_string(), vec![1, 3])];
        Form::new(shapes.into_iter().collect()).unwrap()
    }

    #[test]
    fn form_should_be_what_safetensors_writes() {
        let (a, b) = ([1.0f32, -0.0, 3.5], [4.0f32, f32::MIN_POSITIVE]);
        let tensors = [
            ("b".to_string(), &[2][..], &b[..]),
            ("a".to_string(), &[1, 3][..], &a[..]),
        ];
        let form = form();
        let file = form.encode([&a[..], &b[..]].into_iter());
        assert_eq!(file, to_safetensors(&tensors, None).unwrap());
        assert_eq!(file.len() as u64, form.size());
        let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|v| v.to_bits()).collect() };
        let numbers = le_floats(form.numbers(&file).unwrap());
        assert_eq!(bits(&numbers), bits(&[&a[..], &b[..]].concat()));
    }

    #[test]
    fn numbers_should_refuse_whatever_is_not_the_form() {
        let form = form();
        let good = form.encode([&[1.0f32; 3][..], &[2.0; 2][..]].into_iter());
        let mut other = good.clone();
        other[9] ^= 1;
        let mut infinite = good.clone();
        let end = infinite.len();
        infinite[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let mut long = good.clone();
        long.push(0);
        for bad in [
            &[][..],
            &good[..end - 4],
            &good[..5],
            &other,
            &infinite,
            &long,
        ] {
            assert!(form.numbers(bad).is_none());
        }
    }

    #[test]
    fn update_should_be_rounded_down_and_saturate() {
        let form = form();
        let forms = Forms {
            optimizer: self::form(),
            weights: self::form(),
        };
        let file = |a: [f32; 3]| form.encode([&a[..], &[7.0; 2][..]].into_iter());
        let update = |a, b| forms.update(&file(a), &file(b));
        assert_eq!(update([0.0; 3], [3.0, 4.0, 0.0]), 5 << 32);
        assert_eq!(update([1.0; 3], [1.0; 3]), 0);
        assert_eq!(update([f32::MIN; 3], [f32::MAX; 3]), u64::MAX);
        let root = (3.0f64.sqrt() * UNIT) as u64;
        assert_eq!(update([0.0; 3], [1.0; 3]), root);
    }
}
