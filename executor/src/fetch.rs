//! From what a job needs to directories with models and a file with the data.
//!
//! What the task forbids is found before the first weight byte is fetched: the manifest
//! gives sizes, the small files give the family, and the header of each weights file gives
//! names, types and shapes.

mod training;

pub(crate) use training::{Kept, LARGEST_FILE, kept};

use crate::{
    cache::{Cache, Pin},
    client::{Ask, Client, Patience},
    download::{Failure, Miss, Want, fetch, from_any},
    fault::{from_io, infra, miner, of_earlier},
    mirror::{Mirror, Origins},
    needs::Needs,
    scoring, store,
    wanted::{self, Wanted},
};
use arena_models::manifest::{self, FileEntry, Manifest};
use arena_primitives::job::{
    Artifact, Data, Fault, InfraFault, JobRequest, Limits, MinerFault, ReplayFinding,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest header of a weights file that is fetched, in bytes.
const LONGEST_HEADER: u64 = 32 << 20;
/// Longest file that is fetched before the model is judged, in bytes.
const LONGEST_EARLY: u64 = 64 << 20;
/// What tells an adapter from a whole model.
const ADAPTER_CONFIG: &str = "adapter_config.json";
/// How long before the job's deadline a fetch gives up, so that its reason is still heard.
const GRACE: Duration = Duration::from_secs(1);

/// Why a job needs nothing more.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It came to no outcome.
    Fault(Fault),
    /// What was fetched decides it.
    Found(ReplayFinding),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Fetches for one job.
pub(crate) struct Fetcher {
    client: Client,
    origins: Origins,
    cache: Cache,
    job: PathBuf,
}

impl Fetcher {
    pub(crate) fn new(cache: Cache, allow_file: bool, job: &Path) -> Self {
        let client = Client::new(Patience::default(), deadline(job));
        Self::with(client, Origins::from_env(allow_file), cache, job)
    }

    /// With a client and origins of one's own.
    pub(crate) fn with(client: Client, origins: Origins, cache: Cache, job: &Path) -> Self {
        Self {
            client,
            origins,
            cache,
            job: job.to_owned(),
        }
    }

    /// Everything that a job needs, in its directory, by the names in [`store`]. Where nothing
    /// answers, not even one of `others`, it is the line of this machine that is down.
    pub(crate) fn all(&self, needs: &Needs<'_>, others: &[String]) -> Result<(), Halt> {
        self.bring(needs).map_err(|halt| match halt {
            Halt::Fault(Fault::Infra(InfraFault::Download, why)) if self.is_cut_off(others) => {
                let line = "the line of this machine is down, no host answers";
                Halt::Fault(infra(InfraFault::Device, format_args!("{line}: {why}")))
            }
            other => other,
        })
    }

    /// Whether no host answers, of the job's and of these others.
    fn is_cut_off(&self, others: &[String]) -> bool {
        for mirror in self.mirrors(others) {
            if self.client.was_answered() {
                return false;
            }
            self.client.expect(0);
            if let Err(trouble) = self.client.open(&mirror, Ask::Part(0, 1)) {
                tracing::warn!("another's mirror: {mirror}: {trouble}");
            }
        }
        !others.is_empty() && !self.client.was_answered()
    }

    fn bring(&self, needs: &Needs<'_>) -> Result<(), Halt> {
        let limits = needs.limits;
        let base = needs
            .base
            .map(|base| self.base(base, limits, store::BASE))
            .transpose()?;
        self.artifact(needs.model, limits, store::MODEL, base.as_deref())?;
        if let Some(earlier) = needs.earlier {
            self.artifact(earlier, limits, store::EARLIER, base.as_deref())
                .map_err(of_earlier)?;
        }
        if let Some(data) = needs.data {
            self.data(data)?;
        }
        if let Some(job) = needs.training {
            self.recipe(&job.recipe).map_err(|fault| match fault {
                // A mirror may have it right later.
                Fault::Miner(MinerFault::HashMismatch | MinerFault::Manifest, _) => {
                    Halt::Fault(fault)
                }
                Fault::Miner(_, why) => {
                    tracing::warn!("the recipe: {why}");
                    Halt::Found(ReplayFinding::BadRecipe)
                }
                other => Halt::Fault(other),
            })?;
            self.checkpoints(job)?;
        }
        Ok(())
    }

    fn mirrors(&self, uris: &[String]) -> Vec<Mirror> {
        let parsed = uris.iter().map(|uri| self.origins.parse(uri));
        parsed
            .filter_map(|mirror| {
                mirror
                    .inspect_err(|why| tracing::warn!("unusable mirror: {why}"))
                    .ok()
            })
            .collect()
    }

    /// The evaluation data: a mirror that serves something else is no fault of the model.
    pub(crate) fn data(&self, data: &Data) -> Result<PathBuf, Fault> {
        let want = Want {
            digest: data.blake3,
            bytes: data.bytes,
            name: "evaluation data",
        };
        let mirrors = self.mirrors(&data.uris);
        self.client.expect(data.bytes);
        // A link of the job's own: the cache may drop the file while it is read.
        let own = self.job.join(store::DATA);
        fetch(&self.client, &self.cache, &want, &mirrors, &own).map_err(
            |failure| match model_fault(failure) {
                Fault::Miner(_, why) => infra(InfraFault::Download, why),
                other => other,
            },
        )?;
        Ok(own)
    }

    /// The model that a task's adapters are applied to, in the job's directory `into`.
    ///
    /// The task names it, not the trainer: nothing that is wrong with it is the trainer's fault,
    /// and the task's limits on size are those of an adapter. It stays in the cache.
    pub(crate) fn base(
        &self,
        base: &Artifact,
        limits: &Limits,
        into: &str,
    ) -> Result<PathBuf, Fault> {
        let limits = Limits {
            max_bytes: u64::MAX,
            max_parameters: u64::MAX,
            ..limits.clone()
        };
        let fetched = self.artifact(base, &limits, into, None);
        let fetched = fetched.map_err(|fault| match fault {
            Fault::Miner(_, why) => infra(InfraFault::Download, format_args!("base model: {why}")),
            other => other,
        })?;
        let pinned = self.cache.pin(&base.manifest_root.0, Pin::Base);
        pinned.map_err(|error| from_io(&error, "the cache"))?;
        Ok(fetched)
    }

    /// A model, or an adapter to the model in the directory `base`, in the job's directory
    /// `into`.
    pub(crate) fn artifact(
        &self,
        artifact: &Artifact,
        limits: &Limits,
        into: &str,
        base: Option<&Path>,
    ) -> Result<PathBuf, Fault> {
        let mirrors = self.mirrors(&artifact.uris);
        let listed = self.manifest(artifact, &mirrors)?;
        let files = Manifest::decode(&listed)
            .map_err(scoring::manifest_fault)?
            .files;
        check_sizes(&files, limits)?;
        self.client.expect(size_of(&files));
        let dir = self.job.join(into);
        let disk = |error: io::Error| from_io(&error, "the model's directory");
        store::remove(&dir).map_err(disk)?;
        fs::create_dir_all(&dir).map_err(disk)?;
        write_new(&dir.join(manifest::FILE_NAME), &listed).map_err(disk)?;
        let fetcher = Model {
            fetcher: self,
            mirrors,
            dir,
            base,
            limits: scoring::limits(limits),
        };
        fetcher.fetch(&files)?;
        Ok(fetcher.dir)
    }

    fn manifest(&self, model: &Artifact, mirrors: &[Mirror]) -> Result<Vec<u8>, Fault> {
        let name = manifest::FILE_NAME;
        let root = model.manifest_root.0;
        let disk = |error: io::Error| from_io(&error, "the cache");
        let _guard = self.cache.lock(&root).map_err(disk)?;
        if let Some(bytes) = self.cache.manifest(&root).map_err(disk)? {
            return Ok(bytes);
        }
        let most = scoring::LONGEST_MANIFEST;
        self.client.expect(most);
        let mut another = false;
        let found = from_any(mirrors, name, |mirror| {
            let mut opened = self.client.open(&mirror.join(name), Ask::Whole)?;
            let (bytes, more) = opened.read_up_to(most)?;
            if more {
                let why =
                    format!("is longer than {most} bytes, the most of a manifest; remove files");
                return Err(Miss::Wrong(why));
            }
            if manifest::root_of(&bytes) == root {
                return Ok(bytes);
            }
            another |= opened.delimited;
            let why = "has another root".to_owned();
            Err(match opened.delimited {
                true => Miss::Wrong(why),
                false => Miss::Unreachable(format!("{why}, or was cut")),
            })
        });
        let bytes = found.map_err(|failure| match failure {
            // Too long wherever it was served: the true one may well be.
            Failure::Wrong(why) if !another => miner(MinerFault::Manifest, why),
            failure => model_fault(failure),
        })?;
        // What can't be kept is fetched again next time.
        if let Err(error) = self.cache.keep_manifest(&root, &bytes) {
            tracing::warn!(%error, "cannot keep a manifest");
        }
        Ok(bytes)
    }

    /// Fetches one file of a manifest into the cache, and gives it the name `to`.
    fn file(&self, file: &FileEntry, mirrors: &[Mirror], to: &Path) -> Result<(), Fault> {
        let own: Vec<_> = mirrors
            .iter()
            .map(|mirror| mirror.join(&file.path))
            .collect();
        let want = Want {
            digest: file.blake3,
            bytes: file.size,
            name: &file.path,
        };
        fetch(&self.client, &self.cache, &want, &own, to).map_err(model_fault)
    }

    /// The first `most` bytes of a file, or all if it has no more.
    fn beginning(&self, mirror: &Mirror, most: u64) -> Result<Vec<u8>, Miss> {
        let mut opened = self.client.open(mirror, Ask::Part(0, most))?;
        Ok(opened.read_up_to(most)?.0)
    }

    /// The length prefix and the header of a `safetensors` file.
    fn header(&self, file: &FileEntry, mirror: &Mirror) -> Result<Vec<u8>, Miss> {
        const GUESS: u64 = 64 * 1024;
        let start = self.beginning(mirror, GUESS.min(file.size))?;
        let Some(prefix) = start.first_chunk::<8>() else {
            return Err(Miss::Wrong("is too short for a header".to_owned()));
        };
        let needed = u64::from_le_bytes(*prefix).saturating_add(8);
        if needed > file.size || needed > LONGEST_HEADER {
            return Err(Miss::Wrong(format!("claims a header of {needed} bytes")));
        }
        let mut whole = start;
        if needed > whole.len() as u64 {
            whole = self.beginning(mirror, needed)?;
        }
        if (whole.len() as u64) < needed {
            return Err(Miss::Wrong("ends within its header".to_owned()));
        }
        whole.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
        Ok(whole)
    }
}

/// When a fetch for the job in this directory is of no use any more.
fn deadline(job: &Path) -> Option<Instant> {
    let record: store::Record = store::read_scale(job, store::STATUS).ok()??;
    let request: JobRequest = store::read_scale(job, store::REQUEST).ok()??;
    let seconds = u64::from(request.deadline_seconds);
    let end = record.posted.saturating_add(seconds.saturating_mul(1000));
    let left = Duration::from_millis(end.saturating_sub(store::now_millis()));
    Instant::now().checked_add(left.saturating_sub(GRACE))
}

/// A model on its way into its directory.
struct Model<'a> {
    fetcher: &'a Fetcher,
    mirrors: Vec<Mirror>,
    dir: PathBuf,
    base: Option<&'a Path>,
    limits: arena_models::Limits,
}

