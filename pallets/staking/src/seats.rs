//! Seats: who has one, who takes one from whom, and who loses it.

use crate::{types::*, *};
use alloc::vec::Vec;
use arena_primitives::{AccountId, Balance, BlockNumber, Role, Round, Venue, traits::Venues as _};
use core::cmp::Reverse;
use frame_support::ensure;
use sp_runtime::{DispatchError, DispatchResult};

/// What taking a seat will write.
pub(crate) struct SeatPlan {
    /// The venue's operators of the role, the new one among them.
    roster: Operators,
    /// Who goes.
    displaced: Option<(AccountId, Position)>,
    /// How many positions were read.
    pub(crate) looked_at: u32,
}

impl<T: Config> Pallet<T> {
    /// Everybody who may have a seat or be counted by a live round, ordered by account.
    pub(crate) fn roster(venue: Venue, role: Role) -> Vec<(AccountId, Position)> {
        Roster::<T>::get(venue, role)
            .into_iter()
            .filter_map(|who| Positions::<T>::get(venue, &who).map(|position| (who, position)))
            .collect()
    }

    /// Writes a position that has changed, with its snapshot.
    pub(crate) fn put(
        venue: Venue,
        operator: &AccountId,
        mut position: Position,
        counts_from: Round,
    ) {
        if position.own == 0 && position.is_seated() {
            position.seat = Seat::Left;
        }
        position.record(counts_from);
        if Self::is_over(venue, &position) {
            Self::remove_position(venue, operator.clone(), position.role);
        } else {
            Positions::<T>::insert(venue, operator, position);
        }
    }

