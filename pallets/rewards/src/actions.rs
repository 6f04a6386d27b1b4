//! Minting, booking and paying.

use crate::*;
use arena_math::{
    accumulator::{self, Accumulator},
    shares::delegation_split,
    wide::mul_div,
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, TaskId, Venue,
    time::MINUTES_PER_DAY,
    traits::{
        Clock as _, Counted, DelegatorRewards as _, Due, PayoutState, Stakes as _, Venues as _,
    },
};
use frame_support::{
    ensure,
    traits::{
        Get, OnUnbalanced,
        fungible::{Balanced as _, Mutate as _},
        tokens::{Fortitude, Precision, Preservation},
    },
};
use sp_runtime::{
    ArithmeticError, DispatchError, DispatchResult,
    traits::{AccountIdConversion, SaturatedConversion},
};

fn sum(a: u128, b: u128) -> Result<u128, ArithmeticError> {
    a.checked_add(b).ok_or(ArithmeticError::Overflow)
}

impl<T: Config> Pallet<T> {
    /// Holds what is owed, bounties, dust and one existential deposit.
    pub fn account() -> AccountId {
        T::PalletId::get().into_account_truncating()
    }

    /// Sums since genesis.
    pub fn totals() -> Books {
        Totals::<T>::get()
    }

    /// What a position has earned.
    pub fn earned(venue: Venue, operator: &AccountId) -> Earnings {
        Earned::<T>::get(venue, operator)
    }

    /// What is left of a task's bounty.
    pub fn bounty(task: TaskId) -> Balance {
        Tasks::<T>::get(task).map_or(0, |t| t.bounty)
    }

    /// What a task would draw from emission now.
    pub fn drawable(task: TaskId) -> Balance {
        let flow = Self::advanced();
        Tasks::<T>::get(task).map_or(0, |t| Self::capped(&Self::accrued(t, &flow)))
    }

    /// Authors' and tasks' part of `blocks` of emission, rounded down.
    pub fn emission(blocks: BlockNumber) -> (Balance, Balance) {
        let rate = Rate::<T>::get();
        let day = Balance::from(T::Clock::blocks(MINUTES_PER_DAY));
        // A day of no blocks has no emission.
        let part = |per_day| mul_div(per_day, Balance::from(blocks), day).unwrap_or(0);
        (part(rate.authors_per_day()), part(rate.tasks_per_day()))
    }

    fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// The flow of emission up to now. Time in which no stake draws lapses, and so would what
    /// doesn't fit the accumulator.
    pub(crate) fn advanced() -> EmissionFlow {
        let flow = Flow::<T>::get();
        let now = Self::now();
        let (_, emitted) = Self::emission(now.saturating_sub(flow.moved_at));
        let acc = Accumulator {
            acc_q64: flow.acc,
            carry: 0,
        }
        .push(emitted, flow.counted)
        .map_or(flow.acc, |moved| moved.acc_q64);
        EmissionFlow {
            acc,
            moved_at: now,
            ..flow
        }
    }

    /// A task with what it could draw up to now.
    pub(crate) fn accrued(task: TaskEmission, flow: &EmissionFlow) -> TaskEmission {
        let more = accumulator::owed(task.counted, flow.acc, task.acc).unwrap_or(0);
        TaskEmission {
            acc: flow.acc,
            pending: task.pending.saturating_add(more),
            ..task
        }
    }

    fn capped(task: &TaskEmission) -> Balance {
        let (_, emitted) = Self::emission(Self::now().saturating_sub(task.since));
        task.pending.min(task.max_share.mul_floor(emitted))
    }

    pub(crate) fn do_set_counted(id: TaskId, counted: Balance) {
        let Some(task) = Tasks::<T>::get(id) else {
            return;
        };
        let mut flow = Self::advanced();
        let task = Self::accrued(task, &flow);
        flow.counted = flow
            .counted
            .saturating_sub(task.counted)
            .saturating_add(counted);
        // Nothing could be drawn before anybody counted, so that it gives no room below the
        // task's largest share either.
        let idle = task.counted == 0 && task.pending == 0;
        let since = if idle { flow.moved_at } else { task.since };
        Flow::<T>::put(flow);
        Tasks::<T>::insert(
            id,
            TaskEmission {
                counted,
                since,
                ..task
            },
        );
    }

