//! Weights of small models, read and written whole.

use anyhow::{Context, Result, ensure};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

/// Weights of a whole model.
pub const WEIGHTS: &str = "model.safetensors";

/// Numbers in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The numbers, the last axis first.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Reads a file of f32.
pub fn read(path: &Path) -> Result<Tensors> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes).with_context(|| path.display().to_string())?;
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        ensure!(
            view.dtype() == Dtype::F32,
            "{}: {name} is {:?}; write the model in F32",
            path.display(),
            view.dtype()
        );
        let tensor = Tensor {
            shape: view.shape().to_vec(),
            values: floats(view.data()),
        };
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// The little-endian numbers in `bytes`.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect()
}

/// The bytes of a file of these tensors, in ascending order of name, with what else it says.
pub fn encode(tensors: &Tensors, metadata: Option<(&str, &str)>) -> Result<Vec<u8>> {
    let data: Vec<(&String, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes());
            (name, bytes.collect())
        })
        .collect();
    let views = tensors.values().zip(&data).map(|(tensor, (name, bytes))| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.into(), value.into())]));
    Ok(safetensors::serialize(views, metadata)?)
}

/// Writes a file of these tensors, with what else it says.
pub fn write(path: &Path, tensors: &Tensors, metadata: Option<(&str, &str)>) -> Result<()> {
    fs::write(path, encode(tensors, metadata)?)
        .with_context(|| format!("can't write {}", path.display()))
}

/// Makes the directory `to` with the files of `from` but for its weights and manifest.
pub fn copy_besides_weights(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("can't create {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        let is_left_out = shown.contains(".safetensors") || shown == "manifest.scale";
        if entry.file_type()?.is_file() && !is_left_out {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_should_be_read_back_with_and_without_metadata() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(WEIGHTS);
        let tensor = |shape: &[usize], values: &[f32]| Tensor {
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let tensors = Tensors::from([
            ("b".into(), tensor(&[2], &[1.0, -2.5])),
            ("a".into(), tensor(&[1, 3], &[0.0, 7.0, 1e-9])),
        ]);
        for metadata in [None, Some(("made", "by hand"))] {
            write(&path, &tensors, metadata).unwrap();
            assert_eq!(read(&path).unwrap(), tensors);
        }
        let plain = encode(&tensors, None).unwrap();
        assert_ne!(plain, encode(&tensors, Some(("made", "by hand"))).unwrap());
    }

    #[test]
    fn copy_besides_weights_should_leave_weights_and_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        let index = format!("{WEIGHTS}.index.json");
        for name in ["config.json", WEIGHTS, &index, "manifest.scale"] {
            fs::write(from.join(name), name).unwrap();
        }
        copy_besides_weights(&from, &to).unwrap();
        let names: Vec<_> = fs::read_dir(&to)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["config.json"]);
    }
}