    /// No stake, and none that a live round counts.
    pub(crate) fn is_over(venue: Venue, position: &Position) -> bool {
        if position.own > 0 || position.shares > 0 {
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

    pub(crate) fn remove_position(venue: Venue, operator: AccountId, role: Role) {
        Positions::<T>::remove(venue, &operator);
        Roster::<T>::mutate_exists(venue, role, |row| {
            if let Some(roster) = row {
                if let Ok(at) = roster.binary_search(&operator) {
                    roster.remove(at);
                }
                if roster.is_empty() {
                    *row = None;
                }
            }
        });
        Self::deposit_event(Event::PositionRemoved { venue, operator });
    }

    /// Finds a seat for a position, with the own stake that it will have: a free one, or that of
    /// the smallest, if it is smaller. Writes nothing.
    pub(crate) fn plan_seat(
        venue: Venue,
        who: &AccountId,
        position: &Position,
        next_round: Round,
    ) -> Result<SeatPlan, DispatchError> {
        let limits = Self::limits();
        let sits_out = position.seat == Seat::Chilled
            && position
                .history
                .last()
                .is_some_and(|(from, _)| *from >= next_round);
        ensure!(!sits_out, Error::<T>::StillChilled);

        let listed = Self::roster(venue, position.role);
        let looked_at = u32::try_from(listed.len()).unwrap_or(u32::MAX);
        // The round before the open one is still alive.
        let alive = next_round.saturating_sub(2);
        let live: Vec<_> = listed
            .into_iter()
            .filter(|(_, other)| other.is_seated() || other.counts_since(alive))
            .collect();
        let seats = usize::try_from(limits.seats(venue, position.role)).unwrap_or(usize::MAX);
        let seated = live.iter().filter(|(_, other)| other.is_seated()).count();
        let displaced = if seated < seats {
            None
        } else {
            let smallest = smallest_seated(&live).ok_or(Error::<T>::SeatsFull)?;
            ensure!(position.own > smallest.1.own, Error::<T>::SeatsFull);
            Self::ensure_authors_after(venue, &live, smallest, (who, position), &limits)?;
            Some(smallest.clone())
        };
        let mut roster: Vec<_> = live.into_iter().map(|(other, _)| other).collect();
        if let Err(at) = roster.binary_search(who) {
            roster.insert(at, who.clone());
        }
        Ok(SeatPlan {
            // Live operators always fit, see `MAX_ROSTER`.
            roster: Operators::try_from(roster).map_err(|_| Error::<T>::SeatsFull)?,
            displaced,
            looked_at,
        })
    }

    /// A newcomer without session keys must not take the seat of an author that is needed.
    fn ensure_authors_after(
        venue: Venue,
        live: &[(AccountId, Position)],
        (out, _): &(AccountId, Position),
        (who, position): (&AccountId, &Position),
        limits: &StakeLimits,
    ) -> DispatchResult {
        if venue != Venue::Network {
            return Ok(());
        }
        let is_candidate =
            |who: &AccountId, position: &Position| Self::is_candidate(who, position, limits, false);
        let candidates: Vec<_> = live.iter().filter(|(w, p)| is_candidate(w, p)).collect();
        let mut seated = position.clone();
        seated.seat = Seat::Taken;
        let comes = usize::from(is_candidate(who, &seated));
        let stay = candidates.iter().filter(|(w, _)| w != out).count();
        ensure!(
            stay == candidates.len() || enough(stay.saturating_add(comes), limits),
            Error::<T>::TooFewAuthors
        );
        Ok(())
    }

    /// Writes what was planned: the position that goes, and the roster. The position that takes
    /// the seat is the caller's to write.
    pub(crate) fn carry_out(
        venue: Venue,
        who: &AccountId,
        position: &mut Position,
        plan: SeatPlan,
        next_round: Round,
    ) {
        position.seat = Seat::Taken;
        position.registered_at = Self::now();
        Roster::<T>::insert(venue, position.role, plan.roster);
        if let Some((operator, mut smallest)) = plan.displaced {
            smallest.seat = Seat::Displaced;
            Self::put(venue, &operator, smallest, next_round);
            Self::deposit_event(Event::Displaced {
                venue,
                operator,
                by: who.clone(),
            });
        }
    }

    /// Returns how many positions were looked at.
    pub(crate) fn do_take_seat(venue: Venue, operator: AccountId) -> Result<u32, DispatchError> {
        let mut position = Positions::<T>::get(venue, &operator).ok_or(Error::<T>::NoPosition)?;
        ensure!(position.own > 0, Error::<T>::NoPosition);
        ensure!(!position.is_seated(), Error::<T>::AlreadySeated);
        T::Venues::admits(venue, position.role, &operator).map_err(Error::<T>::from)?;
        let round = T::Venues::current_round(venue).ok_or(Error::<T>::NoOpenRound)?;
        let least = Self::limits().min_own(venue, position.role);
        ensure!(position.own >= least, Error::<T>::BelowMinimum);

        let next_round = round.saturating_add(1);
        let plan = Self::plan_seat(venue, &operator, &position, next_round)?;
        let looked_at = plan.looked_at;
        Self::carry_out(venue, &operator, &mut position, plan, next_round);
        let own = position.own;
        Self::put(venue, &operator, position, next_round);
        Self::deposit_event(Event::SeatTaken {
            venue,
            operator,
            own,
        });
        Ok(looked_at)
    }

    /// Takes a seat away; `false` where there is none, or where too few authors would remain.
    pub(crate) fn do_chill(venue: Venue, who: &AccountId) -> bool {
        let Some(position) = Positions::<T>::get(venue, who).filter(Position::is_seated) else {
            return false;
        };
        if venue == Venue::Network && Self::ensure_authors_remain(who).is_err() {
            log::warn!(target: LOG, "{who:?} keeps its seat: too few authors would remain");
            return false;
        }
        Self::chill_position(venue, who, position);
        true
    }

    fn chill_position(venue: Venue, who: &AccountId, mut position: Position) {
        position.seat = Seat::Chilled;
        Self::put(venue, who, position, Self::next_round(venue));
        Self::deposit_event(Event::Chilled {
            venue,
            operator: who.clone(),
        });
    }

    /// Takes the seats of idle authors, as long as enough candidates remain.
    pub(crate) fn chill_authors(idle: impl ExactSizeIterator<Item = AccountId>) {
        if idle.len() == 0 {
            return;
        }
        let limits = Self::limits();
        let least = usize::try_from(limits.min_authors).unwrap_or(usize::MAX);
        let mut spare = Self::candidates(&limits, false).len().saturating_sub(least);
        for who in idle {
            let Some(position) =
                Positions::<T>::get(Venue::Network, &who).filter(Position::is_seated)
            else {
                continue;
            };
            if Self::is_candidate(&who, &position, &limits, false) {
                let Some(left) = spare.checked_sub(1) else {
                    log::warn!(target: LOG, "{who:?} is idle, but too few authors would remain");
                    continue;
                };
                spare = left;
            }
            Self::chill_position(Venue::Network, &who, position);
        }
    }

    /// Who can be elected.
    pub(crate) fn candidates(limits: &StakeLimits, genesis: bool) -> Vec<(AccountId, Position)> {
        let mut all = Self::roster(Venue::Network, Role::Validator);
        all.retain(|(who, position)| Self::is_candidate(who, position, limits, genesis));
        all
    }

    pub(crate) fn is_candidate(
        who: &AccountId,
        position: &Position,
        limits: &StakeLimits,
        genesis: bool,
    ) -> bool {
        position.is_seated()
            && position.own >= limits.min_own_author
            && (genesis || T::SessionKeys::fingerprint(who).is_some())
    }

    /// Enough candidates must be left without `leaving`. Returns how many positions were looked
    /// at.
    pub(crate) fn ensure_authors_remain(leaving: &AccountId) -> Result<u32, DispatchError> {
        let limits = Self::limits();
        let candidates = Self::candidates(&limits, false);
        let remain = candidates.iter().filter(|(who, _)| who != leaving).count();
        // Who is no candidate takes none away.
        ensure!(
            remain == candidates.len() || enough(remain, &limits),
            Error::<T>::TooFewAuthors
        );
        let looked_at = Roster::<T>::decode_len(Venue::Network, Role::Validator).unwrap_or(0);
        Ok(u32::try_from(looked_at).unwrap_or(u32::MAX))
    }
}

/// The smallest own stake that has a seat; of equals the one that came last.
fn smallest_seated(live: &[(AccountId, Position)]) -> Option<&(AccountId, Position)> {
    live.iter()
        .filter(|(_, position)| position.is_seated())
        .min_by_key(|entry| size(entry))
}

fn size(
    (who, position): &(AccountId, Position),
) -> (Balance, Reverse<BlockNumber>, Reverse<&AccountId>) {
    (position.own, Reverse(position.registered_at), Reverse(who))
}

fn enough(candidates: usize, limits: &StakeLimits) -> bool {
    u32::try_from(candidates).unwrap_or(u32::MAX) >= limits.min_authors
}
