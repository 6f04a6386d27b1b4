//! What the calls do.

use crate::{types::*, *};
use alloc::{collections::BTreeSet, vec::Vec};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, TimeParameters, Venue,
    hash::{Domain, preimage},
    time,
    traits::Venues as _,
};
use frame_support::{
    ensure,
    traits::{
        Defensive, OnUnbalanced, ValidatorRegistration,
        fungible::hold::{Balanced as _, Mutate as _},
        tokens::{Imbalance as _, Precision},
    },
};
use sp_core::sr25519;
use sp_runtime::{
    ArithmeticError, DispatchError, DispatchResult, Perbill,
    traits::{SaturatedConversion, Verify},
};

/// A change made while no round is open counts in none: rounds that were, keep what they saw.
const NO_ROUND: Round = Round::MAX;

impl<T: Config> Pallet<T> {
    /// Lengths of slots, days and windows.
    pub fn time() -> TimeParameters {
        Time::<T>::get()
    }

    /// Least stakes, seats and caps.
    pub fn limits() -> StakeLimits {
        Limits::<T>::get()
    }

    /// An operator's position.
    pub fn position(venue: Venue, operator: &AccountId) -> Option<Position> {
        Positions::<T>::get(venue, operator)
    }

    /// All positions of a venue with stake, ordered by account.
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

    /// Writes a position whose stake has changed, with its snapshot and its seat.
    pub(crate) fn put(
        venue: Venue,
        operator: &AccountId,
        mut position: Position,
        had_seat: bool,
        counts_from: Round,
    ) {
        position.record(counts_from);
        let has_seat = position.own > 0;
        if had_seat != has_seat {
            SeatCount::<T>::mutate_exists(venue, position.role, |seats| {
                let taken = seats.unwrap_or(0);
                let now = if has_seat {
                    taken.saturating_add(1)
                } else {
                    taken.saturating_sub(1)
                };
                *seats = (now > 0).then_some(now);
            });
        }
        if Self::is_over(venue, &position) {
            Positions::<T>::remove(venue, operator);
            Self::deposit_event(Event::PositionRemoved {
                venue,
                operator: operator.clone(),
            });
        } else {
            Positions::<T>::insert(venue, operator, position);
        }
    }

    /// No stake, and none that a live round counts.
    fn is_over(venue: Venue, position: &Position) -> bool {
        if position.own > 0 || position.delegated > 0 {
            return false;
        }
        if T::Venues::ended(venue) {
            return true;
        }
        // The open round and the one before it are alive.
        T::Venues::current_round(venue)
            .and_then(|round| round.checked_sub(1))
            .is_some_and(|alive| !position.counts_since(alive))
    }

    pub(crate) fn do_stake(
        venue: Venue,
        operator: AccountId,
        role: Role,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        ensure!(
            !matches!((venue, role), (Venue::Network, Role::Trainer)),
            Error::<T>::RoleNotTaken
        );
        T::Venues::admits(venue, role, &operator).map_err(Error::<T>::from)?;
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        Self::seat(venue, operator, role, amount, round.saturating_add(1))
    }

    /// A first author: counts from session 0.
    pub(crate) fn seat_at_genesis(who: &AccountId, amount: Balance) -> DispatchResult {
        Self::seat(Venue::Network, who.clone(), Role::Validator, amount, 0)
    }

