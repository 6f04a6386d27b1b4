//! Header of a safetensors file, read strictly and without the bytes after it.
//!
//! The `safetensors` crate checks that tensors follow each other without gap or overlap and
//! that sizes don't overflow; this adds what it leaves out: repeated names, the file's length,
//! and a word about pickles.

use crate::{Fault, ModelError};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Longest header in bytes.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Refusal of every file that a Python unpickler would run.
pub(crate) const PICKLE: &str =
    "pickle is never loaded, because loading one runs its code; submit safetensors";

/// Where each tensor lies.
#[derive(Debug)]
pub(crate) struct Header {
    /// Offset of the first tensor byte in the file.
    pub(crate) data_start: u64,
    /// By name.
    pub(crate) tensors: BTreeMap<String, TensorInfo>,
}

/// The header's JSON object with repeated names still in it.
struct Entries(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut tensors = BTreeMap::new();
                let mut has_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    let repeated = if name == "__metadata__" {
                        map.next_value::<BTreeMap<String, IgnoredAny>>()?;
                        std::mem::replace(&mut has_metadata, true)
                    } else {
                        let info = map.next_value()?;
                        tensors.insert(name.clone(), info).is_some()
                    };
                    if repeated {
                        return Err(A::Error::custom(format!("{name:?} is there twice")));
                    }
                }
                Ok(Entries(tensors.into_iter().collect()))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Why bytes are no weights.
pub(crate) enum Refusal {
    Malformed(String),
    Io(io::Error),
}

impl From<String> for Refusal {
    fn from(detail: String) -> Self {
        Self::Malformed(detail)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the header of `path`.
pub(crate) fn read(path: &Path) -> Result<Header, ModelError> {
    let found = File::open(path).and_then(|file| {
        let size = file.metadata()?.len();
        Ok((file, size))
    });
    let (file, size) = found.map_err(|e| ModelError::io(path, &e))?;
    read_from(file, size).map_err(|refusal| match refusal {
        Refusal::Io(error) => ModelError::io(path, &error),
        Refusal::Malformed(detail) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ModelError::new(Fault::Weights, format!("{name}: {detail}"))
        }
    })
}

/// Reads the header of a file of `size` bytes from its beginning.
pub(crate) fn read_from(mut file: impl Read, size: u64) -> Result<Header, Refusal> {
    let mut start = Vec::new();
    (&mut file).take(9).read_to_end(&mut start)?;
    if start.get(8) != Some(&b'{') && looks_pickled(&start) {
        return Err(Refusal::Malformed(PICKLE.into()));
    }
    let Some((length, _)) = start.split_first_chunk::<8>() else {
        return Err(format!("{size} bytes are no safetensors file; fetch it again").into());
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(format!("header of {length} bytes, at most {MAX_HEADER_BYTES}").into());
    }
    if length > size.saturating_sub(8) {
        return Err(format!("header of {length} bytes in a file of {size}: truncated").into());
    }
    let mut json = start.split_off(8);
    (&mut file)
        .take(length.saturating_sub(1))
        .read_to_end(&mut json)?;
    json.truncate(length as usize);
    let header = parse(&json, 8 + length)?;
    let end = header
        .tensors
        .values()
        .map(|t| t.data_offsets.1 as u64)
        .max()
        .unwrap_or(0);
    match end.checked_add(header.data_start) {
        Some(end) if end == size => Ok(header),
        Some(end) if end > size => {
            Err(format!("{size} bytes, the header needs {end}: truncated").into())
        }
        _ => Err(format!("{size} bytes, more than the header tells of").into()),
    }
}

/// Refuses numbers that no tensor of a model may hold.
pub(crate) fn check_dtype(name: &str, info: &TensorInfo) -> Result<(), ModelError> {
    if matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        return Ok(());
    }
    let detail = format!(
        "{name:?} is {:?}; convert it to F32, F16 or BF16",
        info.dtype
    );
    Err(ModelError::new(Fault::Weights, detail))
}

/// A pickle of protocol 2 and up, or a zip as `torch.save` writes it.
fn looks_pickled(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..]) || start.starts_with(b"PK\x03\x04")
}

