//! What staking is to its neighbours: the clock, positions, service keys, delegated totals, and
//! the session's manager.

use crate::{types::*, *};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, Venue,
    time::{self, Windows},
    traits::{Clock, Counted, DelegatedStake, ServiceKeys, Stakes, Venues as _},
};
use core::cmp::Reverse;
use frame_support::{ensure, weights::Weight};
use sp_runtime::{ArithmeticError, DispatchResult, Perbill};
use sp_staking::{
    SessionIndex,
    offence::{OffenceDetails, OnOffenceHandler},
};

impl<T: Config> Clock for Pallet<T> {
    fn blocks(minutes: u32) -> BlockNumber {
        time::blocks(minutes, Time::<T>::get().blocks_per_day)
    }

    fn windows() -> Windows {
        Time::<T>::get().windows
    }
}

fn counted<T: Config>(operator: AccountId, position: &Position, round: Round) -> Option<Counted> {
    let stake = position.snapshot_at(round).filter(|stake| stake.own > 0)?;
    let commission = position.commission_at(Pallet::<T>::now());
    Some(Counted {
        operator,
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
        let mut all: Vec<_> = Positions::<T>::iter_prefix(venue)
            .filter(|(_, position)| position.role == role)
            .filter_map(|(who, position)| counted::<T>(who, &position, round))
            .collect();
        all.sort_by(|a, b| a.operator.cmp(&b.operator));
        all
    }

    fn slash_own(venue: Venue, who: &AccountId, amount: Balance) -> Balance {
        Self::do_slash_own(venue, who, amount)
    }
}

impl<T: Config> ServiceKeys for Pallet<T> {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        OperatorOf::<T>::get(key)
    }

    fn key_of(operator: &AccountId) -> Option<AccountId> {
        ServiceKey::<T>::get(operator)
    }
}

impl<T: Config> DelegatedStake for Pallet<T> {
    fn add(venue: Venue, operator: &AccountId, amount: Balance) -> DispatchResult {
        let mut position = Positions::<T>::get(venue, operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(position.own > 0, Error::<T>::NoPosition);
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        position.delegated = position
            .delegated
            .checked_add(amount)
            .ok_or(ArithmeticError::Overflow)?;
        Self::put(venue, operator, position, true, round.saturating_add(1));
        Ok(())
    }

    fn remove(venue: Venue, operator: &AccountId, amount: Balance) -> DispatchResult {
        let mut position = Positions::<T>::get(venue, operator).ok_or(Error::<T>::NoPosition)?;
        position.delegated = position
            .delegated
            .checked_sub(amount)
            .ok_or(Error::<T>::InsufficientStake)?;
        let had_seat = position.own > 0;
        Self::put(venue, operator, position, had_seat, Self::next_round(venue));
        Ok(())
    }

    fn total(venue: Venue, operator: &AccountId) -> Balance {
        Positions::<T>::get(venue, operator).map_or(0, |position| position.delegated)
    }
}

impl<T: Config> Pallet<T> {
    /// The authors of the session that is planned: largest stake first, the earlier registration
    /// on a tie. `None` leaves the set as it is.
    pub fn elect(genesis: bool) -> Option<Vec<AccountId>> {
        let limits = Limits::<T>::get();
        let mut candidates: Vec<_> = Positions::<T>::iter_prefix(Venue::Network)
            .filter(|(who, position)| Self::is_candidate(who, position, &limits, genesis))
            .map(|(who, position)| {
                let stake = position.now().counted(limits.max_leverage);
                (Reverse(stake), position.registered_at, who)
            })
            .collect();
        let found = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        if found == 0 || found < limits.min_authors {
            log::warn!(
                target: LOG,
                "{found} candidates for {} authors at least: the set stays", limits.min_authors
            );
            return None;
        }
        candidates.sort();
        candidates.truncate(usize::try_from(limits.seats_authors).unwrap_or(usize::MAX));
        Some(candidates.into_iter().map(|(_, _, who)| who).collect())
    }
}

impl<T: Config> pallet_session::SessionManager<AccountId> for Pallet<T> {
    fn new_session(_: SessionIndex) -> Option<Vec<AccountId>> {
        Self::elect(false)
    }

    // Session keys of genesis are set after the first sets are planned.
    fn new_session_genesis(_: SessionIndex) -> Option<Vec<AccountId>> {
        Self::elect(true)
    }

    fn start_session(_: SessionIndex) {}

    fn end_session(_: SessionIndex) {}
}

fn identified(authors: Option<Vec<AccountId>>) -> Option<Vec<(AccountId, ())>> {
    authors.map(|all| all.into_iter().map(|who| (who, ())).collect())
}

impl<T: Config> pallet_session::historical::SessionManager<AccountId, ()> for Pallet<T> {
    fn new_session(_: SessionIndex) -> Option<Vec<(AccountId, ())>> {
        identified(Self::elect(false))
    }

    fn new_session_genesis(_: SessionIndex) -> Option<Vec<(AccountId, ())>> {
        identified(Self::elect(true))
    }

    fn start_session(_: SessionIndex) {}

    fn end_session(_: SessionIndex) {}
}

impl<T: Config> OnOffenceHandler<AccountId, (AccountId, ()), Weight> for Pallet<T> {
    fn on_offence(
        offenders: &[OffenceDetails<AccountId, (AccountId, ())>],
        fractions: &[Perbill],
        session: SessionIndex,
    ) -> Weight {
        let mut weight = Weight::zero();
        for (details, fraction) in offenders.iter().zip(fractions) {
            let (who, ()) = &details.offender;
            let amount = fraction.mul_floor(Self::at_stake(who, session));
            Self::do_slash_own(Venue::Network, who, amount);
            T::Disable::disable(who, *fraction);
            weight.saturating_accrue(T::WeightInfo::on_offence());
        }
        weight
    }
}

impl<T: Config> Pallet<T> {
    /// What an author had of its own at stake in a session; where its history doesn't reach
    /// back, what it has there and what still unbonds.
    fn at_stake(who: &AccountId, session: SessionIndex) -> Balance {
        let position = Positions::<T>::get(Venue::Network, who);
        let then = position
            .as_ref()
            .and_then(|p| p.snapshot_at(session))
            .map(|s| s.own);
        then.filter(|own| *own > 0).unwrap_or_else(|| {
            let unbonding = Unbonding::<T>::get(who)
                .iter()
                .filter(|chunk| chunk.venue == Venue::Network)
                .fold(0, |sum: Balance, chunk| sum.saturating_add(chunk.amount));
            position.map_or(0, |p| p.own).saturating_add(unbonding)
        })
    }
}
