//! What tasks there are, where they stand, and who leads.

use crate::{
    amount::{Amount, Nano, percent},
    chain::{At, Chain, api, fetch, number, result, results, task, tasks, time},
    fail::bad_input,
    ledger, names,
    out::{self, Out},
    spec::SpecJson,
    views,
};
use anyhow::{Result, anyhow};
use arena_primitives::{
    AccountId, ModelStatus, Round, ShardState, TaskId, TaskSpec, time::MINUTES_PER_DAY,
};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

/// Lists tasks.
pub(crate) async fn list(out: Out, chain: &Chain) -> Result<()> {
    let at = chain.best().await?;
    out.show(&tasks(&at).await?, |all| {
        let mut table = out::table([
            "task",
            "name",
            "phase",
            "open round",
            "settled",
            "rounds",
            "creator",
        ]);
        for task in all {
            table.add_row([
                task.id.to_string(),
                task.name.clone(),
                names::phase(task.phase).to_string(),
                out::or_dash(task.open_round),
                out::or_dash(task.last_settled),
                task.rounds.to_string(),
                names::short(&task.creator),
            ]);
        }
        table.to_string()
    })
}

/// What was voted on.
pub(crate) async fn spec(at: &At, id: TaskId) -> Result<TaskSpec> {
    fetch(at, api::storage().arena_tasks().specs(), (id,))
        .await?
        .ok_or_else(|| anyhow!("there is no task {id}; `arena task list` names all"))
}

/// One task with its spec.
#[derive(Serialize)]
struct TaskDetails {
    #[serde(flatten)]
    task: views::Task,
    block: u32,
    spec: SpecJson,
}

/// Shows a task.
pub(crate) async fn show(out: Out, chain: &Chain, id: TaskId) -> Result<()> {
    let at = chain.best().await?;
    let view = TaskDetails {
        task: task(&at, id).await?,
        block: number(&at),
        spec: SpecJson::from_spec(&spec(&at, id).await?),
    };
    let clock = time(&at).await?;
    let slots_per_minute = |blocks: u32| {
        let minutes = u64::from(blocks) * u64::from(MINUTES_PER_DAY);
        minutes / u64::from(clock.blocks_per_day.max(1))
    };
    out.show(&view, |view| {
        let spec = serde_json::to_string_pretty(&view.spec).unwrap_or_default();
        let ends = view.task.phase_ends.map(|end| {
            let left = end.saturating_sub(view.block);
            format!(
                ", phase ends at block {end}, in {} chain minutes",
                slots_per_minute(left)
            )
        });
        format!(
            "{}{}\n{}\n{spec}",
            head(&view.task),
            ends.unwrap_or_default(),
            live(&view.task, view.block)
        )
    })
}

/// One line on a task.
pub(crate) fn head(task: &views::Task) -> String {
    format!(
        "task {} “{}”: {}{}",
        task.id,
        task.name,
        names::phase(task.phase),
        if task.paused { ", paused" } else { "" }
    )
}

/// The live rounds of a task at a block.
pub(crate) fn live(task: &views::Task, block: u32) -> String {
    let header = [
        "round", "phase", "data", "opens", "closes", "publish", "seed", "commit", "reveal",
        "settle",
    ];
    let mut table = out::table(header);
    for live in &task.live {
        let s = &live.schedule;
        table.add_row([
            live.round.to_string(),
            format!("{:?}", s.phase(block)).to_lowercase(),
            shard(live),
            s.opens.to_string(),
            s.closes.to_string(),
            s.publish.to_string(),
            s.seed.to_string(),
            s.commit.to_string(),
            s.reveal.to_string(),
            s.settle.to_string(),
        ]);
    }
    table.to_string()
}

/// Where a round's evaluation data stands, for people.
fn shard(live: &views::LiveRound) -> String {
    match live.shard {
        ShardState::NotSealed => "public".into(),
        ShardState::Awaited => format!("sealed; due before {}", live.schedule.shard_due()),
        ShardState::Open => "open".into(),
        ShardState::Missed => "missed: pays nothing".into(),
    }
}

/// A trainer's sums over settled rounds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    trainer: AccountId,
    rounds: u32,
    best_rank: Option<u32>,
    last_score: Option<u32>,
    last_raw: Option<u64>,
    reward: Amount,
}

/// A leaderboard.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Leaderboard {
    task: TaskId,
    /// Of the totals.
    settled_rounds: Vec<Round>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<views::Result>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Vec<Standing>>,
}

