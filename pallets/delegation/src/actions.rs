//! What the calls do with what is delegated. A call is all or nothing: what is refused after a
//! neighbour has written leaves no trace.

use crate::{price, trace::Rewards, types::*, *};
use arena_primitives::{
    AccountId, Balance, Venue,
    traits::{DelegatedStake as _, DelegatorRewards as _, PayoutState, Stakes as _, Venues as _},
};
use frame_support::{
    ensure,
    traits::{
        Get, OnUnbalanced as _,
        fungible::hold::{Balanced as _, Mutate as _},
        tokens::Precision,
    },
};
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult};

impl<T: Config> Pallet<T> {
    /// What an account has in a position.
    pub fn delegation(venue: Venue, operator: &AccountId, who: &AccountId) -> Option<Delegation> {
        Delegations::<T>::get((venue, operator), who)
    }

    /// What an account's stake in a position is worth: what is on hold for it, less the cut that
    /// it has not felt yet.
    pub fn value(venue: Venue, operator: &AccountId, who: &AccountId) -> Balance {
        Self::delegation(venue, operator, who).map_or(0, |delegation| {
            let totals = T::Positions::totals(venue, operator);
            let worth = price::worth(delegation.shares(), totals);
            delegation.held.min(worth.unwrap_or_default())
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
        let from = Self::open(venue, &operator)?;
        let before = Self::delegation(venue, &operator, &who).unwrap_or_default();
        let (mut delegation, _) = Self::cut(venue, &operator, &who, before)?;
        let wanted = delegation
            .held
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        ensure!(wanted >= T::MinDelegation::get(), Error::<T>::BelowMinimum);

        let shares = T::Positions::add(venue, &operator, amount)?;
        ensure!(shares > 0, Error::<T>::LessThanAShare);
        delegation
            .push(Lot {
                shares,
                from,
                until: None,
            })
            .map_err(|TooManyLots| Error::<T>::TooManyLots)?;
        // After a slash shares are rounded down. What they are not worth is not held, so that no
        // cut ever finds it.
        let held = wanted.min(Self::worth(venue, &operator, &delegation)?);
        let added = held
            .checked_sub(delegation.held)
            .ok_or(DispatchError::Corruption)?;
        T::Currency::hold(&HoldReason::Delegation.into(), &who, added)?;
        delegation.held = held;
        Delegations::<T>::insert((venue, &operator), &who, delegation);
        Self::deposit_event(Event::Delegated {
            venue,
            operator,
            who,
            amount: added,
            shares,
        });
        Ok(())
    }

    /// From where stake that comes now earns: there is a round open, and the operator has own
    /// stake that the next one counts.
    fn open(venue: Venue, operator: &AccountId) -> Result<Mark, DispatchError> {
        ensure!(!T::Venues::ended(venue), Error::<T>::VenueEnded);
        ensure!(T::Venues::takes_stake(venue), Error::<T>::NoOpenRound);
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        let counted = T::Stakes::counted(venue, operator, round.saturating_add(1));
        ensure!(counted.is_some(), Error::<T>::NoPosition);
        Ok(Self::mark(venue, operator).ok_or(Error::<T>::NoOpenRound)?)
    }

    fn worth(
        venue: Venue,
        operator: &AccountId,
        delegation: &Delegation,
    ) -> Result<Balance, DispatchError> {
        let totals = T::Positions::totals(venue, operator);
        price::worth(delegation.shares(), totals).ok_or(DispatchError::Corruption)
    }

    /// Lowers the hold to what the shares are worth, and gives up shares that are worth nothing.
    /// Returns what was cut. Does not write the delegation.
    fn cut(
        venue: Venue,
        operator: &AccountId,
        who: &AccountId,
        mut delegation: Delegation,
    ) -> Result<(Delegation, Balance), DispatchError> {
        let shares = delegation.shares();
        let worth = Self::worth(venue, operator, &delegation)?;
        let amount = delegation.held.saturating_sub(worth);
        if amount == 0 {
            return Ok((delegation, 0));
        }
        Self::slash_hold(HoldReason::Delegation, who, amount)?;
        if worth == 0 {
            let mark = Self::mark(venue, operator).unwrap_or(Mark::Last);
            T::Positions::remove(venue, operator, shares)?;
            delegation = delegation
                .end(shares, mark)
                .map_err(|TooManyLots| Error::<T>::TooManyLots)?;
        }
        delegation.held = worth;
        Self::deposit_event(Event::SlashApplied {
            venue,
            operator: operator.clone(),
            who: who.clone(),
            amount,
            rest: worth,
        });
        Ok((delegation, amount))
    }

    /// Takes `amount` from a hold. The hold is as much at least, or the books are wrong.
    pub(crate) fn slash_hold(
        reason: HoldReason,
        who: &AccountId,
        amount: Balance,
    ) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        let (credit, missing) = T::Currency::slash(&reason.into(), who, amount);
        ensure!(missing == 0, DispatchError::Corruption);
        T::Slashed::on_unbalanced(credit);
        Ok(())
    }

    pub(crate) fn do_undelegate(
        venue: Venue,
        operator: AccountId,
        who: AccountId,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let before = Self::delegation(venue, &operator, &who).ok_or(Error::<T>::NoDelegation)?;
        let (delegation, _) = Self::cut(venue, &operator, &who, before)?;
        let take = Self::take(venue, &operator, &delegation, amount)?;
        let amount = delegation.held.saturating_sub(take.rest);
        let ended = T::Venues::ended(venue);
        let open = if ended {
            None
        } else {
            Self::mark(venue, &operator)
        };
        let mut left = delegation
            .end(take.shares, open.unwrap_or(Mark::Last))
            .map_err(|TooManyLots| Error::<T>::TooManyLots)?;
        left.held = take.rest;

        let worth = T::Positions::remove(venue, &operator, take.shares)?;
        ensure!(worth == take.worth, DispatchError::Corruption);
        let reason = HoldReason::Delegation.into();
        T::Currency::release(&reason, &who, amount, Precision::Exact)?;
        let until = if ended {
            None
        } else {
            Some(Self::unbond(venue, &operator, &who, amount)?)
        };
        Self::put(venue, &operator, &who, left);
        Self::deposit_event(Event::Undelegated {
            venue,
            operator,
            who,
            amount,
            shares: take.shares,
            until,
        });
        Ok(())
    }

    /// What taking `amount` back comes to, if it may be.
    fn take(
        venue: Venue,
        operator: &AccountId,
        delegation: &Delegation,
        amount: Balance,
    ) -> Result<price::Take, DispatchError> {
        let held = delegation.held;
        ensure!(amount <= held, Error::<T>::InsufficientDelegation);
        let totals = T::Positions::totals(venue, operator);
        let take = price::take(amount, held, delegation.shares(), totals)
            .ok_or(DispatchError::Corruption)?;
        ensure!(take.rest < held, Error::<T>::LessThanAShare);
        ensure!(
            take.rest == 0 || take.rest >= T::MinDelegation::get(),
            Error::<T>::BelowMinimum
        );
        Ok(take)
    }

    fn put(venue: Venue, operator: &AccountId, who: &AccountId, delegation: Delegation) {
        if delegation.lots.is_empty() {
            Delegations::<T>::remove((venue, operator), who);
        } else {
            Delegations::<T>::insert((venue, operator), who, delegation);
        }
    }

    /// Returns how many lots were looked at.
    pub(crate) fn do_claim(
        venue: Venue,
        operator: AccountId,
        who: AccountId,
    ) -> Result<u32, DispatchError> {
        let before = Self::delegation(venue, &operator, &who).ok_or(Error::<T>::NoDelegation)?;
        let lots = u32::try_from(before.lots.len()).unwrap_or(u32::MAX);
        let state = T::Rewards::state(venue, &operator);
        let limit = match state {
            PayoutState::Locked => return Err(Error::<T>::RewardsLocked.into()),
            PayoutState::FreeTo(limit) => limit,
            PayoutState::Free | PayoutState::Forfeited => NO_LIMIT,
        };
        let (delegation, _) = Self::cut(venue, &operator, &who, before)?;
        let (due, left) = delegation.settle(&Rewards::<T>::of(venue, &operator), limit);

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
        Ok(lots)
    }

    pub(crate) fn do_apply_slash(
        venue: Venue,
        operator: AccountId,
        who: AccountId,
    ) -> DispatchResult {
        let before = Self::delegation(venue, &operator, &who).ok_or(Error::<T>::NoDelegation)?;
        let (left, amount) = Self::cut(venue, &operator, &who, before)?;
        ensure!(amount > 0, Error::<T>::NothingToCut);
        Self::put(venue, &operator, &who, left);
        Ok(())
    }
}
