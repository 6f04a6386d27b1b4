//! What was booked and claimed, as [`crate::told`] read it, against what [`crate::split`] computes.

use crate::{
    blocks::AT_ONCE,
    chain::{self, Chain, api, fetch, id},
    ledger::{self, Books},
    split::{Delegation, Earned, Free, Moment, Parts},
    told::{Place, Told},
    verify::Comparison,
    views,
};
use anyhow::{Context, Result};
use arena_math::wide::mul_div;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, StakeSnapshot, TaskId, Venue,
    time::{MINUTES_PER_DAY, blocks},
    traits::Taken,
};
use futures::{StreamExt, TryStreamExt, stream};
use sp_runtime::Perbill;
use std::collections::{BTreeMap, BTreeSet};

/// For how many rounds after its own a validator's pay is locked (protocol: challenges).
const LOCKED_ROUNDS: Round = 2;

/// What a position is due for one round.
#[derive(Clone, Debug)]
pub(crate) struct Pay {
    /// In which round.
    pub(crate) round: Round,
    /// Who.
    pub(crate) operator: AccountId,
    /// What it does.
    pub(crate) role: Role,
    /// What the round counts of it.
    pub(crate) stake: StakeSnapshot,
    /// What the operator takes of its delegators' part.
    pub(crate) commission: Perbill,
    /// All of the position's.
    pub(crate) amount: Balance,
}

/// What all positions earned, computed again.
#[derive(Default)]
pub(crate) struct Ledger {
    positions: BTreeMap<Place, (Role, Earned)>,
    settled: BTreeMap<TaskId, Vec<(Round, BlockNumber)>>,
    /// What the results of each task's rounds say was drawn.
    drawn: BTreeMap<TaskId, Balance>,
    /// What was computed to be paid.
    due: BTreeSet<(Place, Round)>,
    /// What positions earned after a challenge had taken what they were owed.
    late: BTreeMap<Place, Balance>,
    rewards: Balance,
    authors: Balance,
    dust: Balance,
    minted: Balance,
}

impl Ledger {
    /// Shares out a round's pays, and compares with what was booked in its blocks.
    pub(crate) fn round(
        &mut self,
        comparison: &mut Comparison,
        told: &Told,
        result: &views::Result,
        pays: Vec<Pay>,
    ) -> Result<()> {
        let venue = Venue::Task(result.task);
        let settled = self.settled.entry(result.task).or_default();
        settled.push((result.round, result.settled_at));
        let drawn = self.drawn.entry(result.task).or_default();
        *drawn = drawn.saturating_add(result.drawn.0);
        for pay in pays.into_iter().filter(|pay| pay.amount > 0) {
            let place = (venue, pay.operator.clone());
            let burned = told.forfeited.get(&place).is_some_and(|taken| {
                let first = taken.iter().map(|(block, _)| *block).min();
                // Pay that comes after the verdict is nobody's.
                let whole = Taken {
                    total: pay.amount,
                    paid: 0,
                };
                first.is_some_and(|first| first <= result.settled_at)
                    && taken.iter().any(|(_, taken)| *taken == whole)
            });
            let booked = told.earned.get(&(place.clone(), pay.round));
            if burned && booked.is_none() {
                self.rewards = self.rewards.saturating_add(pay.amount);
                let late = self.late.entry(place).or_default();
                *late = late.saturating_add(pay.amount);
                continue;
            }
            let block = booked
                .and_then(|booked| booked.first())
                .map_or(result.settled_at, |(block, _)| *block);
            self.due.insert((place, pay.round));
            let parts = self.pay(venue, block, &pay)?;
            self.rewards = self.rewards.saturating_add(parts.owed());
            let booked: Vec<Parts> = booked.into_iter().flatten().map(|b| b.1).collect();
            compare_parts(comparison, &pay.operator, &booked, parts);
        }
        Ok(())
    }

