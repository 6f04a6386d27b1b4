//! What rewards is to its neighbours: where tasks draw, where delegators are paid from, and
//! where authors, fees and slashes go.

use crate::*;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Round, TaskId, Venue,
    traits::{
        Burned, Cases as _, Counted, DelegatorRewards, Due, PayoutState, Taken, TaskRewards,
        Venues as _,
    },
};
use core::marker::PhantomData;
use frame_support::{
    dispatch::DispatchClass,
    traits::{
        Imbalance, OnUnbalanced,
        fungible::{Balanced as _, Credit},
    },
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{DispatchResult, Perbill};

/// What of a fee goes to the author of its block; the rest goes to the treasury.
pub const AUTHORS_PART_OF_FEES: Perbill = Perbill::from_percent(20);

impl<T: Config> TaskRewards for Pallet<T> {
    fn open(task: TaskId, max_share: Perbill) {
        let flow = Self::advanced();
        let fresh = TaskEmission {
            max_share,
            counted: 0,
            acc: flow.acc,
            pending: 0,
            since: flow.moved_at,
            bounty: 0,
        };
        Tasks::<T>::mutate(task, |row| row.get_or_insert(fresh).max_share = max_share);
    }

    fn largest_draw(max_share: Perbill, blocks: BlockNumber) -> Balance {
        let (_, emitted) = Self::emission(blocks);
        max_share.mul_ceil(emitted)
    }

    fn set_counted(task: TaskId, counted: Balance) {
        Self::do_set_counted(task, counted);
    }

    fn due(task: TaskId, rounds_left: u32) -> Due {
        Self::do_due(task, rounds_left)
    }

    fn draw(task: TaskId, due: Due) -> Balance {
        Self::do_draw(task, due)
    }

    fn lapse(task: TaskId) {
        Self::deposit_event(Event::Lapsed { task });
    }

    fn pay(task: TaskId, round: Round, counted: &Counted, amount: Balance) -> DispatchResult {
        Self::do_pay(task, round, counted, amount)
    }

    fn to_treasury(amount: Balance) {
        Self::do_to_treasury(amount);
    }

    fn top_up(task: TaskId, who: &AccountId, amount: Balance) -> DispatchResult {
        Self::do_top_up(task, who, amount)
    }

    fn release(task: TaskId, creator: &AccountId) {
        Self::do_release(task, creator);
    }

    fn locked(task: TaskId, operator: &AccountId) -> Balance {
        Earned::<T>::get(Venue::Task(task), operator).owed()
    }

    fn forfeit(task: TaskId, operator: &AccountId, payees: &[(AccountId, Balance)]) -> Taken {
        Self::do_forfeit(task, operator, payees)
    }
}

impl<T: Config> DelegatorRewards for Pallet<T> {
    fn current(venue: Venue, operator: &AccountId) -> u128 {
        Earned::<T>::get(venue, operator).acc
    }

    fn at(venue: Venue, operator: &AccountId, round: Round) -> Option<u128> {
        AccAt::<T>::get((venue, operator, round))
    }

    fn state(venue: Venue, operator: &AccountId) -> PayoutState {
        if Forfeited::<T>::contains_key(venue, operator) {
            return PayoutState::Forfeited;
        }
        // What was free before the case was opened, too: a conviction takes all of it.
        if let Venue::Task(task) = venue
            && T::Cases::is_accused(task, operator)
        {
            return PayoutState::Locked;
        }
        if venue == Venue::Network || Released::<T>::contains_key(venue) {
            return PayoutState::Free;
        }
        let earned = Earned::<T>::get(venue, operator);
        match earned.frees {
            Frees::AtEnd => PayoutState::Locked,
            Frees::LaterRounds => {
                PayoutState::FreeTo(earned.free_acc(T::Venues::last_settled(venue)))
            }
            Frees::AtOnce => PayoutState::Free,
        }
    }

    fn pay(venue: Venue, operator: &AccountId, who: &AccountId, amount: Balance) -> DispatchResult {
        Self::do_pay_delegator(venue, operator, who, amount)
    }
}

impl<T: Config> pallet_authorship::EventHandler<AccountId, BlockNumberFor<T>> for Pallet<T> {
    fn note_author(author: AccountId) {
        // Authorship weighs nothing by itself.
        frame_system::Pallet::<T>::register_extra_weight_unchecked(
            T::WeightInfo::note_author(),
            DispatchClass::Mandatory,
        );
        let paid = frame_support::storage::with_storage_layer(|| Self::do_pay_author(&author));
        if let Err(reason) = paid {
            log::error!(target: LOG, "author {author:?} was not paid: {reason:?}");
        }
    }
}

impl<T: Config> Burned for Pallet<T> {
    fn note(amount: Balance) {
        Self::do_note_burned(amount);
    }
}

/// Burns what was slashed and notes it in the books.
pub struct BurnSlashed<T>(PhantomData<T>);

impl<T: Config> OnUnbalanced<Credit<AccountId, T::Currency>> for BurnSlashed<T> {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, T::Currency>) {
        Pallet::<T>::note(credit.peek());
        // Dropping a credit lowers issuance: that is the burning.
        drop(credit);
    }
}

/// Fees and tips: 20 % to the author of the block, the rest to the treasury.
pub struct DealWithFees<T>(PhantomData<T>);

impl<T: Config + pallet_authorship::Config> OnUnbalanced<Credit<AccountId, T::Currency>>
    for DealWithFees<T>
{
    fn on_nonzero_unbalanced(credit: Credit<AccountId, T::Currency>) {
        let part = AUTHORS_PART_OF_FEES.mul_floor(credit.peek());
        let (to_author, mut to_treasury) = credit.split(part);
        let left = match pallet_authorship::Pallet::<T>::author() {
            // What the author's account can't take is not lost.
            Some(author) => T::Currency::resolve(&author, to_author).err(),
            None => Some(to_author),
        };
        if let Some(left) = left {
            to_treasury.subsume(left);
        }
        T::Treasury::on_unbalanced(to_treasury);
    }
}
