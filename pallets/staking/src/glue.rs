//! What staking is to its neighbours: the clock, positions and delegated totals.

use crate::{types::*, *};
use alloc::vec::Vec;
use arena_math::shares::{amount_for_shares, shares_for_amount};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, Venue,
    time::{self, Windows},
    traits::{Clock, Counted, DelegatedStake, DelegatedTotals, Stakes, Taken, Venues as _},
};
use frame_support::ensure;
use sp_runtime::{ArithmeticError, DispatchError};

impl<T: Config> Clock for Pallet<T> {
    fn blocks(minutes: u32) -> BlockNumber {
        time::blocks(minutes, Time::<T>::get().blocks_per_day)
    }

    fn windows() -> Windows {
        Time::<T>::get().windows
    }

    fn unbonding() -> BlockNumber {
        let time = Time::<T>::get();
        time::blocks(time.unbonding_minutes, time.blocks_per_day)
    }

    fn challenge_days() -> u32 {
        Time::<T>::get().challenge_days
    }
}

fn counted<T: Config>(operator: AccountId, position: &Position, round: Round) -> Option<Counted> {
    let stake = position.snapshot_at(round).filter(|stake| stake.own > 0)?;
    let commission = position.commission_at(Pallet::<T>::now());
    Some(Counted {
        operator,
        role: position.role,
        stake,
        commission,
    })
}

impl<T: Config> Stakes for Pallet<T> {
    fn role(venue: Venue, who: &AccountId) -> Option<Role> {
        Positions::<T>::get(venue, who).map(|position| position.role)
    }

    fn counted(venue: Venue, who: &AccountId, round: Round) -> Option<Counted> {
        counted::<T>(who.clone(), &Positions::<T>::get(venue, who)?, round)
    }

    fn all(venue: Venue, role: Role, round: Round) -> Vec<Counted> {
        Self::roster(venue, role)
            .into_iter()
            .filter_map(|(who, position)| counted::<T>(who, &position, round))
            .collect()
    }

    fn slash_own(venue: Venue, who: &AccountId, amount: Balance) -> Balance {
        Self::do_slash_own(venue, who, amount, &[]).total
    }

    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Taken {
        Self::do_slash_own(venue, who, amount, payees)
    }

    fn chill(venue: Venue, who: &AccountId) -> bool {
        Self::do_chill(venue, who)
    }
}

impl<T: Config> DelegatedStake for Pallet<T> {
    fn add(venue: Venue, operator: &AccountId, amount: Balance) -> Result<Balance, DispatchError> {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut position = Positions::<T>::get(venue, operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(position.own > 0, Error::<T>::NoPosition);
        ensure!(position.is_seated(), Error::<T>::NoSeat);
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        // Who comes now would pay for a fault of before.
        ensure!(
            venue != Venue::Network || !PendingOf::<T>::contains_key(operator),
            Error::<T>::SlashPending
        );
        ensure!(!position.has_lost_its_worth(), Error::<T>::SharesWorthless);
        let shares = shares_for_amount(amount, position.delegated, position.shares)
            .ok_or(ArithmeticError::Overflow)?;
        ensure!(shares > 0, Error::<T>::ZeroAmount);
        let sum = |a: Balance, b| a.checked_add(b).ok_or(ArithmeticError::Overflow);
        position.delegated = sum(position.delegated, amount)?;
        position.shares = sum(position.shares, shares)?;
        Self::put(venue, operator, position, round.saturating_add(1));
        Ok(shares)
    }

    fn remove(
        venue: Venue,
        operator: &AccountId,
        shares: Balance,
    ) -> Result<Balance, DispatchError> {
        ensure!(shares > 0, Error::<T>::ZeroAmount);
        let mut position = Positions::<T>::get(venue, operator).ok_or(Error::<T>::NoPosition)?;
        let amount = amount_for_shares(shares, position.delegated, position.shares)
            .ok_or(Error::<T>::InsufficientStake)?;
        position.shares = position.shares.saturating_sub(shares);
        position.delegated = position.delegated.saturating_sub(amount);
        Self::put(venue, operator, position, Self::next_round(venue));
        Ok(amount)
    }

    fn totals(venue: Venue, operator: &AccountId) -> DelegatedTotals {
        Positions::<T>::get(venue, operator)
            .map(|position| DelegatedTotals {
                amount: position.delegated,
                shares: position.shares,
            })
            .unwrap_or_default()
    }
}
