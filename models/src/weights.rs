//! Weights by name: read from files when they are asked for, or variables in training.

use crate::{
    Fault, ModelConfig, ModelError, Profile,
    header::{self, Header},
    kernels::{Turned, are_ours},
    lora::Adapter,
    sketch::blame_base,
};
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, tensor::TensorInfo};
use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Numbers that are read at a time, where no row is wider: they stay in a processor's own cache
/// until they are where they belong.
const PART: usize = 1 << 16;

/// Tensors by name: in f32 on CPUs, elsewhere as their [`Form`] says.
pub(crate) struct Weights<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Variables(BTreeMap<String, Tensor>),
    Files(Files<'a>),
}

/// Tensors in files, with the updates of an adapter.
struct Files<'a> {
    places: BTreeMap<String, Place<'a>>,
    adapter: Option<&'a Adapter>,
    form: Form,
}

/// Where a tensor lies: a file, which is open only while it is read since a model may have more
/// files than a worker may open, and its first byte there.
struct Place<'a> {
    path: &'a Path,
    start: u64,
    info: &'a TensorInfo,
}

impl<'a> Weights<'a> {
    /// From tensors that may be tracked for gradients.
    pub(crate) fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            source: Source::Variables(tensors),
        }
    }

    /// The tensors of `config` in `shards`. Each is read when it is asked for, widened to f32,
    /// and refused if it has a NaN or an infinity; an adapter's update is added then. What is
    /// wrong with an adapter's base is [`Fault::Data`].
    pub(crate) fn open(
        config: &ModelConfig,
        shards: &'a [(PathBuf, Header)],
        adapter: Option<&'a Adapter>,
        form: Form,
    ) -> Result<Self, ModelError> {
        let mut places = BTreeMap::new();
        for (path, header) in shards {
            for (name, info) in &header.tensors {
                let Some(listed) = config.listed_as(name) else {
                    continue;
                };
                header::check_dtype(name, info)?;
                let place = Place {
                    path,
                    start: start(header.data_start, info),
                    info,
                };
                places.insert(listed.into_owned(), place);
            }
        }
        Ok(Self {
            source: Source::Files(Files {
                places,
                adapter,
                form,
            }),
        })
    }

    /// Whether they are variables of a training.
    pub(crate) fn are_trained(&self) -> bool {
        matches!(self.source, Source::Variables(_))
    }

    /// The tensor `name`.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor, ModelError> {
        match &self.source {
            Source::Variables(tensors) => tensors.get(name).cloned().ok_or_else(|| missing(name)),
            Source::Files(files) => files.get(name),
        }
    }

    /// The matrix `name` with rows and columns exchanged, if it can be read so.
    pub(crate) fn get_turned(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        match &self.source {
            Source::Files(files) => files.get_turned(name),
            Source::Variables(_) => Ok(None),
        }
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::new(Fault::Config, format!("tensor {name:?} is missing"))
}

impl Files<'_> {
    fn place(&self, name: &str) -> Result<&Place<'_>, ModelError> {
        self.places.get(name).ok_or_else(|| missing(name))
    }

    /// Calls `take` with all values of a tensor in their order, [`PART`] or a multiple of
    /// `row` numbers at a time.
    fn read(&self, name: &str, row: usize, mut take: impl FnMut(&[f32])) -> Result<(), ModelError> {
        let place = self.place(name)?;
        let path = place.path;
        let file = File::open(path).map_err(|e| ModelError::io(path, &e))?;
        read_parts(&file, path, place.start, place.info, row, |values| {
            self.form.check(name, values)?;
            take(values);
            Ok(())
        })
        .map_err(|error| match self.adapter {
            Some(_) => blame_base(error),
            None => error,
        })
    }

    fn get(&self, name: &str) -> Result<Tensor, ModelError> {
        let shape = self.place(name)?.info.shape.as_slice();
        let mut values = reserved(shape.iter().product())?;
        self.read(name, 1, |part| values.extend_from_slice(part))?;
        if let Some((adapter, delta)) = self
            .adapter
            .and_then(|adapter| Some((adapter, adapter.deltas.get(name)?)))
        {
            values = adapter.merge(delta, values)?;
            self.form.check(name, &values)?;
        }
        self.form
            .shape(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// A merged or rounded tensor is turned from what is whole; `None` for those.
    fn get_turned(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        let [rows, columns] = self.place(name)?.info.shape[..] else {
            return Ok(None);
        };
        let is_merged = |adapter: &Adapter| adapter.deltas.contains_key(name);
        if !self.form.is_plain() || self.adapter.is_some_and(is_merged) {
            return Ok(None);
        }
        let mut turned = Turned::new(rows, columns)?;
        self.read(name, columns * Turned::SIDE, |part| turned.push(part))?;
        Ok(Some(turned.finish()?))
    }
}

/// On which device weights lie, and how they are rounded.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) device: Device,
    pub(crate) profile: Profile,
}

