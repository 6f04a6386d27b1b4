//! The list of a model's files by content: what a submission's root commits to.
//!
//! Encoding: the version byte 1, then SCALE of the entries, sorted by path. Equal directories
//! have equal bytes and any other order or spelling is refused, so that a root names one set
//! of files.

use crate::{Fault, ModelError};
use codec::{Compact, Decode, Encode};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// First byte of an encoded manifest.
pub const VERSION: u8 = 1;
/// Name of the file that holds an encoded manifest; never an entry of one.
pub const FILE_NAME: &str = "manifest.scale";
/// Most entries.
pub const MAX_FILES: usize = 1_024;
/// Longest path in bytes.
pub const MAX_PATH_BYTES: usize = 255;
/// Deepest directory.
const MAX_DEPTH: usize = 16;
const ROOT_PREFIX: &[u8] = b"arena/manifest/1";

/// Why a manifest or a directory is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first byte is not [`VERSION`].
    #[error("manifest version is {0:?}, this release reads {VERSION}; rebuild the manifest")]
    Version(Option<u8>),
    /// The bytes are not SCALE of entries.
    #[error("manifest is no SCALE list of entries: {0}; rebuild the manifest")]
    Malformed(codec::Error),
    /// Bytes after the last entry, or a longer spelling of the same entries.
    #[error("manifest is not in its one canonical form; rebuild the manifest")]
    NotCanonical,
    /// More than [`MAX_FILES`] entries.
    #[error("{0} files or more, a manifest takes {MAX_FILES}; remove some")]
    TooManyFiles(usize),
    /// Not strictly ascending.
    #[error("path {0:?} is out of order or repeated; rebuild the manifest")]
    Unsorted(String),
    /// A path that could leave the directory or differs between systems.
    #[error("path {path:?}: {reason}; rename the file")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Symbolic link, socket or device.
    #[error("{0:?} is no regular file; replace it with one")]
    NotRegular(PathBuf),
    /// Reading failed.
    #[error("{path:?}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<Error> for ModelError {
    fn from(error: Error) -> Self {
        let fault = match error {
            Error::Io { .. } => Fault::Io,
            _ => Fault::Manifest,
        };
        Self::new(fault, error.to_string())
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileEntry {
    /// Relative, with `/` between parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    pub blake3: [u8; 32],
}

/// A directory by content. Sorted and valid if made by [`Manifest::of_dir`] or
/// [`Manifest::decode`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Files in ascending order of path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Describes `dir`, without its `manifest.scale` if it has one.
    pub fn of_dir(dir: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        walk(dir, "", 0, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Self { files };
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes of `manifest.scale`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        self.files.encode_to(&mut bytes);
        bytes
    }

    /// Reads what [`Manifest::encode`] wrote and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(Error::Version(bytes.first().copied()));
        };
        // The count is checked before anything is allocated for it.
        let count = Compact::<u32>::decode(&mut &rest[..])
            .map_err(Error::Malformed)?
            .0 as usize;
        if count > MAX_FILES {
            return Err(Error::TooManyFiles(count));
        }
        let files = Vec::<FileEntry>::decode(&mut rest).map_err(Error::Malformed)?;
        let manifest = Self { files };
        manifest.check()?;
        if manifest.encode() != bytes {
            return Err(Error::NotCanonical);
        }
        Ok(manifest)
    }

    /// BLAKE2b-256 of `arena/manifest/1` and the encoding: what goes on chain.
    pub fn root(&self) -> [u8; 32] {
        root_of(&self.encode())
    }

    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.size))
    }

    fn check(&self) -> Result<(), Error> {
        if self.files.len() > MAX_FILES {
            return Err(Error::TooManyFiles(self.files.len()));
        }
        for file in &self.files {
            check_path(&file.path)?;
        }
        for pair in self.files.windows(2) {
            if pair[0].path >= pair[1].path {
                return Err(Error::Unsorted(pair[1].path.clone()));
            }
        }
        self.check_parents()
    }

    /// `a` and `a/b` can't lie in one directory.
    fn check_parents(&self) -> Result<(), Error> {
        let is_file = |path: &str| {
            self.files
                .binary_search_by(|file| file.path.as_str().cmp(path))
                .is_ok()
        };
        for file in &self.files {
            for (at, _) in file.path.match_indices('/') {
                if is_file(&file.path[..at]) {
                    return Err(path_error(&file.path, "its parent is a file"));
                }
            }
        }
        Ok(())
    }
}

/// Root of an encoded manifest: BLAKE2b-256 of `arena/manifest/1` and the bytes.
pub fn root_of(encoded: &[u8]) -> [u8; 32] {
    crate::merkle::blake2_256(&[ROOT_PREFIX, encoded])
}

/// Checks that `dir` holds the file that `entry` describes.
pub fn verify_file(dir: &Path, entry: &FileEntry) -> Result<(), ModelError> {
    check_path(&entry.path)?;
    let path = dir.join(&entry.path);
    let size = fs::metadata(&path)
        .map_err(|e| ModelError::io(&path, &e))?
        .len();
    if size != entry.size {
        let detail = format!(
            "{}: {size} bytes, the manifest says {}",
            entry.path, entry.size
        );
        return Err(ModelError::new(Fault::HashMismatch, detail));
    }
    let found = hash_file(&path).map_err(|e| ModelError::io(&path, &e))?;
    if found != entry.blake3 {
        let detail = format!(
            "{}: BLAKE3 differs; fetch or submit the file again",
            entry.path
        );
        return Err(ModelError::new(Fault::HashMismatch, detail));
    }
    Ok(())
}

