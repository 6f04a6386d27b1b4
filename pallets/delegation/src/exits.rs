//! Stake that leaves: into a pool, out of it, and what a slash takes meanwhile.

use crate::{types::*, *};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Round, Venue,
    traits::{Clock as _, Venues as _},
};
use frame_support::{
    ensure,
    traits::{fungible::hold::Mutate as _, tokens::Precision},
};
use sp_runtime::{
    ArithmeticError, DispatchError, DispatchResult, Perbill, traits::SaturatedConversion,
};

impl<T: Config> Pallet<T> {
    fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Holds `amount` as unbonding, as part of what leaves the position in this round. Returns
    /// the block from which it can be withdrawn.
    pub(crate) fn unbond(
        venue: Venue,
        operator: &AccountId,
        who: &AccountId,
        amount: Balance,
    ) -> Result<BlockNumber, DispatchError> {
        let until = Self::now().saturating_add(T::Clock::unbonding());
        let pool = Self::enter(venue, operator, amount, until)?;
        Unbonding::<T>::try_mutate(who, |chunks| -> DispatchResult {
            let same = |chunk: &&mut UnbondingChunk| chunk.pool == pool && chunk.until == until;
            match chunks.iter_mut().find(same) {
                Some(chunk) => {
                    chunk.points = chunk
                        .points
                        .checked_add(amount)
                        .ok_or(ArithmeticError::Overflow)?;
                }
                None => chunks
                    .try_push(UnbondingChunk {
                        pool,
                        points: amount,
                        until,
                    })
                    .map_err(|_| Error::<T>::TooManyChunks)?,
            }
            T::Currency::hold(&HoldReason::Unbonding.into(), who, amount)
        })?;
        Ok(until)
    }

    /// Adds `amount` to the pool of the open round, and makes one where there is none or a slash
    /// has closed it.
    fn enter(
        venue: Venue,
        operator: &AccountId,
        amount: Balance,
        until: BlockNumber,
    ) -> Result<PoolId, DispatchError> {
        let now = Self::now();
        let round = T::Venues::current_round(venue).unwrap_or(Round::MAX);
        let mut exits = LiveExits::<T>::get((venue, operator));
        exits.retain(|exit| exit.until > now);
        let newest = exits.iter_mut().rev().find(|exit| exit.round == round);
        let open = newest.and_then(|exit| {
            let pool = ExitPools::<T>::get(exit.pool)?;
            pool.is_whole().then_some((exit, pool))
        });
        let (id, mut pool) = if let Some((exit, pool)) = open {
            exit.until = exit.until.max(until);
            (exit.pool, pool)
        } else {
            let id = NextPool::<T>::get();
            NextPool::<T>::put(id.checked_add(1).ok_or(ArithmeticError::Overflow)?);
            exits
                .try_push(Exit {
                    pool: id,
                    round,
                    until,
                })
                .map_err(|_| Error::<T>::TooManyExits)?;
            (id, ExitPool::new(venue, operator.clone(), round))
        };
        pool.points = pool
            .points
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        pool.amount = pool.points;
        ExitPools::<T>::insert(id, pool);
        LiveExits::<T>::insert((venue, operator), exits);
        Ok(id)
    }

    /// Frees what has unbonded, and all that left venues which have ended since. Returns how many
    /// chunks it looked at.
    pub(crate) fn do_withdraw(who: AccountId) -> Result<u32, DispatchError> {
        let now = Self::now();
        let mut looked_at: u32 = 0;
        let mut points: Balance = 0;
        let mut amount: Balance = 0;
        let mut waiting = Chunks::default();
        for chunk in Unbonding::<T>::get(&who) {
            looked_at = looked_at.saturating_add(1);
            let mut pool = ExitPools::<T>::get(chunk.pool).ok_or(DispatchError::Corruption)?;
            if chunk.until > now && !T::Venues::ended(pool.venue) {
                waiting
                    .try_push(chunk)
                    .map_err(|_| DispatchError::Corruption)?;
                continue;
            }
            let worth = pool.leave(chunk.points).ok_or(DispatchError::Corruption)?;
            points = points.saturating_add(chunk.points);
            amount = amount.saturating_add(worth);
            Self::put_pool(chunk.pool, pool);
        }
        ensure!(points > 0, Error::<T>::NothingToWithdraw);

        let reason = HoldReason::Unbonding;
        let slashed = points
            .checked_sub(amount)
            .ok_or(DispatchError::Corruption)?;
        Self::slash_hold(reason, &who, slashed)?;
        T::Currency::release(&reason.into(), &who, amount, Precision::Exact)?;
        if waiting.is_empty() {
            Unbonding::<T>::remove(&who);
        } else {
            Unbonding::<T>::insert(&who, waiting);
        }
        Self::deposit_event(Event::Withdrawn {
            who,
            amount,
            slashed,
        });
        Ok(looked_at)
    }

    /// Writes a pool, or removes it with its last point, also from those that can be slashed.
    fn put_pool(id: PoolId, pool: ExitPool) {
        if pool.points > 0 {
            ExitPools::<T>::insert(id, pool);
            return;
        }
        ExitPools::<T>::remove(id);
        LiveExits::<T>::mutate_exists((pool.venue, pool.operator), |row| {
            if let Some(exits) = row {
                exits.retain(|exit| exit.pool != id);
                if exits.is_empty() {
                    *row = None;
                }
            }
        });
    }

    /// Takes `fraction` of each pool of round `since` or later that has not unbonded, rounded
    /// down. At most [`MAX_EXITS`] pools.
    pub(crate) fn do_slash_leaving(
        venue: Venue,
        operator: &AccountId,
        since: Round,
        fraction: Perbill,
    ) -> Balance {
        let now = Self::now();
        let mut taken: Balance = 0;
        for exit in LiveExits::<T>::get((venue, operator)) {
            if exit.round < since || exit.until <= now {
                continue;
            }
            ExitPools::<T>::mutate(exit.pool, |pool| {
                if let Some(pool) = pool {
                    let cut = fraction.mul_floor(pool.amount);
                    pool.amount = pool.amount.saturating_sub(cut);
                    taken = taken.saturating_add(cut);
                }
            });
        }
        if taken > 0 {
            Self::deposit_event(Event::LeavingSlashed {
                venue,
                operator: operator.clone(),
                since,
                amount: taken,
            });
        }
        taken
    }
}