fn parse(json: &[u8], data_start: u64) -> Result<Header, String> {
    let entries: Entries = serde_json::from_slice(json).map_err(|e| format!("header: {e}"))?;
    let mut tensors = entries.0;
    check_layout(&mut tensors)?;
    Ok(Header {
        data_start,
        tensors: tensors.into_iter().collect(),
    })
}

/// Sorts by offset and refuses gaps, overlaps, and sizes that aren't those of the shapes.
pub(crate) fn check_layout(tensors: &mut [(String, TensorInfo)]) -> Result<(), String> {
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    match Metadata::new(None, tensors.to_vec()) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!(
            "header: {e} (tensors must be gapless, apart, and of their size)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs, io::Write};

    fn read_bytes(bytes: &[u8]) -> Result<Header, ModelError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read(file.path())
    }

    fn file(json: &str, data: usize) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        let error = read_bytes(bytes).unwrap_err();
        assert_eq!(error.fault, Fault::Weights);
        error.detail
    }

    const GOOD: &str =
        r#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

    #[test]
    fn read_should_take_a_good_header() {
        let header = read_bytes(&file(GOOD, 8)).unwrap();
        assert_eq!(header.tensors["x"].shape, [2]);
        assert_eq!(header.data_start, 8 + GOOD.len() as u64);
    }

    #[test]
    fn read_should_refuse_lengths_that_lie() {
        assert!(refusal(&file(GOOD, 7)).contains("truncated"));
        assert!(refusal(&file(GOOD, 9)).contains("more than"));
        let mut long = file(GOOD, 8);
        long[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        assert!(refusal(&long).contains("at most"));
        long[..8].copy_from_slice(&1_000u64.to_le_bytes());
        assert!(refusal(&long).contains("truncated"));
        refusal(b"");
        refusal(&[0; 8]);
        refusal(&[0; 9]);
    }

    #[test]
    fn read_should_refuse_tensors_that_lie() {
        let x = r#""x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
        let two = |other: &str, data| refusal(&file(&format!("{{{x},{other}}}"), data));
        two(
            r#""y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#,
            12,
        );
        two(
            r#""y":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}"#,
            20,
        );
        two(
            r#""y":{"dtype":"F32","shape":[3],"data_offsets":[8,16]}"#,
            8,
        );
        two(
            r#""y":{"dtype":"Q7","shape":[1],"data_offsets":[8,16]}"#,
            16,
        );
        two(
            r#""y":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[8,8]}"#,
            8,
        );
        assert!(
            two(
                r#""x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#,
                16
            )
            .contains("twice")
        );
    }

    #[test]
    fn integers_should_be_read_and_be_no_weights() {
        let whole = r#"{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let header = read_bytes(&file(whole, 8)).unwrap();
        let error = check_dtype("x", &header.tensors["x"]).unwrap_err();
        assert_eq!(error.fault, Fault::Weights);
        assert!(error.detail.contains("convert it to F32"), "{error}");
    }

    #[test]
    fn read_should_name_pickles_and_not_misname_a_header_of_640_bytes() {
        assert!(
            refusal(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9 ").contains("pickle is never loaded")
        );
        assert!(refusal(b"\x80\x04\x95aaaaaaaaaaaaaaaaa").contains("pickle is never loaded"));
        assert!(refusal(b"PK\x03\x04aaaaaaaaaaaa").contains("pickle is never loaded"));
        let padded = format!("{GOOD:<640}");
        assert!(read_bytes(&file(&padded, 8)).is_ok());
    }

    proptest! {
        #[test]
        fn read_should_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_bytes(&bytes);
            let mut framed = file("", 0);
            framed[0] = bytes.len() as u8;
            framed.extend(bytes);
            let _ = read_bytes(&framed);
        }
    }

    #[test]
    fn read_should_tell_io_from_a_bad_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("x")).unwrap();
        assert_eq!(
            read(&dir.path().join("absent")).unwrap_err().fault,
            Fault::Io
        );
    }
}
