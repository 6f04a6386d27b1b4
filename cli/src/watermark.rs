//! Marks in models: their secrets, putting them in, and looking for them.

use crate::{
    fail::bad_input,
    keys,
    names::{parse_account, parse_hash},
    out::{self, Out},
    state::write_private,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_models::{
    ModelError,
    watermark::{self, BITS, Embedded, THRESHOLD},
};
use arena_primitives::{AccountId, Hash, TaskId, mark_commitment, mark_key};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Version of the file.
const VERSION: u8 = 1;

/// Watermarks.
#[derive(Debug, Subcommand)]
pub(crate) enum WatermarkCommand {
    /// Makes the secret of a mark, and prints the commitment to register before a model that has
    /// the mark is published. Nothing is sent.
    New(NewArgs),
    /// Writes a copy of a model or LoRA adapter with a mark in it.
    Embed(EmbedArgs),
    /// Says whether a mark is in a model, as jurors would find it.
    Check(LookArgs),
}

/// Whose mark, and where.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The task.
    #[arg(long)]
    task: TaskId,
    /// Account that registers the mark and may accuse with it.
    #[arg(long, value_parser = parse_account)]
    owner: AccountId,
    /// Where the secret is kept [default: watermark-taskN.json].
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What is marked.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Directory of the model.
    #[arg(long)]
    model: PathBuf,
    /// A new directory for the marked model.
    #[arg(long)]
    out: PathBuf,
    /// The file that `watermark new` wrote.
    #[arg(long)]
    key: PathBuf,
    /// Directory of the task's base model, where the task names one.
    #[arg(long)]
    base: Option<PathBuf>,
    /// How far each bit's sum is moved from 0, in its deviations; more withstands more noise and
    /// changes the model more.
    #[arg(long, default_value_t = watermark::STRENGTH)]
    strength: f64,
}

/// What is looked for, and where.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Directory of the model.
    #[arg(long)]
    model: PathBuf,
    /// Directory of the task's base model, where the task names one.
    #[arg(long)]
    base: Option<PathBuf>,
    /// The file that `watermark new` wrote.
    #[arg(long, conflicts_with_all = ["task", "owner", "salt"], required_unless_present = "salt")]
    key: Option<PathBuf>,
    /// The task of a revealed mark.
    #[arg(long, requires = "salt")]
    task: Option<TaskId>,
    /// Whose mark was revealed.
    #[arg(long, requires = "salt", value_parser = parse_account)]
    owner: Option<AccountId>,
    /// The salt that its owner revealed, 64 hex digits.
    #[arg(long, requires_all = ["task", "owner"], value_parser = parse_hash)]
    salt: Option<Hash>,
}

/// The secret of a mark. Without it nobody finds the mark; who has it can take it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Version of the file.
    version: u8,
    /// The only task in which it counts.
    pub(crate) task: TaskId,
    /// Who may accuse with it.
    pub(crate) owner: AccountId,
    /// What makes its key, together with the task and the owner.
    pub(crate) salt: Hash,
    /// What is registered of it.
    pub(crate) commitment: Hash,
}

impl Secret {
    fn new(task: TaskId, owner: AccountId, salt: Hash) -> Self {
        Secret {
            version: VERSION,
            task,
            commitment: mark_commitment(task, &owner, &salt),
            owner,
            salt,
        }
    }

    /// Reads a file, and checks that its commitment is that of its secret.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("can't read the mark's file {}", path.display()))?;
        let secret: Secret = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is no mark's file; `arena watermark new` writes one",
                path.display()
            )
        })?;
        ensure!(
            secret.version == VERSION,
            "{} has version {}, this release reads {VERSION}",
            path.display(),
            secret.version
        );
        let again = Secret::new(secret.task, secret.owner.clone(), secret.salt);
        ensure!(
            again == secret,
            "{}: its salt has the commitment {:?}, it says {:?}; restore it from a copy",
            path.display(),
            again.commitment,
            secret.commitment
        );
        Ok(secret)
    }

    fn key(&self) -> [u8; 32] {
        mark_key(self.task, &self.owner, &self.salt)
    }

    fn owner_bytes(&self) -> [u8; 32] {
        self.owner.clone().into()
    }
}

/// Runs a command.
pub(crate) fn run(out: Out, command: WatermarkCommand) -> Result<()> {
    match command {
        WatermarkCommand::New(args) => new(out, args),
        WatermarkCommand::Embed(args) => embed(out, &args),
        WatermarkCommand::Check(args) => check(out, args),
    }
}

/// A mark that was made.
#[derive(Serialize)]
struct NewView {
    task: TaskId,
    owner: AccountId,
    commitment: Hash,
    key: PathBuf,
}

