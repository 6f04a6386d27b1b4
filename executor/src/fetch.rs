//! From a request to a directory with the model and a file with the data.
//!
//! What the task forbids is found before the first weight byte is fetched: the manifest
//! gives sizes, the small files give the family, and the header of each weights file gives
//! names, types and shapes.

use crate::{
    cache::Cache,
    download::{Failure, Miss, Want, fetch, from_any},
    fault::{from_io, infra, miner},
    mirror::{Client, Mirror, read_up_to},
    scoring, store,
};
use arena_models::manifest::{self, FileEntry, Manifest};
use arena_primitives::job::{Artifact, Data, Evaluate, Fault, InfraFault, Limits, MinerFault};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Longest header of a weights file that is fetched, in bytes.
const LONGEST_HEADER: u64 = 32 << 20;
/// Longest file that is fetched before the model is judged, in bytes.
const LONGEST_EARLY: u64 = 64 << 20;

/// What a job needs, on this disk.
pub(crate) struct Fetched {
    pub(crate) model: PathBuf,
    pub(crate) data: PathBuf,
}

/// Fetches for one job.
pub(crate) struct Fetcher {
    client: Client,
    cache: Cache,
    allow_file: bool,
    job: PathBuf,
}

impl Fetcher {
    pub(crate) fn new(cache: Cache, allow_file: bool, job: &Path) -> Self {
        Self {
            client: Client::new(),
            cache,
            allow_file,
            job: job.to_owned(),
        }
    }

    /// Everything that an evaluation needs.
    pub(crate) fn all(&self, evaluate: &Evaluate) -> Result<Fetched, Fault> {
        let model = self.model(&evaluate.model, &evaluate.limits)?;
        let data = self.data(&evaluate.data)?;
        Ok(Fetched { model, data })
    }

    fn mirrors(&self, uris: &[String]) -> Vec<Mirror> {
        let parsed = uris.iter().map(|uri| Mirror::parse(uri, self.allow_file));
        parsed
            .filter_map(|mirror| {
                mirror
                    .inspect_err(|why| tracing::warn!("unusable mirror: {why}"))
                    .ok()
            })
            .collect()
    }

    /// The evaluation data: a mirror that serves something else is no fault of the model.
    fn data(&self, data: &Data) -> Result<PathBuf, Fault> {
        let want = Want {
            digest: data.blake3,
            bytes: data.bytes,
            name: "evaluation data",
        };
        let mirrors = self.mirrors(&data.uris);
        let path = fetch(&self.client, &self.cache, &want, &mirrors).map_err(|f| match f {
            Failure::Wrong(why) | Failure::Unreachable(why) => infra(InfraFault::Download, why),
            Failure::Disk(error) => from_io(&error, "the cache"),
        })?;
        // A link of the job's own: the cache may drop the file while it is read.
        let own = self.job.join(store::DATA);
        link(&path, &own).map_err(|error| from_io(&error, "the evaluation data"))?;
        Ok(own)
    }

    fn model(&self, model: &Artifact, limits: &Limits) -> Result<PathBuf, Fault> {
        let mirrors = self.mirrors(&model.uris);
        let listed = self.manifest(model, &mirrors)?;
        let files = Manifest::decode(&listed)
            .map_err(scoring::manifest_fault)?
            .files;
        check_sizes(&files, limits)?;
        let dir = self.job.join(store::MODEL);
        let disk = |error: io::Error| from_io(&error, "the model's directory");
        store::remove(&dir).map_err(disk)?;
        fs::create_dir_all(&dir).map_err(disk)?;
        write_new(&dir.join(manifest::FILE_NAME), &listed).map_err(disk)?;
        let (early, late): (Vec<_>, Vec<_>) = files.iter().partition(|file| is_early(file));
        for file in early {
            self.file(file, &mirrors, &dir)?;
        }
        // What a mirror says before its bytes are hashed convicts nobody: it may serve one header
        // to this validator and another to the next. A bad one is judged again from the bytes
        // that the manifest vouches for.
        let judged = match self.check_headers(&late, &mirrors, &dir, limits) {
            // Of config, tokenizer and sizes, which are verified.
            Err(
                fault @ Fault::Miner(
                    MinerFault::Architecture | MinerFault::TooLarge | MinerFault::Tokenizer,
                    _,
                ),
            ) => return Err(fault),
            Err(fault @ Fault::Infra(..)) => return Err(fault),
            judged => judged,
        };
        for file in late {
            self.file(file, &mirrors, &dir)?;
        }
        if judged.is_err() {
            arena_models::inspect(&dir, None, &scoring::limits(limits))
                .map_err(|error| scoring::fault(&error))?;
        }
        Ok(dir)
    }

    fn manifest(&self, model: &Artifact, mirrors: &[Mirror]) -> Result<Vec<u8>, Fault> {
        let name = manifest::FILE_NAME;
        let found = from_any(mirrors, name, |mirror| {
            let (bytes, more) = self.read(&mirror.join(name), scoring::LONGEST_MANIFEST)?;
            if more {
                return Err(Miss::Wrong("is longer than a manifest may be".to_owned()));
            }
            if manifest::root_of(&bytes) != model.manifest_root.0 {
                return Err(Miss::Wrong("has another root".to_owned()));
            }
            Ok(bytes)
        });
        found.map_err(model_fault)
    }

