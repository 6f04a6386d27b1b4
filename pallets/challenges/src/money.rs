//! What cases cost and pay.
//!
//! Jurors are paid the same for either verdict, so their fees are what comes first: out of lost
//! bonds, then of jurors that an appeal overturned, then of what a convict loses, and last out of
//! the bonds of who was right.

use crate::{
    Acquittals, CASES_PER_DOUBLING, Case, CasesOf, Config, HoldReason, Jury, MAX_DOUBLINGS,
    MAX_OPEN_CASES, Pallet, Seat,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, Claim, TaskId, Venue, Vote,
    traits::{Results, Stakes, TaskRewards},
};
use frame_support::traits::{
    Get, Imbalance, OnUnbalanced,
    fungible::{Balanced, BalancedHold, Credit, InspectHold, MutateHold},
    tokens::Precision,
};
use sp_runtime::DispatchResult;

type CreditOf<T> = Credit<AccountId, <T as Config>::Currency>;

/// Who is to be paid how much, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dues(Vec<(AccountId, Balance)>);

impl Dues {
    /// A case's fee for each vote that was revealed.
    pub(crate) fn of(case: &Case) -> Self {
        let fee = |seat: &Seat| (seat.juror.clone(), case.fee);
        Dues(case.voters().into_iter().map(fee).collect())
    }

    pub(crate) fn total(&self) -> Balance {
        self.0
            .iter()
            .fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount))
    }

    pub(crate) fn list(&self) -> &[(AccountId, Balance)] {
        &self.0
    }

    /// What `amount` doesn't cover; the rest stays.
    fn split_off(&mut self, amount: Balance) -> Self {
        let (mut covered, mut tail) = (Vec::new(), Vec::new());
        let mut left = amount;
        for (who, due) in self.0.drain(..) {
            let part = due.min(left);
            left = left.saturating_sub(part);
            if part > 0 {
                covered.push((who.clone(), part));
            }
            if due > part {
                tail.push((who, due.saturating_sub(part)));
            }
        }
        self.0 = covered;
        Dues(tail)
    }

    /// `amount` of it was paid.
    fn settle(&mut self, amount: Balance) {
        *self = self.split_off(amount);
    }

    fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}

