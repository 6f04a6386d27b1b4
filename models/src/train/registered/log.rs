//! A log on disk: `leaves.scale`, its checkpoints in `objects/`, and `run`, which tells whose it
//! is.

use super::{
    LogLeaf,
    form::{Checkpoint, Forms},
};
use crate::{
    Fault, ModelError,
    train::{adamw::AdamW, output::write_whole},
};
use codec::{Decode, Encode};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

const LEAVES: &str = "leaves.scale";
const OBJECTS: &str = "objects";
const RUN: &str = "run";
/// SCALE of a leaf.
const LEAF_BYTES: usize = 80;

/// Which checkpoints stay on disk. Leaves always do, and so do the files of the last one, which a
/// training goes on from. The others are trained again by [`super::restore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// Those of each so manyeth leaf. The first one's are what the seed gives.
    Each(NonZeroU64),
    /// The last one's alone.
    Last,
}

impl Keep {
    fn keeps(self, place: u64) -> bool {
        match self {
            Self::All => true,
            Self::Each(each) => place > 0 && place % each == 0,
            Self::Last => false,
        }
    }
}

/// The file of `log` with this BLAKE3.
pub fn object(log: &Path, hash: &[u8; 32]) -> PathBuf {
    let digits = blake3::Hash::from_bytes(*hash).to_hex();
    log.join(OBJECTS).join(digits.as_str())
}

/// The leaves of the log in `log`, without one that was not wholly written.
pub fn leaves(log: &Path) -> Result<Vec<LogLeaf>, ModelError> {
    let path = log.join(LEAVES);
    let bytes = fs::read(&path).map_err(|e| ModelError::io(&path, &e))?;
    Ok(bytes
        .chunks_exact(LEAF_BYTES)
        .filter_map(|mut leaf| LogLeaf::decode(&mut leaf).ok())
        .collect())
}

/// Removes the checkpoints that are not to be kept, and gives the bytes that became free. What is
/// left when it is cut off is a log like any other: [`super::restore`] makes it whole.
pub fn prune(log: &Path, keep: Keep) -> Result<u64, ModelError> {
    thin(log, &leaves(log)?, keep)
}

fn thin(log: &Path, leaves: &[LogLeaf], keep: Keep) -> Result<u64, ModelError> {
    if keep == Keep::All {
        return Ok(0);
    }
    let files = |leaf: &LogLeaf| [leaf.weights, leaf.optimizer];
    let kept: BTreeSet<[u8; 32]> = (0..)
        .zip(leaves)
        .filter(|(place, _)| keep.keeps(*place))
        .map(|(_, leaf)| leaf)
        .chain(leaves.last())
        .flat_map(files)
        .collect();
    let all: BTreeSet<[u8; 32]> = leaves.iter().flat_map(files).collect();
    let mut freed = 0u64;
    for hash in all.difference(&kept) {
        let path = object(log, hash);
        let removed = fs::metadata(&path).and_then(|meta| {
            fs::remove_file(&path)?;
            Ok(meta.len())
        });
        freed = freed.saturating_add(match removed {
            Err(e) if e.kind() == ErrorKind::NotFound => 0,
            removed => removed.map_err(|e| ModelError::io(&path, &e))?,
        });
    }
    Ok(freed)
}

/// A log that is being written.
pub(super) struct Log {
    dir: PathBuf,
    file: File,
    keep: Keep,
    pub(super) leaves: Vec<LogLeaf>,
}

/// What a training goes on from.
pub(super) struct Last {
    pub(super) step: u64,
    pub(super) checkpoint: Checkpoint,
    pub(super) optimizer: AdamW,
}

impl Log {
    /// Opens the log in `dir` of the run that `run` names, and drops what was not wholly written:
    /// leaves from the first one on that has the wrong step, and those at the end whose
    /// checkpoint is damaged or gone. Training has the same ones again.
    pub(super) fn open(
        dir: &Path,
        run: &str,
        resume: bool,
        forms: &Forms,
        every: u64,
        keep: Keep,
    ) -> Result<(Self, Option<Last>), ModelError> {
        let objects = dir.join(OBJECTS);
        fs::create_dir_all(&objects).map_err(|e| ModelError::io(&objects, &e))?;
        let path = dir.join(LEAVES);
        let mut found = Vec::new();
        if is_begun(dir, run, resume)? && path.exists() {
            found = leaves(dir)?;
        }
        let right = (0..)
            .zip(&found)
            .take_while(|(place, leaf)| leaf.step == u64::saturating_mul(*place, every));
        found.truncate(right.count());
        let mut last = None;
        while let Some(leaf) = found.last() {
            last = state(dir, leaf, forms)?;
            if last.is_some() {
                break;
            }
            found.pop();
        }
        write_whole(
            &path,
            &found.iter().flat_map(Encode::encode).collect::<Vec<_>>(),
        )?;
        sync(dir)?;
        let file = OpenOptions::new().append(true).open(&path);
        let log = Self {
            dir: dir.to_owned(),
            file: file.map_err(|e| ModelError::io(&path, &e))?,
            keep,
            leaves: found,
        };
        Ok((log, last))
    }

