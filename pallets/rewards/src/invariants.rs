//! What is true of rewards at every block. Run by `try_state` and, natively, after each test.

use crate::*;
use arena_primitives::{Balance, traits::Venues as _};
use frame_support::{ensure, traits::fungible::Inspect};
use sp_runtime::TryRuntimeError;

/// All of them.
pub fn check<T: Config>() -> Result<(), TryRuntimeError> {
    account_covers_the_books::<T>()?;
    books_are_balanced::<T>()?;
    counted_stake_adds_up::<T>()?;
    forfeited_positions_are_owed_nothing::<T>()?;
    what_is_locked_is_owed::<T>()
}

/// What the reward account must hold: what is owed, bounties, dust, what is in flight, and one
/// existential deposit.
pub fn booked<T: Config>() -> Balance {
    let totals = Totals::<T>::get();
    let owed = Earned::<T>::iter().fold(0, |sum: Balance, (_, _, earned)| {
        sum.saturating_add(earned.operator_owed)
            .saturating_add(earned.delegators_owed)
    });
    let bounties =
        Tasks::<T>::iter().fold(0, |sum: Balance, (_, task)| sum.saturating_add(task.bounty));
    owed.saturating_add(bounties)
        .saturating_add(totals.dust)
        .saturating_add(totals.in_flight)
        .saturating_add(T::Currency::minimum_balance())
}

/// The reward account holds what the books say. It may hold more, since anybody can send money
/// to an account; with nobody doing so it is [`exact`](account_is_the_books).
pub fn account_covers_the_books<T: Config>() -> Result<(), TryRuntimeError> {
    let held = T::Currency::balance(&Pallet::<T>::account());
    ensure!(held >= booked::<T>(), "the reward account lacks money");
    Ok(())
}

/// The reward account holds exactly what the books say: where nobody sends money to it.
pub fn account_is_the_books<T: Config>() -> Result<(), TryRuntimeError> {
    let held = T::Currency::balance(&Pallet::<T>::account());
    ensure!(
        held == booked::<T>(),
        "the reward account differs from the books"
    );
    Ok(())
}

/// `minted + bounties = rewards + authors + treasury + dust + in_flight`.
pub fn books_are_balanced<T: Config>() -> Result<(), TryRuntimeError> {
    let books = Totals::<T>::get();
    let came = books.minted.saturating_add(books.bounties);
    let went = [
        books.rewards,
        books.authors,
        books.treasury,
        books.dust,
        books.in_flight,
    ]
    .into_iter()
    .fold(0, u128::saturating_add);
    ensure!(came == went, "the books are not balanced");
    Ok(())
}

/// The stake that draws is the sum of the tasks'.
pub fn counted_stake_adds_up<T: Config>() -> Result<(), TryRuntimeError> {
    let sum = Tasks::<T>::iter().fold(0, |sum: Balance, (_, task)| {
        sum.saturating_add(task.counted)
    });
    ensure!(
        sum == Flow::<T>::get().counted,
        "counted stake doesn't add up"
    );
    Ok(())
}

/// A position that lost its rewards earns none.
pub fn forfeited_positions_are_owed_nothing<T: Config>() -> Result<(), TryRuntimeError> {
    for (venue, operator, ()) in Forfeited::<T>::iter() {
        ensure!(
            !Earned::<T>::contains_key(venue, &operator),
            "a forfeited position is owed"
        );
    }
    Ok(())
}

/// Locked pay is of different rounds in their order, and part of what is owed.
pub fn what_is_locked_is_owed<T: Config>() -> Result<(), TryRuntimeError> {
    for (venue, _, earned) in Earned::<T>::iter() {
        let rounds = earned.recent.iter().map(|recent| recent.round);
        ensure!(
            rounds.clone().zip(rounds.skip(1)).all(|(a, b)| a < b),
            "locked pay out of order"
        );
        let locked = earned.operator_locked(T::Venues::last_settled(venue));
        ensure!(
            Released::<T>::contains_key(venue) || locked <= earned.operator_owed,
            "more is locked than is owed"
        );
    }
    Ok(())
}