/// Shows a leaderboard, of one round or of all.
pub(crate) async fn leaderboard(
    out: Out,
    chain: &Chain,
    id: TaskId,
    round: Option<Round>,
) -> Result<()> {
    let at = chain.finalized().await?;
    let task = task(&at, id).await?;
    if let Some(round) = round {
        let found = result(&at, id, round).await?.ok_or_else(|| {
            bad_input(format!(
                "round {round} of task {id} is not settled, or its result is no longer kept"
            ))
        })?;
        let view = Leaderboard {
            task: id,
            settled_rounds: vec![round],
            round: Some(found),
            totals: None,
        };
        return out.show(&view, |view| {
            view.round.as_ref().map_or_else(String::new, of_round)
        });
    }
    let all = results(&at, &task).await?;
    let view = Leaderboard {
        task: id,
        settled_rounds: all.iter().map(|result| result.round).collect(),
        round: None,
        totals: Some(totals(&all)),
    };
    let mut root_mirrors = Vec::new();
    if let Some(best) = all
        .last()
        .and_then(|last| last.models.iter().find(|m| m.rank == Some(1)))
    {
        root_mirrors = ledger::mirrors(&at, id, best.manifest_root).await?;
    }
    out.show(&view, |view| of_all(&task, view, &root_mirrors))
}

fn totals(results: &[views::Result]) -> Vec<Standing> {
    let mut by_trainer: BTreeMap<&AccountId, Standing> = BTreeMap::new();
    for model in results.iter().flat_map(|result| &result.models) {
        let standing = by_trainer
            .entry(&model.trainer)
            .or_insert_with(|| Standing {
                trainer: model.trainer.clone(),
                rounds: 0,
                best_rank: None,
                last_score: None,
                last_raw: None,
                reward: Amount(0),
            });
        standing.rounds += 1;
        standing.best_rank = [standing.best_rank, model.rank].into_iter().flatten().min();
        standing.last_score = model.score;
        standing.last_raw = model.raw;
        standing.reward = standing.reward.plus(model.reward);
    }
    let mut all: Vec<Standing> = by_trainer.into_values().collect();
    // Stable: equal rewards stay in the order of accounts.
    all.sort_by_key(|standing| Reverse(standing.reward));
    all
}

fn of_all(task: &views::Task, view: &Leaderboard, mirrors: &[String]) -> String {
    let mut table = out::table(["", "trainer", "rounds", "best rank", "last score", "reward"]);
    for (place, standing) in view.totals.iter().flatten().enumerate() {
        table.add_row([
            (place + 1).to_string(),
            standing.trainer.to_string(),
            standing.rounds.to_string(),
            out::or_dash(standing.best_rank),
            out::or_dash(standing.last_score.map(percent)),
            standing.reward.to_string(),
        ]);
    }
    let fetch = match mirrors {
        [] => String::new(),
        some => format!("\nthe last round's best model: {}", some.join(" ")),
    };
    format!(
        "{}\n{} settled rounds\n{table}{fetch}",
        head(task),
        view.settled_rounds.len()
    )
}

fn of_round(result: &views::Result) -> String {
    let mut models = out::table(["rank", "trainer", "status", "raw", "score", "reward"]);
    let mut order: Vec<&views::Model> = result.models.iter().collect();
    order.sort_by_key(|model| model.rank.unwrap_or(u32::MAX));
    for model in order {
        models.add_row([
            out::or_dash(model.rank),
            model.trainer.to_string(),
            status(&model.status),
            out::or_dash(model.raw.map(Nano)),
            out::or_dash(model.score.map(percent)),
            model.reward.to_string(),
        ]);
    }
    let mut validators = out::table(["validator", "distance", "reward"]);
    for validator in &result.validators {
        validators.add_row([
            validator.account.to_string(),
            out::or_dash(validator.distance.map(percent)),
            validator.reward.to_string(),
        ]);
    }
    let unpaid = result
        .unpaid
        .map(|why| format!(", unpaid: {why:?}"))
        .unwrap_or_default();
    format!(
        "round {} settled at block {}: {} drawn, {} to the treasury{unpaid}\n{models}\n{validators}",
        result.round, result.settled_at, result.drawn, result.treasury
    )
}

/// How a model fared, in words.
pub(crate) fn status(status: &ModelStatus) -> String {
    match status {
        ModelStatus::Scored => "scored".into(),
        ModelStatus::Invalid(fault) => format!("invalid: {fault:?}"),
        ModelStatus::Skipped(Some(fault)) => format!("skipped: {fault:?}"),
        ModelStatus::Skipped(None) => "skipped: no quorum".into(),
    }
}