    fn pay(&mut self, venue: Venue, block: BlockNumber, pay: &Pay) -> Result<Parts> {
        let place = (venue, pay.operator.clone());
        let (_, earned) = self
            .positions
            .entry(place)
            .or_insert_with(|| (pay.role, Earned::default()));
        let parts = earned.pay(block, pay.round, pay.stake, pay.commission, pay.amount)?;
        self.dust = self.dust.saturating_add(parts.dust);
        Ok(parts)
    }

    /// Shares out what the authors of blocks were paid, and compares with what was booked.
    pub(crate) async fn authors(
        &mut self,
        comparison: &mut Comparison,
        chain: &Chain,
        told: &Told,
        last: BlockNumber,
    ) -> Result<()> {
        let mut pays = stream::iter(1..=last)
            .map(|block| author_pay(chain, block))
            .buffered(AT_ONCE);
        // Of one session, by block.
        let mut due: BTreeMap<(Place, Round), Vec<(BlockNumber, Parts)>> = BTreeMap::new();
        let mut block: BlockNumber = 0;
        while let Some(pay) = pays.try_next().await? {
            block = block.saturating_add(1);
            let Some(pay) = pay.filter(|pay| pay.amount > 0) else {
                continue;
            };
            let parts = self.pay(Venue::Network, block, &pay)?;
            self.authors = self.authors.saturating_add(parts.owed());
            self.minted = self.minted.saturating_add(pay.amount);
            let place = (Venue::Network, pay.operator);
            due.entry((place, pay.round))
                .or_default()
                .push((block, parts.told()));
        }
        let network = told
            .earned
            .iter()
            .filter(|(((venue, _), _), _)| *venue == Venue::Network);
        let keys: BTreeSet<_> = due.keys().chain(network.map(|(key, _)| key)).collect();
        for key in keys {
            let none = Vec::new();
            let (stored, computed) = (told.earned.get(key), due.get(key));
            let ((_, author), session) = key;
            comparison.equal(
                || format!("pay of author {author} in session {session}, by block"),
                stored.unwrap_or(&none),
                computed.unwrap_or(&none),
            );
        }
        Ok(())
    }

    /// Compares what delegators claimed with what their shares had earned by then, and what all
    /// are still owed with what was never claimed.
    pub(crate) async fn claims(
        &self,
        comparison: &mut Comparison,
        chain: &Chain,
        told: &Told,
        last: BlockNumber,
    ) -> Result<()> {
        self.operators(comparison, chain, told).await?;
        for ((block, place, who), paid) in &told.delegators {
            if !self.knows(place.0) {
                continue;
            }
            let Some((role, earned)) = self.positions.get(place) else {
                let what = || format!("claim of {who} in block {block} where nothing was earned");
                comparison.equal(what, paid, &0);
                continue;
            };
            // Its shares in the middle of a block can't be read.
            if told.moved.contains(&(*block, place.clone(), who.clone())) {
                comparison.skipped = comparison.skipped.saturating_add(1);
                continue;
            }
            let (moment, free) = self.moment(chain, place, *role, *block).await?;
            let before = delegation(chain, place, who, block.saturating_sub(1)).await?;
            let due = before.due(earned, moment, free);
            comparison.equal(|| format!("claim of {who} in block {block}"), paid, &due);
        }
        self.owed(comparison, chain, told, last).await
    }

    /// Whether all of the venue's pay was computed.
    fn knows(&self, venue: Venue) -> bool {
        match venue {
            Venue::Network => true,
            Venue::Task(task) => self.settled.contains_key(&task),
        }
    }

    /// Compares what was booked without being due with nothing, and what was drawn with what
    /// results say.
    pub(crate) fn unexpected(&self, comparison: &mut Comparison, told: &Told) {
        let of_tasks = |place: &Place| place.0 != Venue::Network && self.knows(place.0);
        let booked = told.earned.keys().filter(|(place, _)| of_tasks(place));
        let more: Vec<_> = booked.filter(|key| !self.due.contains(key)).collect();
        comparison.equal(|| "pay that is not due".into(), &more, &Vec::new());
        for (task, stored) in &self.drawn {
            let (minted, bounty) = told.drawn.get(task).copied().unwrap_or_default();
            comparison.equal(
                || format!("draws of task {task}"),
                stored,
                &minted.saturating_add(bounty),
            );
        }
    }

