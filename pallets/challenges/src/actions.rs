//! What the calls do.

use crate::{
    Case, CaseId, CasesOf, Config, Convicted, Error, Event, HoldReason, NextCaseId, OpenCases,
    Pallet, Verdict,
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, Role, TaskId, TaskPhase, Venue,
    traits::{Clock, Stakes, TaskRewards, TaskStates},
};
use frame_support::{
    ensure,
    traits::{
        Get, OnUnbalanced,
        fungible::{BalancedHold, InspectHold, MutateHold},
        tokens::Precision,
    },
};
use sp_core::H256;
use sp_runtime::{DispatchResult, SaturatedConversion};

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    pub(crate) fn do_open(
        challenger: AccountId,
        task: TaskId,
        trainer: AccountId,
        evidence: H256,
    ) -> DispatchResult {
        let in_challenge = T::Tasks::phase(task) == Some(TaskPhase::Challenge);
        ensure!(in_challenge, Error::<T>::NotInChallenge);
        let decide_by = Self::now().saturating_add(T::Clock::blocks(T::DecideWithin::get()));
        let ends = T::Tasks::phase_ends(task).ok_or(Error::<T>::NotInChallenge)?;
        ensure!(decide_by <= ends, Error::<T>::TooLate);
        let role = T::Stakes::role(Venue::Task(task), &challenger);
        ensure!(role == Some(Role::Validator), Error::<T>::NotAValidator);
        ensure!(T::Tasks::has_model(task, &trainer), Error::<T>::NoModel);
        ensure!(
            !Convicted::<T>::contains_key(task, &trainer),
            Error::<T>::AlreadyConvicted
        );
        let mut cases = CasesOf::<T>::get(task);
        let accused = cases
            .iter()
            .filter_map(OpenCases::<T>::get)
            .any(|case| case.trainer == trainer);
        ensure!(!accused, Error::<T>::CaseOpen);
        let id = NextCaseId::<T>::get();
        let next = id.checked_add(1).ok_or(Error::<T>::NoMoreIds)?;
        cases.try_push(id).map_err(|_| Error::<T>::TooManyCases)?;
        let bond = T::Bond::get();
        T::Currency::hold(&HoldReason::Bond.into(), &challenger, bond)?;

        let case = Case {
            task,
            trainer: trainer.clone(),
            challenger: challenger.clone(),
            evidence,
            bond,
            decide_by,
        };
        NextCaseId::<T>::put(next);
        OpenCases::<T>::insert(id, case);
        CasesOf::<T>::insert(task, cases);
        Self::deposit_event(Event::CaseOpened {
            case: id,
            task,
            trainer,
            challenger,
            evidence,
            decide_by,
        });
        Ok(())
    }

    pub(crate) fn do_resolve(id: CaseId, convict: bool) -> DispatchResult {
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        ensure!(!case.is_late(Self::now()), Error::<T>::DecisionTooLate);
        if convict {
            Self::return_bond(&case)?;
            let forfeited = T::Rewards::forfeit(case.task, &case.trainer);
            // Own stake answers for as much as was gained, where there is that much.
            let slashed = T::Stakes::slash_own(Venue::Task(case.task), &case.trainer, forfeited);
            Convicted::<T>::insert(case.task, &case.trainer, ());
            Self::close(id, case, Verdict::Convicted, forfeited, slashed);
        } else {
            let reason = HoldReason::Bond.into();
            let (credit, _) = T::Currency::slash(&reason, &case.challenger, case.bond);
            T::Slashed::on_unbalanced(credit);
            Self::close(id, case, Verdict::Acquitted, 0, 0);
        }
        Ok(())
    }

    pub(crate) fn do_expire(id: CaseId) -> DispatchResult {
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        ensure!(case.is_late(Self::now()), Error::<T>::StillOpen);
        Self::return_bond(&case)?;
        Self::close(id, case, Verdict::Expired, 0, 0);
        Ok(())
    }

    pub(crate) fn return_bond(case: &Case) -> DispatchResult {
        let reason = HoldReason::Bond.into();
        let held = T::Currency::balance_on_hold(&reason, &case.challenger);
        let amount = case.bond.min(held);
        T::Currency::release(&reason, &case.challenger, amount, Precision::BestEffort)?;
        Ok(())
    }

    pub(crate) fn close(
        id: CaseId,
        case: Case,
        verdict: Verdict,
        forfeited: Balance,
        slashed: Balance,
    ) {
        let Case { task, trainer, .. } = case;
        OpenCases::<T>::remove(id);
        CasesOf::<T>::mutate_exists(task, |cases| {
            if let Some(list) = cases {
                list.retain(|other| *other != id);
                if list.is_empty() {
                    *cases = None;
                }
            }
        });
        Self::deposit_event(Event::CaseClosed {
            case: id,
            task,
            trainer,
            verdict,
            forfeited,
            slashed,
        });
    }
}
