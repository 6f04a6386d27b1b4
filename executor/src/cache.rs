//! One content-addressed cache: equal files stored once, least recently used out.

use crate::store;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Age from which an unfinished download is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A directory of files named by their BLAKE3.
pub(crate) struct Cache {
    dir: PathBuf,
    budget: u64,
}

impl Cache {
    pub(crate) fn open(dir: &Path, budget: u64) -> io::Result<Self> {
        for name in ["blobs", "parts", "locks"] {
            fs::create_dir_all(dir.join(name))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            budget,
        })
    }

    fn blob(&self, digest: &[u8; 32]) -> PathBuf {
        self.dir.join("blobs").join(hex::encode(digest))
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.dir.join("locks").join(name))?;
        file.lock()?;
        Ok(file)
    }

    /// Keeps other workers from fetching the same file; until the result is dropped.
    pub(crate) fn lock(&self, digest: &[u8; 32]) -> io::Result<File> {
        // A fixed number of files, as a lock file can't be removed without a race.
        let [first, ..] = digest;
        self.lock_file(&format!("{:02x}", first & 0x3f))
    }

    /// A file that is there and whole; a damaged one is removed.
    pub(crate) fn find(&self, digest: &[u8; 32], bytes: u64) -> io::Result<Option<PathBuf>> {
        let path = self.blob(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hasher = blake3::Hasher::new();
        let whole = file.metadata()?.len() == bytes && {
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

    /// The unfinished download of a file; the caller holds [`Cache::lock`].
    pub(crate) fn part(&self, digest: &[u8; 32], most: u64) -> io::Result<Part> {
        Part::open(self.dir.join("parts").join(hex::encode(digest)), most)
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

    /// Removes the least recently used files until `bytes` more fit the budget.
    pub(crate) fn make_room(&self, bytes: u64, except: &[u8; 32]) -> io::Result<()> {
        if bytes > self.budget {
            return Err(io::Error::new(
                ErrorKind::QuotaExceeded,
                format!(
                    "a file of {bytes} bytes is over the cache's {}",
                    self.budget
                ),
            ));
        }
        let _guard = self.lock_file("room")?;
        let except = hex::encode(except);
        let now = SystemTime::now();
        let mut total = bytes;
        let mut candidates = Vec::new();
        for name in ["blobs", "parts"] {
            for entry in fs::read_dir(self.dir.join(name))? {
                let entry = entry?;
                let Ok(meta) = entry.metadata() else { continue };
                if entry.file_name().as_encoded_bytes() == except.as_bytes() {
                    continue;
                }
                total = total.saturating_add(meta.len());
                let used = meta.modified().unwrap_or(now);
                let idle = now.duration_since(used).unwrap_or_default();
                if name == "blobs" || idle > ABANDONED {
                    candidates.push((used, meta.len(), entry.path()));
                }
            }
        }
        candidates.sort();
        for (_, length, path) in candidates {
            if total <= self.budget {
                break;
            }
            store::remove(&path)?;
            total = total.saturating_sub(length);
        }
        Ok(())
    }
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
mod tests {
    use super::*;

    fn put(cache: &Cache, content: &[u8], age: u64) -> [u8; 32] {
        let digest = *blake3::hash(content).as_bytes();
        let mut part = cache.part(&digest, 1000).unwrap();
        part.append(content).unwrap();
        let path = cache.keep(part, &digest).unwrap();
        let then = SystemTime::now() - Duration::from_secs(age);
        File::open(path).unwrap().set_modified(then).unwrap();
        digest
    }

    #[test]
    fn room_should_be_made_by_the_least_recently_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 250).unwrap();
        let [old, used, new] =
            [(1, 300), (2, 400), (3, 100)].map(|(byte, age)| put(&cache, &[byte; 100], age));
        assert!(cache.find(&used, 100).unwrap().is_some());
        cache.make_room(50, &[0; 32]).unwrap();
        assert!(cache.find(&old, 100).unwrap().is_none());
        assert!(cache.find(&used, 100).unwrap().is_some());
        assert!(cache.find(&new, 100).unwrap().is_some());
        assert!(cache.make_room(251, &[0; 32]).is_err());
    }

    #[test]
    fn find_should_remove_a_damaged_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 250).unwrap();
        let digest = put(&cache, b"content", 0);
        fs::write(cache.blob(&digest), b"c0ntent").unwrap();
        assert!(cache.find(&digest, 7).unwrap().is_none());
        assert!(!cache.blob(&digest).exists());
    }

    #[test]
    fn part_should_resume_with_the_hash_of_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 250).unwrap();
        let digest = *blake3::hash(b"onetwo").as_bytes();
        cache.part(&digest, 6).unwrap().append(b"one").unwrap();
        let mut part = cache.part(&digest, 6).unwrap();
        assert_eq!(part.len(), 3);
        part.append(b"two").unwrap();
        assert_eq!(part.digest(), digest);
        assert_eq!(cache.part(&digest, 5).unwrap().len(), 0);
    }
}
