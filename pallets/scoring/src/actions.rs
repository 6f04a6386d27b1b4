//! What the calls do.

use crate::{
    Commits, Config, Error, Event, Pallet, Revealed, Reveals, raw_is_possible, scores_commitment,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber, DutyRefusal, DutyTag, MAX_TRAINERS, Role, Round, RoundInfo,
    ScoreEntries, ScoreOutcome, ShardState, TaskId, Venue,
    time::RoundPhase,
    traits::{DutyCheck, Rounds, ServiceKeys, Stakes},
};
use frame_support::{BoundedVec, ensure};
use sp_core::H256;
use sp_runtime::{DispatchResult, SaturatedConversion};

/// Names `commit_scores` in a [`DutyTag`].
pub const COMMIT_TAG: [u8; 8] = *b"commit__";
/// Names `reveal_scores` in a [`DutyTag`].
pub const REVEAL_TAG: [u8; 8] = *b"reveal__";

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// The round, and the operator whose key this is, if it is one of the round's validators.
    fn validator_of(
        key: &AccountId,
        task: TaskId,
        round: Round,
    ) -> Result<(AccountId, RoundInfo), Error<T>> {
        let operator = T::ServiceKeys::operator_of(key).ok_or(Error::<T>::NotAServiceKey)?;
        let info = T::Rounds::info(task, round).ok_or(Error::<T>::NoSuchRound)?;
        let venue = Venue::Task(task);
        let role = T::Stakes::role(venue, &operator);
        ensure!(role == Some(Role::Validator), Error::<T>::NotAValidator);
        let counted = T::Stakes::counted(venue, &operator, round);
        ensure!(counted.is_some(), Error::<T>::StakeNotCounted);
        Ok((operator, info))
    }

    /// Everything that must hold for `commit_scores` to succeed. Stands before the pool and in
    /// the call's body.
    fn committing(key: &AccountId, task: TaskId, round: Round) -> Result<AccountId, Error<T>> {
        let (operator, info) = Self::validator_of(key, task, round)?;
        ensure!(
            info.schedule.phase(Self::now()) == RoundPhase::Commit,
            Error::<T>::NotCommitting
        );
        ensure!(Self::seed(task, round).is_some(), Error::<T>::NoSeed);
        let open = !matches!(info.shard, ShardState::Awaited | ShardState::Missed);
        ensure!(open, Error::<T>::NoData);
        let done = Commits::<T>::contains_key((task, round, &operator));
        ensure!(!done, Error::<T>::AlreadyCommitted);
        Ok(operator)
    }

    pub(crate) fn do_commit_scores(
        key: AccountId,
        task: TaskId,
        round: Round,
        commitment: H256,
    ) -> DispatchResult {
        let validator = Self::committing(&key, task, round)?;
        Commits::<T>::insert((task, round, &validator), commitment);
        Self::deposit_event(Event::ScoresCommitted {
            task,
            round,
            validator,
        });
        Ok(())
    }

    /// Everything that must hold for `reveal_scores` to succeed. Stands before the pool and in
    /// the call's body.
    fn revealing(
        key: &AccountId,
        task: TaskId,
        round: Round,
        entries: &ScoreEntries,
        samples_root: H256,
        nonce: H256,
    ) -> Result<(AccountId, Revealed), Error<T>> {
        let (operator, info) = Self::validator_of(key, task, round)?;
        ensure!(
            info.schedule.phase(Self::now()) == RoundPhase::Reveal,
            Error::<T>::NotRevealing
        );
        let row = (task, round, &operator);
        let commitment = Commits::<T>::get(row).ok_or(Error::<T>::NoCommitment)?;
        ensure!(
            !Reveals::<T>::contains_key(row),
            Error::<T>::AlreadyRevealed
        );
        let given = scores_commitment(&operator, task, round, entries, samples_root, nonce);
        ensure!(commitment == given, Error::<T>::WrongCommitment);
        let spec = T::Rounds::spec(task).ok_or(Error::<T>::NoSuchRound)?;
        let possible = |outcome: &ScoreOutcome| match outcome {
            ScoreOutcome::Scored(raw) => raw_is_possible(spec.metric, *raw),
            ScoreOutcome::Invalid(_) | ScoreOutcome::Skipped(_) => true,
        };
        let fits = entries.iter().all(|entry| possible(&entry.outcome));
        ensure!(fits, Error::<T>::RawOutOfRange);

        let draw = Self::draw(task, round, &operator).ok_or(Error::<T>::NoSeed)?;
        let mut given = entries.iter();
        let mut revealed = Vec::with_capacity(draw.len());
        for (model, hit) in draw {
            revealed.push(if hit {
                let entry = given.next().ok_or(Error::<T>::NotTheDraw)?;
                let same = entry.manifest_root == model.manifest_root;
                ensure!(same, Error::<T>::NotTheDraw);
                Some(entry.outcome)
            } else {
                None
            });
        }
        ensure!(given.next().is_none(), Error::<T>::NotTheDraw);
        Ok((operator, BoundedVec::truncate_from(revealed)))
    }

    pub(crate) fn do_reveal_scores(
        key: AccountId,
        task: TaskId,
        round: Round,
        entries: ScoreEntries,
        samples_root: H256,
        nonce: H256,
    ) -> DispatchResult {
        let (validator, revealed) =
            Self::revealing(&key, task, round, &entries, samples_root, nonce)?;
        Reveals::<T>::insert((task, round, &validator), revealed);
        let entries = u32::try_from(entries.len()).unwrap_or(MAX_TRAINERS);
        Self::deposit_event(Event::ScoresRevealed {
            task,
            round,
            validator,
            entries,
            samples_root,
        });
        Ok(())
    }

    /// Whether `call` is due of `signer`; `None` if it is no duty.
    pub fn check_duty(signer: &AccountId, call: &crate::Call<T>) -> Option<DutyCheck> {
        let (tag, task, round, check) = match call {
            crate::Call::commit_scores { task, round, .. } => (
                COMMIT_TAG,
                *task,
                *round,
                Self::committing(signer, *task, *round).map(|_| ()),
            ),
            crate::Call::reveal_scores {
                task,
                round,
                entries,
                samples_root,
                nonce,
            } => {
                let check = Self::revealing(signer, *task, *round, entries, *samples_root, *nonce);
                (REVEAL_TAG, *task, *round, check.map(|_| ()))
            }
            _ => return None,
        };
        let tag = DutyTag {
            call: tag,
            task,
            round,
            key: signer.clone(),
        };
        Some(check.map(|()| tag).map_err(refusal))
    }
}

/// What the pool says where the call's body would name the error.
fn refusal<T>(error: Error<T>) -> DutyRefusal {
    match error {
        Error::NotAServiceKey => DutyRefusal::NotAServiceKey,
        Error::NoSuchRound => DutyRefusal::UnknownRound,
        Error::NotCommitting | Error::NotRevealing | Error::NoSeed => DutyRefusal::WrongPhase,
        Error::NoData => DutyRefusal::NoData,
        Error::NotAValidator | Error::StakeNotCounted => DutyRefusal::NotInRole,
        Error::AlreadyCommitted | Error::AlreadyRevealed => DutyRefusal::AlreadyDone,
        Error::NoCommitment | Error::WrongCommitment => DutyRefusal::Mismatch,
        _ => DutyRefusal::BadContent,
    }
}
