//! What is true of staking at every block. Run by `try_state` and, natively, after each test.

use crate::*;
use alloc::collections::{BTreeMap, BTreeSet};
use arena_primitives::{AccountId, Balance, MAX_VALIDATORS, Role, Venue, traits::Venues as _};
use frame_support::{ensure, traits::fungible::hold::Inspect};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    stake_on_hold_is_own_stake::<T>()?;
    unbonding_on_hold_is_the_chunks::<T>()?;
    positions_agree_with_themselves::<T>()?;
    rosters_list_whoever_counts::<T>()?;
    pending_slashes_agree::<T>()?;
    authors_are_judged::<T>()?;
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

/// Seats are for own stake and no more than there can be; delegated stake has shares.
pub fn positions_agree_with_themselves<T: Config>() -> Result<(), TryRuntimeError> {
    let mut seated = BTreeMap::<_, u32>::new();
    for (venue, _, position) in Positions::<T>::iter() {
        match position.seat {
            Seat::Taken => ensure!(position.own > 0, "a seat without own stake"),
            Seat::Left => ensure!(position.own == 0, "own stake that left its seat by itself"),
            Seat::Displaced | Seat::Chilled => {}
        }
        ensure!(
            position.shares > 0 || position.delegated == 0,
            "delegated stake without shares"
        );
        if position.is_seated() {
            let taken = seated.entry((venue, position.role)).or_default();
            *taken = taken.saturating_add(1);
        }
    }
    for ((venue, role), taken) in seated {
        ensure!(
            taken <= most_seats::<T>(venue, role),
            "more taken than seats"
        );
    }
    Ok(())
}

/// Who sits in `Network` stays when governance lowers its seats; those of tasks are genesis's.
fn most_seats<T: Config>(venue: Venue, role: Role) -> u32 {
    match venue {
        Venue::Network => MAX_VALIDATORS,
        Venue::Task(_) => Pallet::<T>::limits().seats(venue, role),
    }
}

/// A roster is in order, lists positions alone, and all that are seated or that a live round
/// counts.
pub fn rosters_list_whoever_counts<T: Config>() -> Result<(), TryRuntimeError> {
    let mut listed = BTreeSet::new();
    for (venue, role, roster) in Roster::<T>::iter() {
        ensure!(!roster.is_empty(), "an empty roster");
        let bound = most_seats::<T>(venue, role).saturating_mul(3);
        ensure!(
            u32::try_from(roster.len()).is_ok_and(|len| len <= bound),
            "a roster beyond its bound"
        );
        ensure!(
            roster.iter().zip(roster.iter().skip(1)).all(|(a, b)| a < b),
            "a roster out of order"
        );
        for who in roster {
            let position = Positions::<T>::get(venue, &who);
            ensure!(
                position.is_some_and(|position| position.role == role),
                "a roster lists no position of its role"
            );
            listed.insert((venue, who));
        }
    }
    for (venue, who, position) in Positions::<T>::iter() {
        let alive = T::Venues::current_round(venue).map(|round| round.saturating_sub(1));
        let counts = alive.is_some_and(|round| position.counts_since(round));
        ensure!(
            listed.contains(&(venue, who)) || !(position.is_seated() || counts),
            "who counts is in no roster"
        );
    }
    Ok(())
}

/// The queue, the slashes, their operators and their faults name each other.
pub fn pending_slashes_agree<T: Config>() -> Result<(), TryRuntimeError> {
    let queue = SlashQueue::<T>::get();
    let slashes: BTreeMap<_, _> = PendingSlashes::<T>::iter().collect();
    let mut due = 0;
    for (index, slash) in &slashes {
        ensure!(
            (queue.first..queue.end).contains(index),
            "a slash outside of the queue"
        );
        ensure!(due <= slash.due, "slashes are due out of order");
        due = slash.due;
        ensure!(
            PendingOf::<T>::get(&slash.operator).contains(index),
            "a slash that its operator's row lacks"
        );
        if let Some(fault) = Faults::<T>::get(slash.session, &slash.operator) {
            ensure!(
                fault.slash == Some(*index) && fault.fraction == slash.fraction,
                "a slash that is not its fault's"
            );
        }
    }
    let mut named = 0usize;
    for (_, pending) in PendingOf::<T>::iter() {
        ensure!(!pending.is_empty(), "a row of slashes without one");
        named = named.saturating_add(pending.len());
    }
    ensure!(named == slashes.len(), "slashes that are nobody's");
    for (_, _, fault) in Faults::<T>::iter() {
        match fault.slash {
            Some(index) => ensure!(slashes.contains_key(&index), "a fault without its slash"),
            None => ensure!(
                fault.fraction == fault.applied,
                "a fault that nothing punishes"
            ),
        }
        ensure!(
            fault.applied <= fault.fraction && !fault.fraction.is_zero(),
            "a fault whose slash lies back"
        );
    }
    Ok(())
}

/// Authors that were watched long enough have been judged.
pub fn authors_are_judged<T: Config>() -> Result<(), TryRuntimeError> {
    let limit = authors::JUDGED_AT.saturating_mul(1_000);
    for (_, watch) in Watches::<T>::iter() {
        ensure!(watch.expected_milli < limit, "an author that nobody judges");
    }
    Ok(())
}

/// Keys and operators map one to one; a key in use was never dropped, the one before it was.
pub fn service_keys_map_one_to_one<T: Config>() -> Result<(), TryRuntimeError> {
    let mut keys = 0usize;
    for (operator, record) in ServiceKey::<T>::iter() {
        for key in core::iter::once(&record.key).chain(&record.previous) {
            ensure!(
                OperatorOf::<T>::get(key).as_ref() == Some(&operator),
                "a key of another operator"
            );
            ensure!(
                RetiredKeys::<T>::contains_key(key) == (*key != record.key),
                "a dropped key in use, or one before it that was not dropped"
            );
            keys = keys.saturating_add(1);
        }
    }
    ensure!(
        OperatorOf::<T>::iter().count() == keys,
        "a key without its operator"
    );
    Ok(())
}

/// A position's last snapshot is what counts of it now, its snapshots are in order, and it knows
/// the first round that counts it.
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
        let counted = position.history.iter().find(|(_, seen)| seen.own > 0);
        if let Some((from, _)) = counted {
            ensure!(
                position.since.is_some_and(|since| since <= *from),
                "a position that doesn't know since when it counts"
            );
        }
    }
    Ok(())
}
