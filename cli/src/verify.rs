//! Recomputes settled rounds from the state before their settlement, and compares.

mod comparison;
mod inputs;
mod likeness;
mod settlement;

use crate::{
    chain::{self, At, Chain, api, fetch, number, result, task},
    ledger, out,
    out::Out,
    payouts::{Ledger, Pay},
    tasks, told, views,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{RoundResult, TaskId, TaskSpec};
use serde::Serialize;
use std::collections::BTreeSet;

pub(crate) use comparison::Comparison;

/// What was found.
#[derive(Serialize)]
struct Verified {
    rounds: Vec<RoundVerified>,
    /// Pay of authors of blocks.
    authors: Comparison,
    /// What was claimed, and what is still owed.
    claims: Comparison,
    /// Sums since genesis; `null` unless all tasks were named.
    books: Option<Comparison>,
    /// Values that were compared.
    compared: usize,
    differences: usize,
}

/// One round.
#[derive(Serialize)]
struct RoundVerified {
    task: TaskId,
    round: u32,
    #[serde(flatten)]
    comparison: Comparison,
}

impl Verified {
    fn parts(&self) -> Vec<(String, &Comparison)> {
        let rounds = self.rounds.iter().map(|round| {
            let name = format!("task {}, round {}", round.task, round.round);
            (name, &round.comparison)
        });
        let mut parts: Vec<_> = rounds.collect();
        parts.push(("authors of blocks".into(), &self.authors));
        parts.push(("claims, and what is owed".into(), &self.claims));
        parts.extend(
            self.books
                .as_ref()
                .map(|books| ("sums since genesis".into(), books)),
        );
        parts
    }
}

/// Verifies all settled rounds of tasks, how each pay was shared out and claimed, and what
/// authors of blocks were paid; an error if anything differs.
pub(crate) async fn verify(out: Out, chain: &Chain, ids: &[TaskId]) -> Result<()> {
    let at = settled_state(chain).await?;
    let last = number(&at);
    let all: BTreeSet<TaskId> = chain::tasks(&at)
        .await?
        .iter()
        .map(|task| task.id)
        .collect();
    let ids: BTreeSet<TaskId> = ids.iter().copied().collect();
    let told = told::told(chain, last).await?;
    let mut ledger = Ledger::default();
    let mut rounds = Vec::new();
    for id in &ids {
        let view = task(&at, *id).await?;
        let spec = tasks::spec(&at, *id).await?;
        // A task that was cancelled may have a round more than it knows of.
        for round in 1.. {
            let Some(stored) = result(&at, *id, round).await? else {
                ensure!(
                    Some(round) > view.last_settled,
                    "the result of round {round} of task {id} is no longer kept"
                );
                break;
            };
            let (mut comparison, pays) = round_of(chain, &spec, &stored).await?;
            ledger.round(&mut comparison, &told, &stored, pays)?;
            rounds.push(RoundVerified {
                task: *id,
                round,
                comparison,
            });
        }
    }
    let [mut authors, mut claims, mut books] = [(); 3].map(|()| Comparison::default());
    ledger.authors(&mut authors, chain, &told, last).await?;
    ledger.unexpected(&mut claims, &told);
    ledger.claims(&mut claims, chain, &told, last).await?;
    let stored = ledger::books(&at).await?;
    ledger.books(&mut books, &told, &stored);
    let mut verified = Verified {
        rounds,
        authors,
        claims,
        books: (ids == all).then_some(books),
        compared: 0,
        differences: 0,
    };
    let (mut compared, mut differences) = (0, 0);
    for (_, part) in verified.parts() {
        compared += part.compared;
        differences += part.differences();
    }
    (verified.compared, verified.differences) = (compared, differences);
    out.show(&verified, human)?;
    match verified.differences {
        0 => Ok(()),
        some => Err(anyhow!("{some} values differ from what the chain stored")),
    }
}

fn human(verified: &Verified) -> String {
    let mut table = out::table(["what", "compared", "differences", "skipped"]);
    let mut text = String::new();
    for (name, part) in verified.parts() {
        table.add_row([
            name.clone(),
            part.compared.to_string(),
            part.differences().to_string(),
            part.skipped.to_string(),
        ]);
        for difference in &part.differences {
            text += &format!(
                "{name}: {}: stored {}, recomputed {}\n",
                difference.what, difference.stored, difference.recomputed
            );
        }
    }
    let mark = if verified.differences == 0 {
        "✓"
    } else {
        "✗"
    };
    format!(
        "{table}\n{text}{mark} {} values, {} differences",
        verified.compared, verified.differences
    )
}

/// The last finalized state in which no round is half settled.
async fn settled_state(chain: &Chain) -> Result<At> {
    let mut at = chain.finalized().await?;
    while ledger::settling(&at).await?.is_some() {
        at = chain.at_number(number(&at).saturating_sub(1)).await?;
    }
    Ok(at)
}

/// Compares what a round stored, and returns what it pays.
async fn round_of(
    chain: &Chain,
    spec: &TaskSpec,
    stored: &views::Result,
) -> Result<(Comparison, Vec<Pay>)> {
    let (task, round) = (stored.task, stored.round);
    let mut before = stored.settled_at.saturating_sub(1);
    let mut at = chain.at_number(before).await?;
    // Of a settlement in several blocks all is read where the first of them found it.
    while ledger::settling(&at).await? == Some((task, round)) {
        before = before.saturating_sub(1);
        at = chain.at_number(before).await?;
    }
    let inputs = inputs::inputs(&at, spec, stored).await.with_context(|| {
        format!("can't read what round {round} of task {task} was settled from, in block {before}")
    })?;
    let settled = settlement::compute(spec, &inputs, stored.drawn.0)
        .map_err(|why| anyhow!("round {round} can't be computed: {why:?}"))?;
    let mut comparison = Comparison::default();
    settlement::compare(&mut comparison, spec, &inputs, &settled.output, stored);
    if spec.likeness.is_some() {
        let at = chain.at_number(stored.settled_at).await?;
        let address = api::storage().arena_scoring().round_results();
        let result: Option<RoundResult> = fetch(&at, address, (task, round)).await?;
        let models = result.map(|result| result.models).unwrap_or_default();
        settlement::compare_likeness(&mut comparison, &models, &settled.likeness);
    }
    let pays = match settlement::unpaid(spec, &inputs, &settled.output) {
        Some(_) => Vec::new(),
        None => settlement::pays(&inputs, &settled.output, round),
    };
    Ok((comparison, pays))
}
