//! What is true of delegation at every block. Run by `try_state` and, natively, after each test.

use crate::{types::UnbondingChunk, *};
use alloc::collections::{BTreeMap, BTreeSet};
use arena_primitives::{AccountId, Balance, BlockNumber, traits::DelegatedStake};
use frame_support::{ensure, traits::fungible::hold::Inspect};
use sp_runtime::{TryRuntimeError, traits::SaturatedConversion};

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    stake_on_hold_is_the_delegations::<T>()?;
    delegations_add_up_to_positions::<T>()?;
    holds_are_the_books_less_cuts_to_come::<T>()?;
    lots_are_in_use::<T>()?;
    unbonding_on_hold_is_the_chunks::<T>()?;
    points_of_pools_are_the_chunks::<T>()?;
    what_unbonds_can_be_slashed::<T>()
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Balance>, key: K, amount: Balance) {
    let sum = sums.entry(key).or_default();
    *sum = sum.saturating_add(amount);
}

fn on_hold<T: Config>(reason: HoldReason, who: &AccountId) -> Balance {
    T::Currency::balance_on_hold(&reason.into(), who)
}

/// What an account has on hold as delegation is the sum of what its delegations say.
pub fn stake_on_hold_is_the_delegations<T: Config>() -> Result<(), TryRuntimeError> {
    let mut books = BTreeMap::new();
    for (_, who, delegation) in Delegations::<T>::iter() {
        add(&mut books, who, delegation.held);
    }
    for (who, booked) in books {
        let held = on_hold::<T>(HoldReason::Delegation, &who);
        ensure!(held == booked, "delegation on hold differs from the books");
    }
    Ok(())
}

/// The shares of a position's delegators are the position's.
pub fn delegations_add_up_to_positions<T: Config>() -> Result<(), TryRuntimeError> {
    let mut sums = BTreeMap::new();
    for (position, _, delegation) in Delegations::<T>::iter() {
        add(&mut sums, position, delegation.shares());
    }
    for ((venue, operator), sum) in sums {
        let shares = T::Positions::totals(venue, &operator).shares;
        ensure!(sum == shares, "shares don't add up to the position's");
    }
    Ok(())
}

/// What is on hold for a position, less the cuts that its delegators have not felt yet, is never
/// more than the position's stake; nor is what all shares are worth. Both may be less, by what
/// rounding left.
pub fn holds_are_the_books_less_cuts_to_come<T: Config>() -> Result<(), TryRuntimeError> {
    let mut worths = BTreeMap::new();
    let mut holds = BTreeMap::new();
    for ((venue, operator), _, delegation) in Delegations::<T>::iter() {
        let totals = T::Positions::totals(venue, &operator);
        let worth = price::worth(delegation.shares(), totals)
            .ok_or("a delegator's shares are more than the position's")?;
        let cut = delegation.held.saturating_sub(worth);
        let position = (venue, operator);
        add(&mut worths, position.clone(), worth);
        add(&mut holds, position, delegation.held.saturating_sub(cut));
    }
    for ((venue, operator), worth) in worths {
        let amount = T::Positions::totals(venue, &operator).amount;
        ensure!(worth <= amount, "shares are worth more than there is");
        let held = holds.get(&(venue, operator)).copied().unwrap_or_default();
        ensure!(held <= amount, "holds less cuts to come exceed the books");
    }
    Ok(())
}

/// No row without a lot, no lot without shares, and something on hold exactly where there are
/// shares that are delegated.
pub fn lots_are_in_use<T: Config>() -> Result<(), TryRuntimeError> {
    for (_, _, delegation) in Delegations::<T>::iter() {
        ensure!(!delegation.lots.is_empty(), "a delegation without a lot");
        ensure!(
            delegation.lots.iter().all(|lot| lot.shares > 0),
            "an empty lot"
        );
        ensure!(
            (delegation.shares() > 0) == (delegation.held > 0),
            "shares without a hold, or a hold without shares"
        );
    }
    Ok(())
}

/// What an account has on hold as unbonding is the sum of its chunks, none of which is empty.
pub fn unbonding_on_hold_is_the_chunks<T: Config>() -> Result<(), TryRuntimeError> {
    for (who, chunks) in Unbonding::<T>::iter() {
        ensure!(!chunks.is_empty(), "a row of chunks without a chunk");
        ensure!(
            chunks.iter().all(|chunk| chunk.points > 0),
            "an empty chunk"
        );
        let booked = chunks
            .iter()
            .fold(0, |sum: Balance, c| sum.saturating_add(c.points));
        let held = on_hold::<T>(HoldReason::Unbonding, &who);
        ensure!(held == booked, "unbonding on hold differs from the chunks");
    }
    Ok(())
}

/// The points of a pool are those of the chunks that name it, and it is worth no more than them.
pub fn points_of_pools_are_the_chunks<T: Config>() -> Result<(), TryRuntimeError> {
    let mut points = BTreeMap::new();
    for (_, chunks) in Unbonding::<T>::iter() {
        for UnbondingChunk {
            pool, points: of, ..
        } in chunks
        {
            add(&mut points, pool, of);
        }
    }
    for (id, pool) in ExitPools::<T>::iter() {
        ensure!(id < NextPool::<T>::get(), "a pool with a number to come");
        ensure!(
            pool.amount <= pool.points,
            "a pool worth more than what left"
        );
        let chunks = points.remove(&id).unwrap_or_default();
        ensure!(
            chunks == pool.points,
            "points of a pool differ from its chunks"
        );
        ensure!(chunks > 0, "an empty pool");
    }
    ensure!(points.is_empty(), "a chunk without a pool");
    Ok(())
}

/// Each live pool is one of its position and round, once, and the pool of each chunk that
/// unbonds is live as long as the chunk is.
pub fn what_unbonds_can_be_slashed<T: Config>() -> Result<(), TryRuntimeError> {
    let mut live = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for ((venue, operator), exits) in LiveExits::<T>::iter() {
        ensure!(!exits.is_empty(), "a row of live pools without a pool");
        for exit in exits {
            let pool = ExitPools::<T>::get(exit.pool).ok_or("a live pool that is gone")?;
            ensure!(
                (pool.venue, &pool.operator, pool.round) == (venue, &operator, exit.round),
                "a live pool of another position or round"
            );
            ensure!(seen.insert(exit.pool), "a pool that is live twice");
            live.insert(exit.pool, exit.until);
        }
    }
    let now: BlockNumber = frame_system::Pallet::<T>::block_number().saturated_into();
    for (_, chunks) in Unbonding::<T>::iter() {
        for chunk in chunks.into_iter().filter(|chunk| chunk.until > now) {
            let until = live.get(&chunk.pool).copied().unwrap_or_default();
            ensure!(until >= chunk.until, "what unbonds can't be slashed");
        }
    }
    Ok(())
}
