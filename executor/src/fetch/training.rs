//! The recipe of a registered training, and the checkpoints that it is trained again from.
//!
//! Both are the trainer's to serve. A checkpoint's files lie under their hashes below each
//! mirror, and nobody else names their sizes: the mirror does, and is held to it.

use super::{Fetcher, place, size_of, write_new};
use crate::{
    client::{Ask, Trouble},
    download::{Failure, Miss, Want, fetch, from_any},
    fault::{from_io, infra, miner},
    mirror::Mirror,
    scoring, store,
};
use arena_models::manifest::{self, FileEntry, Manifest};
use arena_primitives::job::{
    Artifact, Fault, InfraFault, MAX_RECIPE_BYTES, MinerFault, ReplaySegments,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Most bytes of what a training reads besides its own checkpoints.
pub(crate) const LARGEST_FILE: u64 = MAX_RECIPE_BYTES;
/// Times that a checkpoint is looked for, and that a mirror is asked for a size.
const TRIES: u32 = 3;

/// What a checkpoint's file is called that a mirror has, but longer than was registered.
const TOO_LARGE: &str = "too-large";

/// A file of a checkpoint, on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Whole.
    There(PathBuf),
    /// Not there.
    Absent,
    /// Only in a size beyond what was registered.
    TooLarge,
}

/// What was fetched of a checkpoint's file, by its hash.
pub(crate) fn kept(checkpoints: &Path, digest: &[u8; 32]) -> Kept {
    let path = checkpoints.join(hex::encode(digest));
    match (path.is_file(), path.with_extension(TOO_LARGE).is_file()) {
        (true, _) => Kept::There(path),
        (false, true) => Kept::TooLarge,
        (false, false) => Kept::Absent,
    }
}

/// What one look for a file came to.
enum Looked {
    /// With its size.
    Found(u64),
    /// For this reason.
    Absent(String),
    TooLarge,
}

impl Fetcher {
    /// All files of a recipe, in the job's directory. Every fault of the miner is the recipe's.
    pub(super) fn recipe(&self, recipe: &Artifact) -> Result<PathBuf, Fault> {
        let mirrors = self.mirrors(&recipe.uris);
        let listed = self.manifest(recipe, &mirrors)?;
        let files = Manifest::decode(&listed)
            .map_err(scoring::manifest_fault)?
            .files;
        check_size(&files)?;
        self.client.expect(size_of(&files));
        let dir = self.job.join(store::RECIPE);
        let disk = |error: io::Error| from_io(&error, "the recipe's directory");
        store::remove(&dir).map_err(disk)?;
        fs::create_dir_all(&dir).map_err(disk)?;
        write_new(&dir.join(manifest::FILE_NAME), &listed).map_err(disk)?;
        for file in &files {
            let to = place(&dir, &file.path).map_err(disk)?;
            self.file(file, &mirrors, &to)?;
        }
        Ok(dir)
    }

    /// The checkpoints that segments begin with, and the weights of leaves whose norms are
    /// checked. The first that no mirror serves ends the job: it is tried again, and all that was
    /// fetched before is not fetched twice.
    pub(super) fn checkpoints(&self, job: &ReplaySegments) -> Result<(), Fault> {
        let dir = self.job.join(store::CHECKPOINTS);
        let disk = |error: io::Error| from_io(&error, "the checkpoints' directory");
        store::remove(&dir).map_err(disk)?;
        fs::create_dir_all(&dir).map_err(disk)?;
        let mirrors = self.mirrors(&job.uris);
        // What the seed gives is not fetched.
        let begins = job.segments.iter().map(|segment| segment.from);
        let begins = begins.filter(|leaf| leaf.step > 0);
        let weights = job.leaves.iter().map(|leaf| Vec::from([leaf.weights]));
        let wanted: Vec<Vec<[u8; 32]>> = begins
            .map(|leaf| Vec::from([leaf.weights, leaf.optimizer]))
            .chain(weights)
            .collect();
        let most = job.checkpoint_bytes.saturating_mul(wanted.len() as u64);
        self.client.expect(most);
        for files in &wanted {
            self.checkpoint_in_the_end(files, job.checkpoint_bytes, &mirrors, &dir)?;
        }
        Ok(())
    }

    /// A checkpoint, looked for some times with growing pauses.
    fn checkpoint_in_the_end(
        &self,
        files: &[[u8; 32]],
        most: u64,
        mirrors: &[Mirror],
        dir: &Path,
    ) -> Result<(), Fault> {
        let mut pause = self.client.patience().pause;
        for _ in 1..TRIES {
            if self.checkpoint(files, most, mirrors, dir)?.is_ok() {
                return Ok(());
            }
            self.client.pause(pause).map_err(over)?;
            pause = pause.saturating_mul(2);
        }
        let found = self.checkpoint(files, most, mirrors, dir)?;
        found.map_err(|why| {
            infra(
                InfraFault::Download,
                format_args!("no mirror serves a checkpoint: {why}"),
            )
        })
    }

