//! Stake that is taken: at once for faults in tasks, after a deferral for those in `Network`.

use crate::{types::*, *};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, Round, Venue, time,
    traits::{LeavingStake as _, Taken, Venues as _},
};
use frame_support::{
    traits::{
        Defensive, Get, OnUnbalanced,
        fungible::{Balanced as _, Credit, hold::Balanced as _},
        tokens::Imbalance as _,
    },
    weights::{Weight, WeightMeter},
};
use sp_runtime::{DispatchResult, Perbill};
use sp_staking::{
    SessionIndex,
    offence::{OffenceDetails, OnOffenceHandler},
};

type CreditOf<T> = Credit<AccountId, <T as Config>::Currency>;

impl<T: Config> OnOffenceHandler<AccountId, (AccountId, ()), Weight> for Pallet<T> {
    /// All that comes here are equivocations.
    fn on_offence(
        offenders: &[OffenceDetails<AccountId, (AccountId, ())>],
        fractions: &[Perbill],
        session: SessionIndex,
    ) -> Weight {
        let mut weight = Weight::zero();
        for (details, fraction) in offenders.iter().zip(fractions) {
            let (who, ()) = &details.offender;
            let listed = Roster::<T>::decode_len(Venue::Network, Role::Validator).unwrap_or(0);
            let listed = u32::try_from(listed).unwrap_or(u32::MAX);
            weight.saturating_accrue(T::WeightInfo::on_offence(listed));
            Self::note_offence(who, *fraction, session);
        }
        weight
    }
}

impl<T: Config> Pallet<T> {
    /// Own stake that slashes which are pending may take of an operator.
    pub fn pending_own(operator: &AccountId) -> Balance {
        PendingOf::<T>::get(operator)
            .into_iter()
            .filter_map(PendingSlashes::<T>::get)
            .fold(0, |sum: Balance, slash| sum.saturating_add(slash.own))
    }

    /// Disables and chills an offender, and has its stake slashed later.
    fn note_offence(who: &AccountId, fraction: Perbill, session: Round) {
        T::Disable::disable(who, fraction);
        Self::do_chill(Venue::Network, who);
        let now = T::Venues::current_round(Venue::Network).unwrap_or(session);
        if now.saturating_sub(session) > Self::fault_sessions() {
            return; // What was at stake then has left.
        }
        let fault = Faults::<T>::get(session, who).unwrap_or_else(|| Fault {
            at_stake: Self::at_stake(who, session),
            applied: Perbill::zero(),
            fraction: Perbill::zero(),
            slash: None,
        });
        let nothing = fault.at_stake == 0 && !Positions::<T>::contains_key(Venue::Network, who);
        if fraction > fault.fraction && !nothing {
            Self::defer(who, session, fraction, fault);
        }
    }

    /// What an author had of its own at stake in a session; where its history doesn't reach
    /// back, what it has there and what still unbonds.
    fn at_stake(who: &AccountId, session: Round) -> Balance {
        let position = Positions::<T>::get(Venue::Network, who);
        let then = position
            .as_ref()
            .and_then(|p| p.snapshot_at(session))
            .map(|s| s.own);
        then.filter(|own| *own > 0)
            .unwrap_or_else(|| Self::slashable(who))
    }

    /// Own stake in `Network` that a slash can reach: what works and what unbonds.
    pub(crate) fn slashable(who: &AccountId) -> Balance {
        let own = Positions::<T>::get(Venue::Network, who).map_or(0, |position| position.own);
        Unbonding::<T>::get(who)
            .iter()
            .filter(|chunk| chunk.venue == Venue::Network)
            .fold(own, |sum, chunk| sum.saturating_add(chunk.amount))
    }