    pub(crate) fn do_due(id: TaskId, rounds_left: u32) -> Due {
        let Some(task) = Tasks::<T>::get(id) else {
            return Due::default();
        };
        let flow = Self::advanced();
        let mut task = Self::accrued(task, &flow);
        let due = Due {
            emission: Self::capped(&task),
            bounty: task
                .bounty
                .checked_div(Balance::from(rounds_left))
                .unwrap_or(task.bounty),
        };
        task.pending = 0;
        task.since = Self::now();
        Flow::<T>::put(flow);
        Tasks::<T>::insert(id, task);
        due
    }

    pub(crate) fn do_draw(id: TaskId, due: Due) -> Balance {
        let minted = Self::mint(due.emission);
        let bounty = Tasks::<T>::mutate(id, |task| {
            task.as_mut().map_or(0, |task| {
                let bounty = due.bounty.min(task.bounty);
                task.bounty = task.bounty.saturating_sub(bounty);
                bounty
            })
        });
        let drawn = minted.saturating_add(bounty);
        Totals::<T>::mutate(|totals| {
            totals.minted = totals.minted.saturating_add(minted);
            totals.bounties = totals.bounties.saturating_add(bounty);
            totals.in_flight = totals.in_flight.saturating_add(drawn);
        });
        Self::deposit_event(Event::Drawn {
            task: id,
            minted,
            bounty,
        });
        drawn
    }

    /// Mints into the reward account; nothing where issuance would overflow.
    fn mint(amount: Balance) -> Balance {
        if amount == 0 {
            return 0;
        }
        T::Currency::mint_into(&Self::account(), amount).unwrap_or_else(|reason| {
            log::error!(target: LOG, "{amount} could not be minted: {reason:?}");
            0
        })
    }

    pub(crate) fn do_pay(
        task: TaskId,
        round: Round,
        counted: &Counted,
        amount: Balance,
    ) -> DispatchResult {
        let venue = Venue::Task(task);
        let mut totals = Totals::<T>::get();
        totals.in_flight = totals
            .in_flight
            .checked_sub(amount)
            .ok_or(Error::<T>::NotDrawn)?;
        if amount == 0 {
            return Ok(());
        }
        if Forfeited::<T>::contains_key(venue, &counted.operator) {
            // It earned, and loses it at once.
            Self::burn(amount)?;
            totals.rewards = sum(totals.rewards, amount)?;
            totals.burned = sum(totals.burned, amount)?;
            Totals::<T>::put(totals);
            let operator = counted.operator.clone();
            Self::deposit_event(Event::Forfeited {
                task,
                operator,
                burned: amount,
                paid: 0,
            });
            return Ok(());
        }
        let dust = Self::book(venue, round, counted, amount)?;
        totals.rewards = sum(totals.rewards, amount.saturating_sub(dust))?;
        totals.dust = sum(totals.dust, dust)?;
        Totals::<T>::put(totals);
        Ok(())
    }

