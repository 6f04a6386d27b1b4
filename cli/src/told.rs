//! What the chain's events tell of money.

use crate::{
    blocks,
    chain::{Chain, decode},
    split::Parts,
};
use anyhow::Result;
use arena_primitives::{AccountId, Balance, BlockNumber, Round, TaskId, Venue, traits::Taken};
use codec::Decode;
use std::collections::{BTreeMap, BTreeSet};

/// A position.
pub(crate) type Place = (Venue, AccountId);

/// One event about money.
pub(crate) enum Event {
    Drawn(TaskId, Balance, Balance),
    Earned(Place, Round, Parts),
    Forfeited(Place, Taken),
    OperatorPaid(Place, Balance),
    DelegatorPaid(Place, AccountId, Balance),
    Moved(Place, AccountId),
}

/// What the chain says that it did, by block.
#[derive(Default)]
pub(crate) struct Told {
    /// What was booked for each position and round.
    pub(crate) earned: BTreeMap<(Place, Round), Vec<(BlockNumber, Parts)>>,
    /// What challenges took of positions.
    pub(crate) forfeited: BTreeMap<Place, Vec<(BlockNumber, Taken)>>,
    /// What operators claimed.
    pub(crate) operators: BTreeMap<(Place, BlockNumber), Balance>,
    /// What delegators claimed.
    pub(crate) delegators: BTreeMap<(BlockNumber, Place, AccountId), Balance>,
    /// Delegations that came or left.
    pub(crate) moved: BTreeSet<(BlockNumber, Place, AccountId)>,
    /// For the rounds of each task: minted, and from its bounty.
    pub(crate) drawn: BTreeMap<TaskId, (Balance, Balance)>,
}

/// All events about money up to block `last`.
pub(crate) async fn told(chain: &Chain, last: BlockNumber) -> Result<Told> {
    let mut told = Told::default();
    for (block, event) in blocks::events(chain, 0..=last, event).await? {
        told.add(block, event);
    }
    Ok(told)
}

/// Reads the fields as this release encodes them.
fn event(event: &blocks::Event<'_>) -> Result<Option<Event>> {
    let fields = event.field_bytes();
    Ok(Some(match (event.pallet_name(), event.event_name()) {
        ("ArenaRewards", "Drawn") => {
            let (task, minted, bounty) = decode(fields)?;
            Event::Drawn(task, minted, bounty)
        }
        ("ArenaRewards", "Earned") => {
            let (venue, round, operator, to_operator, to_delegators) = decode(fields)?;
            let parts = Parts {
                operator: to_operator,
                delegators: to_delegators,
                dust: 0,
            };
            Event::Earned((venue, operator), round, parts)
        }
        ("ArenaRewards", "Forfeited") => {
            let (task, operator, burned, paid): (_, _, Balance, _) = decode(fields)?;
            let total = burned.saturating_add(paid);
            Event::Forfeited((Venue::Task(task), operator), Taken { total, paid })
        }
        ("ArenaRewards", "Claimed") => {
            let (venue, operator, amount) = decode(fields)?;
            Event::OperatorPaid((venue, operator), amount)
        }
        ("ArenaDelegation", "Claimed") => {
            let (venue, operator, who, amount) = decode(fields)?;
            Event::DelegatorPaid((venue, operator), who, amount)
        }
        ("ArenaDelegation", "Delegated" | "Undelegated") => {
            let mut start = fields;
            let (venue, operator, who) = Decode::decode(&mut start)?;
            Event::Moved((venue, operator), who)
        }
        _ => return Ok(None),
    }))
}

impl Told {
    /// Adds one event.
    pub(crate) fn add(&mut self, block: BlockNumber, event: Event) {
        match event {
            Event::Drawn(task, minted, bounty) => {
                let sums = self.drawn.entry(task).or_default();
                sums.0 = sums.0.saturating_add(minted);
                sums.1 = sums.1.saturating_add(bounty);
            }
            Event::Earned(place, round, parts) => {
                let found = self.earned.entry((place, round)).or_default();
                found.push((block, parts));
            }
            Event::Forfeited(place, taken) => {
                self.forfeited
                    .entry(place)
                    .or_default()
                    .push((block, taken));
            }
            Event::OperatorPaid(place, amount) => {
                let sum = self.operators.entry((place, block)).or_default();
                *sum = sum.saturating_add(amount);
            }
            Event::DelegatorPaid(place, who, amount) => {
                let sum = self.delegators.entry((block, place, who)).or_default();
                *sum = sum.saturating_add(amount);
            }
            Event::Moved(place, who) => {
                self.moved.insert((block, place, who));
            }
        }
    }
}
