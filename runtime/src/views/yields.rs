//! What a position earned, round by round.

use super::{checked_page, known_venue};
use crate::{AccountId, ArenaScoring, Runtime, UNIT, configs::arena::AllVenues};
use alloc::vec::Vec;
use arena_math::accumulator;
use arena_primitives::{
    Balance, BlockNumber, Round, Venue,
    traits::{Results, Venues},
};
use arena_runtime_api::{MAX_PAGE, MAX_RESULTS, Refusal, YieldView, YieldsPage};
use pallet_arena_rewards::{AccAt, Earned};
use pallet_arena_staking::Positions;

/// Rounds that a page looks through. Where there are results to read, they are fewer.
fn scan(venue: Venue) -> Round {
    match venue {
        Venue::Network => MAX_PAGE,
        Venue::Task(_) => MAX_RESULTS,
    }
}

/// When the round was settled, and what it paid the position.
fn paid(venue: Venue, round: Round, operator: &AccountId) -> Option<(BlockNumber, Balance)> {
    let Venue::Task(task) = venue else {
        return None;
    };
    let result = <ArenaScoring as Results>::result(task, round)?;
    let models = result.models.iter();
    let trained = models.filter(|model| model.trainer == *operator);
    let validators = result.validators.iter();
    let validated = validators.filter(|validator| validator.validator == *operator);
    let rewards = trained
        .map(|model| model.reward)
        .chain(validated.map(|validator| validator.reward));
    let reward = rewards.fold(0, |sum: Balance, reward| sum.saturating_add(reward));
    Some((result.settled_at, reward))
}

fn yield_view(venue: Venue, round: Round, operator: &AccountId) -> Option<YieldView> {
    let paid = paid(venue, round, operator).filter(|(_, reward)| *reward > 0);
    let acc = AccAt::<Runtime>::get((venue, operator, round));
    let per_token = acc.and_then(|acc| accumulator::owed(UNIT, acc, 0));
    (paid.is_some() || acc.is_some()).then(|| YieldView {
        round,
        settled_at: paid.map(|(at, _)| at),
        reward: paid.map(|(_, reward)| reward.into()),
        per_token: per_token.map(Into::into),
    })
}

/// What a position earned, from a round on.
pub(crate) fn yields(
    venue: Venue,
    operator: AccountId,
    from: Round,
    limit: u32,
) -> Result<YieldsPage, Refusal> {
    let limit = checked_page(limit)?;
    known_venue(venue)?;
    let is_there = Positions::<Runtime>::contains_key(venue, &operator)
        || Earned::<Runtime>::contains_key(venue, &operator);
    if !is_there {
        return Err(Refusal::UnknownPosition);
    }
    let end = AllVenues::last_settled(venue).map_or(0, |last| last.saturating_add(1));
    if from > end {
        return Err(Refusal::BeyondEnd);
    }
    let mut yields = Vec::new();
    let stop = from.saturating_add(scan(venue)).min(end);
    let mut next = from;
    while next < stop && yields.len() < limit {
        yields.extend(yield_view(venue, next, &operator));
        next = next.saturating_add(1);
    }
    Ok(YieldsPage {
        venue,
        operator,
        yields,
        next: (next < end).then_some(next),
    })
}
