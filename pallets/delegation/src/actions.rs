//! What the calls do.

use crate::{types::*, *};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Round, Venue,
    traits::{
        Clock as _, DelegatedStake as _, DelegatorRewards as _, PayoutState, Stakes as _,
        Venues as _,
    },
};
use frame_support::{
    ensure,
    traits::{Get, fungible::hold::Mutate as _, tokens::Precision},
};
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult, traits::SaturatedConversion};

/// One position's accumulator, as the runtime knows it.
struct Rewards<'a, T> {
    venue: Venue,
    operator: &'a AccountId,
    settled: Option<Round>,
    ended: bool,
    current: u128,
    config: core::marker::PhantomData<T>,
}

impl<'a, T: Config> Rewards<'a, T> {
    fn of(venue: Venue, operator: &'a AccountId) -> Self {
        Rewards {
            venue,
            operator,
            settled: T::Venues::last_settled(venue),
            ended: T::Venues::ended(venue),
            current: T::Rewards::current(venue, operator),
            config: Default::default(),
        }
    }
}

impl<T: Config> Trace for Rewards<'_, T> {
    fn resolve(&self, mark: Mark) -> Option<u128> {
        let (round, seen) = match mark {
            Mark::Known(value) => return Some(value),
            Mark::Last => return self.ended.then_some(self.current),
            Mark::After { round, seen } => (round, seen),
        };
        // A venue that has ended pays no more.
        let paid = self.ended || self.settled.is_some_and(|settled| settled >= round);
        let at = |round| T::Rewards::at(self.venue, self.operator, round);
        paid.then(|| {
            at(round)
                .or_else(|| round.checked_sub(1).and_then(at))
                .unwrap_or(seen)
        })
    }

    fn current(&self) -> u128 {
        self.current
    }
}

impl<T: Config> Pallet<T> {
    /// What an account has in a position.
    pub fn delegation(venue: Venue, operator: &AccountId, who: &AccountId) -> Option<Delegation> {
        Delegations::<T>::get((venue, operator), who)
    }

    /// What `who` has earned in a position and not claimed, whether it can be claimed or not.
    pub fn claimable(venue: Venue, operator: &AccountId, who: &AccountId) -> Balance {
        Self::delegation(venue, operator, who).map_or(0, |delegation| {
            delegation.settle(&Rewards::<T>::of(venue, operator)).0
        })
    }

    fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// What is made now, the open round decides.
    fn mark(venue: Venue, operator: &AccountId) -> Option<Mark> {
        let round = T::Venues::current_round(venue)?;
        Some(Mark::After {
            round,
            seen: T::Rewards::current(venue, operator),
        })
    }

    pub(crate) fn do_delegate(
        venue: Venue,
        operator: AccountId,
        who: AccountId,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        ensure!(operator != who, Error::<T>::OwnPosition);
        ensure!(!T::Venues::ended(venue), Error::<T>::VenueEnded);
        let from = Self::mark(venue, &operator).ok_or(Error::<T>::NoOpenRound)?;
        ensure!(
            Self::has_own_stake(venue, &operator),
            Error::<T>::NoPosition
        );
        let mut delegation = Self::delegation(venue, &operator, &who).unwrap_or_default();
        let live = delegation
            .live()
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        ensure!(live >= T::MinDelegation::get(), Error::<T>::BelowMinimum);
        delegation
            .push(Lot {
                amount,
                from,
                until: None,
            })
            .map_err(|TooManyLots| Error::<T>::TooManyLots)?;

        T::Currency::hold(&HoldReason::Delegation.into(), &who, amount)?;
        T::Positions::add(venue, &operator, amount)?;
        Delegations::<T>::insert((venue, &operator), &who, delegation);
        Self::deposit_event(Event::Delegated {
            venue,
            operator,
            who,
            amount,
        });
        Ok(())
    }

    /// Does the operator have own stake that the next round counts?
    fn has_own_stake(venue: Venue, operator: &AccountId) -> bool {
        let next = T::Venues::current_round(venue).map_or(0, |round| round.saturating_add(1));
        T::Stakes::counted(venue, operator, next).is_some()
    }

