//! What a chain shows of how its validators scored: the seeds of their samples, and how often
//! each of them committed and revealed.

use crate::{
    blocks,
    chain::{Chain, api, number, result, task},
    fail::bad_input,
    ledger, out,
    out::Out,
    tasks,
};
use anyhow::Result;
use arena_primitives::{AccountId, DataSource, Round, TaskId};
use serde::Serialize;
use std::collections::BTreeMap;

/// With what the evaluation samples of a round were drawn.
#[derive(Serialize)]
struct RoundSeed {
    /// 64 hex digits.
    sample_seed: String,
    /// How many; 0 takes all.
    samples: u32,
    /// BLAKE3 of the file that they were drawn from.
    blake3: String,
    /// Where it can be fetched.
    uris: Vec<String>,
}

/// Shows the seed of a round's evaluation samples. Settlement removes it from the state, so that
/// of a settled round is read one block earlier.
pub(crate) async fn round_seed(out: Out, chain: &Chain, id: TaskId, round: Round) -> Result<()> {
    let now = chain.finalized().await?;
    let spec = tasks::spec(&now, id).await?;
    let at = match result(&now, id, round).await? {
        Some(stored) => chain.at_number(stored.settled_at.saturating_sub(1)).await?,
        None => now,
    };
    let seed = ledger::seed(&at, id, round)
        .await?
        .and_then(|state| state.of_samples(id, round))
        .ok_or_else(|| unknown(id, round, number(&at)))?;
    let data = match spec.data {
        DataSource::Public(data) => Some(data),
        DataSource::Sealed(_) => ledger::shard(&at, id, round).await?,
    };
    let data = data.ok_or_else(|| {
        bad_input(format!(
            "the shard of round {round} of task {id} was not open at block {}: nothing was scored",
            number(&at)
        ))
    })?;
    let view = RoundSeed {
        sample_seed: hex::encode(seed),
        samples: data.samples,
        blake3: hex::encode(data.blake3),
        uris: data
            .uris
            .iter()
            .map(|uri| String::from_utf8_lossy(uri).into_owned())
            .collect(),
    };
    out.show(&view, |view| {
        let samples = match view.samples {
            0 => "all".into(),
            some => some.to_string(),
        };
        out::pairs([
            ("seed of the samples", view.sample_seed.clone()),
            ("samples", samples),
            ("data, blake3", view.blake3.clone()),
            ("data, mirrors", view.uris.join("\n")),
        ])
    })
}

fn unknown(id: TaskId, round: Round, block: u32) -> anyhow::Error {
    bad_input(format!(
        "round {round} of task {id} has no seed at block {block}: its seed phase is not over, \
         no block of it gave one, or the result of the round is no longer kept"
    ))
}

/// What a validator did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Committed to its scores.
    Commit,
    /// Revealed them.
    Reveal,
}

/// How often a validator did something in a round.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Count {
    validator: AccountId,
    round: Round,
    count: u32,
}

/// What validators of a task did over all blocks.
#[derive(Default, Serialize)]
struct Counts {
    commits: Vec<Count>,
    reveals: Vec<Count>,
}

/// Counts commitments and reveals of a task over the events of all blocks, up to the best one.
pub(crate) async fn count(out: Out, chain: &Chain, id: TaskId) -> Result<()> {
    let best = chain.best().await?;
    task(&best, id).await?;
    let last = number(&best);
    let deeds = blocks::events(chain, 0..=last, |event| of_scoring(event, id)).await?;
    let deeds = deeds.into_iter().map(|(_, deed)| deed).collect();
    out.show(&sum(deeds), human)
}

type Done = (Deed, Round, AccountId);

fn of_scoring(event: &blocks::Event<'_>, id: TaskId) -> Result<Option<Done>> {
    use api::arena_scoring::events::{ScoresCommitted, ScoresRevealed};
    if event.pallet_name() != "ArenaScoring" {
        return Ok(None);
    }
    let (task, done) = if let Some(e) = event.decode_fields_as::<ScoresCommitted>().transpose()? {
        (e.task, (Deed::Commit, e.round, e.validator.0.into()))
    } else if let Some(e) = event.decode_fields_as::<ScoresRevealed>().transpose()? {
        (e.task, (Deed::Reveal, e.round, e.validator.0.into()))
    } else {
        return Ok(None);
    };
    Ok((task == id).then_some(done))
}

/// One line per validator and round, by round.
fn sum(deeds: Vec<Done>) -> Counts {
    let [mut commits, mut reveals] = [BTreeMap::new(), BTreeMap::new()];
    for (deed, round, validator) in deeds {
        let counts = match deed {
            Deed::Commit => &mut commits,
            Deed::Reveal => &mut reveals,
        };
        let count: &mut u32 = counts.entry((round, validator)).or_default();
        *count = count.saturating_add(1);
    }
    let rows = |counts: BTreeMap<(Round, AccountId), u32>| {
        let rows = counts.into_iter().map(|((round, validator), count)| Count {
            validator,
            round,
            count,
        });
        rows.collect()
    };
    Counts {
        commits: rows(commits),
        reveals: rows(reveals),
    }
}

fn human(counts: &Counts) -> String {
    let mut table = out::table(["what", "round", "validator", "times"]);
    for (what, rows) in [("commit", &counts.commits), ("reveal", &counts.reveals)] {
        for row in rows {
            table.add_row([
                what.into(),
                row.round.to_string(),
                row.validator.to_string(),
                row.count.to_string(),
            ]);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_should_count_each_validator_and_round_apart() {
        let who = |byte| AccountId::from([byte; 32]);
        let counts = sum(vec![
            (Deed::Commit, 2, who(1)),
            (Deed::Commit, 1, who(2)),
            (Deed::Reveal, 1, who(2)),
            (Deed::Commit, 1, who(1)),
            (Deed::Commit, 2, who(1)),
        ]);
        let row = |round, byte, count| Count {
            validator: who(byte),
            round,
            count,
        };
        assert_eq!(counts.commits, [row(1, 1, 1), row(1, 2, 1), row(2, 1, 2)]);
        assert_eq!(counts.reveals, [row(1, 2, 1)]);
    }

    #[test]
    fn views_should_have_the_fields_that_scripts_read() {
        let seed = RoundSeed {
            sample_seed: "ab".repeat(32),
            samples: 7,
            blake3: "cd".repeat(32),
            uris: vec!["https://example.org/x".into()],
        };
        let json = serde_json::to_value(seed).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "sample_seed": "ab".repeat(32),
                "samples": 7,
                "blake3": "cd".repeat(32),
                "uris": ["https://example.org/x"],
            })
        );
        let alice = AccountId::from([1; 32]);
        let json = serde_json::to_value(sum(vec![(Deed::Commit, 3, alice.clone())])).unwrap();
        let row = serde_json::json!({"validator": alice.to_string(), "round": 3, "count": 1});
        assert_eq!(json, serde_json::json!({"commits": [row], "reveals": []}));
    }
}
