//! What jurors do.

use crate::{Case, CaseState, Config, Error, Event, OpenCases, Pallet, state::Refusal};
use arena_primitives::{
    AccountId, CaseId, DutyRefusal, DutyTag, TaskId, Vote,
    traits::{DutyCheck, ServiceKeys},
    vote_commitment,
};
use sp_core::H256;
use sp_runtime::DispatchResult;

/// Names `commit_vote` in a [`DutyTag`].
pub const COMMIT_TAG: [u8; 8] = *b"votecomm";
/// Names `reveal_vote` in a [`DutyTag`].
pub const REVEAL_TAG: [u8; 8] = *b"voterevl";

impl<T> From<Refusal> for Error<T> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotCommitting => Error::NotCommitting,
            Refusal::NotRevealing => Error::NotRevealing,
            Refusal::NotAJuror => Error::NotAJuror,
            Refusal::AlreadyCommitted => Error::AlreadyVoted,
            Refusal::AlreadyRevealed => Error::AlreadyRevealed,
            Refusal::NoCommitment => Error::NoVote,
            Refusal::WrongCommitment => Error::WrongVote,
        }
    }
}

impl<T: Config> Pallet<T> {
    fn juror_of(key: &AccountId, id: CaseId) -> Result<(AccountId, Case), Error<T>> {
        let operator = T::ServiceKeys::operator_of(key).ok_or(Error::<T>::NotAServiceKey)?;
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        Ok((operator, case))
    }

    /// Everything that must hold for `commit_vote` to succeed, and what it makes of the case.
    /// Stands before the pool and in the call's body.
    fn committing(
        key: &AccountId,
        id: CaseId,
        commitment: H256,
    ) -> Result<(AccountId, Case, CaseState), Error<T>> {
        let (juror, case) = Self::juror_of(key, id)?;
        let mut next = case.state.clone();
        next.commit(&juror, commitment, Self::now())?;
        Ok((juror, case, next))
    }

    pub(crate) fn do_commit_vote(key: AccountId, id: CaseId, commitment: H256) -> DispatchResult {
        let (juror, mut case, next) = Self::committing(&key, id, commitment)?;
        let before = case.state.due();
        case.state = next;
        Self::save(id, before, &case);
        Self::deposit_event(Event::VoteCommitted { case: id, juror });
        Ok(())
    }

    /// Everything that must hold for `reveal_vote` to succeed, and what it makes of the case.
    /// Stands before the pool and in the call's body.
    fn revealing(
        key: &AccountId,
        id: CaseId,
        vote: Vote,
        nonce: &H256,
    ) -> Result<(AccountId, Case, CaseState), Error<T>> {
        let (juror, case) = Self::juror_of(key, id)?;
        let given = vote_commitment(&juror, id, case.appeal.is_some(), vote, nonce);
        let mut next = case.state.clone();
        next.reveal(&juror, vote, given, Self::now())?;
        Ok((juror, case, next))
    }

    pub(crate) fn do_reveal_vote(
        key: AccountId,
        id: CaseId,
        vote: Vote,
        nonce: H256,
    ) -> DispatchResult {
        let (juror, mut case, next) = Self::revealing(&key, id, vote, &nonce)?;
        let before = case.state.due();
        case.state = next;
        Self::save(id, before, &case);
        Self::deposit_event(Event::VoteRevealed {
            case: id,
            juror,
            vote,
        });
        Ok(())
    }

    /// Whether `call` is due of `signer`; `None` if it is no duty. The tag's round is the case.
    pub fn check_duty(signer: &AccountId, call: &crate::Call<T>) -> Option<DutyCheck> {
        let (tag, case, check) = match call {
            crate::Call::commit_vote { case, commitment } => {
                let check = Self::committing(signer, *case, *commitment);
                (COMMIT_TAG, *case, check.map(|(_, case, _)| case.task))
            }
            crate::Call::reveal_vote { case, vote, nonce } => {
                let check = Self::revealing(signer, *case, *vote, nonce);
                (REVEAL_TAG, *case, check.map(|(_, case, _)| case.task))
            }
            _ => return None,
        };
        let tag = |task: TaskId| DutyTag {
            call: tag,
            task,
            round: case,
            key: signer.clone(),
        };
        Some(check.map(tag).map_err(refusal))
    }
}

/// What the pool says where the call's body would name the error.
fn refusal<T>(error: Error<T>) -> DutyRefusal {
    match error {
        Error::NotAServiceKey => DutyRefusal::NotAServiceKey,
        Error::NoSuchCase => DutyRefusal::UnknownRound,
        Error::NotCommitting | Error::NotRevealing => DutyRefusal::WrongPhase,
        Error::NotAJuror => DutyRefusal::NotInRole,
        Error::AlreadyVoted | Error::AlreadyRevealed => DutyRefusal::AlreadyDone,
        Error::NoVote | Error::WrongVote => DutyRefusal::Mismatch,
        _ => DutyRefusal::BadContent,
    }
}
