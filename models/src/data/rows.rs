//! Rows of a classifier.

use super::{check_count, lines_by, plain, read, refuse};
use crate::{Fault, ModelError, header, weights::le_floats};
use candle_core::{Device, Tensor};
use safetensors::{Dtype, tensor::TensorInfo};
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

/// Rows of a classifier.
#[derive(Debug)]
pub(crate) struct Rows {
    /// `[n, width]`, flat.
    features: Vec<f32>,
    /// Features per row.
    pub(crate) width: usize,
    pub(crate) labels: Vec<u32>,
}

#[derive(Deserialize)]
struct RowLine {
    features: Vec<f64>,
    label: u32,
}

impl Rows {
    /// Reads JSONL of `{"features","label"}` or safetensors of `features` and `labels`, told
    /// apart by their first bytes: a data file is named by its hash, not by an ending.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = read(path)?;
        let rows = match Self::are_framed(&bytes, bytes.len() as u64) {
            true => Self::from_safetensors(path, &bytes)?,
            false => Self::from_lines(path, &bytes)?,
        };
        if let Some(at) = rows.features.iter().position(|v| !v.is_finite()) {
            let sample = at / rows.width.max(1) + 1;
            return Err(refuse(
                path,
                format!("sample {sample} has a feature not finite in f32"),
            ));
        }
        Ok(rows)
    }

    /// Whether a file of `length` bytes that begins so is one of safetensors.
    pub(crate) fn are_framed(start: &[u8], length: u64) -> bool {
        let header = start.first_chunk::<8>().map(|h| u64::from_le_bytes(*h));
        start.get(8) == Some(&b'{') && header.is_some_and(|h| h <= length.saturating_sub(8))
    }

    fn from_lines(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let mut expected = 0;
        let parsed: Vec<RowLine> = lines_by(path, bytes, |line| {
            let row = match plain::row(line, expected) {
                Some((features, label)) => RowLine { features, label },
                None => serde_json::from_str(line)?,
            };
            expected = row.features.len();
            Ok(row)
        })?;
        let width = parsed.first().map_or(0, |row| row.features.len());
        let mut rows = Self {
            features: Vec::new(),
            width,
            labels: Vec::new(),
        };
        for (i, row) in parsed.iter().enumerate() {
            let found = row.features.len();
            if found != width || width == 0 {
                let detail = format!("line {}: {found} features, line 1 has {width}", i + 1);
                return Err(refuse(path, detail));
            }
            rows.features.extend(row.features.iter().map(|v| *v as f32));
            rows.labels.push(row.label);
        }
        Ok(rows)
    }

    fn from_safetensors(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let refuse = |detail: String| refuse(path, detail);
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(refuse("no header".into()));
        };
        let Some((json, data)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else {
            return Err(refuse("truncated header".into()));
        };
        let mut found: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(json).map_err(|e| refuse(e.to_string()))?;
        found.remove("__metadata__");
        let mut tensors = found
            .into_iter()
            .map(|(name, value)| Ok((name, serde_json::from_value::<TensorInfo>(value)?)))
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map_err(|e| refuse(e.to_string()))?;
        header::check_layout(&mut tensors).map_err(refuse)?;
        let tensor = |name: &str, dtype: Dtype| {
            let (_, info) = tensors
                .iter()
                .find(|(n, info)| n == name && info.dtype == dtype)
                .ok_or_else(|| refuse(format!("needs a tensor {name:?} of {dtype:?}")))?;
            let bytes = data
                .get(info.data_offsets.0..info.data_offsets.1)
                .ok_or_else(|| refuse("truncated".into()))?;
            Ok::<_, ModelError>((info.shape.clone(), bytes))
        };
        let (shape, features) = tensor("features", Dtype::F32)?;
        let (rows, labels) = tensor("labels", Dtype::U32)?;
        let count = rows.first().copied().unwrap_or(0);
        if rows.len() != 1 || shape.len() < 2 || shape[0] != count {
            return Err(refuse(format!(
                "features {shape:?} and labels {rows:?} don't match"
            )));
        }
        check_count(path, count)?;
        let width = shape.iter().skip(1).product();
        if width == 0 {
            return Err(refuse("no features".into()));
        }
        Ok(Self {
            features: le_floats(features),
            width,
            labels: labels
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        })
    }

    /// Features `[n, width]` and labels of some rows.
    pub(crate) fn batch(&self, indices: &[usize]) -> Result<(Tensor, Vec<u32>), ModelError> {
        let mut features = Vec::with_capacity(indices.len() * self.width);
        for i in indices {
            features.extend_from_slice(&self.features[i * self.width..(i + 1) * self.width]);
        }
        let features = Tensor::from_vec(features, (indices.len(), self.width), &Device::Cpu)?;
        Ok((features, indices.iter().map(|i| self.labels[*i]).collect()))
    }

    /// Appends the rows of another file of the same width.
    pub(crate) fn append(&mut self, other: Self) -> Result<(), ModelError> {
        if self.width != other.width {
            let detail = format!("files of {} and of {} features", self.width, other.width);
            return Err(ModelError::new(Fault::Data, detail));
        }
        self.features.extend(other.features);
        self.labels.extend(other.labels);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn read_should_name_the_line_that_is_malformed() {
        for (bytes, line) in [
            (
                "{\"features\":[1,2],\"label\":0}\n{\"features\":[1],\"label\":0}",
                "line 2",
            ),
            ("{\"features\":[1],\"label\":0}\n\n", "line 2"),
            ("{\"features\":[1],\"label\":-1}\n", "line 1"),
            ("{\"features\":[1e300],\"label\":1}\n", "sample 1"),
            ("{\"features\":[],\"label\":1}\n", "line 1"),
            ("", "0 samples"),
        ] {
            let error = Rows::read(file(bytes.as_bytes()).path()).unwrap_err();
            assert_eq!(error.fault, Fault::Data);
            assert!(error.detail.contains(line), "{error}");
        }
    }

    #[test]
    fn safetensors_and_lines_should_read_the_same() {
        let json = r#"{"features":{"dtype":"F32","shape":[2,1,2],"data_offsets":[0,16]},"labels":{"dtype":"U32","shape":[2],"data_offsets":[16,24]}}"#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        for value in [1.0f32, 2.0, 3.0, 4.5] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        let a = Rows::read(file(&bytes).path()).unwrap();
        let lines = "{\"features\":[1,2],\"label\":1}\n{\"features\":[3,4.5],\"label\":0}\n";
        let b = Rows::read(file(lines.as_bytes()).path()).unwrap();
        assert_eq!(
            (a.features, a.width, a.labels),
            (b.features, b.width, b.labels)
        );
        bytes.pop();
        assert_eq!(
            Rows::read(file(&bytes).path()).unwrap_err().fault,
            Fault::Data
        );
    }
}