/// As they are in the files, for the CPU.
impl Default for Form {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            profile: Profile::F32,
        }
    }
}

impl Form {
    /// Refuses a NaN, an infinity, and what becomes one when it is rounded.
    fn check(&self, name: &str, values: &[f32]) -> Result<(), ModelError> {
        // From half a step above the largest bf16 on, bf16 has infinities only.
        let (limit, of) = match self.profile {
            Profile::ExactCpuF32 | Profile::F32 => (0x7f80_0000, "f32"),
            Profile::Bf16 => (0x7f7f_8000, "bf16"),
        };
        // Without the sign, bits are in the order of the values, with NaN last; a branch for
        // each value would take as long as reading them.
        let worst = |worst: u32, v: &f32| worst.max(v.to_bits() & 0x7fff_ffff);
        if values.iter().fold(0, worst) < limit {
            return Ok(());
        }
        let detail = format!("tensor {name:?} has a NaN or an infinity in {of}");
        Err(ModelError::new(Fault::NonFinite, detail))
    }

    /// Whether numbers stay as they are in the files, on the CPU.
    fn is_plain(&self) -> bool {
        are_ours(&self.device) && self.profile != Profile::Bf16
    }

    fn shape(&self, tensor: Tensor) -> Result<Tensor, ModelError> {
        Ok(match (self.profile, are_ours(&self.device)) {
            (Profile::ExactCpuF32 | Profile::F32, true) => tensor,
            // Our kernels know f32 only: the weights are rounded, and the rest is f32.
            (Profile::Bf16, true) => tensor.to_dtype(DType::BF16)?.to_dtype(DType::F32)?,
            (Profile::Bf16, false) => tensor.to_dtype(DType::BF16)?.to_device(&self.device)?,
            (_, false) => tensor.to_device(&self.device)?,
        })
    }
}

/// The first byte of a tensor in its file.
fn start(data_start: u64, info: &TensorInfo) -> u64 {
    data_start.saturating_add(info.data_offsets.0 as u64)
}

fn reserved(count: usize) -> Result<Vec<f32>, ModelError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(|e| ModelError::new(Fault::Memory, format!("{count} numbers of weights: {e}")))?;
    Ok(values)
}

/// Reads one tensor, widened to f32.
pub(crate) fn read_tensor(
    file: &File,
    path: &Path,
    data_start: u64,
    info: &TensorInfo,
) -> Result<Vec<f32>, ModelError> {
    let mut values = reserved(info.shape.iter().product())?;
    read_parts(file, path, start(data_start, info), info, 1, |part| {
        values.extend_from_slice(part);
        Ok(())
    })?;
    Ok(values)
}

/// Calls `take` with all values of the tensor at `start`, widened to f32, in their order: a
/// multiple of `row` numbers at a time, and what is left at the end.
fn read_parts(
    file: &File,
    path: &Path,
    start: u64,
    info: &TensorInfo,
    row: usize,
    mut take: impl FnMut(&[f32]) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let width = if info.dtype == Dtype::F32 { 4 } else { 2 };
    let (first, end) = info.data_offsets;
    let length = end.saturating_sub(first);
    let row = row.max(1);
    let most = (PART / row).max(1).saturating_mul(row).min(length / width);
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(most * width)
        .map_err(|e| ModelError::new(Fault::Memory, format!("a part of the weights: {e}")))?;
    bytes.resize(most * width, 0);
    let mut values = reserved(most)?;
    let mut at = 0;
    while at < length {
        let part = &mut bytes[..most.saturating_mul(width).min(length - at)];
        file.read_exact_at(part, start.saturating_add(at as u64))
            .map_err(|e| ModelError::io(path, &e))?;
        at += part.len();
        values.clear();
        widen_into(part, info.dtype, &mut values)?;
        take(&values)?;
    }
    Ok(())
}