    /// Reads the beginning of a file, and whether there is more.
    fn read(&self, mirror: &Mirror, most: u64) -> Result<(Vec<u8>, bool), Miss> {
        let opened = self.client.open(mirror, 0, most.saturating_add(1));
        opened
            .and_then(|mut opened| read_up_to(&mut *opened.body, most))
            .map_err(|error| Miss::Unreachable(error.to_string()))
    }

    /// Fetches one file into the cache, and gives it its name in `dir`.
    fn file(&self, file: &FileEntry, mirrors: &[Mirror], dir: &Path) -> Result<(), Fault> {
        let own: Vec<_> = mirrors
            .iter()
            .map(|mirror| mirror.join(&file.path))
            .collect();
        let want = Want {
            digest: file.blake3,
            bytes: file.size,
            name: &file.path,
        };
        let path = fetch(&self.client, &self.cache, &want, &own).map_err(model_fault)?;
        let to = place(dir, &file.path)?;
        link(&path, &to).map_err(|error| from_io(&error, &file.path))
    }

    /// Judges the model by names, sizes and the headers of its weights; the rest of each file
    /// is a hole.
    fn check_headers(
        &self,
        late: &[&FileEntry],
        mirrors: &[Mirror],
        dir: &Path,
        limits: &Limits,
    ) -> Result<(), Fault> {
        let mut verdict = None;
        let mut reasons = Vec::new();
        for mirror in mirrors {
            match self.probe(late, mirror, dir) {
                Ok(()) => match arena_models::inspect(dir, None, &scoring::limits(limits)) {
                    Ok(_) => return Ok(()),
                    // Another mirror may serve the true header.
                    Err(error) => verdict = Some(scoring::fault(&error)),
                },
                Err(Miss::Disk(error)) => return Err(from_io(&error, "the model's directory")),
                Err(Miss::Wrong(why)) => {
                    verdict = Some(miner(MinerFault::Weights, format_args!("{mirror}: {why}")));
                }
                Err(Miss::Unreachable(why)) => reasons.push(format!("{mirror}: {why}")),
            }
        }
        let unreachable = || {
            infra(
                InfraFault::Download,
                format!("weights: {}", reasons.join("; ")),
            )
        };
        Err(verdict.unwrap_or_else(unreachable))
    }

    fn probe(&self, late: &[&FileEntry], mirror: &Mirror, dir: &Path) -> Result<(), Miss> {
        for file in late {
            let header = match is_weights(file) {
                true => self.header(file, &mirror.join(&file.path))?,
                false => Vec::new(),
            };
            let to = place(dir, &file.path).map_err(|_| Miss::Wrong("bad path".to_owned()))?;
            store::remove(&to).map_err(Miss::Disk)?;
            write_new(&to, &header).map_err(Miss::Disk)?;
            let hole = File::options().write(true).open(&to);
            hole.and_then(|hole| hole.set_len(file.size))
                .map_err(Miss::Disk)?;
        }
        Ok(())
    }

    /// The length prefix and the header of a `safetensors` file.
    fn header(&self, file: &FileEntry, mirror: &Mirror) -> Result<Vec<u8>, Miss> {
        const GUESS: u64 = 64 * 1024;
        let (start, _) = self.read(mirror, GUESS.min(file.size))?;
        let Some(prefix) = start.first_chunk::<8>() else {
            return Err(Miss::Wrong("is too short for a header".to_owned()));
        };
        let needed = u64::from_le_bytes(*prefix).saturating_add(8);
        if needed > file.size || needed > LONGEST_HEADER {
            return Err(Miss::Wrong(format!("claims a header of {needed} bytes")));
        }
        let mut whole = start;
        if needed > whole.len() as u64 {
            (whole, _) = self.read(mirror, needed)?;
        }
        if (whole.len() as u64) < needed {
            return Err(Miss::Wrong("ends within its header".to_owned()));
        }
        whole.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
        Ok(whole)
    }
}

fn model_fault(failure: Failure) -> Fault {
    match failure {
        Failure::Wrong(why) => miner(MinerFault::HashMismatch, why),
        Failure::Unreachable(why) => infra(InfraFault::Download, why),
        Failure::Disk(error) => from_io(&error, "the cache"),
    }
}

/// What is fetched before anything is judged: config, tokenizer, index of shards.
fn is_early(file: &FileEntry) -> bool {
    file.path.ends_with(".json")
}

/// What has a header to judge.
fn is_weights(file: &FileEntry) -> bool {
    file.path.ends_with(".safetensors")
}

fn check_sizes(files: &[FileEntry], limits: &Limits) -> Result<(), Fault> {
    let mut total = 0u64;
    for file in files {
        total = total.saturating_add(file.size);
        if is_early(file) && file.size > LONGEST_EARLY {
            let why = format!("{} has {} bytes", file.path, file.size);
            return Err(miner(MinerFault::TooLarge, why));
        }
    }
    if total > limits.max_bytes {
        let why = format!("{total} bytes; the task allows {}", limits.max_bytes);
        return Err(miner(MinerFault::TooLarge, why));
    }
    Ok(())
}

/// Where a file of a manifest lies below `dir`; nothing leaves it.
fn place(dir: &Path, path: &str) -> Result<PathBuf, Fault> {
    manifest::check_path(path).map_err(scoring::manifest_fault)?;
    let to = dir.join(path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| from_io(&error, path))?;
    }
    Ok(to)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

/// Another name for a file, or a copy where the disk has no links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    store::remove(to)?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}