impl Model<'_> {
    fn fetch(&self, files: &[FileEntry]) -> Result<(), Fault> {
        let cached = |file: &FileEntry| -> bool { self.fetcher.cache.has(&file.blake3, file.size) };
        let (early, rest): (Vec<_>, Vec<_>) = files
            .iter()
            .partition(|file| wanted::of(&file.path) == Wanted::Early);
        let (late, never): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|file| wanted::of(&file.path) == Wanted::Late);
        let (there, absent): (Vec<_>, Vec<_>) = late.into_iter().partition(|file| cached(file));
        for file in early.into_iter().chain(there) {
            self.file(file)?;
        }
        // Holes: their names and sizes are judged with the model.
        for file in &never {
            self.hole(file, &[])
                .map_err(|error| from_io(&error, "the model's directory"))?;
        }
        let judged = self.check_headers(&absent);
        if let Err(fault) = &judged
            && (absent.is_empty() || self.is_final(fault))
        {
            return judged;
        }
        for file in absent {
            self.file(file)?;
        }
        // What a mirror says before its bytes are hashed convicts nobody: it may serve one
        // header to this validator and another to the next. A bad one is judged again from the
        // bytes that the manifest vouches for.
        if judged.is_err() {
            self.judge()?;
        }
        for file in never {
            let path = self.dir.join(&file.path);
            store::remove(&path).map_err(|error| from_io(&error, &file.path))?;
        }
        Ok(())
    }

    /// Whether a verdict that was found before all bytes were hashed holds: it does if it is of
    /// config, tokenizer and sizes, which were. An adapter can't be judged without its base: all
    /// of it is fetched, which is what such a job is about.
    fn is_final(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Miner(MinerFault::Architecture | MinerFault::Tokenizer, _) => {
                self.base.is_some() || !self.dir.join(ADAPTER_CONFIG).is_file()
            }
            // The size of an adapter is that of its tensors: only the header has it.
            Fault::Miner(MinerFault::TooLarge, _) => self.base.is_none(),
            Fault::Miner(..) => false,
            Fault::Infra(..) | Fault::Unsupported(_) => true,
        }
    }

    fn judge(&self) -> Result<(), Fault> {
        arena_models::inspect(&self.dir, self.base, &self.limits)
            .map(drop)
            .map_err(|error| scoring::fault(&error))
    }

    fn file(&self, file: &FileEntry) -> Result<(), Fault> {
        let to = place(&self.dir, &file.path).map_err(|error| from_io(&error, &file.path))?;
        self.fetcher.file(file, &self.mirrors, &to)
    }

    /// Judges the model by names, sizes and the headers of its weights; the rest of each file
    /// is a hole.
    fn check_headers(&self, late: &[&FileEntry]) -> Result<(), Fault> {
        if late.is_empty() {
            return self.judge();
        }
        let mut verdict = None;
        let mut reasons = Vec::new();
        for mirror in &self.mirrors {
            match self.probe(late, mirror) {
                Ok(()) => match self.judge() {
                    Ok(()) => return Ok(()),
                    // Another mirror may serve the true header.
                    Err(fault) => verdict = Some(fault),
                },
                Err(Miss::Disk(error)) => return Err(from_io(&error, "the model's directory")),
                Err(Miss::Late) => {
                    let why = format!("weights: {mirror}: the job's deadline passed");
                    return Err(infra(InfraFault::Timeout, why));
                }
                Err(Miss::Wrong(why)) => {
                    verdict = Some(miner(MinerFault::Weights, format_args!("{mirror}: {why}")));
                }
                Err(Miss::Unreachable(why) | Miss::Slow(why)) => {
                    reasons.push(format!("{mirror}: {why}"));
                }
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

    fn probe(&self, late: &[&FileEntry], mirror: &Mirror) -> Result<(), Miss> {
        for file in late {
            let header = self.fetcher.header(file, &mirror.join(&file.path))?;
            self.hole(file, &header).map_err(Miss::Disk)?;
        }
        Ok(())
    }

    /// A file of the right name and size of which only the beginning is there.
    fn hole(&self, file: &FileEntry, beginning: &[u8]) -> io::Result<()> {
        let to = place(&self.dir, &file.path)?;
        store::remove(&to)?;
        write_new(&to, beginning)?;
        File::options().write(true).open(&to)?.set_len(file.size)
    }
}

fn model_fault(failure: Failure) -> Fault {
    match failure {
        Failure::Wrong(why) => miner(MinerFault::HashMismatch, why),
        Failure::Unreachable(why) => infra(InfraFault::Download, why),
        Failure::Late(why) => infra(InfraFault::Timeout, why),
        Failure::Disk(error) => from_io(&error, "the cache"),
    }
}

fn size_of(files: &[FileEntry]) -> u64 {
    let sizes = files.iter().map(|file| file.size);
    sizes.fold(0, u64::saturating_add)
}

fn check_sizes(files: &[FileEntry], limits: &Limits) -> Result<(), Fault> {
    let total = size_of(files);
    for file in files {
        if wanted::of(&file.path) == Wanted::Early && file.size > LONGEST_EARLY {
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

/// Where a file of a manifest, whose paths were checked, lies below `dir`.
fn place(dir: &Path, path: &str) -> io::Result<PathBuf> {
    let to = dir.join(path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(to)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests;
