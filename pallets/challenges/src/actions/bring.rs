//! How cases are brought.

use crate::{
    Accused, Case, CaseState, CasesOf, Challenger, Commitment, Commitments, Config, Due, DueAt,
    Error, Event, Facts, HoldReason, MAX_CASES_OF_ONE, MAX_OPEN_CASES, NextCaseId, OpenCases,
    Pallet,
};
use alloc::vec::Vec;
use arena_primitives::{AccountId, Balance, CaseId, Claim, TaskId, TaskPhase, traits::TaskStates};
use frame_support::{
    BoundedVec, ensure,
    traits::{ConstU32, Get},
};
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchResult};

/// What the chain knows of a claim, and the case that it joins; none where it is to have its own.
type Place = (Facts, Option<(CaseId, Case)>);

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_case(
        challenger: AccountId,
        task: TaskId,
        commitment: H256,
    ) -> DispatchResult {
        Self::ensure_alive(task)?;
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
        ensure!(Self::now() < row.until, Error::<T>::OpenedTooLate);
        let (facts, same) = match Self::place(&challenger, task, &claim) {
            Ok(place) => place,
            // The phase may begin while the claim can still be opened.
            Err(early @ Error::NotInChallenge) => return Err(early.into()),
            Err(why) => {
                Self::return_commitment(challenger, commitment, row, why.into());
                return Ok(());
            }
        };
        match same {
            Some((id, case)) => Self::join_with(id, case, &challenger, row.bond)?,
            None => Self::start(task, claim, facts, &challenger, row.bond)?,
        }
        Self::drop_commitment(&challenger, commitment, &row);
        Ok(())
    }

    /// What becomes of a claim that is opened.
    fn place(challenger: &AccountId, task: TaskId, claim: &Claim) -> Result<Place, Error<T>> {
        Self::ensure_alive(task)?;
        let facts = Self::facts(challenger, task, claim)?;
        let open = Self::cases_of(task);
        let began = |case: &Case| case.challengers.first().map(|one| &one.who) == Some(challenger);
        let own = open.iter().filter(|(_, case)| began(case)).count();
        // Claims that differ are different cases: else who is guilty of one could have it buried
        // under another.
        if let Some((id, case)) = open.into_iter().find(|(_, case)| case.claim == *claim) {
            Self::ensure_joinable(&case, challenger)?;
            return Ok((facts, Some((id, case))));
        }
        let procedure = Self::procedure(facts.asks());
        ensure!(Self::fits(task, procedure), Error::<T>::TooLate);
        let most = usize::try_from(MAX_CASES_OF_ONE).unwrap_or(0);
        ensure!(own < most, Error::<T>::TooManyOwnCases);
        Self::next_case(task)?;
        Ok((facts, None))
    }

    fn ensure_alive(task: TaskId) -> Result<(), Error<T>> {
        let phase = T::Tasks::phase(task).ok_or(Error::<T>::TaskOver)?;
        let over = matches!(phase, TaskPhase::Closed | TaskPhase::Cancelled);
        ensure!(!over, Error::<T>::TaskOver);
        Ok(())
    }

    fn ensure_joinable(case: &Case, challenger: &AccountId) -> Result<(), Error<T>> {
        ensure!(case.takes_challengers(Self::now()), Error::<T>::JuryDrawn);
        ensure!(!case.has_challenger(challenger), Error::<T>::AlreadyJoined);
        ensure!(!case.challengers.is_full(), Error::<T>::TooManyChallengers);
        Ok(())
    }

    /// The number of the task's next case, and the list with it.
    fn next_case(
        task: TaskId,
    ) -> Result<(CaseId, BoundedVec<CaseId, ConstU32<MAX_OPEN_CASES>>), Error<T>> {
        let mut cases = CasesOf::<T>::get(task);
        let id = NextCaseId::<T>::get();
        ensure!(id < CaseId::MAX, Error::<T>::NoMoreIds);
        cases.try_push(id).map_err(|_| Error::<T>::TooManyCases)?;
        Ok((id, cases))
    }

    fn drop_commitment(challenger: &AccountId, commitment: H256, row: &Commitment) {
        let due = Due::Commitment {
            challenger: challenger.clone(),
            commitment,
        };
        DueAt::<T>::remove(row.until, due);
        Commitments::<T>::remove(challenger, commitment);
    }

    /// Ends a commitment whose claim can't be tried: whoever opens it has done nothing bad.
    fn return_commitment(
        challenger: AccountId,
        commitment: H256,
        row: Commitment,
        because: DispatchError,
    ) {
        Self::drop_commitment(&challenger, commitment, &row);
        Self::release(HoldReason::Bond, &challenger, row.bond);
        Self::deposit_event(Event::CommitmentEnded {
            task: row.task,
            challenger,
            commitment,
            lost: 0,
            because: Some(because),
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

    /// Begins a case with a challenger of whom `held` is held already.
    fn start(
        task: TaskId,
        claim: Claim,
        facts: Facts,
        challenger: &AccountId,
        held: Balance,
    ) -> DispatchResult {
        let (id, cases) = Self::next_case(task)?;
        let bond = Self::opening_bond(task, &claim).max(held);
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
        NextCaseId::<T>::put(id.saturating_add(1));
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
        Self::ensure_joinable(&case, &challenger)?;
        Self::facts(&challenger, case.task, &case.claim)?;
        Self::join_with(id, case, &challenger, 0)
    }

    /// Adds a challenger of whom `held` is held already.
    fn join_with(
        id: CaseId,
        mut case: Case,
        challenger: &AccountId,
        held: Balance,
    ) -> DispatchResult {
        let bond = Self::bond(case.task, &case.claim).max(held);
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
