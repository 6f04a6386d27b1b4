//! Sealing evaluation data: shards, salts, and the root over them that a spec names.

use crate::{
    args::SealArgs,
    fail::bad_input,
    keys,
    out::{self, Out},
    spec::hash_file,
    state::write_private,
};
use anyhow::{Context, Result, ensure};
use arena_primitives::{
    Hash, MAX_ROUNDS, Round, Shard, ShardProof,
    shard::{shard_count, shard_proof, shards_root},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Version of the file.
const VERSION: u8 = 1;
/// The file in a sealed directory.
pub(crate) const FILE_NAME: &str = "seal.json";

/// What opens a task's shards. Without it the bond of every shard is lost; who has it knows all
/// evaluation data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// Version of the file.
    version: u8,
    /// Over all shards.
    root: Hash,
    /// Of rounds 1, 2, …, and of final validation.
    shards: Vec<SealedFile>,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedFile {
    /// Path, relative to the seal's directory.
    file: PathBuf,
    /// BLAKE3 of the file, 64 hex digits.
    blake3: String,
    /// Size of the file.
    bytes: u64,
    /// Keeps others from trying out which file it is.
    salt: Hash,
}

impl SealedFile {
    /// With a new salt, of a file in `folder`.
    fn new(folder: &Path, file: PathBuf) -> Result<Self> {
        let (blake3, bytes) = hash_file(&folder.join(&file))?;
        ensure!(bytes > 0, "{} is empty", folder.join(&file).display());
        let mut salt = Hash::zero();
        keys::random(salt.as_bytes_mut())?;
        Ok(SealedFile {
            file,
            blake3: hex::encode(blake3),
            bytes,
            salt,
        })
    }

    fn shard(&self) -> Result<Shard> {
        let mut blake3 = [0; 32];
        hex::decode_to_slice(&self.blake3, &mut blake3)
            .with_context(|| format!("{:?} is not 64 hex digits", self.blake3))?;
        Ok(Shard {
            blake3,
            bytes: self.bytes,
            salt: self.salt,
        })
    }
}

impl Seal {
    fn new(shards: Vec<SealedFile>) -> Result<Self> {
        let all: Vec<Shard> = shards
            .iter()
            .map(SealedFile::shard)
            .collect::<Result<_>>()?;
        Ok(Seal {
            version: VERSION,
            root: shards_root(&all),
            shards,
        })
    }

    /// Reads a file, and checks that its root is that of its shards.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("can't read the seal {}", path.display()))?;
        let seal: Seal = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is no seal; `arena dataset seal` writes one",
                path.display()
            )
        })?;
        ensure!(
            seal.version == VERSION,
            "{} has version {}, this release reads {VERSION}",
            path.display(),
            seal.version
        );
        let root = shards_root(&seal.all().with_context(|| path.display().to_string())?);
        ensure!(
            root == seal.root,
            "{}: its shards have the root {root:?}, it says {:?}; restore it from a copy",
            path.display(),
            seal.root
        );
        Ok(seal)
    }

    fn all(&self) -> Result<Vec<Shard>> {
        self.shards.iter().map(SealedFile::shard).collect()
    }

    /// Over all shards.
    pub(crate) fn root(&self) -> Hash {
        self.root
    }

    /// Bytes of the largest shard.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.shards.iter().map(|file| file.bytes).max().unwrap_or(0)
    }

    /// Refuses a seal of another number of shards than a task of `rounds` has.
    pub(crate) fn check_rounds(&self, rounds: u32) -> Result<()> {
        let wanted = shard_count(rounds);
        ensure!(
            self.shards.len() == wanted as usize,
            "a task of {rounds} rounds needs {wanted} shards, one more for final validation; \
             the seal has {}",
            self.shards.len()
        );
        Ok(())
    }

    /// The shard of a round with its proof, and its file relative to the seal's directory.
    pub(crate) fn shard_of(&self, round: Round) -> Result<(Shard, ShardProof, &Path)> {
        let all = self.all()?;
        let proof = shard_proof(&all, round);
        let file = round
            .checked_sub(1)
            .and_then(|n| self.shards.get(n as usize));
        let (proof, file) = proof
            .zip(file)
            .with_context(|| format!("the seal has no shard of round {round}"))?;
        Ok((file.shard()?, proof, &file.file))
    }
}

/// What becomes a shard.
struct Content {
    bytes: Vec<u8>,
    /// Of its file's name, for people.
    ending: String,
}

impl Content {
    fn read(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default();
        Ok(Content {
            bytes: fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
            ending: ending.to_string_lossy().into_owned(),
        })
    }
}

/// What was sealed.
#[derive(Serialize)]
struct SealedView {
    seal: PathBuf,
    root: String,
    max_bytes: u64,
    rounds: u32,
    shards: Vec<SealedFileView>,
}

#[derive(Serialize)]
struct SealedFileView {
    round: Round,
    file: PathBuf,
    bytes: u64,
}