/// Values of `dtype` as f32, exactly.
pub(crate) fn widen(bytes: &[u8], dtype: Dtype) -> Result<Vec<f32>, ModelError> {
    let mut values = Vec::new();
    widen_into(bytes, dtype, &mut values)?;
    Ok(values)
}

fn widen_into(bytes: &[u8], dtype: Dtype, values: &mut Vec<f32>) -> Result<(), ModelError> {
    match dtype {
        Dtype::F32 => values.extend(floats(bytes)),
        Dtype::BF16 => values.extend(
            (bytes.as_chunks().0.iter())
                .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)),
        ),
        _ => {
            let halves =
                Tensor::from_raw_buffer(bytes, DType::F16, &[bytes.len() / 2], &Device::Cpu)?;
            values.extend(halves.to_dtype(DType::F32)?.to_vec1::<f32>()?);
        }
    }
    Ok(())
}

/// Little-endian f32 values.
pub(crate) fn le_floats(bytes: &[u8]) -> Vec<f32> {
    floats(bytes).collect()
}

/// The same, one after the other.
pub(crate) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    /// A file with one tensor `t` of so many rows and columns.
    fn file(dir: &Path, dtype: Dtype, rows: usize, columns: usize) -> PathBuf {
        let path = dir.join("model.safetensors");
        let values = (0..rows * columns).map(|i| ((i * 7919) % 1009) as f32 / 256.0 - 2.0);
        let bytes: Vec<u8> = match dtype {
            Dtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
            // The upper half of an f32; for f16 any bits below its infinity will do.
            _ => values
                .flat_map(|v| ((v.to_bits() >> 16) as u16 & 0xbbff).to_le_bytes())
                .collect(),
        };
        let view = TensorView::new(dtype, vec![rows, columns], &bytes).unwrap();
        safetensors::serialize_to_file([("t", view)], None, &path).unwrap();
        path
    }

    fn files<'a>(shards: &'a [(PathBuf, Header)], form: Form) -> Files<'a> {
        let (path, header) = &shards[0];
        let info = &header.tensors["t"];
        let place = Place {
            path,
            start: start(header.data_start, info),
            info,
        };
        Files {
            places: BTreeMap::from([("t".to_owned(), place)]),
            adapter: None,
            form,
        }
    }

    #[test]
    fn turned_tensor_should_be_the_tensor_turned() {
        let dir = tempfile::tempdir().unwrap();
        for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
            // The last is wider than what is read at a time.
            for (rows, columns) in [(70, 45), (1, 3), (3000, 90), (2, PART + 5)] {
                let path = file(dir.path(), dtype, rows, columns);
                let shards = [(path.clone(), crate::header::read(&path).unwrap())];
                let files = files(&shards, Form::default());
                let whole = files.get("t").unwrap();
                let info = &shards[0].1.tensors["t"];
                let data_start = shards[0].1.data_start;
                let handle = File::open(&path).unwrap();
                let read = read_tensor(&handle, &path, data_start, info).unwrap();
                assert_eq!(whole.flatten_all().unwrap().to_vec1::<f32>().unwrap(), read);
                let turned = files.get_turned("t").unwrap().unwrap();
                let expected: Vec<Vec<f32>> = whole.t().unwrap().to_vec2().unwrap();
                assert_eq!(turned.to_vec2::<f32>().unwrap(), expected);
            }
        }
        let path = file(dir.path(), Dtype::F32, 4, 4);
        let shards = [(path.clone(), crate::header::read(&path).unwrap())];
        let rounded = Form {
            profile: Profile::Bf16,
            ..Form::default()
        };
        assert!(files(&shards, rounded).get_turned("t").unwrap().is_none());
    }

    #[test]
    fn file_that_got_shorter_should_be_this_machines_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), Dtype::F32, 300, 300);
        let shards = [(path.clone(), crate::header::read(&path).unwrap())];
        let files = files(&shards, Form::default());
        let length = std::fs::metadata(&path).unwrap().len();
        let handle = File::options().write(true).open(&path).unwrap();
        handle.set_len(length - 4).unwrap();
        assert_eq!(files.get("t").unwrap_err().fault, Fault::Io);
        assert_eq!(files.get_turned("t").unwrap_err().fault, Fault::Io);
        assert_eq!(files.get("u").unwrap_err().fault, Fault::Config);
    }
}
