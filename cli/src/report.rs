//! One consistent account of tasks at one finalized block.

use crate::{
    amount::{Amount, Nano, percent},
    chain::{At, Chain, delegator_earnings, number, results, task},
    history, ledger, names, out,
    out::Out,
    views,
};
use anyhow::{Context, Result};
use arena_primitives::{AccountId, Hash, ModelStatus, Round, TaskId, Venue};
use serde::Serialize;
use std::{collections::BTreeMap, fs, path::Path};

/// The whole report.
#[derive(Serialize)]
struct Report {
    /// The block that was read.
    block: u32,
    block_hash: Hash,
    tasks: Vec<TaskReport>,
    conservation: Conservation,
}

/// One task.
#[derive(Serialize)]
struct TaskReport {
    id: TaskId,
    name: String,
    state: &'static str,
    models: Vec<ModelRow>,
    validators: Vec<ValidatorRow>,
    delegators: Vec<DelegatorRow>,
}

/// One model in one round.
#[derive(Serialize)]
struct ModelRow {
    trainer: AccountId,
    round: Round,
    status: &'static str,
    reason: Option<String>,
    raw: Option<u64>,
    score: Option<u32>,
    rank: Option<u32>,
    reward: Amount,
}

/// One validator over all rounds.
#[derive(Serialize)]
struct ValidatorRow {
    account: AccountId,
    /// Mean over the rounds in which it has one.
    distance: Option<u32>,
    reward: Amount,
}

/// One delegator over all positions of the task.
#[derive(Serialize)]
struct DelegatorRow {
    account: AccountId,
    /// The most that was delegated at a time, over all positions.
    stake: Amount,
    /// Claimed and claimable.
    reward: Amount,
}

/// Where all tokens came from and went.
#[derive(Serialize)]
struct Conservation {
    minted: Amount,
    bounties: Amount,
    rewards: Amount,
    authors: Amount,
    treasury: Amount,
    dust: Amount,
    in_flight: Amount,
    burned: Amount,
    issuance_before: Amount,
    issuance_after: Amount,
    /// `issuance_before + minted − burned − issuance_after`: burned outside of the arena, e.g.
    /// by `balances.burn`; base units with a sign.
    unexplained: String,
    holds: bool,
}

/// Reports on tasks.
pub(crate) async fn report(
    out: Out,
    chain: &Chain,
    ids: &[TaskId],
    file: Option<&Path>,
) -> Result<()> {
    let at = chain.finalized().await?;
    let views = {
        let mut views = Vec::new();
        for id in ids {
            views.push(task(&at, *id).await?);
        }
        views
    };
    let delegators = delegators(chain, &at, ids).await?;
    let mut tasks = Vec::new();
    for view in views {
        let results = results(&at, &view).await?;
        let rows = delegators.get(&view.id).cloned().unwrap_or_default();
        tasks.push(of_task(view, &results, rows));
    }
    let report = Report {
        block: number(&at),
        block_hash: Hash::from(at.block_hash().0),
        tasks,
        conservation: conservation(chain, &at).await?,
    };
    if let Some(path) = file {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(path, json + "\n").with_context(|| format!("can't write {}", path.display()))?;
        out.note(format!("✓ written to {}", path.display()));
    }
    out.show(&report, human)
}

fn of_task(
    view: views::Task,
    results: &[views::Result],
    delegators: BTreeMap<AccountId, (Amount, Amount)>,
) -> TaskReport {
    let models = results.iter().flat_map(|result| {
        result.models.iter().map(|model| {
            let (status, reason) = status(&model.status);
            ModelRow {
                trainer: model.trainer.clone(),
                round: result.round,
                status,
                reason,
                raw: model.raw,
                score: model.score,
                rank: model.rank,
                reward: model.reward,
            }
        })
    });
    TaskReport {
        id: view.id,
        name: view.name,
        state: names::phase(view.phase),
        models: models.collect(),
        validators: validators(results),
        delegators: delegators
            .into_iter()
            .map(|(account, (stake, reward))| DelegatorRow {
                account,
                stake,
                reward,
            })
            .collect(),
    }
}

fn status(status: &ModelStatus) -> (&'static str, Option<String>) {
    match status {
        ModelStatus::Scored => ("Scored", None),
        ModelStatus::Invalid(fault) => ("Invalid", Some(format!("{fault:?}"))),
        ModelStatus::Skipped(fault) => ("Skipped", fault.map(|fault| format!("{fault:?}"))),
    }
}

fn validators(results: &[views::Result]) -> Vec<ValidatorRow> {
    let mut sums: BTreeMap<&AccountId, (u64, u64, Amount)> = BTreeMap::new();
    for validator in results.iter().flat_map(|result| &result.validators) {
        let (distances, count, reward) = sums.entry(&validator.account).or_default();
        if let Some(distance) = validator.distance {
            *distances = distances.saturating_add(distance.into());
            *count += 1;
        }
        *reward = reward.plus(validator.reward);
    }
    sums.into_iter()
        .map(|(account, (distances, count, reward))| ValidatorRow {
            account: account.clone(),
            distance: distances
                .checked_div(count)
                .and_then(|mean| u32::try_from(mean).ok()),
            reward,
        })
        .collect()
}

