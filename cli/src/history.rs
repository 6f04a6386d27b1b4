//! What delegators of a task did and were paid, read from the events of its blocks: the chain
//! keeps no sums of what was claimed.

use crate::{
    amount::Amount,
    chain::{Chain, api, fetch, number, recode},
    out,
};
use anyhow::{Context, Result};
use arena_primitives::{AccountId, TaskId, Venue};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// Blocks that are read at once.
const AT_ONCE: usize = 16;

/// A position of a task and a delegator in it.
pub(crate) type Place = (TaskId, AccountId, AccountId);

/// What one delegator did in one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Delegated now.
    pub(crate) live: Amount,
    /// The most that was delegated at a time.
    pub(crate) most: Amount,
    /// Paid so far.
    pub(crate) claimed: Amount,
}

/// One event, in the order of the chain.
enum Event {
    Came(Place, u128),
    Left(Place, u128),
    Paid(Place, u128),
}

/// Reads the events of all blocks since the first of the tasks began, up to `last`.
pub(crate) async fn delegators(
    chain: &Chain,
    tasks: &[TaskId],
    last: u32,
) -> Result<BTreeMap<Place, Record>> {
    let mut first = last;
    for task in tasks {
        first = first.min(began(chain, *task, last).await?);
    }
    let bar = out::bar(
        u64::from(last.saturating_sub(first)) + 1,
        "reading blocks {bar:30} {pos}/{len} [{eta} left]",
    );
    let mut records = BTreeMap::new();
    let mut blocks = stream::iter(first..=last)
        .map(|block| events(chain, tasks, block))
        .buffered(AT_ONCE);
    while let Some(found) = blocks.try_next().await? {
        bar.inc(1);
        apply(&mut records, found);
    }
    bar.finish_and_clear();
    Ok(records)
}

fn apply(records: &mut BTreeMap<Place, Record>, events: Vec<Event>) {
    for event in events {
        match event {
            Event::Came(place, amount) => {
                let record = records.entry(place).or_default();
                record.live = record.live.plus(Amount(amount));
                record.most = record.most.max(record.live);
            }
            Event::Left(place, amount) => {
                let record = records.entry(place).or_default();
                record.live = Amount(record.live.0.saturating_sub(amount));
            }
            Event::Paid(place, amount) => {
                let record = records.entry(place).or_default();
                record.claimed = record.claimed.plus(Amount(amount));
            }
        }
    }
}

/// The first block in which the task exists; it never ceases to.
async fn began(chain: &Chain, task: TaskId, last: u32) -> Result<u32> {
    // Not in `low`, in `high`.
    let (mut low, mut high) = (0u32, last);
    while high.saturating_sub(low) > 1 {
        let middle = low + (high - low) / 2;
        let at = chain.at_number(middle).await?;
        let next: u32 = fetch(&at, api::storage().arena_tasks().next_task_id(), ())
            .await?
            .unwrap_or_default();
        if next > task {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

async fn events(chain: &Chain, tasks: &[TaskId], block: u32) -> Result<Vec<Event>> {
    use api::arena_delegation::events::{Claimed, Delegated, Undelegated};
    let at = chain.at_number(block).await?;
    let all = at.events().fetch().await.with_context(|| {
        format!(
            "can't read events of block {}; ask an archive node (--url)",
            number(&at)
        )
    })?;
    let mut found = Vec::new();
    for event in all.iter() {
        let event = event.with_context(|| format!("an event of block {block} doesn't decode"))?;
        if event.pallet_name() != "ArenaDelegation" {
            continue;
        }
        let place = |venue: Venue, operator, who| match venue {
            Venue::Task(task) if tasks.contains(&task) => {
                Some((task, account(operator), account(who)))
            }
            _ => None,
        };
        if let Some(e) = event.decode_fields_as::<Delegated>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            found.extend(place.map(|place| Event::Came(place, e.amount)));
        } else if let Some(e) = event.decode_fields_as::<Undelegated>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            found.extend(place.map(|place| Event::Left(place, e.amount)));
        } else if let Some(e) = event.decode_fields_as::<Claimed>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            found.extend(place.map(|place| Event::Paid(place, e.amount)));
        }
    }
    Ok(found)
}

fn account(generated: subxt::utils::AccountId32) -> AccountId {
    AccountId::from(generated.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_should_keep_the_most_and_what_was_paid() {
        let place = || (1, AccountId::from([1; 32]), AccountId::from([2; 32]));
        let mut records = BTreeMap::new();
        let events = vec![
            Event::Came(place(), 10),
            Event::Came(place(), 5),
            Event::Left(place(), 12),
            Event::Paid(place(), 3),
            Event::Paid(place(), 4),
        ];
        apply(&mut records, events);
        let expected = Record {
            live: Amount(3),
            most: Amount(15),
            claimed: Amount(7),
        };
        assert_eq!(records.get(&place()), Some(&expected));
    }
}
