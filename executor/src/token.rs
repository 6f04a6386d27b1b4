//! The bearer token: a file that only its owner reads.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Shortest token that is accepted, in characters.
const SHORTEST: usize = 32;
/// Longest token file that is read, in bytes.
const LONGEST: u64 = 1024;

/// A bearer token; kept as its hash, whose comparison takes constant time.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// Reads the token from `path`, and makes a random one there if there is no file.
    ///
    /// Refuses a file that anybody but its owner may read or write.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        match read(path) {
            Ok(text) => Ok(Self::new(&text)),
            Err(error) if is_absent(&error) => Ok(Self::new(&create(path)?)),
            Err(error) => Err(error),
        }
    }

    /// Reads the text of the token from an existing file.
    pub fn read_text(path: &Path) -> Result<String> {
        read(path)
    }

    fn new(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }

    /// Whether the value of an `Authorization` header carries this token.
    pub fn admits(&self, header: &[u8]) -> bool {
        let presented = header.strip_prefix(b"Bearer ").unwrap_or_default();
        // `blake3::Hash` compares in constant time.
        blake3::hash(presented) == self.0
    }
}

fn is_absent(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn read(path: &Path) -> Result<String> {
    let file = File::open(path)
        .with_context(|| format!("cannot read the token file {}", path.display()))?;
    let meta = file.metadata()?;
    ensure!(
        meta.is_file(),
        "the token file {} is not a file",
        path.display()
    );
    if meta.mode() & 0o077 != 0 {
        bail!(
            "the token file {} is open to others (mode {:03o}); run: chmod 600 {}",
            path.display(),
            meta.mode() & 0o777,
            path.display()
        );
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    let text = text.trim();
    ensure!(
        text.len() >= SHORTEST,
        "the token in {} is shorter than {SHORTEST} characters; delete the file for a new one",
        path.display()
    );
    Ok(text.to_owned())
}

fn create(path: &Path) -> Result<String> {
    let mut random = [0u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let text = hex::encode(random);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create the token file {}", path.display()))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // A part of a token would be refused at the next start.
        let _ = std::fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write the token file {}", path.display()))?;
    Ok(text)
}
