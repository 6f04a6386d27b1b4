//! The models whose files are cached, and which of them stay.

use super::{BLOBS, Cache, MANIFESTS, PARTS, PINS, read_if_there, write_whole};
use crate::{
    scoring::LONGEST_MANIFEST,
    store,
    wanted::{self, Wanted},
};
use arena_models::manifest::{self, Manifest};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io,
    time::SystemTime,
};

/// Why a model stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pin {
    /// A job took it for the base of adapters: it goes after everything else.
    Base,
    /// The operator said so: it never goes.
    Hand,
}

impl Pin {
    /// As it is written and shown.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Hand => "hand",
        }
    }
}

/// Files by their hash, each with its strongest pin and the model that it is of.
pub(super) type Holds = HashMap<[u8; 32], (Pin, [u8; 32])>;

/// A model that the cache knows, and how much of it is there.
#[derive(Clone, Debug)]
pub(crate) struct CachedModel {
    pub(crate) root: [u8; 32],
    pub(crate) pin: Option<Pin>,
    /// Files that evaluation reads.
    pub(crate) files: usize,
    pub(crate) files_there: usize,
    pub(crate) bytes: u64,
    pub(crate) bytes_there: u64,
    /// When one of its files was used last.
    pub(crate) used: Option<SystemTime>,
}

/// What takes the cache's space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    /// Of everything, bytes.
    pub(crate) bytes: u64,
    /// Of pinned models and bases, bytes.
    pub(crate) held_bytes: u64,
    pub(crate) models: Vec<CachedModel>,
    /// Files of no known model: evaluation data, mostly.
    pub(crate) other_files: usize,
    pub(crate) other_bytes: u64,
    pub(crate) unfinished_bytes: u64,
}

/// 32 bytes in hex.
pub(crate) fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0u8; 32];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut hash).ok()?;
    Some(hash)
}

impl Cache {
    /// The manifest of this root, if a job fetched it before.
    pub(crate) fn manifest(&self, root: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        let path = self.dir.join(MANIFESTS).join(hex::encode(root));
        let Some(bytes) = read_if_there(&path, LONGEST_MANIFEST.saturating_add(1))? else {
            return Ok(None);
        };
        if manifest::root_of(&bytes) != *root {
            store::remove(&path)?;
            return Ok(None);
        }
        File::open(&path)?.set_modified(SystemTime::now())?;
        Ok(Some(bytes))
    }

    /// Keeps a manifest, whose root the caller has checked.
    pub(crate) fn keep_manifest(&self, root: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(MANIFESTS).join(hex::encode(root));
        let _guard = self.make_room(bytes.len() as u64, root, &path)?;
        write_whole(&path, bytes)
    }

    /// How a model is pinned.
    pub(crate) fn pinned(&self, root: &[u8; 32]) -> Option<Pin> {
        let text = fs::read_to_string(self.dir.join(PINS).join(hex::encode(root))).ok()?;
        match text.trim() {
            "base" => Some(Pin::Base),
            _ => Some(Pin::Hand),
        }
    }

    /// Makes a model stay. A base that is pinned by hand keeps that pin.
    pub(crate) fn pin(&self, root: &[u8; 32], pin: Pin) -> io::Result<()> {
        if self.pinned(root) >= Some(pin) {
            return Ok(());
        }
        let path = self.dir.join(PINS).join(hex::encode(root));
        write_whole(&path, format!("{}\n", pin.name()).as_bytes())
    }

    /// Lets a model go like any other; whether it was pinned.
    pub(crate) fn unpin(&self, root: &[u8; 32]) -> io::Result<bool> {
        let was = self.pinned(root).is_some();
        store::remove(&self.dir.join(PINS).join(hex::encode(root)))?;
        Ok(was)
    }

    fn names(&self, folder: &str) -> io::Result<BTreeSet<[u8; 32]>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.dir.join(folder))? {
            names.extend(hash(&entry?.file_name().to_string_lossy()));
        }
        Ok(names)
    }

    fn files(&self, root: &[u8; 32]) -> io::Result<Option<Vec<manifest::FileEntry>>> {
        let path = self.dir.join(MANIFESTS).join(hex::encode(root));
        let bytes = read_if_there(&path, LONGEST_MANIFEST.saturating_add(1))?;
        let decoded = bytes.and_then(|bytes| Manifest::decode(&bytes).ok());
        Ok(decoded.map(|manifest| {
            let mut files = manifest.files;
            files.retain(|file| wanted::of(&file.path) != Wanted::Never);
            files
        }))
    }

    /// The files that pins hold.
    pub(super) fn holds(&self) -> io::Result<Holds> {
        let mut holds = Holds::new();
        for root in self.names(PINS)? {
            let Some(pin) = self.pinned(&root) else {
                continue;
            };
            for file in self.files(&root)?.unwrap_or_default() {
                let held = holds.entry(file.blake3).or_insert((pin, root));
                if held.0 < pin {
                    *held = (pin, root);
                }
            }
        }
        Ok(holds)
    }

    /// What there is; a snapshot, taken while others go on.
    pub(crate) fn contents(&self) -> io::Result<Contents> {
        let blobs = self.blobs()?;
        let mut found = Contents::default();
        let mut known = BTreeSet::new();
        let mut held = BTreeSet::new();
        let roots: BTreeSet<_> = self
            .names(MANIFESTS)?
            .union(&self.names(PINS)?)
            .copied()
            .collect();
        for root in roots {
            let files = self.files(&root)?.unwrap_or_default();
            let model = self.describe(root, &files, &blobs);
            known.extend(files.iter().map(|file| file.blake3));
            if model.pin.is_some() {
                held.extend(files.iter().map(|file| file.blake3));
            }
            found.models.push(model);
        }
        for (digest, (bytes, _)) in &blobs {
            found.bytes = found.bytes.saturating_add(*bytes);
            if held.contains(digest) {
                found.held_bytes = found.held_bytes.saturating_add(*bytes);
            }
            if !known.contains(digest) {
                found.other_files = found.other_files.saturating_add(1);
                found.other_bytes = found.other_bytes.saturating_add(*bytes);
            }
        }
        for entry in fs::read_dir(self.dir.join(PARTS))? {
            let bytes = entry?.metadata().map_or(0, |meta| meta.len());
            found.unfinished_bytes = found.unfinished_bytes.saturating_add(bytes);
        }
        found.bytes = found.bytes.saturating_add(found.unfinished_bytes);
        Ok(found)
    }

    fn blobs(&self) -> io::Result<BTreeMap<[u8; 32], (u64, SystemTime)>> {
        let mut blobs = BTreeMap::new();
        for entry in fs::read_dir(self.dir.join(BLOBS))? {
            let entry = entry?;
            let Ok(meta) = entry.metadata() else { continue };
            if let Some(digest) = hash(&entry.file_name().to_string_lossy()) {
                let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                blobs.insert(digest, (meta.len(), used));
            }
        }
        Ok(blobs)
    }

    fn describe(
        &self,
        root: [u8; 32],
        files: &[manifest::FileEntry],
        blobs: &BTreeMap<[u8; 32], (u64, SystemTime)>,
    ) -> CachedModel {
        let there = || files.iter().filter_map(|file| blobs.get(&file.blake3));
        CachedModel {
            root,
            pin: self.pinned(&root),
            files: files.len(),
            files_there: there().count(),
            bytes: files
                .iter()
                .fold(0, |sum, file| file.size.saturating_add(sum)),
            bytes_there: there().fold(0, |sum, (bytes, _)| bytes.saturating_add(sum)),
            used: there().map(|(_, used)| *used).max(),
        }
    }
}
