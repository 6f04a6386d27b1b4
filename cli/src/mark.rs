//! Keys of marks on chain: registered while they are secret, so that a mark found later proves
//! whose it was first.

use crate::{
    args::Signing,
    chain::{At, Chain, api, fetch, id},
    fail::bad_input,
    names::{self, parse_account},
    out::{self, Out},
    sender,
    tx::{self, Receipt, Sender},
    watermark::Secret,
};
use anyhow::Result;
use arena_primitives::{AccountId, BlockNumber, Hash, TaskId};
use clap::Subcommand;
use codec::Decode;
use serde::Serialize;
use std::path::{Path, PathBuf};
use subxt::utils::H256;

/// Keys of marks.
#[derive(Debug, Subcommand)]
pub(crate) enum MarkCommand {
    /// Commits to the key of a mark on chain, while the task takes submissions; for operators of
    /// the task. Only models that are committed to in later blocks can be challenged with it.
    Register {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// The file that `watermark new` wrote; its secret stays here.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Lists an operator's registered keys.
    List {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// Whose.
        #[arg(long, value_parser = parse_account)]
        owner: AccountId,
    },
}

/// A key of a mark, hidden.
#[derive(Clone, Copy, Debug, Decode, Serialize)]
pub(crate) struct Mark {
    /// The hash of the key.
    pub(crate) commitment: Hash,
    /// Registered in this block.
    pub(crate) at: BlockNumber,
}

/// What `mark register` did.
#[derive(Serialize)]
struct Registered {
    task: TaskId,
    owner: AccountId,
    commitment: Hash,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Does what the subcommand says.
pub(crate) async fn run(out: Out, chain: &Chain, command: MarkCommand) -> Result<()> {
    match command {
        MarkCommand::Register { task, key, signing } => {
            register(out, &sender(chain, &signing)?, task, &key).await
        }
        MarkCommand::List { task, owner } => list(out, chain, task, owner).await,
    }
}

/// The secret of a mark.
pub(crate) fn secret(path: &Path) -> Result<Secret> {
    Secret::read(path).map_err(|why| bad_input(format!("{why:#}")))
}

/// An operator's registered keys.
pub(crate) async fn marks(at: &At, task: TaskId, owner: &AccountId) -> Result<Vec<Mark>> {
    let key = (task, id(owner));
    let found = fetch(at, api::storage().arena_challenges().marks(), key).await?;
    Ok(found.unwrap_or_default())
}

async fn register(out: Out, sender: &Sender<'_>, task: TaskId, path: &Path) -> Result<()> {
    let secret = secret(path)?;
    let owner = sender.account();
    if (secret.task, &secret.owner) != (task, &owner) {
        return Err(bad_input(format!(
            "{} has a mark of {} for task {}, not of {owner} for task {task}; \
             `arena watermark new` makes another",
            path.display(),
            secret.owner,
            secret.task
        )));
    }
    let call = api::transactions()
        .arena_challenges()
        .register_mark(task, H256(secret.commitment.0));
    let view = Registered {
        task,
        owner,
        commitment: secret.commitment,
        receipt: sender.send(&call).await?.receipt,
    };
    out.show(&view, |view| {
        format!(
            "{}\n✓ models that are committed to after block {} can be challenged with the mark",
            tx::human(&view.receipt),
            view.receipt.block
        )
    })
}

async fn list(out: Out, chain: &Chain, task: TaskId, owner: AccountId) -> Result<()> {
    let marks = marks(&chain.best().await?, task, &owner).await?;
    out.show(&marks, |marks| {
        if marks.is_empty() {
            let owner = names::short(&owner);
            return format!("{owner} has no marks in task {task}; `arena mark register` adds one");
        }
        let mut table = out::table(["commitment", "registered in block"]);
        for mark in marks {
            table.add_row([format!("{:?}", mark.commitment), mark.at.to_string()]);
        }
        table.to_string()
    })
}
