//! How cases are brought.

use crate::{
    Accused, Case, CaseState, CasesOf, Challenger, Commitment, Commitments, Config, Convicted, Due,
    DueAt, Error, Event, Facts, HoldReason, MAX_CASES_OF_ONE, NextCaseId, OpenCases, Pallet,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, BlockNumber, CaseId, Claim, TaskId, TaskPhase, traits::TaskStates,
};
use frame_support::{BoundedVec, ensure, traits::Get};
use sp_core::H256;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_case(
        challenger: AccountId,
        task: TaskId,
        commitment: H256,
    ) -> DispatchResult {
        let phase = T::Tasks::phase(task).ok_or(Error::<T>::TaskOver)?;
        let over = matches!(phase, TaskPhase::Closed | TaskPhase::Cancelled);
        ensure!(!over, Error::<T>::TaskOver);
        let window = Self::open_window();
        let all = window.saturating_add(Self::procedure(false));
        ensure!(Self::fits(task, all), Error::<T>::TooLate);
        let known = Commitments::<T>::contains_key(&challenger, commitment);
        ensure!(!known, Error::<T>::AlreadyCommitted);
        let bond = Self::jury_cost(T::JurorFee::get(), T::Jury::get());
        Self::hold(&challenger, bond)?;

        let until = Self::now().saturating_add(window);
        let row = Commitment { task, bond, until };
        let due = Due::Commitment {
            challenger: challenger.clone(),
            commitment,
        };
        DueAt::<T>::insert(until, due, ());
        Commitments::<T>::insert(&challenger, commitment, row);
        Self::deposit_event(Event::CaseCommitted {
            task,
            challenger,
            commitment,
            bond,
            until,
        });
        Ok(())
    }

    pub(crate) fn do_open_case(
        challenger: AccountId,
        task: TaskId,
        claim: Claim,
        nonce: H256,
    ) -> DispatchResult {
        let commitment = claim.commitment(&challenger, task, &nonce);
        let row = Commitments::<T>::get(&challenger, commitment)
            .filter(|row| row.task == task)
            .ok_or(Error::<T>::NoSuchCommitment)?;
        let now = Self::now();
        ensure!(now < row.until, Error::<T>::OpenedTooLate);
        let open = Self::cases_of(task);
        let began = |case: &Case| case.challengers.first().map(|one| &one.who) == Some(&challenger);
        let own = open.iter().filter(|(_, case)| began(case)).count();
        // Claims that differ are different cases: else who is guilty of one could have it buried
        // under another.
        let same = open.into_iter().find(|(_, case)| case.claim == claim);
        let tried = same
            .as_ref()
            .is_some_and(|(_, case)| !joinable(case, &challenger, now));
        if tried || Convicted::<T>::contains_key(task, claim.accused()) {
            Self::return_commitment(challenger, commitment, row);
            return Ok(());
        }
        let facts = Self::facts(&challenger, task, &claim)?;
        let bond = Self::bond(task, &claim).max(row.bond);
        match same {
            Some((id, case)) => Self::join_with(id, case, &challenger, row.bond, bond)?,
            None => {
                let procedure = Self::procedure(facts.asks());
                ensure!(Self::fits(task, procedure), Error::<T>::TooLate);
                let most = usize::try_from(MAX_CASES_OF_ONE).unwrap_or(0);
                ensure!(own < most, Error::<T>::TooManyOwnCases);
                Self::start(task, claim, facts, &challenger, row.bond, bond)?;
            }
        }
        Self::drop_commitment(&challenger, commitment, &row);
        Ok(())
    }

    fn drop_commitment(challenger: &AccountId, commitment: H256, row: &Commitment) {
        let due = Due::Commitment {
            challenger: challenger.clone(),
            commitment,
        };
        DueAt::<T>::remove(row.until, due);
        Commitments::<T>::remove(challenger, commitment);
    }

    /// Its evidence has come too late to be of use, through no fault of its own.
    fn return_commitment(challenger: AccountId, commitment: H256, row: Commitment) {
        Self::drop_commitment(&challenger, commitment, &row);
        Self::release(HoldReason::Bond, &challenger, row.bond);
        Self::deposit_event(Event::CommitmentEnded {
            task: row.task,
            challenger,
            commitment,
            lost: 0,
        });
    }

    /// The cases of a task that go on.
    fn cases_of(task: TaskId) -> Vec<(CaseId, Case)> {
        CasesOf::<T>::get(task)
            .into_iter()
            .filter_map(|id| Some((id, OpenCases::<T>::get(id)?)))
            .filter(|(_, case)| !case.state.is_ending())
            .collect()
    }

    fn start(
        task: TaskId,
        claim: Claim,
        facts: Facts,
        challenger: &AccountId,
        held: Balance,
        bond: Balance,
    ) -> DispatchResult {
        let mut cases = CasesOf::<T>::get(task);
        let id = NextCaseId::<T>::get();
        let next = id.checked_add(1).ok_or(Error::<T>::NoMoreIds)?;
        cases.try_push(id).map_err(|_| Error::<T>::TooManyCases)?;
        Self::hold(challenger, bond.saturating_sub(held))?;

        let first = Challenger {
            who: challenger.clone(),
            bond,
        };
        let ready = Self::now().saturating_add(Self::seed_blocks());
        let case = Case {
            task,
            claim: claim.clone(),
            facts,
            challengers: BoundedVec::truncate_from([first].into()),
            fee: T::JurorFee::get(),
            appeal: None,
            state: CaseState::Drawing { ready },
        };
        NextCaseId::<T>::put(next);
        Accused::<T>::mutate(task, case.accused(), |cases| {
            *cases = cases.saturating_add(1)
        });
        CasesOf::<T>::insert(task, cases);
        Self::save(id, case.state.due(), &case);
        Self::deposit_event(Event::CaseOpened {
            case: id,
            task,
            claim,
            challenger: challenger.clone(),
            bond,
        });
        Ok(())
    }

    pub(crate) fn do_join(challenger: AccountId, id: CaseId) -> DispatchResult {
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        ensure!(case.takes_challengers(Self::now()), Error::<T>::JuryDrawn);
        ensure!(!case.has_challenger(&challenger), Error::<T>::AlreadyJoined);
        Self::facts(&challenger, case.task, &case.claim)?;
        let bond = Self::bond(case.task, &case.claim);
        Self::join_with(id, case, &challenger, 0, bond)
    }

    /// Adds a challenger of whom `held` is held already.
    fn join_with(
        id: CaseId,
        mut case: Case,
        challenger: &AccountId,
        held: Balance,
        bond: Balance,
    ) -> DispatchResult {
        let one = Challenger {
            who: challenger.clone(),
            bond,
        };
        let added = case.challengers.try_push(one);
        added.map_err(|_| Error::<T>::TooManyChallengers)?;
        Self::hold(challenger, bond.saturating_sub(held))?;
        OpenCases::<T>::insert(id, &case);
        Self::deposit_event(Event::CaseJoined {
            case: id,
            challenger: challenger.clone(),
            bond,
        });
        Ok(())
    }
}

/// Whether a claim that is committed to can join this case.
fn joinable(case: &Case, challenger: &AccountId, now: BlockNumber) -> bool {
    case.takes_challengers(now) && !case.has_challenger(challenger) && !case.challengers.is_full()
}
