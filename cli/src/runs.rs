//! Registered trainings on chain: their recipe before, their seed, and how far they have come.

mod prune;

use crate::{
    amount::Amount,
    args::Signing,
    chain::{At, Chain, api, fetch, id, recode},
    fail::bad_input,
    names::parse_account,
    out::{self, Out},
    sender, submit,
    tx::{self, Receipt, Sender},
};
use anyhow::{Result, anyhow};
use arena_models::{
    Limits,
    train::registered::{Replayer, leaves},
};
use arena_primitives::{
    AccountId, BlockNumber, Hash, LogLeaf, MAX_LOG_LEAVES, Round, TaskId, log_leaves, log_root,
};
use clap::{Args, Subcommand};
use codec::Decode;
use serde::Serialize;
use std::path::{Path, PathBuf};
use subxt::utils::H256;

/// Registered trainings.
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Registers a training before it begins, while the task takes submissions; holds a deposit.
    /// Its seed is known some blocks later, and `run show` prints it. Takes the place of the run
    /// before.
    Register(RegisterArgs),
    /// Says on chain how far a registered training has come: the number and the root of its log's
    /// leaves. Send one in each round while it is trained, and one of the whole log before the
    /// model is submitted.
    Heartbeat {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// Directory of the training's log.
        #[arg(long, value_name = "DIR")]
        log: PathBuf,
        /// Whose training it is, where its service key signs [default: the signer's].
        #[arg(long, value_parser = parse_account)]
        trainer: Option<AccountId>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Removes checkpoints of a registered training's log. Refused while a case is about the
    /// training; before the task is over, only those that --keep leaves out may go, since each can
    /// be asked for: train them again before you answer a case.
    Prune(prune::PruneArgs),
    /// Shows a trainer's registered training, with its seed once it is known.
    Show {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// Whose.
        #[arg(long, value_parser = parse_account)]
        trainer: AccountId,
    },
}

/// What is registered.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The task.
    #[arg(long)]
    task: TaskId,
    /// Directory with the training's config and all that it reads; `manifest.scale` is written
    /// into it. Serve it if the training is challenged.
    #[arg(long, value_name = "DIR")]
    recipe: PathBuf,
    /// Steps in all, as the recipe has them.
    #[arg(long)]
    steps: u64,
    /// Steps between two checkpoints of the log; must divide --steps, at most 512 times.
    #[arg(long)]
    every: u64,
    /// Most bytes of both files of a checkpoint [default: what the recipe's model needs].
    #[arg(long, value_name = "BYTES")]
    checkpoint_bytes: Option<u64>,
    #[command(flatten)]
    signing: Signing,
}

/// The seed of a run.
#[derive(Clone, Copy, Debug, Decode)]
enum Seed {
    /// Being collected.
    #[codec(index = 0)]
    Awaited {
        /// The last block that counts.
        ready: BlockNumber,
    },
    /// Known.
    #[codec(index = 1)]
    Known(Hash),
}

/// A registered training.
#[derive(Clone, Debug, Decode)]
struct Run {
    number: u32,
    recipe: Hash,
    steps: u64,
    every: u64,
    checkpoint_bytes: u64,
    at: BlockNumber,
    seed: Seed,
    deposit: Amount,
    leaves: u32,
    beaten: Option<Round>,
}

impl Run {
    fn seed(&self) -> Option<Hash> {
        match self.seed {
            Seed::Awaited { .. } => None,
            Seed::Known(seed) => Some(seed),
        }
    }

    /// The block in which the seed will be known.
    fn seed_due(&self) -> Option<BlockNumber> {
        match self.seed {
            Seed::Awaited { ready } => Some(ready.saturating_add(1)),
            Seed::Known(_) => None,
        }
    }
}

/// Does what the subcommand says.
pub(crate) async fn run(out: Out, chain: &Chain, command: RunCommand) -> Result<()> {
    match command {
        RunCommand::Register(args) => register(out, &sender(chain, &args.signing)?, &args).await,
        RunCommand::Heartbeat {
            task,
            log,
            trainer,
            signing,
        } => {
            let sender = sender(chain, &signing)?;
            let trainer = trainer.unwrap_or_else(|| sender.account());
            heartbeat(out, &sender, task, trainer, &log).await
        }
        RunCommand::Prune(args) => prune::prune(out, chain, &args).await,
        RunCommand::Show { task, trainer } => show(out, chain, task, trainer).await,
    }
}

