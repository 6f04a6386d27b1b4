//! One content-addressed cache: equal files stored once, a budget of bytes, least recently
//! used out, pinned models stay.
//!
//! ```text
//! blobs/BLAKE3        whole files
//! parts/BLAKE3.SIZE   downloads under way, and what is left of those that were cut
//! manifests/ROOT      manifests of the models whose files these are
//! pins/ROOT           models that stay: `base` or `hand`
//! locks/NNN, locks/room
//! budget              what the last executor was given
//! ```
//!
//! Any number of processes use it at once. Whoever fetches a file, or gives it a second name,
//! holds the lock of its hash; whoever makes room holds `room`, and passes over what is locked.

mod models;
mod room;

pub(crate) use models::{CachedModel, Pin, hash};

use crate::store;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

const BLOBS: &str = "blobs";
const PARTS: &str = "parts";
const MANIFESTS: &str = "manifests";
const PINS: &str = "pins";
const LOCKS: &str = "locks";
const BUDGET: &str = "budget";

/// A directory of files named by their BLAKE3.
pub(crate) struct Cache {
    dir: PathBuf,
    budget: u64,
}

impl Cache {
    /// Opens or makes the cache in `dir`, which may hold `budget` bytes.
    pub(crate) fn open(dir: &Path, budget: u64) -> io::Result<Self> {
        for name in [BLOBS, PARTS, MANIFESTS, PINS, LOCKS] {
            fs::create_dir_all(dir.join(name))?;
        }
        let cache = Self {
            dir: dir.to_owned(),
            budget,
        };
        // Of use to people only: a full disk is told of where it matters.
        if noted_budget(dir) != Some(budget)
            && let Err(error) = write_whole(&dir.join(BUDGET), budget.to_string().as_bytes())
        {
            tracing::warn!(%error, "cannot note the cache's budget");
        }
        Ok(cache)
    }

    /// Opens or makes it with the budget that it had last.
    pub(crate) fn open_noted(dir: &Path, default_budget: u64) -> io::Result<Self> {
        Self::open(dir, noted_budget(dir).unwrap_or(default_budget))
    }

    /// As [`Cache::open_noted`]; `None` where there is none.
    pub(crate) fn existing(dir: &Path, default_budget: u64) -> io::Result<Option<Self>> {
        match dir.join(BLOBS).is_dir() {
            true => Self::open_noted(dir, default_budget).map(Some),
            false => Ok(None),
        }
    }

    /// Most bytes that it may hold.
    pub(crate) fn budget(&self) -> u64 {
        self.budget
    }

    fn blob(&self, digest: &[u8; 32]) -> PathBuf {
        self.dir.join(BLOBS).join(hex::encode(digest))
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.dir.join(LOCKS).join(name))
    }

    /// Keeps other processes from fetching or dropping the same file; until the result is
    /// dropped.
    pub(crate) fn lock(&self, digest: &[u8; 32]) -> io::Result<File> {
        let file = self.lock_file(&bucket(digest))?;
        file.lock()?;
        Ok(file)
    }

    /// Whether a file of this hash and size seems to be there; its bytes are not read.
    pub(crate) fn has(&self, digest: &[u8; 32], bytes: u64) -> bool {
        self.size(digest) == Some(bytes)
    }

    /// Size of a file that seems to be there.
    pub(crate) fn size(&self, digest: &[u8; 32]) -> Option<u64> {
        Some(fs::metadata(self.blob(digest)).ok()?.len())
    }

    /// A file that is there and whole; a damaged one is removed.
    pub(crate) fn find(&self, digest: &[u8; 32], bytes: u64) -> io::Result<Option<PathBuf>> {
        let path = self.blob(digest);
        let Some(file) = open_if_there(&path)? else {
            return Ok(None);
        };
        let whole = file.metadata()?.len() == bytes && {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(&file)?;
            hasher.finalize() == *digest
        };
        if !whole {
            tracing::warn!(path = %path.display(), "a cached file is damaged; fetching it again");
            store::remove(&path)?;
            return Ok(None);
        }
        file.set_modified(SystemTime::now())?;
        Ok(Some(path))
    }

    /// Room for a file of `bytes`, and what is there of it; the caller holds [`Cache::lock`].
    pub(crate) fn part(&self, digest: &[u8; 32], bytes: u64) -> io::Result<Part> {
        let path = self
            .dir
            .join(PARTS)
            .join(format!("{}.{bytes}", hex::encode(digest)));
        // Kept until the part is there: from then on its name tells others what it will take.
        let _guard = self.make_room(bytes, digest, &path)?;
        Part::open(path, bytes)
    }

    /// Turns a finished download into a file of the cache.
    pub(crate) fn keep(&self, part: Part, digest: &[u8; 32]) -> io::Result<PathBuf> {
        let path = self.blob(digest);
        let kept = part
            .file
            .sync_all()
            .and_then(|()| fs::rename(&part.path, &path));
        if kept.is_err() {
            // Frees the space; the error is the one to tell.
            let _ = part.discard();
        }
        kept.map(|()| path)
    }
}

/// Name of a hash's lock. A fixed number of files, as a lock file can't be removed without a
/// race.
fn bucket(digest: &[u8; 32]) -> String {
    let [first, second, ..] = digest;
    format!("{first:02x}{:x}", second >> 4)
}

fn noted_budget(dir: &Path) -> Option<u64> {
    fs::read_to_string(dir.join(BUDGET))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Opens a file that may be absent.
fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a small file that may be absent.
fn read_if_there(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open_if_there(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a file so that a reader sees all of it or none.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(path);
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A download under way: what is on disk, and its hash so far.
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Part {
    fn open(path: PathBuf, most: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)?;
        let length = file.metadata()?.len();
        let mut hasher = blake3::Hasher::new();
        if length <= most {
            hasher.update_reader(&mut file)?;
        }
        let mut part = Self {
            path,
            file,
            hasher,
            length,
        };
        if length > most {
            part.restart()?;
        }
        Ok(part)
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Forgets all of it.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.hasher = blake3::Hasher::new();
        self.length = 0;
        Ok(())
    }

    /// Removes it from the disk.
    pub(crate) fn discard(self) -> io::Result<()> {
        store::remove(&self.path)
    }
}

#[cfg(test)]
mod tests;