    /// Owes `amount` to a position; returns what of it division leaves over.
    fn book(
        venue: Venue,
        round: Round,
        counted: &Counted,
        amount: Balance,
    ) -> Result<Balance, DispatchError> {
        let (operator, stake) = (&counted.operator, counted.stake);
        let commission = counted.commission.deconstruct();
        let split = delegation_split(amount, stake.own, stake.delegated, commission)
            .ok_or(ArithmeticError::Overflow)?;
        let mut earned = Earned::<T>::get(venue, operator);
        earned.frees = match (venue, counted.role) {
            (Venue::Network, _) => Frees::AtOnce,
            (Venue::Task(_), Role::Validator) => Frees::LaterRounds,
            (Venue::Task(_), Role::Trainer) => Frees::AtEnd,
        };
        if earned.frees == Frees::LaterRounds {
            earned.note_recent(round, split.operator);
        }
        let mut dust = 0;
        if split.delegators > 0 {
            let moved = Accumulator {
                acc_q64: earned.acc,
                carry: 0,
            }
            .push(split.delegators, stake.shares)
            .ok_or(ArithmeticError::Overflow)?;
            // Whole units of what nobody can ever claim. Fractions of one stay owed, so that
            // what delegators can claim together never exceeds it.
            dust = moved.carry >> 64;
            earned.acc = moved.acc_q64;
            earned.acc_round = round;
        }
        let to_delegators = split.delegators.saturating_sub(dust);
        earned.operator_owed = sum(earned.operator_owed, split.operator)?;
        earned.delegators_owed = sum(earned.delegators_owed, to_delegators)?;

        if split.delegators > 0 {
            AccAt::<T>::insert((venue, operator, round), earned.acc);
        }
        Earned::<T>::insert(venue, operator, earned);
        Self::deposit_event(Event::Earned {
            venue,
            round,
            operator: operator.clone(),
            to_operator: split.operator,
            to_delegators,
        });
        Ok(dust)
    }

    /// Mints the pay of the author of this block. Without a position it is not minted.
    pub(crate) fn do_pay_author(author: &AccountId) -> DispatchResult {
        let Some(round) = T::Venues::current_round(Venue::Network) else {
            return Ok(());
        };
        let Some(counted) = T::Stakes::counted(Venue::Network, author, round) else {
            return Ok(());
        };
        let (amount, _) = Self::emission(1);
        let minted = Self::mint(amount);
        if minted == 0 {
            return Ok(());
        }
        let dust = Self::book(Venue::Network, round, &counted, minted)?;
        let mut totals = Totals::<T>::get();
        totals.minted = sum(totals.minted, minted)?;
        totals.authors = sum(totals.authors, minted.saturating_sub(dust))?;
        totals.dust = sum(totals.dust, dust)?;
        Totals::<T>::put(totals);
        Ok(())
    }

    pub(crate) fn do_to_treasury(amount: Balance) {
        let mut totals = Totals::<T>::get();
        if amount > totals.in_flight {
            log::error!(target: LOG, "{amount} to the treasury of {} drawn", totals.in_flight);
        }
        let amount = amount.min(totals.in_flight);
        if amount == 0 || !Self::send_to_treasury(amount) {
            return;
        }
        totals.in_flight = totals.in_flight.saturating_sub(amount);
        totals.treasury = totals.treasury.saturating_add(amount);
        Totals::<T>::put(totals);
        Self::deposit_event(Event::SentToTreasury { amount });
    }

    /// Out of the reward account; false, with nothing moved, where it lacks the money.
    fn send_to_treasury(amount: Balance) -> bool {
        let withdrawn = T::Currency::withdraw(
            &Self::account(),
            amount,
            Precision::Exact,
            Preservation::Preserve,
            Fortitude::Polite,
        );
        match withdrawn {
            Ok(credit) => {
                T::Treasury::on_unbalanced(credit);
                true
            }
            Err(reason) => {
                log::error!(target: LOG, "{amount} for the treasury is not there: {reason:?}");
                false
            }
        }
    }

    pub(crate) fn burn(amount: Balance) -> DispatchResult {
        T::Currency::burn_from(
            &Self::account(),
            amount,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Force,
        )?;
        Ok(())
    }

    pub(crate) fn send(who: &AccountId, amount: Balance) -> DispatchResult {
        T::Currency::transfer(&Self::account(), who, amount, Preservation::Preserve)?;
        Ok(())
    }

