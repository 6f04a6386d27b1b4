//! What delegators of a task did and were paid, read from the events of its blocks: the chain
//! keeps no sums of what was claimed.

use crate::{
    amount::Amount,
    blocks,
    chain::{Chain, api, fetch, recode},
};
use anyhow::Result;
use arena_primitives::{AccountId, TaskId, Venue};
use std::collections::BTreeMap;

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
    let found = blocks::events(chain, first..=last, |event| of_delegation(event, tasks)).await?;
    let mut records = BTreeMap::new();
    apply(&mut records, found.into_iter().map(|(_, event)| event));
    Ok(records)
}

fn apply(records: &mut BTreeMap<Place, Record>, events: impl IntoIterator<Item = Event>) {
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

fn of_delegation(event: &blocks::Event<'_>, tasks: &[TaskId]) -> Result<Option<Event>> {
    use api::arena_delegation::events::{Claimed, Delegated, Undelegated};
    if event.pallet_name() != "ArenaDelegation" {
        return Ok(None);
    }
    let place = |venue: Venue, operator: Id, who: Id| match venue {
        Venue::Task(task) if tasks.contains(&task) => Some((task, operator.0.into(), who.0.into())),
        _ => None,
    };
    Ok(
        if let Some(e) = event.decode_fields_as::<Delegated>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            place.map(|place| Event::Came(place, e.amount))
        } else if let Some(e) = event.decode_fields_as::<Undelegated>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            place.map(|place| Event::Left(place, e.amount))
        } else if let Some(e) = event.decode_fields_as::<Claimed>().transpose()? {
            let place = place(recode(&e.venue)?, e.operator, e.who);
            place.map(|place| Event::Paid(place, e.amount))
        } else {
            None
        },
    )
}

type Id = subxt::utils::AccountId32;

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
