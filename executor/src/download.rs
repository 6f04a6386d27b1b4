//! Fetching one file of known size and hash from mirrors that may lie.

use crate::{
    cache::{Cache, Part},
    mirror::{Client, Mirror},
};
use std::{
    io::{self, ErrorKind, Read},
    path::PathBuf,
    thread,
    time::Duration,
};

/// Tries of one mirror that bring nothing new.
const IDLE_TRIES: u32 = 3;
/// Tries of one mirror in all.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

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
    /// The cache couldn't keep it.
    Disk(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// What became of one mirror.
pub(crate) enum Miss {
    /// It served something else.
    Wrong(String),
    /// It didn't serve.
    Unreachable(String),
    /// The disk failed.
    Disk(io::Error),
}

/// The file in the cache, fetched if it isn't there.
pub(crate) fn fetch(
    client: &Client,
    cache: &Cache,
    want: &Want<'_>,
    mirrors: &[Mirror],
) -> Result<PathBuf, Failure> {
    let _guard = cache.lock(&want.digest)?;
    if let Some(path) = cache.find(&want.digest, want.bytes)? {
        return Ok(path);
    }
    cache.make_room(want.bytes, &want.digest)?;
    let mut part = cache.part(&want.digest, want.bytes)?;
    let fetched = from_any(mirrors, want.name, |mirror| {
        from_one(client, mirror, want, &mut part)
    });
    match fetched {
        Ok(()) => Ok(cache.keep(part, &want.digest)?),
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

/// Asks one mirror after the other until one gives what is wanted.
pub(crate) fn from_any<T>(
    mirrors: &[Mirror],
    name: &str,
    mut ask: impl FnMut(&Mirror) -> Result<T, Miss>,
) -> Result<T, Failure> {
    let mut reasons = Vec::new();
    let mut served = false;
    for mirror in mirrors {
        match ask(mirror) {
            Ok(found) => return Ok(found),
            Err(Miss::Disk(error)) => return Err(Failure::Disk(error)),
            Err(Miss::Wrong(why)) => {
                served = true;
                reasons.push(format!("{mirror}: {why}"));
            }
            Err(Miss::Unreachable(why)) => reasons.push(format!("{mirror}: {why}")),
        }
    }
    if reasons.is_empty() {
        reasons.push("no mirror is named".to_owned());
    }
    let why = format!("{name}: {}", reasons.join("; "));
    Err(if served {
        Failure::Wrong(why)
    } else {
        Failure::Unreachable(why)
    })
}

fn from_one(
    client: &Client,
    mirror: &Mirror,
    want: &Want<'_>,
    part: &mut Part,
) -> Result<(), Miss> {
    // Bytes from before may be another mirror's: a wrong end result is this one's only if
    // it served everything.
    let mut mixed = part.len() > 0;
    let mut idle = 0;
    let mut last = String::new();
    for _ in 0..TRIES {
        let before = part.len();
        match pump(client, mirror, want, part) {
            Ok(End::Whole) if part.digest() == want.digest => return Ok(()),
            Ok(end) => {
                part.restart().map_err(Miss::Disk)?;
                if !mixed {
                    return Err(Miss::Wrong(end.describe(want)));
                }
                mixed = false;
            }
            Err(Stop::Disk(error)) => return Err(Miss::Disk(error)),
            Err(Stop::Read(error)) => {
                if error.kind() == ErrorKind::NotFound {
                    return Err(Miss::Unreachable(error.to_string()));
                }
                idle = if part.len() > before { 0 } else { idle + 1 };
                last = error.to_string();
                if idle == IDLE_TRIES {
                    break;
                }
                thread::sleep(PAUSE);
            }
        }
    }
    Err(Miss::Unreachable(last))
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
    Read(io::Error),
    Disk(io::Error),
}

/// Reads what is missing, and never more than the file has.
fn pump(client: &Client, mirror: &Mirror, want: &Want<'_>, part: &mut Part) -> Result<End, Stop> {
    let missing = want.bytes.saturating_sub(part.len());
    if missing == 0 && want.bytes > 0 {
        return Ok(End::Whole);
    }
    let mut opened = client
        .open(mirror, part.len(), missing)
        .map_err(Stop::Read)?;
    if opened.start != part.len() {
        part.restart().map_err(Stop::Disk)?;
    }
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let read = match opened.body.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Read(error)),
        };
        let left = want.bytes.saturating_sub(part.len());
        if read == 0 {
            return Ok(if left == 0 {
                End::Whole
            } else {
                End::Short(part.len())
            });
        }
        if read as u64 > left {
            return Ok(End::Long);
        }
        part.append(buffer.get(..read).unwrap_or_default())
            .map_err(Stop::Disk)?;
    }
}

#[cfg(test)]
mod tests;
