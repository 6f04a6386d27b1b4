//! What a position has earned, as the runtime knows it, and what of it is an account's.

use crate::{types::*, *};
use arena_primitives::{
    AccountId, Balance, Round, Venue,
    traits::{DelegatorRewards as _, PayoutState, Venues as _},
};

/// One position's accumulator.
pub(crate) struct Rewards<'a, T> {
    venue: Venue,
    operator: &'a AccountId,
    settled: Option<Round>,
    ended: bool,
    current: u128,
    config: core::marker::PhantomData<T>,
}

impl<'a, T: Config> Rewards<'a, T> {
    pub(crate) fn of(venue: Venue, operator: &'a AccountId) -> Self {
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
    fn current(&self) -> u128 {
        self.current
    }

    fn at(&self, round: Round) -> Option<u128> {
        T::Rewards::at(self.venue, self.operator, round)
    }

    fn settled(&self) -> Option<Round> {
        self.settled
    }

    fn ended(&self) -> bool {
        self.ended
    }
}

impl<T: Config> Pallet<T> {
    /// What `who` has earned in a position and not claimed, whether it can be claimed or not.
    pub fn claimable(venue: Venue, operator: &AccountId, who: &AccountId) -> Balance {
        Self::earned(venue, operator, who, NO_LIMIT)
    }

    /// What of [`Self::claimable`] a claim would pay now; the rest is locked, or forfeited.
    pub fn free(venue: Venue, operator: &AccountId, who: &AccountId) -> Balance {
        match T::Rewards::state(venue, operator) {
            PayoutState::Locked | PayoutState::Forfeited => 0,
            PayoutState::Free => Self::earned(venue, operator, who, NO_LIMIT),
            PayoutState::FreeTo(limit) => Self::earned(venue, operator, who, limit),
        }
    }

    fn earned(venue: Venue, operator: &AccountId, who: &AccountId, limit: u128) -> Balance {
        Self::delegation(venue, operator, who).map_or(0, |delegation| {
            let rewards = Rewards::<T>::of(venue, operator);
            delegation.settle(&rewards, limit).0
        })
    }

    /// What is made now, the open round decides; `None` where none is open.
    pub(crate) fn mark(venue: Venue, operator: &AccountId) -> Option<Mark> {
        let round = T::Venues::current_round(venue)?;
        Some(Mark::After {
            round,
            seen: T::Rewards::current(venue, operator),
        })
    }
}
