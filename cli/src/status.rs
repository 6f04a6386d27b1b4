//! Where a task stands, and waiting until it stands somewhere else.

use crate::{
    chain::{At, Chain, number, task},
    names,
    out::{self, Out},
    tasks, views,
};
use anyhow::{Context, Result, anyhow, bail};
use arena_primitives::{Round, TaskId, TaskPhase};
use indicatif::ProgressBar;
use serde::Serialize;
use std::time::Duration;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Nothing: shows and ends.
    Now,
    /// The task has reached this phase.
    Phase(TaskPhase),
    /// This round is settled.
    Settled(Round),
    /// This round, or a later one, is open.
    Open(Round),
}

/// A task at a block.
#[derive(Serialize)]
struct StatusView {
    block: u32,
    #[serde(flatten)]
    task: views::Task,
}

/// Shows where a task stands once the goal is reached, following finalized blocks.
pub(crate) async fn status(
    out: Out,
    chain: &Chain,
    id: TaskId,
    goal: Goal,
    timeout: Option<u64>,
) -> Result<()> {
    let waiting = wait(chain, id, goal);
    let view = match timeout {
        None => waiting.await?,
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), waiting)
            .await
            .map_err(|_| anyhow!("task {id} did not get there within {seconds} seconds"))??,
    };
    out.show(&view, |view| {
        let head = tasks::head(&view.task);
        let open = out::or_dash(view.task.open_round);
        let settled = out::or_dash(view.task.last_settled);
        format!(
            "{head} at block {}\nopen round {open}, last settled {settled} of {}\n{}",
            view.block,
            view.task.rounds.saturating_add(1),
            tasks::live(&view.task, view.block)
        )
    })
}

async fn wait(chain: &Chain, id: TaskId, goal: Goal) -> Result<StatusView> {
    let first = read(&chain.finalized().await?, id).await?;
    if reached(&first.task, goal)? {
        return Ok(first);
    }
    let bar = out::bar(
        first.task.rounds.saturating_add(1).into(),
        "{spinner} {msg} {bar:24} {pos}/{len} rounds settled",
    );
    show(&bar, &first);
    let mut blocks = chain.finalized_blocks().await?;
    while let Some(block) = blocks.next().await {
        let at = block
            .context("lost the stream of finalized blocks")?
            .at()
            .await
            .context("can't read a finalized block")?;
        let view = read(&at, id).await?;
        show(&bar, &view);
        if reached(&view.task, goal)? {
            bar.finish_and_clear();
            return Ok(view);
        }
    }
    bail!("the node stopped telling of finalized blocks; ask again")
}

async fn read(at: &At, id: TaskId) -> Result<StatusView> {
    Ok(StatusView {
        block: number(at),
        task: task(at, id).await?,
    })
}

fn show(bar: &ProgressBar, view: &StatusView) {
    let task = &view.task;
    let rounds: Vec<String> = task
        .live
        .iter()
        .map(|live| {
            let phase = live.schedule.phase(view.block);
            format!(
                "round {}: {}",
                live.round,
                format!("{phase:?}").to_lowercase()
            )
        })
        .collect();
    bar.set_position(task.last_settled.unwrap_or(0).into());
    bar.set_message(format!(
        "block {} · {} · {}",
        view.block,
        names::phase(task.phase),
        rounds.join(", ")
    ));
    bar.tick();
}

/// Phases in the order in which a task goes through them.
fn order(phase: TaskPhase) -> u8 {
    match phase {
        TaskPhase::Submission => 0,
        TaskPhase::FinalValidation => 1,
        TaskPhase::Challenge => 2,
        TaskPhase::Closed => 3,
        TaskPhase::Cancelled => 4,
    }
}

/// Whether the goal is reached; an error once it never will be.
fn reached(task: &views::Task, goal: Goal) -> Result<bool> {
    let done = match goal {
        Goal::Now => true,
        Goal::Phase(phase) => {
            task.phase != TaskPhase::Cancelled && order(task.phase) >= order(phase)
        }
        Goal::Settled(round) => task.last_settled.is_some_and(|settled| settled >= round),
        Goal::Open(round) => task.open_round.is_some_and(|open| open >= round),
    };
    if done {
        return Ok(true);
    }
    if task.phase == TaskPhase::Cancelled {
        bail!("task {} was cancelled", task.id);
    }
    match goal {
        Goal::Settled(round) if round > task.rounds.saturating_add(1) => {
            bail!(
                "task {} has no round {round}; the last is {}",
                task.id,
                task.rounds + 1
            )
        }
        Goal::Open(round) if round > task.rounds || task.phase != TaskPhase::Submission => {
            bail!("task {} opens no round {round} any more", task.id)
        }
        Goal::Settled(round) if order(task.phase) >= order(TaskPhase::Challenge) => {
            bail!("task {} ended without settling round {round}", task.id)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::{AccountId, Hash, Metric};

    fn task(phase: TaskPhase, open_round: Option<u32>, last_settled: Option<u32>) -> views::Task {
        views::Task {
            id: 1,
            name: String::new(),
            creator: AccountId::from([0; 32]),
            spec_hash: Hash::zero(),
            metric: Metric::Accuracy,
            phase,
            open_round,
            last_settled,
            rounds: 3,
            live: Vec::new(),
            phase_ends: None,
            paused: false,
        }
    }

    #[test]
    fn goals_should_count_as_reached_when_they_were_passed() {
        let late = task(TaskPhase::Challenge, None, Some(4));
        assert!(reached(&late, Goal::Phase(TaskPhase::Submission)).unwrap());
        assert!(reached(&late, Goal::Settled(2)).unwrap());
        assert!(!reached(&late, Goal::Phase(TaskPhase::Closed)).unwrap());
        assert!(reached(&task(TaskPhase::Submission, Some(2), None), Goal::Open(1)).unwrap());
    }

    #[test]
    fn goals_that_can_never_be_reached_should_end_the_wait() {
        let submission = task(TaskPhase::Submission, Some(1), None);
        assert!(reached(&submission, Goal::Settled(5)).is_err());
        assert!(reached(&submission, Goal::Open(4)).is_err());
        assert!(!reached(&submission, Goal::Settled(4)).unwrap());
        let cancelled = task(TaskPhase::Cancelled, None, None);
        assert!(reached(&cancelled, Goal::Phase(TaskPhase::Closed)).is_err());
    }
}