    pub(crate) fn do_top_up(id: TaskId, who: &AccountId, amount: Balance) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::UnknownTask)?;
        task.bounty = sum(task.bounty, amount)?;
        T::Currency::transfer(who, &Self::account(), amount, Preservation::Preserve)?;
        Tasks::<T>::insert(id, task);
        Self::deposit_event(Event::ToppedUp {
            task: id,
            who: who.clone(),
            amount,
        });
        Ok(())
    }

    pub(crate) fn do_release(id: TaskId, creator: &AccountId) {
        Self::do_set_counted(id, 0);
        Released::<T>::insert(Venue::Task(id), ());
        let bounty = Tasks::<T>::take(id).map_or(0, |task| task.bounty);
        let mut returned = 0;
        if bounty > 0 {
            match Self::send(creator, bounty) {
                Ok(()) => returned = bounty,
                // An account that can't take it, because it was emptied.
                Err(reason) => {
                    log::warn!(target: LOG, "bounty of task {id} to the treasury: {reason:?}");
                    Self::send_to_treasury(bounty);
                }
            }
        }
        Self::deposit_event(Event::Released {
            task: id,
            creator: creator.clone(),
            returned,
        });
    }

    pub(crate) fn do_note_burned(amount: Balance) {
        Totals::<T>::mutate(|totals| totals.burned = totals.burned.saturating_add(amount));
    }

    fn ensure_free(venue: Venue, operator: &AccountId) -> DispatchResult {
        match Self::state(venue, operator) {
            PayoutState::Locked => Err(Error::<T>::RewardsLocked.into()),
            PayoutState::Forfeited => Err(Error::<T>::RewardsForfeited.into()),
            PayoutState::Free | PayoutState::FreeTo(_) => Ok(()),
        }
    }

    /// What of an operator's part can be claimed now.
    pub fn operator_free(venue: Venue, operator: &AccountId) -> Balance {
        let earned = Earned::<T>::get(venue, operator);
        match Self::state(venue, operator) {
            PayoutState::Locked | PayoutState::Forfeited => 0,
            PayoutState::Free => earned.operator_owed,
            PayoutState::FreeTo(_) => {
                let locked = earned.operator_locked(T::Venues::last_settled(venue));
                earned.operator_owed.saturating_sub(locked)
            }
        }
    }

    pub(crate) fn do_claim(venue: Venue, operator: AccountId) -> DispatchResult {
        Self::ensure_free(venue, &operator)?;
        let amount = Self::operator_free(venue, &operator);
        let mut earned = Earned::<T>::get(venue, &operator);
        if amount == 0 {
            let locked = earned.operator_owed > 0;
            return Err(if locked {
                Error::<T>::RewardsLocked.into()
            } else {
                Error::<T>::NothingToClaim.into()
            });
        }
        earned.operator_owed = earned.operator_owed.saturating_sub(amount);
        Self::send(&operator, amount)?;
        Self::put(venue, &operator, earned);
        Self::deposit_event(Event::Claimed {
            venue,
            operator,
            amount,
        });
        Ok(())
    }

    pub(crate) fn do_pay_delegator(
        venue: Venue,
        operator: &AccountId,
        who: &AccountId,
        amount: Balance,
    ) -> DispatchResult {
        Self::ensure_free(venue, operator)?;
        let mut earned = Earned::<T>::get(venue, operator);
        earned.delegators_owed = earned
            .delegators_owed
            .checked_sub(amount)
            .ok_or(Error::<T>::NotOwed)?;
        Self::send(who, amount)?;
        Self::put(venue, operator, earned);
        Ok(())
    }

    /// Of a task that ended, a row goes with the last that it owes. In `Network` it stays: its
    /// accumulator moves on.
    fn put(venue: Venue, operator: &AccountId, earned: Earnings) {
        let paid = earned.operator_owed == 0 && earned.delegators_owed == 0;
        // A round that is still being settled may yet pay it.
        if paid && Released::<T>::contains_key(venue) && T::Venues::ended(venue) {
            Earned::<T>::remove(venue, operator);
        } else {
            Earned::<T>::insert(venue, operator, earned);
        }
    }
}