/// Stake and earnings of each task's delegators.
async fn delegators(
    chain: &Chain,
    at: &At,
    ids: &[TaskId],
) -> Result<BTreeMap<TaskId, BTreeMap<AccountId, (Amount, Amount)>>> {
    let mut found: BTreeMap<TaskId, BTreeMap<AccountId, (Amount, Amount)>> = BTreeMap::new();
    let records = history::delegators(chain, ids, number(at)).await?;
    for ((task, operator, who), record) in records {
        let earned = delegator_earnings(at, Venue::Task(task), &operator, &who).await?;
        let (stake, reward) = found.entry(task).or_default().entry(who).or_default();
        *stake = stake.plus(record.most);
        *reward = reward.plus(record.claimed).plus(earned.owed);
    }
    Ok(found)
}

async fn conservation(chain: &Chain, at: &At) -> Result<Conservation> {
    let genesis = chain.at_number(0).await?;
    let books = ledger::books(at).await?;
    Ok(balance(
        books,
        ledger::issuance(&genesis).await?,
        ledger::issuance(at).await?,
    ))
}

fn balance(books: ledger::Books, before: Amount, after: Amount) -> Conservation {
    let came = books.minted.plus(books.bounties);
    let went = [
        books.rewards,
        books.authors,
        books.treasury,
        books.dust,
        books.in_flight,
    ]
    .into_iter()
    .fold(Amount(0), Amount::plus);
    let (have, had) = (after.plus(books.burned), before.plus(books.minted));
    let sign = if have > had { "-" } else { "" };
    Conservation {
        minted: books.minted,
        bounties: books.bounties,
        rewards: books.rewards,
        authors: books.authors,
        treasury: books.treasury,
        dust: books.dust,
        in_flight: books.in_flight,
        burned: books.burned,
        issuance_before: before,
        issuance_after: after,
        unexplained: format!("{sign}{}", had.0.abs_diff(have.0)),
        holds: came == went && had == have,
    }
}

fn human(report: &Report) -> String {
    let mut text = format!("block {} ({:?})\n", report.block, report.block_hash);
    for task in &report.tasks {
        text += &human_task(task);
    }
    let c = &report.conservation;
    let holds = if c.holds {
        "✓ holds"
    } else {
        "✗ DOES NOT HOLD"
    };
    let sums = out::pairs([
        ("issuance at genesis", c.issuance_before.to_string()),
        ("minted", c.minted.to_string()),
        ("bounties drawn", c.bounties.to_string()),
        ("to positions of tasks", c.rewards.to_string()),
        ("to authors of blocks", c.authors.to_string()),
        ("to the treasury", c.treasury.to_string()),
        ("dust", c.dust.to_string()),
        ("being settled", c.in_flight.to_string()),
        ("burned", c.burned.to_string()),
        ("issuance now", c.issuance_after.to_string()),
        ("unexplained (base units)", c.unexplained.clone()),
    ]);
    text + &format!("conservation {holds}\n{sums}")
}

fn human_task(task: &TaskReport) -> String {
    let mut models = out::table([
        "round", "rank", "trainer", "status", "raw", "score", "reward",
    ]);
    for row in &task.models {
        let reason = row
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        models.add_row([
            row.round.to_string(),
            out::or_dash(row.rank),
            names::short(&row.trainer),
            format!("{}{reason}", row.status),
            out::or_dash(row.raw.map(Nano)),
            out::or_dash(row.score.map(percent)),
            row.reward.to_string(),
        ]);
    }
    let mut validators = out::table(["validator", "mean distance", "reward"]);
    for row in &task.validators {
        validators.add_row([
            names::short(&row.account),
            out::or_dash(row.distance.map(percent)),
            row.reward.to_string(),
        ]);
    }
    let mut delegators = out::table(["delegator", "stake", "reward"]);
    for row in &task.delegators {
        delegators.add_row([
            names::short(&row.account),
            row.stake.to_string(),
            row.reward.to_string(),
        ]);
    }
    format!(
        "\ntask {} “{}”: {}\n{models}\n{validators}\n{delegators}\n",
        task.id, task.name, task.state
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> ledger::Books {
        ledger::Books {
            minted: Amount(100),
            bounties: Amount(10),
            rewards: Amount(80),
            authors: Amount(20),
            treasury: Amount(7),
            burned: Amount(5),
            dust: Amount(2),
            in_flight: Amount(1),
        }
    }

    #[test]
    fn conservation_should_hold_exactly_and_name_what_is_missing() {
        assert!(balance(books(), Amount(1_000), Amount(1_095)).holds);
        let burned = balance(books(), Amount(1_000), Amount(1_094));
        assert_eq!((burned.holds, burned.unexplained.as_str()), (false, "1"));
        let made = balance(books(), Amount(1_000), Amount(1_096));
        assert_eq!((made.holds, made.unexplained.as_str()), (false, "-1"));
        let lost = ledger::Books {
            rewards: Amount(79),
            ..books()
        };
        assert!(!balance(lost, Amount(1_000), Amount(1_095)).holds);
    }
}