fn new(out: Out, args: NewArgs) -> Result<()> {
    let path = args
        .out
        .unwrap_or_else(|| PathBuf::from(format!("watermark-task{}.json", args.task)));
    let is_there = path
        .try_exists()
        .with_context(|| format!("can't look at {}", path.display()))?;
    if is_there {
        return Err(bad_input(format!(
            "{} is there already, and may be the only copy of another mark's secret; name a new \
             file with --out",
            path.display()
        )));
    }
    let mut salt = Hash::zero();
    keys::random(salt.as_bytes_mut())?;
    let secret = Secret::new(args.task, args.owner, salt);
    write_private(&path, &secret)
        .with_context(|| format!("can't write the mark's file {}", path.display()))?;
    let view = NewView {
        task: secret.task,
        owner: secret.owner,
        commitment: secret.commitment,
        key: path,
    };
    out.show(&view, |view| {
        let pairs = out::pairs([
            ("task", view.task.to_string()),
            ("owner", view.owner.to_string()),
            ("commitment", format!("{:?}", view.commitment)),
            ("secret in", view.key.display().to_string()),
        ]);
        format!(
            "{pairs}\nRegister the commitment before a model with this mark is published. Keep \
             the file secret, and a copy of it: who has it can take the mark out, and without it \
             nobody can be accused."
        )
    })
}

/// A model that was marked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddedView {
    model: PathBuf,
    matches: u32,
    numbers_per_bit: usize,
    change: f64,
    marked: f64,
}

fn embed(out: Out, args: &EmbedArgs) -> Result<()> {
    let secret = Secret::read(&args.key)?;
    let Embedded {
        matches,
        block,
        change,
        marked,
    } = watermark::embed(
        &args.model,
        args.base.as_deref(),
        secret.key(),
        secret.owner_bytes(),
        args.strength,
        &args.out,
    )
    .map_err(|why| failed(&args.model, &why))?;
    let view = EmbeddedView {
        model: args.out.clone(),
        matches,
        numbers_per_bit: block,
        change,
        marked,
    };
    out.show(&view, |view| {
        format!(
            "✓ {} of {BITS} bits, {} numbers for each: {}\n{:.1} % of the numbers changed by \
             {:.1} % of their update's size; compare scores with `arena check` before you submit",
            view.matches,
            view.numbers_per_bit,
            view.model.display(),
            view.marked * 100.0,
            view.change * 100.0
        )
    })
}

/// What was found of a mark.
#[derive(Serialize)]
struct FoundView {
    model: PathBuf,
    /// Of 256; `None` where the model has too few numbers to carry a mark.
    matches: Option<u32>,
    threshold: u32,
    found: bool,
}

fn check(out: Out, args: LookArgs) -> Result<()> {
    let secret = match (args.key, args.task, args.owner, args.salt) {
        (Some(path), ..) => Secret::read(&path)?,
        (None, Some(task), Some(owner), Some(salt)) => Secret::new(task, owner, salt),
        _ => return Err(bad_input("name --key, or --task, --owner and --salt")),
    };
    let base = args.base.as_deref();
    let matches = watermark::extract(&args.model, base, secret.key(), secret.owner_bytes())
        .map_err(|why| failed(&args.model, &why))?;
    let view = FoundView {
        model: args.model,
        matches,
        threshold: THRESHOLD,
        found: matches.is_some_and(|matches| matches >= THRESHOLD),
    };
    out.show(&view, human)
}

fn human(view: &FoundView) -> String {
    let model = view.model.display();
    let Some(matches) = view.matches else {
        return format!("{model} has too few weights to carry a mark: a jury would acquit");
    };
    let verdict = if view.found {
        "the mark is there: a jury would convict whoever published it after the commitment"
    } else {
        "the mark is not there: a jury would acquit"
    };
    format!(
        "{matches} of {BITS} bits match, {} are needed: {verdict}",
        view.threshold
    )
}

fn failed(model: &Path, why: &ModelError) -> anyhow::Error {
    anyhow!("{}: {why}", model.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(3, AccountId::from([1; 32]), Hash::repeat_byte(2))
    }

    #[test]
    fn secret_should_be_read_as_it_was_written_and_refused_when_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        write_private(&path, &secret()).unwrap();
        assert_eq!(Secret::read(&path).unwrap(), secret());
        let changed = Secret {
            task: 4,
            ..secret()
        };
        write_private(&path, &changed).unwrap();
        let why = Secret::read(&path).unwrap_err().to_string();
        assert!(why.contains("restore it from a copy"), "{why}");
        fs::write(&path, "{}").unwrap();
        assert!(Secret::read(&path).is_err());
    }

    #[test]
    fn new_should_keep_the_salt_in_a_private_file_and_never_overwrite_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        let make = || {
            let args = NewArgs {
                task: 3,
                owner: AccountId::from([1; 32]),
                out: Some(path.clone()),
            };
            new(Out { json: true }, args)
        };
        make().unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_ne!(secret.salt, Hash::zero());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(make().is_err());
        assert_eq!(Secret::read(&path).unwrap(), secret);
    }

    #[test]
    fn salt_should_be_64_hex_digits() {
        let digits = "07".repeat(32);
        for text in [digits.clone(), format!("0x{digits}")] {
            assert_eq!(parse_hash(&text), Ok(Hash::repeat_byte(7)));
        }
        assert!(parse_hash("07").is_err());
    }

    #[test]
    fn verdict_should_follow_the_threshold() {
        let view = |matches: Option<u32>| FoundView {
            model: "m".into(),
            matches,
            threshold: THRESHOLD,
            found: matches.is_some_and(|matches| matches >= THRESHOLD),
        };
        assert!(human(&view(None)).contains("too few"));
        assert!(human(&view(Some(204))).contains("is not there"));
        assert!(human(&view(Some(205))).contains("convict"));
    }
}
