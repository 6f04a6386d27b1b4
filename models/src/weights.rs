//! Weights by name: loaded from files, or variables in training.

use crate::{
    Fault, ModelConfig, ModelError, Profile, header::Header, kernels::are_ours, lora::Adapter,
    sketch::blame_base,
};
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, tensor::TensorInfo};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Tensors by name: in f32 on CPUs, elsewhere as their [`Form`] says.
pub(crate) struct Weights {
    tensors: BTreeMap<String, Tensor>,
    are_trained: bool,
}

impl Weights {
    /// From tensors that may be tracked for gradients.
    pub(crate) fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            tensors,
            are_trained: true,
        }
    }

    /// Reads every tensor of `config` from `shards`, widened to f32; refuses NaN and infinities.
    /// An adapter's updates are added as they are read; what is wrong with its base is
    /// [`Fault::Data`].
    pub(crate) fn load(
        config: &ModelConfig,
        shards: &[(PathBuf, Header)],
        adapter: Option<&Adapter>,
        form: Form,
    ) -> Result<Self, ModelError> {
        let mut tensors = BTreeMap::new();
        for (path, header) in shards {
            let mut file = File::open(path).map_err(|e| ModelError::io(path, &e))?;
            for (name, info) in &header.tensors {
                let Some(listed) = config.listed_as(name) else {
                    continue;
                };
                let values = read_tensor(&mut file, path, header.data_start, info)?;
                form.check(name, &values).map_err(|error| match adapter {
                    Some(_) => blame_base(error),
                    None => error,
                })?;
                let mut tensor = Tensor::from_vec(values, info.shape.as_slice(), &Device::Cpu)?;
                let update = adapter.and_then(|adapter| {
                    let delta = adapter.deltas.get(listed.as_ref())?;
                    Some(adapter.merge(delta, &tensor))
                });
                if let Some(merged) = update {
                    let merged = merged?;
                    form.check(name, &merged)?;
                    tensor = Tensor::from_vec(merged, info.shape.as_slice(), &Device::Cpu)?;
                }
                tensors.insert(listed.into_owned(), form.shape(tensor)?);
            }
        }
        Ok(Self {
            tensors,
            are_trained: false,
        })
    }

    /// Whether they are variables of a training.
    pub(crate) fn are_trained(&self) -> bool {
        self.are_trained
    }

    /// The tensor `name`.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor, ModelError> {
        self.tensors
            .get(name)
            .cloned()
            .ok_or_else(|| ModelError::new(Fault::Config, format!("tensor {name:?} is missing")))
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

/// Reads one tensor, widened to f32.
pub(crate) fn read_tensor(
    file: &mut File,
    path: &Path,
    data_start: u64,
    info: &TensorInfo,
) -> Result<Vec<f32>, ModelError> {
    let (start, end) = info.data_offsets;
    let length = end.saturating_sub(start);
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|e| ModelError::new(Fault::Memory, format!("{length} bytes of weights: {e}")))?;
    file.seek(SeekFrom::Start(data_start.saturating_add(start as u64)))
        .and_then(|_| file.take(length as u64).read_to_end(&mut bytes))
        .map_err(|e| ModelError::io(path, &e))?;
    if bytes.len() != length {
        return Err(ModelError::new(
            Fault::Io,
            format!("{} got shorter", path.display()),
        ));
    }
    widen(&bytes, info.dtype)
}

/// Values of `dtype` as f32, exactly.
pub(crate) fn widen(bytes: &[u8], dtype: Dtype) -> Result<Vec<f32>, ModelError> {
    Ok(match dtype {
        Dtype::F32 => le_floats(bytes),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
            .collect(),
        _ => Tensor::from_raw_buffer(bytes, DType::F16, &[bytes.len() / 2], &Device::Cpu)?
            .to_dtype(DType::F32)?
            .to_vec1()?,
    })
}

/// Little-endian f32 values.
pub(crate) fn le_floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}
