//! What is true of delegation at every block. Run by `try_state` and, natively, after each test.

use crate::*;
use alloc::collections::BTreeMap;
use arena_primitives::{AccountId, Balance, traits::DelegatedStake};
use frame_support::{ensure, traits::fungible::hold::Inspect};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    stake_on_hold_is_the_delegations::<T>()?;
    unbonding_on_hold_is_the_chunks::<T>()?;
    delegations_add_up_to_positions::<T>()?;
    lots_are_in_use::<T>()
}

/// What an account has on hold as delegation is the sum of what it has delegated.
pub fn stake_on_hold_is_the_delegations<T: Config>() -> Result<(), TryRuntimeError> {
    let mut books = BTreeMap::<AccountId, Balance>::new();
    for (_, who, delegation) in Delegations::<T>::iter() {
        let sum = books.entry(who).or_default();
        *sum = sum.saturating_add(delegation.live());
    }
    for (who, booked) in books {
        let held = T::Currency::balance_on_hold(&HoldReason::Delegation.into(), &who);
        ensure!(held == booked, "delegation on hold differs from the lots");
    }
    Ok(())
}

/// What an account has on hold as unbonding is the sum of its chunks, none of which is empty.
pub fn unbonding_on_hold_is_the_chunks<T: Config>() -> Result<(), TryRuntimeError> {
    for (who, chunks) in Unbonding::<T>::iter() {
        ensure!(!chunks.is_empty(), "a row of chunks without a chunk");
        ensure!(
            chunks.iter().all(|chunk| chunk.amount > 0),
            "an empty chunk"
        );
        let booked = chunks
            .iter()
            .fold(0, |sum: Balance, c| sum.saturating_add(c.amount));
        let held = T::Currency::balance_on_hold(&HoldReason::Unbonding.into(), &who);
        ensure!(held == booked, "unbonding on hold differs from the chunks");
    }
    Ok(())
}

/// What delegators have in a position is what the position has of them.
pub fn delegations_add_up_to_positions<T: Config>() -> Result<(), TryRuntimeError> {
    let mut sums = BTreeMap::<_, Balance>::new();
    for (position, _, delegation) in Delegations::<T>::iter() {
        let sum = sums.entry(position).or_default();
        *sum = sum.saturating_add(delegation.live());
    }
    for ((venue, operator), sum) in sums {
        let total = T::Positions::total(venue, &operator);
        ensure!(sum == total, "delegations don't add up to the position");
    }
    Ok(())
}

/// No row without a lot, no lot without stake.
pub fn lots_are_in_use<T: Config>() -> Result<(), TryRuntimeError> {
    for (_, _, delegation) in Delegations::<T>::iter() {
        ensure!(!delegation.lots.is_empty(), "a delegation without a lot");
        ensure!(
            delegation.lots.iter().all(|lot| lot.amount > 0),
            "an empty lot"
        );
    }
    Ok(())
}
