//! Who may claim what.

use crate::{Config, Convicted, Error, Facts, Marks, Pallet, Runs};
use arena_primitives::{
    AccountId, Claim, Disclosed, Role, Round, SCORE_ROUNDS, TaskId, TaskPhase, Venue,
    mark_commitment,
    traits::{Results, Rounds, Stakes, TaskStates, Venues},
};
use frame_support::ensure;
use sp_core::H256;

impl<T: Config> Pallet<T> {
    /// Everything that must hold for `challenger` to bring the claim, and what the chain knows
    /// of it.
    pub(crate) fn facts(
        challenger: &AccountId,
        task: TaskId,
        claim: &Claim,
    ) -> Result<Facts, Error<T>> {
        ensure!(claim.accused() != challenger, Error::<T>::OwnCase);
        let convicted = Convicted::<T>::contains_key(task, claim.accused());
        ensure!(!convicted, Error::<T>::AlreadyConvicted);
        match claim {
            Claim::Duplicate {
                trainer,
                model,
                earlier,
            } => {
                Self::model_in_challenge(task, trainer, Some(model))?;
                Self::duplicate(challenger, task, trainer, model, earlier)
            }
            Claim::Watermark {
                trainer,
                model,
                salt,
            } => {
                Self::model_in_challenge(task, trainer, Some(model))?;
                Self::watermark(challenger, task, trainer, model, salt)
            }
            Claim::ProofOfLearning { trainer } => {
                Self::model_in_challenge(task, trainer, None)?;
                Self::training(challenger, task, trainer)
            }
            Claim::Score {
                validator,
                round,
                model,
            } => Self::score(challenger, task, validator, *round, model),
        }
    }

    /// The task is in its challenge phase, and the trainer stands there with the model.
    fn model_in_challenge(
        task: TaskId,
        trainer: &AccountId,
        model: Option<&H256>,
    ) -> Result<(), Error<T>> {
        let phase = T::Tasks::phase(task);
        ensure!(
            phase == Some(TaskPhase::Challenge),
            Error::<T>::NotInChallenge
        );
        let stands = T::Tasks::model(task, trainer).ok_or(Error::<T>::NoModel)?;
        ensure!(
            model.is_none_or(|model| *model == stands),
            Error::<T>::NoModel
        );
        Ok(())
    }

    pub(crate) fn is_validator(task: TaskId, who: &AccountId) -> bool {
        T::Stakes::role(Venue::Task(task), who) == Some(Role::Validator)
    }

    fn duplicate(
        challenger: &AccountId,
        task: TaskId,
        trainer: &AccountId,
        model: &H256,
        earlier: &H256,
    ) -> Result<Facts, Error<T>> {
        let spec = T::Rounds::spec(task).ok_or(Error::<T>::TaskOver)?;
        ensure!(spec.likeness.is_some(), Error::<T>::NoLikeness);
        let (first, then) = T::Tasks::owner(task, earlier).ok_or(Error::<T>::NoEarlierModel)?;
        let (owner, since) = T::Tasks::owner(task, model).ok_or(Error::<T>::NoModel)?;
        ensure!(owner == *trainer, Error::<T>::NoModel);
        ensure!(first != owner, Error::<T>::NotEarlier);
        ensure!((then, &first) < (since, &owner), Error::<T>::NotEarlier);
        let entitled = first == *challenger || Self::is_validator(task, challenger);
        ensure!(entitled, Error::<T>::NotEntitled);
        Ok(Facts::Duplicate { owner: first })
    }

    fn watermark(
        challenger: &AccountId,
        task: TaskId,
        trainer: &AccountId,
        model: &H256,
        salt: &H256,
    ) -> Result<Facts, Error<T>> {
        let (owner, since) = T::Tasks::owner(task, model).ok_or(Error::<T>::NoModel)?;
        ensure!(owner == *trainer, Error::<T>::NoModel);
        let commitment = mark_commitment(task, challenger, salt);
        let mark = Marks::<T>::get(task, challenger)
            .into_iter()
            .find(|mark| mark.commitment == commitment)
            .ok_or(Error::<T>::NoMark)?;
        ensure!(mark.at < since, Error::<T>::MarkTooLate);
        Ok(Facts::Watermark)
    }

    fn training(
        challenger: &AccountId,
        task: TaskId,
        trainer: &AccountId,
    ) -> Result<Facts, Error<T>> {
        ensure!(
            Self::is_validator(task, challenger),
            Error::<T>::NotEntitled
        );
        let spec = T::Rounds::spec(task).ok_or(Error::<T>::TaskOver)?;
        let logged = Runs::<T>::get(task, trainer).is_some_and(|run| run.leaves > 0);
        ensure!(spec.registered || logged, Error::<T>::NotRegistered);
        Ok(Facts::Training)
    }

    fn score(
        challenger: &AccountId,
        task: TaskId,
        validator: &AccountId,
        round: Round,
        model: &H256,
    ) -> Result<Facts, Error<T>> {
        let owner = T::Tasks::owner(task, model).map(|(owner, _)| owner);
        let entitled = owner.as_ref() == Some(challenger)
            || T::Tasks::model(task, challenger).as_ref() == Some(model)
            || Self::is_validator(task, challenger);
        ensure!(entitled, Error::<T>::NotEntitled);
        let disclosed = T::Results::disclosed(task, round, validator, model);
        let Disclosed {
            raw,
            samples_root,
            place,
            models,
            ..
        } = disclosed.ok_or(Error::<T>::NoScore)?;
        let (data, seed) = T::Results::ground(task, round).ok_or(Error::<T>::NoScore)?;
        let last = T::Venues::last_settled(Venue::Task(task));
        let recent = last.is_none_or(|last| last <= round.saturating_add(SCORE_ROUNDS));
        ensure!(recent, Error::<T>::ScoreTooOld);
        Ok(Facts::Score {
            owner,
            raw,
            samples_root,
            place,
            models,
            data,
            seed,
        })
    }
}