    /// A claim pays an operator all that is free.
    async fn operators(
        &self,
        comparison: &mut Comparison,
        chain: &Chain,
        told: &Told,
    ) -> Result<()> {
        let mut claimed: BTreeMap<&Place, Balance> = BTreeMap::new();
        for ((place, block), amount) in &told.operators {
            if !self.knows(place.0) {
                continue;
            }
            let sum = claimed.entry(place).or_default();
            *sum = sum.saturating_add(*amount);
            let free = match self.positions.get(place) {
                Some((role, earned)) => {
                    let (moment, free) = self.moment(chain, place, *role, *block).await?;
                    earned.operator_free(moment, free)
                }
                None => 0,
            };
            let operator = &place.1;
            let what = || format!("claims of {operator} up to block {block}");
            comparison.equal(what, &*sum, &free);
        }
        Ok(())
    }

    async fn owed(
        &self,
        comparison: &mut Comparison,
        chain: &Chain,
        told: &Told,
        last: BlockNumber,
    ) -> Result<()> {
        let at = chain.best_at_number(last).await?;
        let mut paid: BTreeMap<&Place, Balance> = BTreeMap::new();
        for ((_, place, _), amount) in &told.delegators {
            let sum = paid.entry(place).or_default();
            *sum = sum.saturating_add(*amount);
        }
        for (place, (_, earned)) in &self.positions {
            let stored = ledger::owed(&at, place).await?;
            let operator = &place.1;
            let claims = told.operators.iter().filter(|((of, _), _)| of == place);
            let claimed = claims.fold(0, |sum: Balance, (_, paid)| sum.saturating_add(*paid));
            let delegators = paid.get(place).copied().unwrap_or_default();
            // No number is owed where more was paid than was earned.
            let due = (
                earned.operator.checked_sub(claimed),
                earned.delegators.checked_sub(delegators),
            );
            if ledger::is_forfeited(&at, place).await? {
                comparison.equal(
                    || format!("what {operator} is owed, of what a challenge took"),
                    &stored,
                    &(0, 0),
                );
                self.forfeited(comparison, told, place, due);
                continue;
            }
            let stored = (Some(stored.0), Some(stored.1));
            comparison.equal(
                || format!("what {operator} and its delegators are owed"),
                &stored,
                &due,
            );
        }
        for row in ledger::delegations(&at).await? {
            let place = (row.venue, row.operator);
            let Some((role, earned)) = self.positions.get(&place) else {
                continue;
            };
            let (moment, free) = self.moment(chain, &place, *role, last).await?;
            // Also what is still locked.
            let free = match free {
                Free::Nothing => Free::Nothing,
                _ => Free::All,
            };
            let due = delegation(chain, &place, &row.who, last)
                .await?
                .due(earned, moment, free);
            let stored = chain::delegator_earnings(&at, place.0, &place.1, &row.who).await?;
            let who = row.who;
            comparison.equal(
                || format!("what {who} is owed behind {}", place.1),
                &stored.owed.0,
                &due,
            );
        }
        Ok(())
    }

    /// Compares what a challenge took of a position, paid or burned, with what was owed to it and
    /// its delegators, and with what it earned since.
    fn forfeited(
        &self,
        comparison: &mut Comparison,
        told: &Told,
        place: &Place,
        owed: (Option<Balance>, Option<Balance>),
    ) {
        let taken = told.forfeited.get(place).into_iter().flatten();
        let taken = taken.fold(0, |sum: Balance, (_, one)| sum.saturating_add(one.total));
        let late = self.late.get(place).copied().unwrap_or_default();
        let due = owed
            .0
            .zip(owed.1)
            .map(|(operator, delegators)| operator.saturating_add(delegators).saturating_add(late));
        let operator = &place.1;
        comparison.equal(
            || format!("what a challenge took of {operator}"),
            &Some(taken),
            &due,
        );
    }