    /// Writes a checkpoint, its leaf when both files are safe, and then removes what is not kept.
    pub(super) fn put(&mut self, leaf: LogLeaf, checkpoint: &Checkpoint) -> Result<(), ModelError> {
        write(&self.dir, &leaf, checkpoint)?;
        let written = self.file.write_all(&leaf.encode());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|e| ModelError::io(&self.dir.join(LEAVES), &e))?;
        self.leaves.push(leaf);
        thin(&self.dir, &self.leaves, self.keep).map(|_| ())
    }
}

/// Writes the files of a leaf, each of which appears whole.
pub(super) fn write(log: &Path, leaf: &LogLeaf, checkpoint: &Checkpoint) -> Result<(), ModelError> {
    write_whole(&object(log, &leaf.weights), &checkpoint.weights)?;
    write_whole(&object(log, &leaf.optimizer), &checkpoint.optimizer)?;
    sync(&log.join(OBJECTS))
}

/// Refuses a log that is not of the run.
pub(super) fn check_run(log: &Path, run: &str) -> Result<(), ModelError> {
    let path = log.join(RUN);
    let found = fs::read_to_string(&path).map_err(|e| ModelError::io(&path, &e))?;
    match found == run {
        true => Ok(()),
        false => Err(refuse(log, OTHER)),
    }
}

const OTHER: &str = "has the log of another recipe, seed, or number of steps for each leaf; take \
                     another directory";

fn refuse(log: &Path, what: &str) -> ModelError {
    ModelError::new(Fault::Config, format!("{}: {what}", log.display()))
}

/// Whether `dir` has a log of the run. One of another is refused, and so is one that is not to go
/// on: what was posted of it must stay.
fn is_begun(dir: &Path, run: &str, resume: bool) -> Result<bool, ModelError> {
    let path = dir.join(RUN);
    match fs::read_to_string(&path) {
        Ok(found) if found != run => Err(refuse(dir, OTHER)),
        Ok(_) if !resume => Err(refuse(
            dir,
            "has a log already; resume it, or take another directory",
        )),
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            write_whole(&path, run.as_bytes())?;
            sync(dir)?;
            Ok(false)
        }
        Err(e) => Err(ModelError::io(&path, &e)),
    }
}

/// The state of a leaf; `None` if a file is gone or is not the leaf's.
pub(super) fn state(dir: &Path, leaf: &LogLeaf, forms: &Forms) -> Result<Option<Last>, ModelError> {
    let Some(checkpoint) = stored(dir, leaf)? else {
        return Ok(None);
    };
    let optimizer = forms.decode(&checkpoint)?;
    Ok(optimizer.map(|optimizer| Last {
        step: leaf.step,
        checkpoint,
        optimizer,
    }))
}

/// The files of a leaf; `None` if one is gone or is not the leaf's.
pub(super) fn stored(dir: &Path, leaf: &LogLeaf) -> Result<Option<Checkpoint>, ModelError> {
    let read = |hash| {
        let path = object(dir, hash);
        match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            bytes => bytes.map_err(|e| ModelError::io(&path, &e)),
        }
    };
    let checkpoint = Checkpoint {
        weights: read(&leaf.weights)?,
        optimizer: read(&leaf.optimizer)?,
    };
    let is_leafs = checkpoint.leaf(leaf.step, leaf.update) == *leaf;
    Ok(is_leafs.then_some(checkpoint))
}

/// Makes the names in a directory safe.
fn sync(dir: &Path) -> Result<(), ModelError> {
    let synced = File::open(dir).and_then(|file| file.sync_all());
    synced.map_err(|e| ModelError::io(dir, &e))
}
