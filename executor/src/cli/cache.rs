//! `cache`: what the cache holds, and what of it stays. Safe beside a running executor.

use super::DEFAULT_CACHE_BYTES;
use crate::{
    cache::{Cache, CachedModel, Pin, hash},
    directory,
    size::gib,
    wanted::{self, Wanted},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use arena_models::{ModelError, manifest::Manifest};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub(super) struct CacheArgs {
    /// Directory of the queue and the cache: the one that `serve` was given.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what the cache holds: models by the root of their manifest, and the rest.
    List,
    /// Remove the least recently used files; models that are pinned, and bases, stay.
    Evict(Evict),
    /// Make models of the cache stay, whatever else needs the space.
    Pin(Roots),
    /// Let models go like any others: those that were pinned by hand, and bases.
    Unpin(Roots),
    /// Put a model that is on this disk into the cache, so that no job has to fetch it.
    Add(Add),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Evict {
    /// Until the cache has at most this many bytes.
    #[arg(long, value_name = "BYTES")]
    to: Option<u64>,
    /// Everything that may go.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct Roots {
    /// Roots of manifests in hex, as `cache list` and `manifest` print them.
    #[arg(required = true, value_parser = root, value_name = "ROOT")]
    roots: Vec<Root>,
}

#[derive(Debug, Args)]
struct Add {
    /// Directory of the model.
    dir: PathBuf,
    /// Pin it as well.
    #[arg(long)]
    pin: bool,
}

/// 32 bytes in hex.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root(pub(super) [u8; 32]);

pub(super) fn root(text: &str) -> Result<Root, String> {
    let root = hash(text).map(Root);
    root.ok_or_else(|| "a root is 32 bytes in hex, as `manifest DIR` prints it".to_owned())
}

/// The text that [`root`] reads.
pub(super) fn show(root: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(root))
}

/// Does what the subcommand says.
pub(super) fn cache(args: &CacheArgs) -> Result<()> {
    let dir = args.base.join("cache");
    if let Command::Add(add) = &args.command {
        let cache = Cache::open_noted(&dir, DEFAULT_CACHE_BYTES).with_context(|| failed(&dir))?;
        return put(&cache, add, args.json).with_context(|| failed(&dir));
    }
    let cache = Cache::existing(&dir, DEFAULT_CACHE_BYTES)
        .with_context(|| failed(&dir))?
        .with_context(|| {
            format!(
                "no cache in {}; name the --base that `serve` was given",
                dir.display()
            )
        })?;
    match &args.command {
        Command::List => list(&cache, args.json),
        Command::Evict(evict) => {
            let freed = cache.evict(evict.to.unwrap_or(0))?;
            match args.json {
                true => println!("{}", json!({"files": freed.files, "bytes": freed.bytes})),
                false => println!("removed {} files, {} GiB", freed.files, gib(freed.bytes)),
            }
            Ok(())
        }
        Command::Pin(Roots { roots }) => pin(&cache, roots, args.json),
        Command::Unpin(Roots { roots }) => unpin(&cache, roots, args.json),
        Command::Add(_) => Ok(()),
    }
    .with_context(|| failed(&dir))
}

fn failed(dir: &Path) -> String {
    format!("the cache in {}", dir.display())
}

fn list(cache: &Cache, as_json: bool) -> Result<()> {
    let found = cache.contents()?;
    if as_json {
        let models: Vec<_> = found.models.iter().map(in_json).collect();
        let out = json!({
            "budget_bytes": cache.budget(), "bytes": found.bytes,
            "held_bytes": found.held_bytes, "models": models,
            "other_files": found.other_files, "other_bytes": found.other_bytes,
            "unfinished_bytes": found.unfinished_bytes,
        });
        println!("{out}");
        return Ok(());
    }
    println!(
        "{} of {} GiB; pinned models and bases have {}, unfinished downloads {}",
        gib(found.bytes),
        gib(cache.budget()),
        gib(found.held_bytes),
        gib(found.unfinished_bytes)
    );
    for model in &found.models {
        println!(
            "{}  {:>8} of {} GiB  {:<4}  {}",
            show(&model.root),
            gib(model.bytes_there),
            gib(model.bytes),
            model.pin.map_or("-", Pin::name),
            age(model.used)
        );
    }
    println!(
        "{} other files (data of evaluations, mostly), {} GiB",
        found.other_files,
        gib(found.other_bytes)
    );
    Ok(())
}

fn in_json(model: &CachedModel) -> serde_json::Value {
    let used = model.used.and_then(|used| {
        let since = used.duration_since(SystemTime::UNIX_EPOCH);
        since.ok().map(|since| since.as_secs())
    });
    json!({
        "root": show(&model.root), "pin": model.pin.map(Pin::name),
        "files": model.files, "files_there": model.files_there,
        "bytes": model.bytes, "bytes_there": model.bytes_there, "used": used,
    })
}

fn age(used: Option<SystemTime>) -> String {
    let Some(used) = used else {
        return "not here".to_owned();
    };
    let minutes = used.elapsed().unwrap_or_default().as_secs() / 60;
    match (minutes / (24 * 60), minutes / 60) {
        (0, 0) => format!("used {minutes} min ago"),
        (0, hours) => format!("used {hours} h ago"),
        (days, _) => format!("used {days} days ago"),
    }
}

fn pin(cache: &Cache, roots: &[Root], as_json: bool) -> Result<()> {
    for Root(root) in roots {
        ensure!(
            cache.manifest(root)?.is_some(),
            "no model {} is in the cache; put it there with `cache add DIR --pin`",
            show(root)
        );
    }
    for Root(root) in roots {
        cache.pin(root, Pin::Hand)?;
        said(as_json, "pinned", root);
    }
    Ok(())
}

fn unpin(cache: &Cache, roots: &[Root], as_json: bool) -> Result<()> {
    for Root(root) in roots {
        if !cache.unpin(root)? {
            bail!(
                "{} is not pinned; `cache list` names those that are",
                show(root)
            );
        }
        said(as_json, "unpinned", root);
    }
    Ok(())
}

fn said(as_json: bool, what: &str, root: &[u8; 32]) {
    match as_json {
        true => println!("{}", json!({ what: show(root) })),
        false => println!("{what} {}", show(root)),
    }
}

fn put(cache: &Cache, args: &Add, as_json: bool) -> Result<()> {
    directory::check(&args.dir)?;
    let manifest =
        Manifest::of_dir(&args.dir).map_err(|error| anyhow!("{}", ModelError::from(error)))?;
    let root = manifest.root();
    {
        let _guard = cache.lock(&root)?;
        cache.keep_manifest(&root, &manifest.encode())?;
    }
    for file in &manifest.files {
        if wanted::of(&file.path) == Wanted::Never {
            continue;
        }
        let _guard = cache.lock(&file.blake3)?;
        if cache.find(&file.blake3, file.size)?.is_some() {
            continue;
        }
        let path = args.dir.join(&file.path);
        let mut from = File::open(&path).with_context(|| path.display().to_string())?;
        let mut part = cache.part(&file.blake3, file.size)?;
        part.restart()?;
        let mut buffer = vec![0u8; 1 << 20];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            part.append(buffer.get(..read).unwrap_or_default())?;
        }
        if part.digest() != file.blake3 {
            part.discard()?;
            bail!("{} changed while it was copied; try again", path.display());
        }
        cache.keep(part, &file.blake3)?;
    }
    if args.pin {
        cache.pin(&root, Pin::Hand)?;
    }
    said(as_json, "added", &root);
    Ok(())
}