    /// Compares the sums since genesis; right where the ledger has all tasks.
    pub(crate) fn books(&self, comparison: &mut Comparison, told: &Told, stored: &Books) {
        let drawn = told.drawn.values();
        let (minted, bounties) = drawn.fold((self.minted, 0), |sums: (Balance, Balance), one| {
            (sums.0.saturating_add(one.0), sums.1.saturating_add(one.1))
        });
        let sums = [
            ("minted", stored.minted, minted),
            ("bounties", stored.bounties, bounties),
            ("rewards", stored.rewards, self.rewards),
            ("authors", stored.authors, self.authors),
            ("dust", stored.dust, self.dust),
        ];
        for (what, stored, computed) in sums {
            comparison.equal(|| format!("sum of {what}"), &stored.0, &computed);
        }
    }

    /// Where a position stands after the hooks of a block, in which all pays are made.
    async fn moment(
        &self,
        chain: &Chain,
        place: &Place,
        role: Role,
        block: BlockNumber,
    ) -> Result<(Moment, Free)> {
        let at = chain.best_at_number(block).await?;
        let released = ledger::is_released(&at, place.0).await?;
        let (settled, ended) = match place.0 {
            Venue::Network => (ledger::session(&at).await?.checked_sub(1), false),
            Venue::Task(task) => {
                let rounds = self.settled.get(&task).into_iter().flatten();
                let settled = rounds
                    .filter(|(_, at)| *at <= block)
                    .map(|(round, _)| *round);
                let settling = ledger::settling(&at).await?;
                let over = released && settling.is_none_or(|(of, _)| of != task);
                (settled.max(), over)
            }
        };
        let free = if ledger::is_forfeited(&at, place).await? {
            Free::Nothing
        } else if place.0 == Venue::Network || released {
            Free::All
        } else if role == Role::Validator {
            Free::UpTo(settled.and_then(|settled| settled.checked_sub(LOCKED_ROUNDS)))
        } else {
            Free::UpTo(None)
        };
        let moment = Moment {
            block,
            settled,
            ended,
        };
        Ok((moment, free))
    }
}

fn compare_parts(
    comparison: &mut Comparison,
    operator: &AccountId,
    booked: &[Parts],
    computed: Parts,
) {
    comparison.equal(
        || format!("split between {operator} and its delegators"),
        booked,
        &[computed.told()][..],
    );
}

async fn delegation(
    chain: &Chain,
    (venue, operator): &Place,
    who: &AccountId,
    block: BlockNumber,
) -> Result<Delegation> {
    let at = chain.best_at_number(block).await?;
    let address = api::storage().arena_delegation().delegations();
    let key = (((*venue).into(), id(operator)), id(who));
    Ok(fetch(&at, address, key).await?.unwrap_or_default())
}

/// What the author of a block is due: the authors' part of one block's emission, if it has a
/// position that counts in the session.
async fn author_pay(chain: &Chain, block: BlockNumber) -> Result<Option<Pay>> {
    // The pay is made before anything else of the block.
    let at = chain.best_at_number(block.saturating_sub(1)).await?;
    let index = chain
        .author_index(block)
        .await?
        .with_context(|| format!("block {block} doesn't name its author"))?;
    let authors = ledger::session_validators(&at).await?;
    // The first block of a session is looked up among the authors of the one before, as the
    // chain does it; where there are fewer nobody is paid.
    let author = usize::try_from(index).ok().and_then(|i| authors.get(i));
    let Some(author) = author else {
        return Ok(None);
    };
    let session = ledger::session(&at).await?;
    let Some(position) = ledger::position(&at, Venue::Network, author).await? else {
        return Ok(None);
    };
    let Some(stake) = position.counted_in(session) else {
        return Ok(None);
    };
    let rate = ledger::rate(&at).await?;
    let time = chain::time(&at).await?;
    let day = blocks(MINUTES_PER_DAY, time.blocks_per_day);
    Ok(Some(Pay {
        round: session,
        operator: author.clone(),
        role: position.role,
        stake,
        commission: position.commission_at(block),
        amount: mul_div(rate.authors_per_day(), 1, day.into()).unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests;