    /// Queues the slash of a session's worst fault so far. A lesser one that is pending for the
    /// same session goes; what one has taken is left out.
    fn defer(who: &AccountId, session: Round, fraction: Perbill, mut fault: Fault) {
        if let Some(lesser) = fault.slash.take() {
            Self::take_pending(lesser);
        }
        let mut queue = SlashQueue::<T>::get();
        let index = queue.end;
        Self::make_room(who, fraction);
        let mut pending = PendingOf::<T>::get(who);
        if pending.try_push(index).is_err() {
            log::warn!(target: LOG, "{who:?} has {MAX_PENDING} worse slashes pending");
            return;
        }
        let time = Time::<T>::get();
        let minutes = Limits::<T>::get().slash_deferral_minutes;
        let due = Self::now().saturating_add(time::blocks(minutes, time.blocks_per_day));
        let slash = fault.slash_to(who, session, fraction, due);

        queue.end = queue.end.saturating_add(1);
        SlashQueue::<T>::put(queue);
        PendingOf::<T>::insert(who, pending);
        fault.fraction = fraction;
        fault.slash = Some(index);
        Faults::<T>::insert(session, who, fault);
        Self::deposit_event(Event::SlashDeferred {
            index,
            operator: who.clone(),
            session,
            fraction,
            own: slash.own,
            due,
        });
        PendingSlashes::<T>::insert(index, slash);
    }

    /// Where all places are taken, the least slash that is pending makes room for a worse one:
    /// an offender that reports small faults of its own must not be spared a great one.
    fn make_room(who: &AccountId, fraction: Perbill) {
        let pending = PendingOf::<T>::get(who);
        if !pending.is_full() {
            return;
        }
        let least = pending
            .into_iter()
            .filter_map(|index| Some((PendingSlashes::<T>::get(index)?.fraction, index)))
            .min();
        if let Some((_, index)) = least.filter(|(least, _)| *least < fraction) {
            // It is there, and its operator may commit another fault of that session.
            let _ = Self::do_cancel_slash(index);
        }
    }

    fn take_pending(index: u32) -> Option<PendingSlash> {
        let slash = PendingSlashes::<T>::take(index)?;
        PendingOf::<T>::mutate_exists(&slash.operator, |row| {
            if let Some(pending) = row {
                pending.retain(|other| *other != index);
                if pending.is_empty() {
                    *row = None;
                }
            }
        });
        Some(slash)
    }

    pub(crate) fn do_cancel_slash(index: u32) -> DispatchResult {
        let PendingSlash {
            operator, session, ..
        } = Self::take_pending(index).ok_or(Error::<T>::NoSuchSlash)?;
        Faults::<T>::mutate_exists(session, &operator, |row| {
            if let Some(fault) = row {
                fault.slash = None;
                fault.fraction = fault.applied;
                if fault.applied.is_zero() {
                    *row = None;
                }
            }
        });
        Self::deposit_event(Event::SlashCancelled { index, operator });
        Ok(())
    }

    /// The hook: applies what is due, as far as its weight goes.
    pub(crate) fn tick(now: BlockNumber) -> Weight {
        let mut meter = WeightMeter::with_limit(T::MaxTickWeight::get());
        let look = T::WeightInfo::step_look();
        if meter.try_consume(look).is_err() {
            return meter.consumed();
        }
        let mut queue = SlashQueue::<T>::get();
        let was = queue;
        while queue.first < queue.end && meter.try_consume(look).is_ok() {
            // One that was cancelled has no row.
            if let Some(slash) = PendingSlashes::<T>::get(queue.first) {
                if slash.due > now || meter.try_consume(T::WeightInfo::step_apply()).is_err() {
                    break;
                }
                Self::apply(queue.first);
            }
            queue.first = queue.first.saturating_add(1);
        }
        if queue != was {
            SlashQueue::<T>::put(queue);
        }
        meter.consumed()
    }

    pub(crate) fn apply(index: u32) {
        let Some(slash) = Self::take_pending(index) else {
            return;
        };
        let PendingSlash {
            operator, session, ..
        } = slash;
        Faults::<T>::mutate_exists(session, &operator, |row| {
            if let Some(fault) = row {
                fault.applied = slash.fraction;
                fault.slash = None;
            }
        });
        let own = Self::do_slash_own(Venue::Network, &operator, slash.own, &[]).total;
        let delegated = Self::cut_delegated(Venue::Network, &operator, slash.delegated);
        let leaving = T::Leaving::slash(Venue::Network, &operator, session, slash.delegated);
        Self::deposit_event(Event::SlashApplied {
            index,
            operator,
            session,
            own,
            delegated,
            leaving,
        });
    }

