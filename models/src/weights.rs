//! Weights by name: loaded from files, or variables in training.

use crate::{Fault, ModelError, header::Header};
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, tensor::TensorInfo};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Tensors in f32 by name.
pub(crate) struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    /// From tensors that may be tracked for gradients.
    pub(crate) fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(tensors)
    }

    /// Reads every tensor of `shards`, widened to f32; refuses NaN and infinities.
    pub(crate) fn load(shards: &[(PathBuf, Header)]) -> Result<Self, ModelError> {
        let mut tensors = BTreeMap::new();
        for (path, header) in shards {
            let mut file = File::open(path).map_err(|e| ModelError::io(path, &e))?;
            for (name, info) in &header.tensors {
                let values = read_tensor(&mut file, path, header.data_start, info)?;
                if values.iter().any(|v| !v.is_finite()) {
                    let detail = format!("tensor {name:?} has a NaN or an infinity");
                    return Err(ModelError::new(Fault::NonFinite, detail));
                }
                let tensor = Tensor::from_vec(values, info.shape.as_slice(), &Device::Cpu)?;
                tensors.insert(name.clone(), tensor);
            }
        }
        Ok(Self(tensors))
    }

    /// The tensor `name`.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor, ModelError> {
        self.0
            .get(name)
            .cloned()
            .ok_or_else(|| ModelError::new(Fault::Config, format!("tensor {name:?} is missing")))
    }
}

fn read_tensor(
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