fn hash_file(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(*hasher.finalize().as_bytes()),
            n => hasher.update(&buffer[..n]),
        };
    }
}

fn path_error(path: &str, reason: &'static str) -> Error {
    Error::Path {
        path: path.into(),
        reason,
    }
}

/// Refuses paths that could leave the directory or mean different files on different systems.
pub fn check_path(path: &str) -> Result<(), Error> {
    let reason = if path.is_empty() {
        "empty"
    } else if path.len() > MAX_PATH_BYTES {
        "longer than 255 bytes"
    } else if path.contains('\\') {
        "has a backslash"
    } else if path.chars().any(char::is_control) {
        "has a control character"
    } else if path.starts_with('/') || path.get(1..2) == Some(":") {
        "absolute"
    } else if path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        "has an empty, `.` or `..` part"
    } else if path.split('/').count() > MAX_DEPTH {
        "too deep"
    } else if path == FILE_NAME {
        "is the manifest itself"
    } else {
        return Ok(());
    };
    Err(path_error(path, reason))
}

fn walk(dir: &Path, prefix: &str, depth: usize, files: &mut Vec<FileEntry>) -> Result<(), Error> {
    if depth >= MAX_DEPTH {
        return Err(path_error(prefix, "too deep"));
    }
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    };
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let entry = entry.map_err(io(dir))?;
        let full = entry.path();
        let kind = entry.file_type().map_err(io(&full))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(path_error(&name.to_string_lossy(), "is not UTF-8"));
        };
        if prefix.is_empty() && name == FILE_NAME {
            continue;
        }
        let path = if prefix.is_empty() {
            name.into()
        } else {
            format!("{prefix}/{name}")
        };
        check_path(&path)?;
        if kind.is_dir() {
            walk(&full, &path, depth + 1, files)?;
        } else if kind.is_file() {
            if files.len() >= MAX_FILES {
                return Err(Error::TooManyFiles(files.len() + 1));
            }
            let size = entry.metadata().map_err(io(&full))?.len();
            let blake3 = hash_file(&full).map_err(io(&full))?;
            files.push(FileEntry { path, size, blake3 });
        } else {
            return Err(Error::NotRegular(full));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(path: &str) -> FileEntry {
        FileEntry {
            path: path.into(),
            size: 3,
            blake3: [7; 32],
        }
    }

    #[test]
    fn of_dir_should_round_trip_and_ignore_the_manifest_itself() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "bb").unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/x"), "x").unwrap();
        let before = Manifest::of_dir(dir.path()).unwrap();
        fs::write(dir.path().join(FILE_NAME), before.encode()).unwrap();
        let manifest = Manifest::of_dir(dir.path()).unwrap();
        assert_eq!(manifest, before);
        assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
        assert_eq!(manifest.total_bytes(), 3);
        assert_eq!(
            manifest
                .files
                .iter()
                .map(|f| f.path.as_str())
                .collect::<Vec<_>>(),
            ["a/x", "b"]
        );
        for file in &manifest.files {
            verify_file(dir.path(), file).unwrap();
        }
        fs::write(dir.path().join("b"), "bc").unwrap();
        let error = verify_file(dir.path(), &manifest.files[1]).unwrap_err();
        assert_eq!(error.fault, Fault::HashMismatch);
    }

    #[cfg(unix)]
    #[test]
    fn of_dir_should_refuse_symlinks() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("x")).unwrap();
        assert!(matches!(
            Manifest::of_dir(dir.path()),
            Err(Error::NotRegular(_))
        ));
    }

    #[test]
    fn decode_should_refuse_what_is_not_canonical() {
        let refuse = |paths: &[&str]| {
            let files = paths.iter().map(|path| entry(path)).collect();
            assert!(
                Manifest::decode(&Manifest { files }.encode()).is_err(),
                "{paths:?}"
            );
        };
        refuse(&["b", "a"]);
        refuse(&["a", "a"]);
        refuse(&["a", "a/b"]);
        refuse(&["a", "a-b", "a/b"]);
        for path in [
            "", "..", "a/../b", "/a", "a//b", "./a", "a\\b", "a\nb", "C:x", FILE_NAME,
        ] {
            refuse(&[path]);
        }
        refuse(&[&"x".repeat(256)]);
        let good = Manifest {
            files: vec![entry("a")],
        }
        .encode();
        assert!(Manifest::decode(&good).is_ok());
        let mut long = good.clone();
        long.push(0);
        assert!(matches!(Manifest::decode(&long), Err(Error::NotCanonical)));
        let mut other = good;
        other[0] = 2;
        assert!(matches!(
            Manifest::decode(&other),
            Err(Error::Version(Some(2)))
        ));
        assert!(matches!(Manifest::decode(&[]), Err(Error::Version(None))));
    }

    #[test]
    fn decode_should_refuse_too_many_files_before_reading_them() {
        let mut bytes = vec![VERSION];
        Compact(u32::MAX).encode_to(&mut bytes);
        assert!(matches!(
            Manifest::decode(&bytes),
            Err(Error::TooManyFiles(_))
        ));
    }

    proptest! {
        #[test]
        fn decode_should_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode(), bytes);
            }
        }

        #[test]
        fn decode_should_invert_encode(names in proptest::collection::btree_set("[a-z]{1,8}", 0..20)) {
            let manifest = Manifest { files: names.iter().map(|n| entry(n)).collect() };
            prop_assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
        }
    }
}
