//! What the calls do with stake.

use crate::{types::*, *};
use alloc::{collections::BTreeMap, vec::Vec};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, TimeParameters, Venue,
    traits::{Clock, Venues as _},
};
use frame_support::{
    ensure,
    traits::{fungible::hold::Mutate as _, tokens::Precision},
};
use sp_runtime::{
    ArithmeticError, DispatchError, DispatchResult, Perbill, traits::SaturatedConversion,
};

/// A change made while no round is open counts in none: rounds that were, keep what they saw.
const NO_ROUND: Round = Round::MAX;

impl<T: Config> Pallet<T> {
    /// Lengths of slots, days and windows.
    pub fn time() -> TimeParameters {
        Time::<T>::get()
    }

    /// An operator's position.
    pub fn position(venue: Venue, operator: &AccountId) -> Option<Position> {
        Positions::<T>::get(venue, operator)
    }

    /// All positions of a venue, ordered by account. There can be any number of them: for tests
    /// and views, never for a call or a hook.
    pub fn positions(venue: Venue) -> Vec<(AccountId, Position)> {
        let mut all: Vec<_> = Positions::<T>::iter_prefix(venue).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    pub(crate) fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// From which round a change counts that is made now.
    pub(crate) fn next_round(venue: Venue) -> Round {
        T::Venues::current_round(venue).map_or(NO_ROUND, |round| round.saturating_add(1))
    }

    /// Returns how many positions were looked at.
    pub(crate) fn do_stake(
        venue: Venue,
        operator: AccountId,
        role: Role,
        amount: Balance,
    ) -> Result<u32, DispatchError> {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        ensure!(
            !matches!((venue, role), (Venue::Network, Role::Trainer)),
            Error::<T>::RoleNotTaken
        );
        T::Venues::admits(venue, role, &operator).map_err(Error::<T>::from)?;
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        Self::add_own(venue, operator, role, amount, round.saturating_add(1))
    }

    /// A first author: counts from session 0.
    pub(crate) fn seat_at_genesis(who: &AccountId, amount: Balance) -> DispatchResult {
        Self::add_own(Venue::Network, who.clone(), Role::Validator, amount, 0).map(|_| ())
    }

    /// Adds to own stake, and takes a seat where the position has none.
    fn add_own(
        venue: Venue,
        operator: AccountId,
        role: Role,
        amount: Balance,
        counts_from: Round,
    ) -> Result<u32, DispatchError> {
        let mut position = Positions::<T>::get(venue, &operator)
            .unwrap_or_else(|| Position::new(role, Self::now()));
        ensure!(position.role == role, Error::<T>::OtherRole);
        let own = position
            .own
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        let least = Self::limits().min_own(venue, role);
        ensure!(own >= least, Error::<T>::BelowMinimum);
        position.own = own;
        let plan = if position.is_seated() {
            None
        } else {
            Some(Self::plan_seat(venue, &operator, &position, counts_from)?)
        };

        T::Currency::hold(&HoldReason::Stake.into(), &operator, amount)?;
        let looked_at = plan.as_ref().map_or(0, |plan| plan.looked_at);
        if let Some(plan) = plan {
            Self::carry_out(venue, &operator, &mut position, plan, counts_from);
        }
        Self::put(venue, &operator, position, counts_from);
        Self::deposit_event(Event::Staked {
            venue,
            operator,
            role,
            amount,
            own,
        });
        Ok(looked_at)
    }

    /// Returns how many positions were looked at.
    pub(crate) fn do_decrease(
        venue: Venue,
        operator: AccountId,
        amount: Balance,
    ) -> Result<u32, DispatchError> {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut position = Positions::<T>::get(venue, &operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(position.own > 0, Error::<T>::NoPosition);
        let own = position
            .own
            .checked_sub(amount)
            .ok_or(Error::<T>::InsufficientStake)?;
        let ended = T::Venues::ended(venue);
        let mut looked_at = 0;
        if !ended {
            ensure!(
                !Self::is_locked(venue, &position),
                Error::<T>::LockedUntilEnd
            );
            let least = Self::limits().min_own(venue, position.role);
            ensure!(own == 0 || own >= least, Error::<T>::BelowMinimum);
            if venue == Venue::Network && own == 0 {
                looked_at = Self::ensure_authors_remain(&operator)?;
            }
        }

        let until = if ended {
            T::Currency::release(
                &HoldReason::Stake.into(),
                &operator,
                amount,
                Precision::Exact,
            )?;
            None
        } else {
            Some(Self::unbond(venue, &operator, amount)?)
        };
        position.own = own;
        Self::put(venue, &operator, position, Self::next_round(venue));
        Self::deposit_event(Event::Decreased {
            venue,
            operator,
            amount,
            own,
            until,
        });
        Ok(looked_at)
    }

    /// Own stake that stays until the venue has ended. A position that lost its seat before any
    /// round counted it has nothing to answer for, and may leave.
    fn is_locked(venue: Venue, position: &Position) -> bool {
        let was_counted = || {
            let open = T::Venues::current_round(venue).unwrap_or(Round::MAX);
            position.since.is_some_and(|since| since <= open)
        };
        T::Venues::locks_own(venue, position.role) && (position.is_seated() || was_counted())
    }

    /// Moves held stake into unbonding; returns until when.
    fn unbond(
        venue: Venue,
        operator: &AccountId,
        amount: Balance,
    ) -> Result<BlockNumber, DispatchError> {
        let until = Self::now().saturating_add(<Self as Clock>::unbonding());
        Unbonding::<T>::try_mutate(operator, |chunks| -> DispatchResult {
            match chunks
                .iter_mut()
                .find(|c| c.venue == venue && c.until == until)
            {
                Some(chunk) => {
                    chunk.amount = chunk
                        .amount
                        .checked_add(amount)
                        .ok_or(ArithmeticError::Overflow)?;
                }
                None => chunks
                    .try_push(UnbondingChunk {
                        venue,
                        amount,
                        until,
                    })
                    .map_err(|_| Error::<T>::TooManyChunks)?,
            }
            T::Currency::release(
                &HoldReason::Stake.into(),
                operator,
                amount,
                Precision::Exact,
            )?;
            T::Currency::hold(&HoldReason::Unbonding.into(), operator, amount)
        })?;
        Ok(until)
    }

    /// Returns how many chunks were looked at.
    pub(crate) fn do_withdraw(operator: AccountId) -> Result<u32, DispatchError> {
        let chunks = Unbonding::<T>::get(&operator);
        let looked_at = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let (left, freed, kept_back) = Self::free_chunks(&operator, chunks);
        let mut amount: Balance = 0;
        for part in freed.values() {
            amount = amount.checked_add(*part).ok_or(ArithmeticError::Overflow)?;
        }
        ensure!(amount > 0 || !kept_back, Error::<T>::SlashPending);
        ensure!(amount > 0, Error::<T>::NothingToWithdraw);

        T::Currency::release(
            &HoldReason::Unbonding.into(),
            &operator,
            amount,
            Precision::Exact,
        )?;
        Self::put_chunks(&operator, left);
        for venue in freed.into_keys() {
            let over = Positions::<T>::get(venue, &operator)
                .filter(|position| Self::is_over(venue, position));
            if let Some(position) = over {
                Self::remove_position(venue, operator.clone(), position.role);
            }
        }
        Self::deposit_event(Event::Withdrawn { operator, amount });
        Ok(looked_at)
    }

    /// What stays of an account's chunks, what is free in each venue, and whether a slash that is
    /// pending keeps some of it back.
    fn free_chunks(
        operator: &AccountId,
        chunks: Chunks,
    ) -> (Chunks, BTreeMap<Venue, Balance>, bool) {
        let now = Self::now();
        // What is left in `Network` must suffice for the slashes that are pending.
        let needed = Self::pending_own(operator);
        let mut spare = if needed == 0 {
            Balance::MAX
        } else {
            Self::slashable(operator).saturating_sub(needed)
        };
        let (mut freed, mut kept_back) = (BTreeMap::<_, Balance>::new(), false);
        let mut left = chunks;
        for chunk in left.iter_mut() {
            if chunk.until > now && !T::Venues::ended(chunk.venue) {
                continue;
            }
            let mut part = chunk.amount;
            if chunk.venue == Venue::Network {
                part = part.min(spare);
                spare = spare.saturating_sub(part);
            }
            chunk.amount = chunk.amount.saturating_sub(part);
            kept_back |= chunk.amount > 0;
            let sum = freed.entry(chunk.venue).or_default();
            *sum = sum.saturating_add(part);
        }
        left.retain(|chunk| chunk.amount > 0);
        (left, freed, kept_back)
    }

    pub(crate) fn put_chunks(operator: &AccountId, chunks: Chunks) {
        if chunks.is_empty() {
            Unbonding::<T>::remove(operator);
        } else {
            Unbonding::<T>::insert(operator, chunks);
        }
    }

    pub(crate) fn do_set_commission(
        venue: Venue,
        operator: AccountId,
        commission: Perbill,
    ) -> DispatchResult {
        ensure!(
            commission <= Self::limits().commission_cap,
            Error::<T>::CommissionTooHigh
        );
        let mut position = Positions::<T>::get(venue, &operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(position.own > 0, Error::<T>::NoPosition);
        let now = Self::now();
        ensure!(
            position
                .pending_commission
                .is_none_or(|(_, from)| from <= now),
            Error::<T>::CommissionPending
        );

        let notice = <Self as Clock>::blocks(Time::<T>::get().commission_notice_minutes);
        let from = now.saturating_add(notice);
        position.commission = position.commission_at(now);
        position.pending_commission = Some((commission, from));
        Positions::<T>::insert(venue, &operator, position);
        Self::deposit_event(Event::CommissionAnnounced {
            venue,
            operator,
            commission,
            from,
        });
        Ok(())
    }

    pub(crate) fn do_reap(venue: Venue, operator: AccountId) -> DispatchResult {
        let position = Positions::<T>::get(venue, &operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(Self::is_over(venue, &position), Error::<T>::StillCounted);
        Self::remove_position(venue, operator, position.role);
        Ok(())
    }
}
