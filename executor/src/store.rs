//! Files of a job, each whole or absent.
//!
//! A sealed file ends with the length and the BLAKE3 of its payload. It is written under
//! another name, synced and renamed, so that a reader sees the old content, the new one, or
//! (after damage to the disk) nothing.

use arena_primitives::job::{JobId, JobStatus};
use codec::{Decode, DecodeAll, Encode};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Content of the request as it was posted.
pub(crate) const REQUEST: &str = "request.scale";
/// What the server knows of the job: a [`Record`].
pub(crate) const STATUS: &str = "status.scale";
/// What the worker process found: an [`Ended`].
pub(crate) const OUTCOME: &str = "outcome.scale";
/// Losses of the samples computed so far, appended by the worker process.
pub(crate) const LOSSES: &str = "losses.bin";
/// The model of a running job.
pub(crate) const MODEL: &str = "model";
/// The model that the adapter of a running job is applied to.
pub(crate) const BASE: &str = "base";
/// The model that the one of a running job is compared with.
pub(crate) const EARLIER: &str = "earlier";
/// What the training that a running job replays was registered with.
pub(crate) const RECIPE: &str = "recipe";
/// Checkpoints of that training, each file by its hash.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The evaluation data of a running job.
pub(crate) const DATA: &str = "data";
/// Held by the worker process of a job.
pub(crate) const LOCK: &str = "lock";

/// Longest sealed file; a request is the longest of them.
const LONGEST: u64 = 256 * 1024;
const TRAILER: usize = 8 + 32;

/// What is kept of a job between two runs of the executor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Record {
    /// Milliseconds since 1970 at which the job was posted, last.
    pub(crate) posted: u64,
    /// Milliseconds since 1970 at which it ended; 0 while it didn't.
    pub(crate) ended: u64,
    /// Whether posting the job again runs it again.
    pub(crate) retry: bool,
    /// Never `Running`: an unfinished job is a queued one.
    pub(crate) status: JobStatus,
}

/// How a job ended, from its worker process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ended {
    /// `Done` or `Failed`.
    pub(crate) status: JobStatus,
    /// Whether posting the job again runs it again.
    pub(crate) retry: bool,
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes `payload` to `dir/name`, atomically and durably.
pub(crate) fn write_sealed(dir: &Path, name: &str, payload: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let written = (|| {
        seal(&mut File::create(&temporary)?, payload)?;
        fs::rename(&temporary, dir.join(name))?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // Frees the space; the file that was there before stays.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn seal(file: &mut File, payload: &[u8]) -> io::Result<()> {
    file.write_all(payload)?;
    file.write_all(&(payload.len() as u64).to_le_bytes())?;
    file.write_all(blake3::hash(payload).as_bytes())?;
    file.sync_all()
}

/// An empty file that is sealed later, by a process that can open none any more.
pub(crate) struct Blank(File);

impl Blank {
    /// Makes `dir/name`, in the place of what was there.
    pub(crate) fn create(dir: &Path, name: &str) -> io::Result<Self> {
        let file = File::create(dir.join(name))?;
        File::open(dir)?.sync_all()?;
        Ok(Self(file))
    }

    /// Writes the payload, durably; half of it reads as absent.
    pub(crate) fn seal(&mut self, payload: &[u8]) -> io::Result<()> {
        let sealed = seal(&mut self.0, payload);
        if sealed.is_err() {
            // Frees the space; the error is the one to tell.
            let _ = self.0.set_len(0);
        }
        sealed
    }
}

/// Payload of a sealed file; `None` where it is absent, truncated or damaged.
pub(crate) fn read_sealed(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(unseal(bytes))
}

fn unseal(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.len().checked_sub(TRAILER)?;
    let trailer = bytes.split_off(end);
    let (length, digest) = trailer.split_at(8);
    let whole = (end as u64).to_le_bytes() == *length;
    (whole && blake3::hash(&bytes).as_bytes() == digest).then_some(bytes)
}

/// Decodes a sealed file; `None` where it is absent or damaged.
pub(crate) fn read_scale<T: Decode>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    let bytes = read_sealed(dir, name)?;
    Ok(bytes.and_then(|bytes| T::decode_all(&mut &bytes[..]).ok()))
}

/// Removes a file or a directory that may be absent.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Directories of the jobs below the executor's base.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    jobs: PathBuf,
}

impl Store {
    pub(crate) fn open(base: &Path) -> io::Result<Self> {
        let jobs = base.join("jobs");
        fs::create_dir_all(&jobs)?;
        Ok(Self { jobs })
    }

    pub(crate) fn dir(&self, id: &JobId) -> PathBuf {
        self.jobs.join(hex::encode(id.as_bytes()))
    }

    /// Ids of all jobs that have a directory.
    pub(crate) fn ids(&self) -> io::Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.jobs)? {
            let name = entry?.file_name();
            let mut id = [0u8; 32];
            if hex::decode_to_slice(name.as_encoded_bytes(), &mut id).is_ok() {
                ids.push(JobId::from(id));
            }
        }
        Ok(ids)
    }

    /// Keeps a job that was posted.
    pub(crate) fn create(&self, id: &JobId, request: &[u8], record: &Record) -> io::Result<()> {
        let dir = self.dir(id);
        fs::create_dir_all(&dir)?;
        write_sealed(&dir, REQUEST, request)?;
        self.save(id, record)?;
        remove(&dir.join(OUTCOME))?;
        File::open(&self.jobs)?.sync_all()
    }

    pub(crate) fn save(&self, id: &JobId, record: &Record) -> io::Result<()> {
        write_sealed(&self.dir(id), STATUS, &record.encode())
    }

    /// Removes what only a running job needs.
    pub(crate) fn tidy(&self, id: &JobId) -> io::Result<()> {
        let dir = self.dir(id);
        let fetched = [MODEL, BASE, EARLIER, RECIPE, CHECKPOINTS, DATA];
        fetched
            .into_iter()
            .try_for_each(|name| remove(&dir.join(name)))
    }

    pub(crate) fn forget(&self, id: &JobId) -> io::Result<()> {
        remove(&self.dir(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_should_read_back_and_be_absent_when_cut_or_changed() {
        let dir = tempfile::tempdir().unwrap();
        write_sealed(dir.path(), "x", b"payload").unwrap();
        assert_eq!(
            read_sealed(dir.path(), "x").unwrap().as_deref(),
            Some(&b"payload"[..])
        );
        let path = dir.path().join("x");
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read_sealed(dir.path(), "x").unwrap(), None, "cut at {cut}");
            let mut changed = whole.clone();
            changed[cut] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(
                read_sealed(dir.path(), "x").unwrap(),
                None,
                "changed at {cut}"
            );
        }
        assert_eq!(read_sealed(dir.path(), "absent").unwrap(), None);
    }

    #[test]
    fn blank_should_be_absent_until_it_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        write_sealed(dir.path(), "x", b"before").unwrap();
        let mut blank = Blank::create(dir.path(), "x").unwrap();
        assert_eq!(read_sealed(dir.path(), "x").unwrap(), None);
        blank.seal(b"payload").unwrap();
        let found = read_sealed(dir.path(), "x").unwrap();
        assert_eq!(found.as_deref(), Some(&b"payload"[..]));
    }
}