    pub(crate) fn do_undelegate(
        venue: Venue,
        operator: AccountId,
        who: AccountId,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let delegation =
            Self::delegation(venue, &operator, &who).ok_or(Error::<T>::NoDelegation)?;
        let live = delegation
            .live()
            .checked_sub(amount)
            .ok_or(Error::<T>::InsufficientDelegation)?;
        ensure!(
            live == 0 || live >= T::MinDelegation::get(),
            Error::<T>::BelowMinimum
        );
        let ended = T::Venues::ended(venue);
        let mark = if ended {
            Mark::Last
        } else {
            Self::mark(venue, &operator).unwrap_or(Mark::Last)
        };
        let left = delegation
            .end(amount, mark)
            .map_err(|TooManyLots| Error::<T>::TooManyLots)?;

        T::Currency::release(
            &HoldReason::Delegation.into(),
            &who,
            amount,
            Precision::Exact,
        )?;
        let until = if ended {
            None
        } else {
            Some(Self::unbond(&who, amount)?)
        };
        T::Positions::remove(venue, &operator, amount)?;
        Self::put(venue, &operator, &who, left);
        Self::deposit_event(Event::Undelegated {
            venue,
            operator,
            who,
            amount,
            until,
        });
        Ok(())
    }

    fn unbond(who: &AccountId, amount: Balance) -> Result<BlockNumber, DispatchError> {
        let period = T::Clock::blocks(T::UnbondingMinutes::get());
        let until = Self::now().saturating_add(period);
        Unbonding::<T>::try_mutate(who, |chunks| -> DispatchResult {
            match chunks.iter_mut().find(|chunk| chunk.until == until) {
                Some(chunk) => {
                    chunk.amount = chunk
                        .amount
                        .checked_add(amount)
                        .ok_or(ArithmeticError::Overflow)?;
                }
                None => chunks
                    .try_push(UnbondingChunk { amount, until })
                    .map_err(|_| Error::<T>::TooManyChunks)?,
            }
            T::Currency::hold(&HoldReason::Unbonding.into(), who, amount)
        })?;
        Ok(until)
    }

    fn put(venue: Venue, operator: &AccountId, who: &AccountId, delegation: Delegation) {
        if delegation.lots.is_empty() {
            Delegations::<T>::remove((venue, operator), who);
        } else {
            Delegations::<T>::insert((venue, operator), who, delegation);
        }
    }

    pub(crate) fn do_withdraw(who: AccountId) -> DispatchResult {
        let now = Self::now();
        let mut chunks = Unbonding::<T>::get(&who);
        let mut amount: Balance = 0;
        for chunk in chunks.iter().filter(|chunk| chunk.until <= now) {
            amount = amount
                .checked_add(chunk.amount)
                .ok_or(ArithmeticError::Overflow)?;
        }
        ensure!(amount > 0, Error::<T>::NothingToWithdraw);
        chunks.retain(|chunk| chunk.until > now);

        T::Currency::release(
            &HoldReason::Unbonding.into(),
            &who,
            amount,
            Precision::Exact,
        )?;
        if chunks.is_empty() {
            Unbonding::<T>::remove(&who);
        } else {
            Unbonding::<T>::insert(&who, chunks);
        }
        Self::deposit_event(Event::Withdrawn { who, amount });
        Ok(())
    }

    pub(crate) fn do_claim(venue: Venue, operator: AccountId, who: AccountId) -> DispatchResult {
        let delegation =
            Self::delegation(venue, &operator, &who).ok_or(Error::<T>::NoDelegation)?;
        let state = T::Rewards::state(venue, &operator);
        ensure!(state != PayoutState::Locked, Error::<T>::RewardsLocked);
        let (due, left) = delegation.settle(&Rewards::<T>::of(venue, &operator));

        let amount = if state == PayoutState::Forfeited {
            0
        } else {
            due
        };
        if amount > 0 {
            T::Rewards::pay(venue, &operator, &who, amount)?;
        }
        Self::put(venue, &operator, &who, left);
        Self::deposit_event(Event::Claimed {
            venue,
            operator,
            who,
            amount,
        });
        Ok(())
    }
}
