//! Registered trainings, and keys of marks: what cases look back at.

use crate::{
    Config, Due, DueAt, Error, Event, Heartbeat, Heartbeats, HoldReason, Mark, Marks, Pallet, Run,
    RunSeed, Runs, log_leaves,
};
use arena_primitives::{
    AccountId, BlockNumber, Role, TaskId, TaskPhase, Venue, run_seed,
    traits::{Cases, Stakes, TaskStates, Venues},
};
use frame_support::{
    ensure,
    traits::{Get, fungible::MutateHold},
};
use sp_core::H256;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    /// The task takes submissions, and `who` trains there.
    fn trains(task: TaskId, who: &AccountId) -> Result<(), Error<T>> {
        let phase = T::Tasks::phase(task);
        ensure!(
            phase == Some(TaskPhase::Submission),
            Error::<T>::NoSubmissions
        );
        let role = T::Stakes::role(Venue::Task(task), who);
        ensure!(role == Some(Role::Trainer), Error::<T>::NotATrainer);
        Ok(())
    }

    /// A log of these steps can be opened, and what is drawn of it replayed: the steps are a
    /// multiple of those between leaves, which are no more than there can be.
    fn replayable(steps: u64, every: u64, checkpoint_bytes: u64) -> Result<(), Error<T>> {
        let leaves = log_leaves(steps, every).ok_or(Error::<T>::BadSteps)?;
        let sampling = T::Sampling::get();
        let segments = u64::from(sampling.largest)
            .saturating_add(u64::from(sampling.random))
            .saturating_add(2);
        // The weights of all leaves are fetched, too: to check the norms.
        let bytes = checkpoint_bytes.saturating_mul(segments.saturating_add(leaves.into()));
        ensure!(bytes <= T::MaxReplayBytes::get(), Error::<T>::TooLarge);
        Ok(())
    }

    pub(crate) fn do_register_run(
        trainer: AccountId,
        task: TaskId,
        recipe: H256,
        steps: u64,
        every: u64,
        checkpoint_bytes: u64,
    ) -> DispatchResult {
        Self::trains(task, &trainer)?;
        let accused = <Self as Cases>::is_accused(task, &trainer);
        ensure!(!accused, Error::<T>::CaseOpen);
        Self::replayable(steps, every, checkpoint_bytes)?;
        let before = Runs::<T>::get(task, &trainer);
        let number = before
            .as_ref()
            .map_or(Some(0), |run| run.number.checked_add(1));
        let number = number.ok_or(Error::<T>::NoMoreIds)?;
        // The new deposit is held before the old one is released: who can't pay keeps its run.
        let deposit = T::RunDeposit::get();
        T::Currency::hold(&HoldReason::Run.into(), &trainer, deposit)?;

        if let Some(run) = before {
            Self::drop_run(task, &trainer, &run);
        }
        let at = Self::now();
        let ready = at.saturating_add(Self::seed_blocks());
        let run = Run {
            number,
            recipe,
            steps,
            every,
            checkpoint_bytes,
            at,
            seed: RunSeed::Awaited { ready },
            deposit,
            leaves: 0,
            beaten: None,
        };
        Self::put_run(task, trainer.clone(), run);
        Self::deposit_event(Event::RunRegistered {
            task,
            trainer,
            number,
            recipe,
        });
        Ok(())
    }

    fn put_run(task: TaskId, trainer: AccountId, run: Run) {
        if let Some(due) = run.seed.due() {
            let item = Due::Run {
                task,
                trainer: trainer.clone(),
            };
            DueAt::<T>::insert(due, item, ());
        }
        Runs::<T>::insert(task, trainer, run);
    }

    /// Removes a run with its heartbeats, and returns its deposit.
    pub(crate) fn drop_run(task: TaskId, trainer: &AccountId, run: &Run) {
        if let Some(due) = run.seed.due() {
            let item = Due::Run {
                task,
                trainer: trainer.clone(),
            };
            DueAt::<T>::remove(due, item);
        }
        Self::release(HoldReason::Run, trainer, run.deposit);
        Heartbeats::<T>::remove(task, trainer);
        Runs::<T>::remove(task, trainer);
    }

    /// The blocks whose randomness makes a run's seed have passed.
    pub(crate) fn seed_run(task: TaskId, trainer: AccountId, now: BlockNumber) {
        let Some(mut run) = Runs::<T>::get(task, &trainer) else {
            return;
        };
        let RunSeed::Awaited { ready } = run.seed else {
            return;
        };
        if let Some(randomness) = Self::collected(ready) {
            let seed = run_seed(task, &trainer, run.number, &randomness);
            run.seed = RunSeed::Known(seed);
            Self::deposit_event(Event::RunSeeded {
                task,
                trainer: trainer.clone(),
                number: run.number,
                seed,
            });
        } else {
            let ready = now.saturating_add(Self::seed_blocks());
            run.seed = RunSeed::Awaited { ready };
        }
        Self::put_run(task, trainer, run);
    }

    pub(crate) fn do_heartbeat(
        signer: AccountId,
        task: TaskId,
        leaves: u32,
        root: H256,
    ) -> DispatchResult {
        let trainer = Self::speaker(signer);
        Self::trains(task, &trainer)?;
        let mut run = Runs::<T>::get(task, &trainer).ok_or(Error::<T>::NoRun)?;
        ensure!(run.seed.known().is_some(), Error::<T>::NoSeed);
        let round = T::Venues::current_round(Venue::Task(task)).ok_or(Error::<T>::NoSubmissions)?;
        let again = run.beaten.is_some_and(|last| last >= round);
        ensure!(!again, Error::<T>::AlreadyBeaten);
        ensure!(leaves > run.leaves, Error::<T>::LogNotGrown);
        let most = run.log_leaves().unwrap_or(0);
        ensure!(leaves <= most, Error::<T>::LogTooLong);
        let added = Heartbeats::<T>::try_append(task, &trainer, Heartbeat { leaves, root });
        added.map_err(|()| Error::<T>::TooManyHeartbeats)?;
        run.leaves = leaves;
        run.beaten = Some(round);
        let number = run.number;
        Runs::<T>::insert(task, &trainer, run);
        Self::deposit_event(Event::Heartbeat {
            task,
            trainer,
            number,
            leaves,
            root,
        });
        Ok(())
    }

    pub(crate) fn do_register_mark(
        owner: AccountId,
        task: TaskId,
        commitment: H256,
    ) -> DispatchResult {
        let phase = T::Tasks::phase(task);
        ensure!(
            phase == Some(TaskPhase::Submission),
            Error::<T>::NoSubmissions
        );
        let role = T::Stakes::role(Venue::Task(task), &owner);
        ensure!(role.is_some(), Error::<T>::NoPosition);
        let mut marks = Marks::<T>::get(task, &owner);
        let known = marks.iter().any(|mark| mark.commitment == commitment);
        ensure!(!known, Error::<T>::MarkKnown);
        let at = Self::now();
        let added = marks.try_push(Mark { commitment, at });
        added.map_err(|_| Error::<T>::TooManyMarks)?;
        Marks::<T>::insert(task, &owner, marks);
        Self::deposit_event(Event::MarkRegistered {
            task,
            owner,
            commitment,
        });
        Ok(())
    }
}
