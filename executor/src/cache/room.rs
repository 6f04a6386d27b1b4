//! Making room: what goes first, what stays, and what is said when nothing may go.

use super::{BLOBS, Cache, MANIFESTS, PARTS, Pin, bucket};
use crate::store;
use std::{
    cmp::Ordering,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A file of the cache.
struct Item {
    path: PathBuf,
    digest: Option<[u8; 32]>,
    /// Of a pinned model, and that model.
    hold: Option<(Pin, [u8; 32])>,
    used: SystemTime,
    /// On the disk; of a download that another process is at, what it will take.
    bytes: u64,
    busy: bool,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Cache {
    /// Makes `bytes` more fit the budget and the disk, for the download at `part`, whose hash is
    /// `own`. Nobody else makes room until the result is dropped.
    pub(super) fn make_room(&self, bytes: u64, own: &[u8; 32], part: &Path) -> io::Result<File> {
        if bytes > self.budget {
            let why = format!(
                "a file of {bytes} bytes is over the cache's {}; raise --cache-bytes",
                self.budget
            );
            return Err(io::Error::new(ErrorKind::QuotaExceeded, why));
        }
        let guard = self.room()?;
        let mut items = self.items(Some(own))?;
        items.retain(|item| item.path != part);
        let there = fs::metadata(part).map_or(0, |meta| meta.len());
        let missing = bytes.saturating_sub(there);
        let taken = items
            .iter()
            .fold(bytes, |sum, item| sum.saturating_add(item.bytes));
        let surplus = taken.saturating_sub(self.budget);
        let needed = surplus.max(missing.saturating_sub(self.free()?));
        let may_go: u64 = items
            .iter()
            .filter(|item| item.may_go())
            .map(|i| i.bytes)
            .sum();
        if needed <= may_go {
            // Bases go last, but before a job fails.
            self.remove(items, needed, Some(own), true)?;
        } else if surplus > may_go {
            return Err(self.over_budget(&items, bytes));
        }
        match missing.saturating_sub(self.free()?) {
            0 => Ok(guard),
            _ => Err(self.disk_full(missing)?),
        }
    }

    /// Removes the least recently used files until at most `target` bytes are left, or only
    /// what is pinned or a base.
    pub(crate) fn evict(&self, target: u64) -> io::Result<Freed> {
        let _guard = self.room()?;
        let items = self.items(None)?;
        let taken = items
            .iter()
            .fold(0u64, |sum, item| sum.saturating_add(item.bytes));
        self.remove(items, taken.saturating_sub(target), None, false)
    }

    /// Held by whoever makes room, or changes what may go.
    pub(super) fn room(&self) -> io::Result<File> {
        let file = self.lock_file("room")?;
        file.lock()?;
        Ok(file)
    }

    /// Free bytes of the disk.
    fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Everything that takes space. The caller holds the lock of `own`.
    fn items(&self, own: Option<&[u8; 32]>) -> io::Result<Vec<Item>> {
        let holds = self.holds()?;
        let mut items = Vec::new();
        for folder in [BLOBS, PARTS, MANIFESTS] {
            for entry in fs::read_dir(self.dir.join(folder))? {
                let entry = entry?;
                // Gone since it was listed.
                let Ok(meta) = entry.metadata() else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                let (digest, size) = name.split_once('.').unwrap_or((&name, ""));
                let digest = super::models::hash(digest);
                let hold = digest.and_then(|digest| match folder {
                    MANIFESTS => self.pinned(&digest).map(|pin| (pin, digest)),
                    _ => holds.get(&digest).copied(),
                });
                let mut item = Item {
                    path: entry.path(),
                    digest,
                    hold,
                    used: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    bytes: meta.len(),
                    busy: false,
                };
                if folder == PARTS && self.unlocked(digest, own)?.is_none() {
                    item.busy = true;
                    item.bytes = size.parse().unwrap_or(item.bytes);
                }
                items.push(item);
            }
        }
        Ok(items)
    }

    /// The lock of a file, unless another process holds it. The caller has that of `own`.
    fn unlocked(
        &self,
        digest: Option<[u8; 32]>,
        own: Option<&[u8; 32]>,
    ) -> io::Result<Option<Option<File>>> {
        let Some(digest) = digest else {
            return Ok(Some(None));
        };
        if own.is_some_and(|own| bucket(own) == bucket(&digest)) {
            return Ok(Some(None));
        }
        let file = self.lock_file(&bucket(&digest))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Some(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes at least `needed` bytes of what may go, the least recently used first, with
    /// `bases` after all others.
    fn remove(
        &self,
        mut items: Vec<Item>,
        needed: u64,
        own: Option<&[u8; 32]>,
        bases: bool,
    ) -> io::Result<Freed> {
        items.retain(|item| item.may_go() && (bases || item.hold.is_none()));
        items.sort_by(Item::order);
        let mut freed = Freed::default();
        for item in items {
            if freed.bytes >= needed {
                break;
            }
            let Some(_lock) = self.unlocked(item.digest, own)? else {
                continue;
            };
            store::remove(&item.path)?;
            if let Some((_, root)) = item.hold {
                // What is left of that base has no reason to stay any more.
                self.unpin(&root)?;
            }
            freed.files = freed.files.saturating_add(1);
            freed.bytes = freed.bytes.saturating_add(item.bytes);
        }
        Ok(freed)
    }

    fn over_budget(&self, items: &[Item], bytes: u64) -> io::Error {
        let sum = |wanted: fn(&Item) -> bool| -> u64 {
            let some = items.iter().filter(|item| wanted(item));
            some.fold(0, |sum, item| sum.saturating_add(item.bytes))
        };
        let pinned = sum(|item| !item.busy && !item.may_go());
        let busy = sum(|item| item.busy);
        let why = format!(
            "{bytes} bytes don't fit: of the cache's {}, pinned models take {pinned} and other \
             downloads {busy}; unpin a model (arena-executor cache unpin) or raise --cache-bytes",
            self.budget
        );
        io::Error::new(ErrorKind::QuotaExceeded, why)
    }

    fn disk_full(&self, missing: u64) -> io::Result<io::Error> {
        let why = format!(
            "No space left on device: {missing} bytes are to be fetched, {} are free below {}; \
             free some, or move --base to a larger disk",
            self.free()?,
            self.dir.display()
        );
        Ok(io::Error::new(ErrorKind::StorageFull, why))
    }
}

impl Item {
    fn may_go(&self) -> bool {
        !self.busy && !matches!(self.hold, Some((Pin::Hand, _)))
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.hold.is_some(), item.used);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.path.cmp(&other.path))
    }
}
