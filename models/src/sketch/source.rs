//! Tensors read in parts, as f32 or in fixed point.

use crate::{
    Fault, Limits, ModelError,
    header::Header,
    inspect::{self, Checked},
    weights,
};
use safetensors::{Dtype, tensor::TensorInfo};
use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Values of one read.
pub(crate) const PART: usize = 1 << 20;
/// Fixed point: a weight is a multiple of 2^-40.
const SCALE: f64 = (1u64 << 40) as f64;
/// ±16, where weights are clipped.
const LIMIT: f64 = 16.0 * SCALE;

/// A weight in units of 2^-40, towards 0, clipped to ±16. Widening to f64 and the product are
/// exact, so that the integer is the same on every machine.
pub(crate) fn fixed(value: f32) -> i64 {
    (f64::from(value) * SCALE).clamp(-LIMIT, LIMIT) as i64
}

/// A tensor in its file.
pub(crate) struct Stored {
    file: Arc<(PathBuf, File)>,
    name: String,
    start: u64,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
}

impl Stored {
    fn new(file: &Arc<(PathBuf, File)>, data_start: u64, name: &str, info: &TensorInfo) -> Self {
        Self {
            file: Arc::clone(file),
            name: name.to_owned(),
            start: data_start.saturating_add(info.data_offsets.0 as u64),
            dtype: info.dtype,
            shape: info.shape.clone(),
        }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// As a matrix: rows are the first axis, columns all others. `None` below two axes.
    pub(crate) fn matrix(&self) -> Option<(usize, usize)> {
        match self.shape.split_first() {
            Some((rows, rest)) if !rest.is_empty() => Some((*rows, rest.iter().product())),
            _ => None,
        }
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.file.0
    }

    /// Where in its file the value at `index` begins.
    pub(crate) fn offset(&self, index: usize) -> u64 {
        self.start + (index * self.width()) as u64
    }

    /// Bytes of a value.
    fn width(&self) -> usize {
        if self.dtype == Dtype::F32 { 4 } else { 2 }
    }

    /// `count` values from the one at `from`, row-major and widened; refuses NaN and
    /// infinities.
    pub(crate) fn read(&self, from: usize, count: usize) -> Result<Vec<f32>, ModelError> {
        let size = self.width();
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(count * size)
            .map_err(|e| ModelError::new(Fault::Memory, format!("a part of the weights: {e}")))?;
        bytes.resize(count * size, 0);
        let (path, file) = &*self.file;
        file.read_exact_at(&mut bytes, self.offset(from))
            .map_err(|e| ModelError::io(path, &e))?;
        let values = weights::widen(&bytes, self.dtype)?;
        if values.iter().any(|v| !v.is_finite()) {
            let detail = format!("tensor {:?} has a NaN or an infinity", self.name);
            return Err(ModelError::new(Fault::NonFinite, detail));
        }
        Ok(values)
    }

    /// The same in units of 2^-40.
    pub(crate) fn read_fixed(&self, from: usize, count: usize) -> Result<Vec<i64>, ModelError> {
        Ok(self.read(from, count)?.into_iter().map(fixed).collect())
    }
}

/// Opens the tensors of the model in `dir` that others are counted from; what is wrong with it
/// is [`Fault::Data`].
pub(crate) fn of_base(dir: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    let checked = inspect::check(dir, None, &Limits::unlimited()).map_err(super::blame_base)?;
    of(&checked)
}

/// Opens every tensor that a checked model computes with, under the name that its config gives
/// it.
pub(crate) fn of(checked: &Checked) -> Result<BTreeMap<String, Stored>, ModelError> {
    let mut tensors = BTreeMap::new();
    for (name, stored) in open(&checked.shards)? {
        if let Some(listed) = checked.config.listed_as(&name) {
            tensors.insert(listed.into_owned(), stored);
        }
    }
    Ok(tensors)
}

/// Opens every tensor of `shards`.
pub(crate) fn open(shards: &[(PathBuf, Header)]) -> Result<BTreeMap<String, Stored>, ModelError> {
    let mut tensors = BTreeMap::new();
    for (path, header) in shards {
        let file = open_file(path)?;
        for (name, info) in &header.tensors {
            let stored = Stored::new(&file, header.data_start, name, info);
            tensors.insert(name.clone(), stored);
        }
    }
    Ok(tensors)
}

fn open_file(path: &Path) -> Result<Arc<(PathBuf, File)>, ModelError> {
    let file = File::open(path).map_err(|e| ModelError::io(path, &e))?;
    Ok(Arc::new((path.to_owned(), file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_should_keep_what_it_can_and_clip_at_16() {
        assert_eq!(fixed(1.0), 1 << 40);
        assert_eq!(fixed(-0.0), 0);
        assert_eq!(fixed(f32::from_bits(1)), 0);
        // 24 bits from 2^-16 down to 2^-40 are all there.
        assert_eq!(fixed(1.5 * 2f32.powi(-40)), 1);
        assert_eq!(fixed(-1.5 * 2f32.powi(-40)), -1);
        assert_eq!(fixed(f32::from_bits(0x377F_FFFF)), 0xFF_FFFF);
        for far in [16.0, 17.0, f32::MAX] {
            assert_eq!((fixed(far), fixed(-far)), (1 << 44, -(1 << 44)));
        }
    }

    proptest! {
        #[test]
        fn fixed_should_be_odd_ordered_and_near(a in -20f32..20.0, b in -20f32..20.0) {
            prop_assert_eq!(fixed(-a), -fixed(a));
            prop_assert!((a <= b) == (fixed(a) <= fixed(b)) || fixed(a) == fixed(b));
            let back = fixed(a) as f64 / SCALE;
            prop_assert!((back - f64::from(a.clamp(-16.0, 16.0))).abs() < 1.0 / SCALE);
        }
    }
}
