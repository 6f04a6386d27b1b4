//! What is true of staking at every block. Run by `try_state` and, natively, after each test.

use crate::*;
use alloc::collections::BTreeMap;
use arena_primitives::{AccountId, Balance};
use frame_support::{ensure, traits::fungible::hold::Inspect};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    stake_on_hold_is_own_stake::<T>()?;
    unbonding_on_hold_is_the_chunks::<T>()?;
    seats_are_positions_with_own_stake::<T>()?;
    service_keys_map_one_to_one::<T>()?;
    history_ends_with_the_present::<T>()
}

/// What an account has on hold as stake is the sum of its own stakes.
pub fn stake_on_hold_is_own_stake<T: Config>() -> Result<(), TryRuntimeError> {
    let mut books = BTreeMap::<AccountId, Balance>::new();
    for (_, who, position) in Positions::<T>::iter() {
        let sum = books.entry(who).or_default();
        *sum = sum.saturating_add(position.own);
    }
    for (who, booked) in books {
        let held = T::Currency::balance_on_hold(&HoldReason::Stake.into(), &who);
        ensure!(held == booked, "stake on hold differs from the positions");
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

/// Seats taken are positions with own stake, and no more than there are.
pub fn seats_are_positions_with_own_stake<T: Config>() -> Result<(), TryRuntimeError> {
    let limits = Limits::<T>::get();
    let mut found = BTreeMap::<_, u32>::new();
    for (venue, _, position) in Positions::<T>::iter().filter(|(_, _, p)| p.own > 0) {
        let seats = found.entry((venue, position.role)).or_default();
        *seats = seats.saturating_add(1);
    }
    let mut rows = 0;
    for (venue, role, count) in SeatCount::<T>::iter() {
        ensure!(
            found.get(&(venue, role)) == Some(&count),
            "seats differ from the positions"
        );
        ensure!(
            count <= limits.seats(venue, role),
            "more positions than seats"
        );
        rows += 1;
    }
    ensure!(rows == found.len(), "positions without a count of seats");
    Ok(())
}

/// Keys and operators map one to one; a key in use was never dropped.
pub fn service_keys_map_one_to_one<T: Config>() -> Result<(), TryRuntimeError> {
    let mut keys = 0;
    for (operator, key) in ServiceKey::<T>::iter() {
        ensure!(
            OperatorOf::<T>::get(&key) == Some(operator),
            "a key of another operator"
        );
        ensure!(
            !RetiredKeys::<T>::contains_key(&key),
            "a dropped key in use"
        );
        keys += 1;
    }
    ensure!(
        OperatorOf::<T>::iter().count() == keys,
        "a key without its operator"
    );
    Ok(())
}

/// A position's last snapshot is what it has now, and its snapshots are in order.
pub fn history_ends_with_the_present<T: Config>() -> Result<(), TryRuntimeError> {
    for (_, _, position) in Positions::<T>::iter() {
        let last = position.history.last().map(|(_, snapshot)| *snapshot);
        ensure!(
            last == Some(position.now()),
            "history doesn't end with the present"
        );
        let rounds = position.history.iter().map(|(round, _)| *round);
        ensure!(
            rounds.clone().zip(rounds.skip(1)).all(|(a, b)| a < b),
            "history out of order"
        );
    }
    Ok(())
}