/// Seals shards into a new directory.
pub(crate) fn seal(out: Out, args: SealArgs) -> Result<()> {
    let contents = match &args.split {
        Some(file) => deal(out, file, shard_count(args.rounds.unwrap_or(0)))?,
        None => args
            .shard
            .iter()
            .map(|file| Content::read(file))
            .collect::<Result<_>>()?,
    };
    let most = shard_count(MAX_ROUNDS) as usize;
    if contents.len() > most {
        return Err(bad_input(format!("more than {most} shards")));
    }
    if let Some(rounds) = args
        .rounds
        .filter(|n| contents.len() != shard_count(*n) as usize)
    {
        return Err(bad_input(format!(
            "{} shards don't fit --rounds {rounds}, which needs one for each and one for final \
             validation",
            contents.len()
        )));
    }
    if let Some((a, b)) = twins(&contents) {
        return Err(bad_input(format!(
            "shards {a} and {b} are equal: opening the first would open the other"
        )));
    }
    let seal = write(&args.out, &contents)?;
    let path = args.out.join(FILE_NAME);
    let view = SealedView {
        root: hex::encode(seal.root),
        max_bytes: seal.max_bytes(),
        rounds: u32::try_from(seal.shards.len()).unwrap_or(u32::MAX) - 1,
        shards: (1..)
            .zip(&seal.shards)
            .map(|(round, file)| SealedFileView {
                round,
                file: args.out.join(&file.file),
                bytes: file.bytes,
            })
            .collect(),
        seal: path,
    };
    out.show(&view, human)
}

fn human(view: &SealedView) -> String {
    let mut table = out::table(["round", "shard", "bytes"]);
    for shard in &view.shards {
        table.add_row([
            shard.round.to_string(),
            shard.file.display().to_string(),
            shard.bytes.to_string(),
        ]);
    }
    let pairs = out::pairs([
        ("root", view.root.clone()),
        ("largest shard", format!("{} bytes", view.max_bytes)),
        ("submission rounds", view.rounds.to_string()),
    ]);
    let seal = view.seal.display();
    format!(
        "{table}\n{pairs}\nin the spec: \"data\": {{ \"seal\": \"{seal}\", \"samples\": 0 }}\n\
         Keep the directory secret, and a copy of it: who has it knows the data, and without it \
         the bond is lost.\nthen: arena dataset open --task N --seal {seal} --publish DIR --uri \
         BASE"
    )
}

/// Two equal shards, by their rounds.
fn twins(contents: &[Content]) -> Option<(usize, usize)> {
    let hashes: Vec<_> = contents.iter().map(|c| blake3::hash(&c.bytes)).collect();
    hashes.iter().enumerate().find_map(|(a, hash)| {
        let b = hashes.iter().skip(a + 1).position(|other| other == hash)?;
        Some((a + 1, a + b + 2))
    })
}

/// Deals the lines of a JSONL file at random, each to one of `count` shards that differ by one
/// line at most. Of lines that are equal one is dealt: opening its shard would open the others'.
fn deal(out: Out, path: &Path, count: u32) -> Result<Vec<Content>> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let mut lines: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    for (n, line) in (1..).zip(&lines) {
        serde_json::from_slice::<serde::de::IgnoredAny>(line).map_err(|why| {
            bad_input(format!(
                "{}: sample {n} is no JSON ({why}); only JSONL is split, other shards are named \
                 with --shard",
                path.display()
            ))
        })?;
    }
    let (all, mut seen) = (lines.len(), BTreeSet::new());
    lines.retain(|line| seen.insert(*line));
    if lines.len() < all {
        out.note(format!(
            "{} of {all} samples are repeated and left out",
            all - lines.len()
        ));
    }
    let count = count as usize;
    if lines.len() < count {
        return Err(bad_input(format!(
            "{} has {} different samples, fewer than the {count} shards",
            path.display(),
            lines.len()
        )));
    }
    let mut key = [0; 32];
    keys::random(&mut key)?;
    let shards = dealt(&lines, count, &key).into_iter();
    let content = |bytes| Content {
        bytes,
        ending: "jsonl".into(),
    };
    Ok(shards.map(content).collect())
}

/// In the order of a keyed hash of their places, which nobody can tell without the key.
fn dealt(lines: &[&[u8]], count: usize, key: &[u8; 32]) -> Vec<Vec<u8>> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_cached_key(|n| *blake3::keyed_hash(key, &n.to_le_bytes()).as_bytes());
    let mut shards = vec![Vec::new(); count];
    for (at, n) in order.into_iter().enumerate() {
        if let (Some(shard), Some(line)) = (shards.get_mut(at % count), lines.get(n)) {
            shard.extend_from_slice(line);
            shard.push(b'\n');
        }
    }
    shards
}

/// Writes the shards and, last, what opens them, into a directory of their own: never over another
/// seal, whose salts would be lost with it, or over anything else.
fn write(folder: &Path, contents: &[Content]) -> Result<Seal> {
    let failed = || format!("can't write into {}", folder.display());
    if fs::read_dir(folder).is_ok_and(|mut there| there.next().is_some()) {
        return Err(bad_input(format!(
            "{} is not empty; name a new directory",
            folder.display()
        )));
    }
    let mut make = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.recursive(true).create(folder).with_context(failed)?;
    let mut shards = Vec::with_capacity(contents.len());
    for (round, content) in (1u32..).zip(contents) {
        let mut name = PathBuf::from(format!("round-{round}"));
        name.set_extension(&content.ending);
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        file.write_all(&content.bytes).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist_noclobber(folder.join(&name))
            .map_err(|e| e.error)
            .with_context(failed)?;
        shards.push(SealedFile::new(folder, name)?);
    }
    let seal = Seal::new(shards)?;
    write_private(&folder.join(FILE_NAME), &seal).with_context(failed)?;
    Ok(seal)
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