    /// Lowers what each share is worth by `fraction`; the cut is rounded down.
    fn cut_delegated(venue: Venue, operator: &AccountId, fraction: Perbill) -> Balance {
        let Some(mut position) = Positions::<T>::get(venue, operator) else {
            return 0;
        };
        let cut = fraction.mul_floor(position.delegated);
        if cut > 0 {
            position.delegated = position.delegated.saturating_sub(cut);
            Self::put(venue, operator, position, Self::next_round(venue));
            DelegatedCut::<T>::mutate(|sum| *sum = sum.saturating_add(cut));
        }
        cut
    }

    /// Takes up to `amount` of own stake and pays `payees` of it; the rest goes where slashes go.
    pub(crate) fn do_slash_own(
        venue: Venue,
        operator: &AccountId,
        amount: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Taken {
        let (total, credit) = Self::take_own(venue, operator, amount);
        if total == 0 {
            return Taken::default();
        }
        let (rest, paid) = Self::pay_of(credit, payees);
        T::Slashed::on_unbalanced(rest);
        Self::deposit_event(Event::Slashed {
            venue,
            operator: operator.clone(),
            amount: total,
            paid,
        });
        Taken { total, paid }
    }

    /// Pays `payees` of `credit` in their order, as far as it goes; returns the rest, which has
    /// the parts of accounts that can't take them, and what was paid.
    fn pay_of(credit: CreditOf<T>, payees: &[(AccountId, Balance)]) -> (CreditOf<T>, Balance) {
        let (mut left, mut refused) = (credit, CreditOf::<T>::zero());
        let mut paid: Balance = 0;
        for (who, amount) in payees {
            let part = left.extract(*amount);
            let size = part.peek();
            if size == 0 {
                continue;
            }
            match T::Currency::resolve(who, part) {
                Ok(()) => paid = paid.saturating_add(size),
                Err(part) => refused.subsume(part),
            }
        }
        left.subsume(refused);
        (left, paid)
    }

    /// Takes up to `amount` of own stake: what works first, then what unbonds, latest first.
    /// Returns what the books lose, and its credit.
    fn take_own(venue: Venue, operator: &AccountId, amount: Balance) -> (Balance, CreditOf<T>) {
        let position = Positions::<T>::get(venue, operator);
        let from_stake = amount.min(position.as_ref().map_or(0, |p| p.own));
        let chunks = Unbonding::<T>::get(operator);
        let (left, from_chunks) = take_of_chunks(chunks, venue, amount.saturating_sub(from_stake));
        let taken = from_stake.saturating_add(from_chunks);
        if taken == 0 {
            return (0, CreditOf::<T>::zero());
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
            Self::put(venue, operator, position, Self::next_round(venue));
        }
        if from_chunks > 0 {
            Self::put_chunks(operator, left);
        }
        (taken, credit)
    }
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

impl Fault {
    /// What is still to be taken so that all that was taken for the session is `fraction`.
    fn slash_to(
        &self,
        operator: &AccountId,
        session: Round,
        fraction: Perbill,
        due: BlockNumber,
    ) -> PendingSlash {
        let of_own = |part: Perbill| part.mul_floor(self.at_stake);
        // What delegators have left is `1 − applied` of what they had.
        let more = fraction
            .deconstruct()
            .saturating_sub(self.applied.deconstruct());
        let left = Perbill::one()
            .deconstruct()
            .saturating_sub(self.applied.deconstruct());
        PendingSlash {
            operator: operator.clone(),
            session,
            fraction,
            own: of_own(fraction).saturating_sub(of_own(self.applied)),
            delegated: Perbill::from_rational(more, left),
            due,
        }
    }
}
