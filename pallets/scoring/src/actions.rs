//! What the calls do.

use crate::{
    Commits, Config, Error, Event, Pallet, Reveal, Revealed, RevealedSketches, Reveals, Sketches,
    raw_is_possible, scores_commitment,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber, DutyRefusal, DutyTag, EarlierSketches, MAX_TRAINERS, Role, Round,
    RoundInfo, RoundModel, ScoreEntries, ScoreOutcome, ShardState, TaskId, Venue,
    time::RoundPhase,
    traits::{DutyCheck, Rounds, ServiceKeys, Stakes},
};
use frame_support::{BoundedVec, ensure, traits::ConstU32};
use sp_core::H256;
use sp_runtime::{DispatchResult, SaturatedConversion};

/// Names `commit_scores` in a [`DutyTag`].
pub const COMMIT_TAG: [u8; 8] = *b"commit__";
/// Names `reveal_scores` in a [`DutyTag`].
pub const REVEAL_TAG: [u8; 8] = *b"reveal__";

/// What a reveal shows of what was committed to.
pub(crate) struct Opening<'a> {
    /// A line for each drawn model.
    pub(crate) entries: &'a ScoreEntries,
    /// Sketches of the earlier models.
    pub(crate) earlier: &'a EarlierSketches,
    /// `H` over the roots of the losses of each model.
    pub(crate) samples_root: H256,
    /// What kept it secret.
    pub(crate) nonce: H256,
}

/// Sketches in the order of a round's models.
type ModelSketches = BoundedVec<Option<[u8; 32]>, ConstU32<MAX_TRAINERS>>;

impl Opening<'_> {
    fn commitment(&self, operator: &AccountId, task: TaskId, round: Round) -> H256 {
        let Opening {
            entries, earlier, ..
        } = self;
        scores_commitment(
            operator,
            task,
            round,
            entries,
            earlier,
            self.samples_root,
            self.nonce,
        )
    }

    /// Outcomes and sketches in the order of the round's models; `None` unless the entries are
    /// exactly the drawn ones.
    fn rows(&self, draw: Vec<(RoundModel, bool)>) -> Option<(Revealed, ModelSketches)> {
        let mut given = self.entries.iter();
        let mut outcomes = Vec::with_capacity(draw.len());
        let mut sketches = Vec::with_capacity(draw.len());
        for (model, hit) in draw {
            let entry = if hit { Some(given.next()?) } else { None };
            if entry.is_some_and(|entry| entry.manifest_root != model.manifest_root) {
                return None;
            }
            outcomes.push(entry.map(|entry| entry.outcome));
            sketches.push(entry.and_then(|entry| entry.sketch));
        }
        let rows = (
            BoundedVec::truncate_from(outcomes),
            BoundedVec::truncate_from(sketches),
        );
        given.next().is_none().then_some(rows)
    }
}

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
        opening: &Opening<'_>,
    ) -> Result<(AccountId, Reveal, Option<RevealedSketches>), Error<T>> {
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
        let given = opening.commitment(&operator, task, round);
        ensure!(commitment == given, Error::<T>::WrongCommitment);
        let spec = T::Rounds::spec(task).ok_or(Error::<T>::NoSuchRound)?;
        let possible = |outcome: &ScoreOutcome| match outcome {
            ScoreOutcome::Scored(raw) => raw_is_possible(spec.metric, *raw),
            ScoreOutcome::Invalid(_) | ScoreOutcome::Skipped(_) => true,
        };
        let fits = opening.entries.iter().all(|entry| possible(&entry.outcome));
        ensure!(fits, Error::<T>::RawOutOfRange);
        let sketched = spec.likeness.is_some();
        let sketches = opening.entries.iter().any(|entry| entry.sketch.is_some());
        ensure!(sketched || !sketches, Error::<T>::UnwantedSketch);
        let earlier = Self::earlier(task, round).len();
        ensure!(opening.earlier.len() == earlier, Error::<T>::WrongEarlier);

        let draw = Self::draw(task, round, &operator).ok_or(Error::<T>::NoSeed)?;
        let (outcomes, models) = opening.rows(draw).ok_or(Error::<T>::NotTheDraw)?;
        let reveal = Reveal {
            outcomes,
            samples_root: opening.samples_root,
        };
        let sketches = RevealedSketches {
            models,
            earlier: opening.earlier.clone(),
        };
        Ok((operator, reveal, sketched.then_some(sketches)))
    }

    pub(crate) fn do_reveal_scores(
        key: AccountId,
        task: TaskId,
        round: Round,
        opening: &Opening<'_>,
    ) -> DispatchResult {
        let (validator, reveal, sketches) = Self::revealing(&key, task, round, opening)?;
        Reveals::<T>::insert((task, round, &validator), reveal);
        if let Some(sketches) = sketches {
            Sketches::<T>::insert((task, round, &validator), sketches);
        }
        let entries = u32::try_from(opening.entries.len()).unwrap_or(MAX_TRAINERS);
        Self::deposit_event(Event::ScoresRevealed {
            task,
            round,
            validator,
            entries,
            samples_root: opening.samples_root,
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
                earlier,
                samples_root,
                nonce,
            } => {
                let opening = Opening {
                    entries,
                    earlier,
                    samples_root: *samples_root,
                    nonce: *nonce,
                };
                let check = Self::revealing(signer, *task, *round, &opening);
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