async fn registered(at: &At, task: TaskId, trainer: &AccountId) -> Result<Option<Run>> {
    let key = (task, id(trainer));
    fetch(at, api::storage().arena_challenges().runs(), key).await
}

/// Leaves that the last heartbeat of a trainer's run counted; 0 where it has no run.
pub(crate) async fn counted_leaves(at: &At, task: TaskId, trainer: &AccountId) -> Result<u32> {
    let run = registered(at, task, trainer).await?;
    Ok(run.map_or(0, |run| run.leaves))
}

async fn find(at: &At, task: TaskId, trainer: &AccountId) -> Result<Run> {
    registered(at, task, trainer).await?.ok_or_else(|| {
        anyhow!("{trainer} has no registered run in task {task}; `arena run register` makes one")
    })
}

/// What `run register` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    task: TaskId,
    trainer: AccountId,
    number: u32,
    recipe: Hash,
    steps: u64,
    every: u64,
    leaves: u32,
    checkpoint_bytes: u64,
    seed_due: Option<BlockNumber>,
    #[serde(flatten)]
    receipt: Receipt,
}

async fn register(out: Out, sender: &Sender<'_>, args: &RegisterArgs) -> Result<()> {
    let (steps, every) = (args.steps, args.every);
    let (leaves, checkpoint_bytes) = sizes(args)?;
    let recipe = submit::write_recipe(&args.recipe)?;
    let call = api::transactions().arena_challenges().register_run(
        args.task,
        H256(recipe.0),
        steps,
        every,
        checkpoint_bytes,
    );
    let receipt = sender.send(&call).await?.receipt;
    let trainer = sender.account();
    let run = find(&sender.chain.best().await?, args.task, &trainer).await?;
    let view = Registered {
        task: args.task,
        trainer,
        number: run.number,
        recipe,
        steps,
        every,
        leaves,
        checkpoint_bytes,
        seed_due: run.seed_due(),
        receipt,
    };
    out.show(&view, |view| {
        format!(
            "{}\n✓ run {} of {}: a log of {} leaves; its seed is known in block {}: \
             arena run show --task {} --trainer {}",
            tx::human(&view.receipt),
            view.number,
            view.trainer,
            view.leaves,
            out::or_dash(view.seed_due),
            view.task,
            view.trainer
        )
    })
}

/// Leaves of the log, and most bytes of a checkpoint, of a recipe that can be trained.
fn sizes(args: &RegisterArgs) -> Result<(u32, u64)> {
    let (steps, every) = (args.steps, args.every);
    let leaves = log_leaves(steps, every).ok_or_else(|| {
        bad_input(format!(
            "--every {every} must divide --steps {steps}, at most {} times",
            MAX_LOG_LEAVES.saturating_sub(1)
        ))
    })?;
    // Any seed: it changes no size.
    let replayer = Replayer::new(&args.recipe, [0; 32], steps, &Limits::unlimited())
        .map_err(|why| bad_input(format!("the recipe in {}: {why}", args.recipe.display())))?;
    let needed = replayer.checkpoint_bytes();
    let most = args.checkpoint_bytes.unwrap_or(needed);
    if most < needed {
        return Err(bad_input(format!(
            "a checkpoint of this recipe has {needed} bytes, more than --checkpoint-bytes {most}: \
             jurors would take none of its log"
        )));
    }
    Ok((leaves, most))
}

/// The leaves of a training's log as the chain has them.
pub(crate) fn read_log(log: &Path) -> Result<Vec<LogLeaf>> {
    let leaves =
        leaves(log).map_err(|why| bad_input(format!("the log in {}: {why}", log.display())))?;
    leaves.iter().map(recode).collect()
}

/// What `run heartbeat` did.
#[derive(Serialize)]
struct Beaten {
    task: TaskId,
    trainer: AccountId,
    leaves: u32,
    root: Hash,
    #[serde(flatten)]
    receipt: Receipt,
}