/// What a conviction moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) forfeited: Balance,
    pub(crate) slashed: Balance,
    pub(crate) to_challengers: Balance,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn jury_cost(fee: Balance, seats: u32) -> Balance {
        fee.saturating_mul(Balance::from(seats))
    }

    /// What a claim costs its challenger until it is decided, where a case of it is open.
    pub fn bond(task: TaskId, claim: &Claim) -> Balance {
        let cost = Self::jury_cost(T::JurorFee::get(), T::Jury::get());
        let full = cost.saturating_add(Self::bond_part(task, claim.accused()));
        let base = if Self::is_flagged(task, claim) {
            full.div_ceil(2).max(cost)
        } else {
            full
        };
        let doublings = Acquittals::<T>::get(task, claim.accused()).min(MAX_DOUBLINGS);
        base.saturating_mul(2u128.saturating_pow(doublings))
    }

    /// What a claim costs whoever begins a case with it: the bond, and more the fewer places the
    /// task has left.
    pub fn opening_bond(task: TaskId, claim: &Claim) -> Balance {
        let open = CasesOf::<T>::decode_len(task).unwrap_or(0);
        let open = u32::try_from(open).unwrap_or(MAX_OPEN_CASES);
        let doublings = open.checked_div(CASES_PER_DOUBLING).unwrap_or(0);
        Self::bond(task, claim).saturating_mul(2u128.saturating_pow(doublings))
    }

    /// What an appeal costs until it is decided.
    pub fn appeal_bond(case: &Case) -> Balance {
        Self::jury_cost(case.fee, T::AppealJury::get())
            .saturating_add(Self::bond_part(case.task, case.accused()))
    }

    fn bond_part(task: TaskId, accused: &AccountId) -> Balance {
        T::BondShare::get().mul_ceil(T::Rewards::locked(task, accused))
    }

    /// Whether sketches say the same as the claim.
    fn is_flagged(task: TaskId, claim: &Claim) -> bool {
        match claim {
            Claim::Duplicate { model, .. } => T::Results::likeness(task, model).is_some(),
            Claim::Watermark { .. } | Claim::ProofOfLearning { .. } | Claim::Score { .. } => false,
        }
    }

    pub(crate) fn hold(who: &AccountId, amount: Balance) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        T::Currency::hold(&HoldReason::Bond.into(), who, amount)
    }

    pub(crate) fn release(reason: HoldReason, who: &AccountId, amount: Balance) {
        let reason = reason.into();
        let amount = amount.min(T::Currency::balance_on_hold(&reason, who));
        if amount == 0 {
            return;
        }
        if let Err(error) = T::Currency::release(&reason, who, amount, Precision::BestEffort) {
            log::error!(target: crate::LOG, "{amount} of {who:?} stay held: {error:?}");
        }
    }

    pub(crate) fn take_bond(who: &AccountId, amount: Balance) -> CreditOf<T> {
        let (credit, missing) = T::Currency::slash(&HoldReason::Bond.into(), who, amount);
        if missing > 0 {
            log::error!(target: crate::LOG, "{missing} of a bond of {who:?} were not held");
        }
        credit
    }

    /// Pays what is due as far as it goes; returns the rest. Who can't be paid, because its
    /// account couldn't live of it, leaves its part in the rest.
    fn pay_dues(mut pot: CreditOf<T>, dues: &mut Dues) -> CreditOf<T> {
        let tail = dues.split_off(pot.peek());
        let mut unpayable = CreditOf::<T>::zero();
        for (who, amount) in core::mem::replace(dues, tail).0 {
            let (part, rest) = pot.split(amount);
            pot = rest;
            if let Err(part) = T::Currency::resolve(&who, part) {
                unpayable.subsume(part);
            }
        }
        pot.merge(unpayable)
    }

    /// Jurors whose verdict an appeal overturned pay for it: first what is due.
    fn slash_overturned(jury: &Jury, vote: Vote, dues: &mut Dues) {
        for seat in jury.seats.iter().filter(|seat| seat.vote == Some(vote)) {
            let amount = T::OverturnedSlash::get().mul_ceil(seat.own);
            let taken = T::Stakes::slash_own_for(seat.venue, &seat.juror, amount, dues.list());
            dues.settle(taken.paid);
        }
    }

    /// Who was right pays what is still due, each bond an equal part, and gets the rest back.
    fn return_bonds(bonds: &[(AccountId, Balance)], dues: &mut Dues) {
        let mut others = bonds.len();
        for (who, bond) in bonds {
            let part = dues
                .total()
                .div_ceil(Balance::try_from(others.max(1)).unwrap_or(1))
                .min(*bond);
            others = others.saturating_sub(1);
            if part > 0 {
                let rest = Self::pay_dues(Self::take_bond(who, part), dues);
                T::Slashed::on_unbalanced(rest);
            }
            Self::release(HoldReason::Bond, who, bond.saturating_sub(part));
        }
    }

    fn bonds(case: &Case) -> Vec<(AccountId, Balance)> {
        let bonds = case.challengers.iter();
        bonds.map(|one| (one.who.clone(), one.bond)).collect()
    }

    fn take_all(bonds: &[(AccountId, Balance)]) -> CreditOf<T> {
        bonds
            .iter()
            .fold(CreditOf::<T>::zero(), |sum, (who, bond)| {
                sum.merge(Self::take_bond(who, *bond))
            })
    }

    /// The bonds that `verdict` makes lost, and those that it returns.
    #[allow(clippy::type_complexity, reason = "two lists of who and how much")]
    fn lost_and_kept(
        case: &Case,
        verdict: Vote,
    ) -> (Vec<(AccountId, Balance)>, Vec<(AccountId, Balance)>) {
        let (mut lost, mut kept) = match verdict {
            Vote::Acquit => (Self::bonds(case), Vec::new()),
            Vote::Convict => (Vec::new(), Self::bonds(case)),
        };
        if let Some(appeal) = &case.appeal {
            let side = if appeal.verdict == verdict {
                &mut lost
            } else {
                &mut kept
            };
            side.push((appeal.appellant.clone(), appeal.bond));
        }
        (lost, kept)
    }

    fn overturned(case: &Case, verdict: Vote, dues: &mut Dues) {
        if let Some(appeal) = case.appeal.as_ref().filter(|a| a.verdict != verdict) {
            Self::slash_overturned(&appeal.jury, appeal.verdict, dues);
        }
    }

    /// Moves the money of a conviction. `dues` keeps what nobody could pay.
    pub(crate) fn pay_conviction(case: &Case, dues: &mut Dues) -> Moved {
        let (lost, kept) = Self::lost_and_kept(case, Vote::Convict);
        let rest = Self::pay_dues(Self::take_all(&lost), dues);
        T::Slashed::on_unbalanced(rest);
        Self::overturned(case, Vote::Convict, dues);
        let moved = Self::forfeit(case, dues);
        Self::return_bonds(&kept, dues);
        moved
    }

    /// Takes a convict's rewards and as much of its own stake. What challengers get is bounded by
    /// the stake that is gone: accusing oneself never pays.
    fn forfeit(case: &Case, dues: &mut Dues) -> Moved {
        let (task, accused) = (case.task, case.accused());
        let locked = T::Rewards::locked(task, accused);
        let cost = Self::jury_cost(case.fee, T::Jury::get()).max(dues.total());
        let mut tail = dues.split_off(locked);
        let venue = Venue::Task(task);
        let slash = T::Stakes::slash_own_for(venue, accused, locked.max(cost), tail.list());
        tail.settle(slash.paid);

        let bound = T::ChallengerShare::get().mul_floor(locked).min(slash.total);
        let each = bound
            .checked_div(Balance::try_from(case.challengers.len()).unwrap_or(0))
            .unwrap_or(0);
        let mut payees = dues.clone();
        if each > 0 {
            let shares = case.challengers.iter().map(|one| (one.who.clone(), each));
            payees.append(Dues(shares.collect()));
        }
        let taken = T::Rewards::forfeit(task, accused, payees.list());
        let to_challengers = taken.paid.saturating_sub(dues.total());
        dues.settle(taken.paid);
        dues.append(tail);
        Moved {
            forfeited: taken.total,
            slashed: slash.total,
            to_challengers,
        }
    }

    /// Moves the money of an acquittal: what jurors leave of the bonds is half the accused's.
    pub(crate) fn pay_acquittal(case: &Case, dues: &mut Dues) {
        let (lost, kept) = Self::lost_and_kept(case, Vote::Acquit);
        let rest = Self::pay_dues(Self::take_all(&lost), dues);
        Self::overturned(case, Vote::Acquit, dues);
        Self::return_bonds(&kept, dues);
        let half = rest.peek().checked_div(2).unwrap_or(0);
        let (to_accused, rest) = rest.split(half);
        Self::pay_accused(case, to_accused);
        T::Slashed::on_unbalanced(rest);
    }

    /// What the accused's account can't take goes where slashes go.
    fn pay_accused(case: &Case, credit: CreditOf<T>) {
        if credit.peek() == 0 {
            return;
        }
        if let Err(back) = T::Currency::resolve(case.accused(), credit) {
            T::Slashed::on_unbalanced(back);
        }
    }

    /// Ends a case that too few could judge. Each challenger pays the accused a juror's fee, so
    /// that nobody's rewards are locked for nothing.
    pub(crate) fn pay_undecided(case: &Case) {
        let mut to_accused = CreditOf::<T>::zero();
        for (who, bond) in Self::bonds(case) {
            let part = case.fee.min(bond);
            if part > 0 {
                to_accused.subsume(Self::take_bond(&who, part));
            }
            Self::release(HoldReason::Bond, &who, bond.saturating_sub(part));
        }
        Self::pay_accused(case, to_accused);
    }

    /// Ends a case that has become needless: the convict's own stake pays those who have voted.
    pub(crate) fn pay_moot(case: &Case, dues: &mut Dues) -> Balance {
        let venue = Venue::Task(case.task);
        let due = dues.total();
        let slash = T::Stakes::slash_own_for(venue, case.accused(), due, dues.list());
        dues.settle(slash.paid);
        Self::return_all(case, dues);
        slash.total
    }

    /// Returns all bonds, but what is still due.
    pub(crate) fn return_all(case: &Case, dues: &mut Dues) {
        let mut bonds = Self::bonds(case);
        let appeal = case.appeal.as_ref();
        bonds.extend(appeal.map(|appeal| (appeal.appellant.clone(), appeal.bond)));
        Self::return_bonds(&bonds, dues);
    }
}