    fn seat(
        venue: Venue,
        operator: AccountId,
        role: Role,
        amount: Balance,
        counts_from: Round,
    ) -> DispatchResult {
        let limits = Limits::<T>::get();
        let mut position = Positions::<T>::get(venue, &operator)
            .unwrap_or_else(|| Position::new(role, Self::now()));
        ensure!(position.role == role, Error::<T>::OtherRole);
        let had_seat = position.own > 0;
        let own = position
            .own
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        ensure!(own >= limits.min_own(venue, role), Error::<T>::BelowMinimum);
        ensure!(
            had_seat || SeatCount::<T>::get(venue, role) < limits.seats(venue, role),
            Error::<T>::SeatsFull
        );

        T::Currency::hold(&HoldReason::Stake.into(), &operator, amount)?;
        if !had_seat {
            position.registered_at = Self::now();
        }
        position.own = own;
        Self::put(venue, &operator, position, had_seat, counts_from);
        Self::deposit_event(Event::Staked {
            venue,
            operator,
            role,
            amount,
            own,
        });
        Ok(())
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
        let limits = Limits::<T>::get();
        let ended = T::Venues::ended(venue);
        let mut looked_at = 0;
        if !ended {
            ensure!(
                !T::Venues::locks_own(venue, position.role),
                Error::<T>::LockedUntilEnd
            );
            ensure!(
                own == 0 || own >= limits.min_own(venue, position.role),
                Error::<T>::BelowMinimum
            );
            if venue == Venue::Network && own == 0 {
                looked_at = Self::ensure_authors_remain(&operator, &limits)?;
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
        Self::put(venue, &operator, position, true, Self::next_round(venue));
        Self::deposit_event(Event::Decreased {
            venue,
            operator,
            amount,
            own,
            until,
        });
        Ok(looked_at)
    }

    fn ensure_authors_remain(
        leaving: &AccountId,
        limits: &StakeLimits,
    ) -> Result<u32, DispatchError> {
        let (mut looked_at, mut remain, mut was) = (0u32, 0u32, false);
        for (who, position) in Positions::<T>::iter_prefix(Venue::Network) {
            looked_at = looked_at.saturating_add(1);
            if Self::is_candidate(&who, &position, limits, false) {
                if who == *leaving {
                    was = true;
                } else {
                    remain = remain.saturating_add(1);
                }
            }
        }
        // Who is no candidate takes none away.
        ensure!(
            !was || remain >= limits.min_authors,
            Error::<T>::TooFewAuthors
        );
        Ok(looked_at)
    }

    pub(crate) fn is_candidate(
        who: &AccountId,
        position: &Position,
        limits: &StakeLimits,
        genesis: bool,
    ) -> bool {
        position.own >= limits.min_own_author && (genesis || T::SessionKeys::is_registered(who))
    }

    /// Moves held stake into unbonding; returns until when.
    fn unbond(
        venue: Venue,
        operator: &AccountId,
        amount: Balance,
    ) -> Result<BlockNumber, DispatchError> {
        let time = Time::<T>::get();
        let until =
            Self::now().saturating_add(time::blocks(time.unbonding_minutes, time.blocks_per_day));
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

    pub(crate) fn do_withdraw(operator: AccountId) -> DispatchResult {
        let now = Self::now();
        let chunks = Unbonding::<T>::get(&operator);
        let mut left = Chunks::new();
        let mut venues = BTreeSet::new();
        let mut amount: Balance = 0;
        for chunk in chunks {
            if chunk.until <= now || T::Venues::ended(chunk.venue) {
                amount = amount
                    .checked_add(chunk.amount)
                    .ok_or(ArithmeticError::Overflow)?;
                venues.insert(chunk.venue);
            } else {
                left.try_push(chunk)
                    .map_err(|_| Error::<T>::TooManyChunks)?;
            }
        }
        ensure!(amount > 0, Error::<T>::NothingToWithdraw);

        T::Currency::release(
            &HoldReason::Unbonding.into(),
            &operator,
            amount,
            Precision::Exact,
        )?;
        Self::put_chunks(&operator, left);
        for venue in venues {
            let over = Positions::<T>::get(venue, &operator)
                .is_some_and(|position| Self::is_over(venue, &position));
            if over {
                Positions::<T>::remove(venue, &operator);
                Self::deposit_event(Event::PositionRemoved {
                    venue,
                    operator: operator.clone(),
                });
            }
        }
        Self::deposit_event(Event::Withdrawn { operator, amount });
        Ok(())
    }

    fn put_chunks(operator: &AccountId, chunks: Chunks) {
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
            commission <= Limits::<T>::get().commission_cap,
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

        let time = Time::<T>::get();
        let notice = time::blocks(time.commission_notice_minutes, time.blocks_per_day);
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

    pub(crate) fn do_set_service_key(
        operator: AccountId,
        key: AccountId,
        proof: sr25519::Signature,
    ) -> DispatchResult {
        ensure!(key != operator, Error::<T>::KeyIsOperator);
        ensure!(!OperatorOf::<T>::contains_key(&key), Error::<T>::KeyInUse);
        ensure!(
            !RetiredKeys::<T>::contains_key(&key),
            Error::<T>::KeyRetired
        );
        let public = sr25519::Public::from_raw(*AsRef::<[u8; 32]>::as_ref(&key));
        let message = preimage(Domain::ServiceKeyProof, &operator);
        ensure!(
            proof.verify(message.as_slice(), &public),
            Error::<T>::InvalidProof
        );

        // The key sends transactions without a balance, so its account must exist. The
        // reference stays when the key is dropped: its nonce must never start again.
        frame_system::Pallet::<T>::inc_sufficients(&key);
        if let Some(dropped) = ServiceKey::<T>::get(&operator) {
            Self::retire(&dropped);
        }
        ServiceKey::<T>::insert(&operator, &key);
        OperatorOf::<T>::insert(&key, &operator);
        Self::deposit_event(Event::ServiceKeySet { operator, key });
        Ok(())
    }

    pub(crate) fn do_clear_service_key(operator: AccountId) -> DispatchResult {
        let key = ServiceKey::<T>::take(&operator).ok_or(Error::<T>::NoServiceKey)?;
        Self::retire(&key);
        Self::deposit_event(Event::ServiceKeyCleared { operator, key });
        Ok(())
    }

    fn retire(key: &AccountId) {
        OperatorOf::<T>::remove(key);
        RetiredKeys::<T>::insert(key, ());
    }

    pub(crate) fn do_reap(venue: Venue, operator: AccountId) -> DispatchResult {
        let position = Positions::<T>::get(venue, &operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(Self::is_over(venue, &position), Error::<T>::StillCounted);
        Positions::<T>::remove(venue, &operator);
        Self::deposit_event(Event::PositionRemoved { venue, operator });
        Ok(())
    }

    /// Takes up to `amount` of own stake: what works first, then what unbonds, latest first.
    pub(crate) fn do_slash_own(venue: Venue, operator: &AccountId, amount: Balance) -> Balance {
        let position = Positions::<T>::get(venue, operator);
        let from_stake = amount.min(position.as_ref().map_or(0, |p| p.own));
        let chunks = Unbonding::<T>::get(operator);
        let (left, from_chunks) =
            Self::take_of_chunks(chunks, venue, amount.saturating_sub(from_stake));
        let taken = from_stake.saturating_add(from_chunks);
        if taken == 0 {
            return 0;
        }

        let (mut credit, short) =
            T::Currency::slash(&HoldReason::Stake.into(), operator, from_stake);
        let (more, more_short) =
            T::Currency::slash(&HoldReason::Unbonding.into(), operator, from_chunks);
        if short > 0 || more_short > 0 {
            // The books say it is held, so this can't be; what there was is taken.
            log::error!(target: LOG, "{short} and {more_short} less on hold than booked");
        }
        credit.subsume(more);
        if let Some(mut position) = position.filter(|_| from_stake > 0) {
            position.own = position.own.saturating_sub(from_stake);
            Self::put(venue, operator, position, true, Self::next_round(venue));
        }
        if from_chunks > 0 {
            Self::put_chunks(operator, left);
        }
        T::Slashed::on_unbalanced(credit);
        Self::deposit_event(Event::Slashed {
            venue,
            operator: operator.clone(),
            amount: taken,
        });
        taken
    }

    fn take_of_chunks(chunks: Chunks, venue: Venue, amount: Balance) -> (Chunks, Balance) {
        let mut rest = amount;
        let mut left = Vec::with_capacity(chunks.len());
        for mut chunk in chunks.into_iter().rev() {
            if chunk.venue == venue {
                let part = rest.min(chunk.amount);
                rest = rest.saturating_sub(part);
                chunk.amount = chunk.amount.saturating_sub(part);
            }
            if chunk.amount > 0 {
                left.push(chunk);
            }
        }
        left.reverse();
        let left = Chunks::try_from(left).defensive_unwrap_or_default();
        (left, amount.saturating_sub(rest))
    }
}