async fn heartbeat(
    out: Out,
    sender: &Sender<'_>,
    task: TaskId,
    trainer: AccountId,
    log: &Path,
) -> Result<()> {
    let run = find(&sender.chain.best().await?, task, &trainer).await?;
    let Some(seed) = run.seed() else {
        return Err(bad_input(format!(
            "the seed of this run is known in block {}; what was trained before is of another run",
            out::or_dash(run.seed_due())
        )));
    };
    let leaves = read_log(log)?;
    let root = log_root(&seed, &leaves);
    let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    if count <= run.leaves {
        return Err(bad_input(format!(
            "the log in {} has {count} leaves, and the last heartbeat counted {}; train on first",
            log.display(),
            run.leaves
        )));
    }
    let call = api::transactions()
        .arena_challenges()
        .heartbeat(task, count, H256(root.0));
    let view = Beaten {
        task,
        trainer,
        leaves: count,
        root,
        receipt: sender.send(&call).await?.receipt,
    };
    let whole = log_leaves(run.steps, run.every).unwrap_or(0);
    out.show(&view, |view| {
        format!(
            "{}\n✓ {} of {whole} leaves of the log",
            tx::human(&view.receipt),
            view.leaves
        )
    })
}

/// A registered training, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunView {
    task: TaskId,
    trainer: AccountId,
    number: u32,
    recipe: Hash,
    steps: u64,
    every: u64,
    leaves: u32,
    log_leaves: Option<u32>,
    checkpoint_bytes: u64,
    registered_at: BlockNumber,
    deposit: Amount,
    last_heartbeat: Option<Round>,
    /// 64 hex digits.
    seed: Option<String>,
    seed_due: Option<BlockNumber>,
}

impl RunView {
    fn new(task: TaskId, trainer: AccountId, run: &Run) -> Self {
        RunView {
            task,
            trainer,
            number: run.number,
            recipe: run.recipe,
            steps: run.steps,
            every: run.every,
            leaves: run.leaves,
            log_leaves: log_leaves(run.steps, run.every),
            checkpoint_bytes: run.checkpoint_bytes,
            registered_at: run.at,
            deposit: run.deposit,
            last_heartbeat: run.beaten,
            seed: run.seed().map(hex::encode),
            seed_due: run.seed_due(),
        }
    }
}

async fn show(out: Out, chain: &Chain, task: TaskId, trainer: AccountId) -> Result<()> {
    let run = find(&chain.best().await?, task, &trainer).await?;
    out.show(&RunView::new(task, trainer, &run), human)
}

fn human(view: &RunView) -> String {
    let seed = match (&view.seed, view.seed_due) {
        (Some(seed), _) => seed.clone(),
        (None, due) => format!("known in block {}", out::or_dash(due)),
    };
    out::pairs([
        ("task", view.task.to_string()),
        ("trainer", view.trainer.to_string()),
        ("run", view.number.to_string()),
        ("recipe", format!("{:?}", view.recipe)),
        ("steps", view.steps.to_string()),
        ("steps between leaves", view.every.to_string()),
        (
            "leaves counted",
            format!("{} of {}", view.leaves, out::or_dash(view.log_leaves)),
        ),
        ("bytes of a checkpoint", view.checkpoint_bytes.to_string()),
        ("registered in block", view.registered_at.to_string()),
        ("deposit", view.deposit.to_string()),
        ("last heartbeat in round", out::or_dash(view.last_heartbeat)),
        ("seed", seed),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_should_show_its_seed_or_when_it_is_known() {
        let mut run = Run {
            number: 0,
            recipe: Hash::zero(),
            steps: 10,
            every: 5,
            checkpoint_bytes: 1,
            at: 3,
            seed: Seed::Awaited { ready: 7 },
            deposit: Amount(1),
            leaves: 0,
            beaten: None,
        };
        let trainer = AccountId::from([1; 32]);
        let view = RunView::new(0, trainer.clone(), &run);
        assert_eq!((view.seed.clone(), view.seed_due), (None, Some(8)));
        assert!(human(&view).contains("known in block 8"));
        run.seed = Seed::Known(Hash::repeat_byte(0xab));
        let view = serde_json::to_value(RunView::new(0, trainer, &run)).unwrap();
        assert_eq!(view["seed"], "ab".repeat(32));
        assert!(view["seedDue"].is_null() && view["lastHeartbeat"].is_null());
        assert_eq!(view["logLeaves"], 3);
    }
}