    /// Files of a checkpoint, of at most `most` bytes together; or why one of them is not served.
    fn checkpoint(
        &self,
        files: &[[u8; 32]],
        most: u64,
        mirrors: &[Mirror],
        dir: &Path,
    ) -> Result<Result<(), String>, Fault> {
        let mut left = most;
        for digest in files {
            let path = dir.join(hex::encode(digest));
            if path.is_file() {
                continue;
            }
            match self.look(digest, left, mirrors, &path)? {
                Looked::Found(size) => left = left.saturating_sub(size),
                Looked::Absent(why) => return Ok(Err(why)),
                Looked::TooLarge => {
                    let marked = File::create(path.with_extension(TOO_LARGE));
                    marked.map_err(|error| from_io(&error, "the checkpoints' directory"))?;
                    return Ok(Ok(()));
                }
            }
        }
        Ok(Ok(()))
    }

    /// A file of at most `most` bytes, from the cache or the first mirror that has it.
    fn look(
        &self,
        digest: &[u8; 32],
        most: u64,
        mirrors: &[Mirror],
        to: &Path,
    ) -> Result<Looked, Fault> {
        let name = &hex::encode(digest);
        let bring = |bytes: u64, mirrors: &[Mirror]| {
            let want = Want {
                digest: *digest,
                bytes,
                name,
            };
            fetch(&self.client, &self.cache, &want, mirrors, to).map(|()| bytes)
        };
        if let Some(bytes) = self.cache.size(digest).filter(|bytes| *bytes <= most)
            && bring(bytes, &[]).is_ok()
        {
            return Ok(Looked::Found(bytes));
        }
        let mut too_large = false;
        let found = from_any(mirrors, name, |mirror| {
            let mirror = mirror.join(name);
            let bytes = self.size(&mirror)?;
            if bytes > most {
                too_large = true;
                let why = format!("has {bytes} bytes; {most} are left of what was registered");
                return Err(Miss::Wrong(why));
            }
            bring(bytes, &[mirror]).map_err(missed)
        });
        match found {
            Ok(bytes) => Ok(Looked::Found(bytes)),
            Err(Failure::Late(why)) => Err(infra(InfraFault::Timeout, why)),
            Err(Failure::Disk(error)) => Err(from_io(&error, "the cache")),
            Err(Failure::Wrong(why) | Failure::Unreachable(why)) => Ok(match too_large {
                true => Looked::TooLarge,
                false => Looked::Absent(why),
            }),
        }
    }

    /// The size of a file, as its mirror says.
    fn size(&self, mirror: &Mirror) -> Result<u64, Miss> {
        let mut tries = 1;
        loop {
            let pause = match self.client.open(mirror, Ask::Part(0, 1)) {
                Ok(opened) => {
                    let unnamed = || Miss::Unreachable("names no length of the file".to_owned());
                    return opened.whole.ok_or_else(unnamed);
                }
                Err(Trouble::Busy(wait, _)) if wait <= self.client.patience().longest_wait => wait,
                Err(Trouble::Broken(_)) if tries < TRIES => self.client.patience().pause,
                Err(other) => return Err(other.into()),
            };
            if tries == TRIES {
                return Err(Miss::Unreachable(
                    "asks to be asked later, again and again".to_owned(),
                ));
            }
            tries += 1;
            self.client.pause(pause)?;
        }
    }
}

fn missed(failure: Failure) -> Miss {
    match failure {
        Failure::Wrong(why) => Miss::Wrong(why),
        Failure::Unreachable(why) => Miss::Unreachable(why),
        Failure::Late(_) => Miss::Late,
        Failure::Disk(error) => Miss::Disk(error),
    }
}

/// The fault of a wait that was over too early.
fn over(trouble: Trouble) -> Fault {
    let class = match trouble {
        Trouble::Late => InfraFault::Timeout,
        _ => InfraFault::Download,
    };
    infra(class, format_args!("checkpoints: {trouble}"))
}

fn check_size(files: &[FileEntry]) -> Result<(), Fault> {
    let total = size_of(files);
    if total > MAX_RECIPE_BYTES {
        let why = format!("{total} bytes; a recipe has {MAX_RECIPE_BYTES} at the most");
        return Err(miner(MinerFault::TooLarge, why));
    }
    Ok(())
}
