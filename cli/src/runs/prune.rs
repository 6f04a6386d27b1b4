//! Removing checkpoints of a log that nobody can ask for any more, or that can be trained again.

use crate::{
    chain::{self, Chain},
    challenge::case_of_training,
    fail::bad_input,
    names::parse_account,
    out::Out,
    train::parse_keep,
};
use anyhow::Result;
use arena_models::train::registered::{self, Keep};
use arena_primitives::{AccountId, CaseId, TaskId, TaskPhase};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// What is removed.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The task.
    #[arg(long)]
    task: TaskId,
    /// Whose training it is.
    #[arg(long, value_parser = parse_account)]
    trainer: AccountId,
    /// Directory of the training's log.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// What stays, as of `arena train` [default: last, once the task is over].
    #[arg(long, value_parser = parse_keep, value_name = "all|last|N")]
    keep: Option<Keep>,
}

/// What `run prune` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pruned {
    log: PathBuf,
    freed_bytes: u64,
}

/// Removes what is not kept, unless it may be asked for.
pub(super) async fn prune(out: Out, chain: &Chain, args: &PruneArgs) -> Result<()> {
    let at = chain.best().await?;
    let phase = chain::task(&at, args.task).await?.phase;
    let case = case_of_training(&at, args.task, &args.trainer).await?;
    let keep = kept(args.task, phase, case, args.keep)?;
    let freed_bytes = registered::prune(&args.log, keep)
        .map_err(|why| bad_input(format!("the log in {}: {why}", args.log.display())))?;
    let view = Pruned {
        log: args.log.clone(),
        freed_bytes,
    };
    out.show(&view, |view| {
        format!(
            "✓ {} bytes of checkpoints removed from {}; `arena train --registered --restore` \
             trains them again",
            view.freed_bytes,
            view.log.display()
        )
    })
}

/// What may be kept alone.
fn kept(task: TaskId, phase: TaskPhase, case: Option<CaseId>, keep: Option<Keep>) -> Result<Keep> {
    if let Some(case) = case {
        return Err(bad_input(format!(
            "case {case} is about this training, and its jurors ask for any checkpoint; prune the \
             log when it has ended"
        )));
    }
    match (phase, keep) {
        (TaskPhase::Closed | TaskPhase::Cancelled, keep) => Ok(keep.unwrap_or(Keep::Last)),
        (_, Some(keep @ (Keep::All | Keep::Each(_)))) => Ok(keep),
        (_, None | Some(Keep::Last)) => Err(bad_input(format!(
            "task {task} is not over, and a case could ask for each checkpoint; give --keep with \
             a number, and train what is removed again before you answer a case, or wait"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_should_stay_while_a_case_can_ask_for_them() {
        let each = Keep::Each(std::num::NonZeroU64::MIN);
        let over = [TaskPhase::Closed, TaskPhase::Cancelled];
        let alive = [
            TaskPhase::Submission,
            TaskPhase::FinalValidation,
            TaskPhase::Challenge,
        ];
        for phase in over {
            assert_eq!(kept(1, phase, None, None).unwrap(), Keep::Last);
            assert_eq!(kept(1, phase, None, Some(each)).unwrap(), each);
        }
        for phase in alive {
            assert_eq!(kept(1, phase, None, Some(each)).unwrap(), each);
            for keep in [None, Some(Keep::Last)] {
                let error = kept(1, phase, None, keep).unwrap_err().to_string();
                assert!(error.contains("is not over"), "{error}");
            }
        }
        for phase in over.into_iter().chain(alive) {
            for keep in [None, Some(each), Some(Keep::All)] {
                let error = kept(1, phase, Some(7), keep).unwrap_err().to_string();
                assert!(error.contains("case 7"), "{error}");
            }
        }
    }
}
