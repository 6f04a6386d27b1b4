//! Fetching one file of known size and hash from mirrors that may lie.

use crate::{
    cache::{Cache, Part},
    client::{Ask, Client, Trouble},
    mirror::Mirror,
    store,
};
use std::{fs, io, path::Path, time::Duration};

/// Tries of one mirror that bring nothing new.
const IDLE_TRIES: u32 = 3;
/// Tries of one mirror in all, and rounds over the slow ones.
const TRIES: u32 = 20;

/// A file by its content.
pub(crate) struct Want<'a> {
    pub(crate) digest: [u8; 32],
    pub(crate) bytes: u64,
    pub(crate) name: &'a str,
}

/// Why no mirror gave the file.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Some served it, and all of those served something else.
    Wrong(String),
    /// None served anything.
    Unreachable(String),
    /// The job's deadline passed before.
    Late(String),
    /// The cache couldn't keep it.
    Disk(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// What became of one mirror.
#[derive(Debug)]
pub(crate) enum Miss {
    /// It served something else.
    Wrong(String),
    /// It didn't serve.
    Unreachable(String),
    /// It serves, too slowly: for when no other one does.
    Slow(String),
    /// The job's deadline passed.
    Late,
    /// The disk failed.
    Disk(io::Error),
}

impl From<Trouble> for Miss {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Late => Self::Late,
            Trouble::Slow(why) => Self::Slow(why),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Gives the file, fetched into the cache if it isn't there, the name `to`.
pub(crate) fn fetch(
    client: &Client,
    cache: &Cache,
    want: &Want<'_>,
    mirrors: &[Mirror],
    to: &Path,
) -> Result<(), Failure> {
    // Held until the file has its second name: nobody drops it in between.
    let _guard = cache.lock(&want.digest)?;
    if let Some(path) = cache.find(&want.digest, want.bytes)? {
        return Ok(link(&path, to)?);
    }
    let mut part = cache.part(&want.digest, want.bytes)?;
    let fetched = from_all(mirrors, want, &mut part, |mirror, part| {
        Run::of(client, mirror, want, part).fetch()
    });
    match fetched {
        Ok(()) => Ok(link(&cache.keep(part, &want.digest)?, to)?),
        Err(Failure::Wrong(why)) => {
            part.discard()?;
            Err(Failure::Wrong(why))
        }
        Err(Failure::Disk(error)) => {
            // What it takes of a full disk is what others need to end their jobs.
            if let Err(error) = part.discard() {
                tracing::warn!(%error, "cannot remove an unfinished download");
            }
            Err(Failure::Disk(error))
        }
        // What came so far stays for the next try.
        Err(other) => Err(other),
    }
}

/// Another name for a file, or a copy where the disk has no links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    store::remove(to)?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

/// What became of the mirrors asked so far.
#[derive(Default)]
struct Misses {
    served: bool,
    reasons: Vec<String>,
}

impl Misses {
    /// Notes a miss; those that end the search come back.
    fn note(&mut self, mirror: &Mirror, name: &str, miss: Miss) -> Result<(), Failure> {
        let why = match miss {
            Miss::Disk(error) => return Err(Failure::Disk(error)),
            Miss::Late => {
                self.reasons
                    .push(format!("{mirror}: the job's deadline passed"));
                return Err(Failure::Late(self.tell(name)));
            }
            Miss::Wrong(why) => {
                self.served = true;
                why
            }
            Miss::Unreachable(why) | Miss::Slow(why) => why,
        };
        self.reasons.push(format!("{mirror}: {why}"));
        Ok(())
    }

    fn tell(&self, name: &str) -> String {
        match self.reasons.as_slice() {
            [] => format!("{name}: no mirror that can be used is named"),
            reasons => format!("{name}: {}", reasons.join("; ")),
        }
    }

    fn end(&self, name: &str) -> Failure {
        match self.served {
            true => Failure::Wrong(self.tell(name)),
            false => Failure::Unreachable(self.tell(name)),
        }
    }
}

/// Asks one mirror after the other until one gives what is wanted.
pub(crate) fn from_any<T>(
    mirrors: &[Mirror],
    name: &str,
    mut ask: impl FnMut(&Mirror) -> Result<T, Miss>,
) -> Result<T, Failure> {
    let mut misses = Misses::default();
    for mirror in mirrors {
        match ask(mirror) {
            Ok(found) => return Ok(found),
            Err(miss) => misses.note(mirror, name, miss)?,
        }
    }
    Err(misses.end(name))
}

/// As [`from_any`], and then the slow ones again as long as they bring something.
fn from_all(
    mirrors: &[Mirror],
    want: &Want<'_>,
    part: &mut Part,
    mut ask: impl FnMut(&Mirror, &mut Part) -> Result<(), Miss>,
) -> Result<(), Failure> {
    let mut misses = Misses::default();
    let mut left: Vec<_> = mirrors.iter().collect();
    for _ in 0..TRIES {
        let before = part.len();
        let mut slow = Vec::new();
        for mirror in left {
            match ask(mirror, part) {
                Ok(()) => return Ok(()),
                Err(miss) => {
                    if matches!(miss, Miss::Slow(_)) {
                        slow.push(mirror);
                    }
                    misses.note(mirror, want.name, miss)?;
                }
            }
        }
        left = slow;
        if left.is_empty() || part.len() <= before {
            break;
        }
    }
    Err(misses.end(want.name))
}

/// One mirror's turn.
struct Run<'a> {
    client: &'a Client,
    mirror: &'a Mirror,
    want: &'a Want<'a>,
    part: &'a mut Part,
    /// Whether bytes of another mirror are among those that are there: a wrong end result is
    /// this one's only if it served everything.
    mixed: bool,
    /// Whether parts of the file are asked for.
    ranged: bool,
}

impl<'a> Run<'a> {
    fn of(client: &'a Client, mirror: &'a Mirror, want: &'a Want<'a>, part: &'a mut Part) -> Self {
        Self {
            client,
            mirror,
            want,
            mixed: part.len() > 0,
            ranged: true,
            part,
        }
    }

    fn fetch(&mut self) -> Result<(), Miss> {
        let mut idle = 0;
        let mut last = String::new();
        for _ in 0..TRIES {
            let before = self.part.len();
            match self.pump() {
                Ok(End::Whole) if self.part.digest() == self.want.digest => return Ok(()),
                Ok(end) => {
                    let mixed = self.mixed;
                    self.restart()?;
                    if !mixed {
                        return Err(Miss::Wrong(end.describe(self.want)));
                    }
                }
                Err(Stop::Disk(error)) => return Err(Miss::Disk(error)),
                Err(Stop::Read(trouble)) => {
                    let grew = self.part.len() > before;
                    idle = if grew { 0 } else { idle + 1 };
                    last = trouble.to_string();
                    let pause = self.after(trouble)?;
                    if idle == IDLE_TRIES {
                        break;
                    }
                    self.client.pause(pause)?;
                }
            }
        }
        Err(Miss::Unreachable(last))
    }

    /// How long to wait before the next try, if there is to be one.
    fn after(&mut self, trouble: Trouble) -> Result<Duration, Miss> {
        let patience = self.client.patience();
        match trouble {
            Trouble::Broken(_) => Ok(patience.pause),
            Trouble::Busy(wait, why) if wait > patience.longest_wait => {
                let why = format!("{why} and asks to wait {} s", wait.as_secs());
                Err(Miss::Slow(why))
            }
            Trouble::Busy(wait, _) => Ok(wait.max(patience.pause)),
            Trouble::Unranged(_) if self.ranged => {
                self.ranged = false;
                self.restart()?;
                Ok(Duration::ZERO)
            }
            other => Err(other.into()),
        }
    }

    /// From here on, what is there is this mirror's.
    fn restart(&mut self) -> Result<(), Miss> {
        self.mixed = false;
        self.part.restart().map_err(Miss::Disk)
    }

    /// Reads what is missing, and never more than the file has.
    fn pump(&mut self) -> Result<End, Stop> {
        let missing = self.want.bytes.saturating_sub(self.part.len());
        if missing == 0 && self.want.bytes > 0 {
            return Ok(End::Whole);
        }
        let ask = match self.ranged && missing > 0 {
            true => Ask::Part(self.part.len(), missing),
            false => Ask::Whole,
        };
        let mut opened = self.client.open(self.mirror, ask).map_err(Stop::Read)?;
        if opened.start != self.part.len() {
            self.mixed = false;
            self.part.restart().map_err(Stop::Disk)?;
        }
        let mut buffer = vec![0u8; 1 << 18];
        loop {
            let read = opened.read(&mut buffer).map_err(Stop::Read)?;
            let left = self.want.bytes.saturating_sub(self.part.len());
            match (read, left) {
                (0, 0) => return Ok(End::Whole),
                (0, _) if opened.delimited => return Ok(End::Short(self.part.len())),
                // A connection that was cut looks the same: nobody is blamed for it.
                (0, _) => {
                    let why = format!(
                        "closed the connection after {} of {} bytes, and named no length",
                        self.part.len(),
                        self.want.bytes
                    );
                    return Err(Stop::Read(Trouble::Broken(why)));
                }
                (read, left) if read as u64 > left => return Ok(End::Long),
                (read, _) => {
                    let bytes = buffer.get(..read).unwrap_or_default();
                    self.part.append(bytes).map_err(Stop::Disk)?;
                }
            }
        }
    }
}

/// How a body ended.
#[derive(Clone, Copy)]
enum End {
    Whole,
    Short(u64),
    Long,
}

impl End {
    fn describe(self, want: &Want<'_>) -> String {
        match self {
            Self::Whole => "serves bytes of another hash".to_owned(),
            Self::Short(length) => format!("serves {length} of {} bytes", want.bytes),
            Self::Long => format!("serves more than {} bytes", want.bytes),
        }
    }
}

enum Stop {
    Read(Trouble),
    Disk(io::Error),
}

#[cfg(test)]
mod tests;
