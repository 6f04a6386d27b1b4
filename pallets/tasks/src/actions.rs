//! What the calls do.

use crate::{
    Active, Config, Dated, EndReason, Error, Event, HoldReason, Models, NextTaskId, Pallet,
    Proposal, Proposals, RootOwner, Roots, Specs, StandingModel, Submission, Submissions, Task,
    Tasks, spec,
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, DutyRefusal, DutyTag, Role, Round, TaskId, TaskPhase,
    TaskSpec, Uris, Venue, are_mirrors,
    hash::{Domain, hash},
    submission_commitment,
    time::{RoundPhase, Schedule},
    traits::{Cases, Clock, DutyCheck, Results, Runs, ServiceKeys, Stakes, TaskRewards},
};
use frame_support::{
    ensure,
    traits::{
        Get,
        fungible::{InspectHold, MutateHold},
        tokens::Precision,
    },
};
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill, SaturatedConversion};

/// Names `publish` in a [`DutyTag`].
pub const PUBLISH_TAG: [u8; 8] = *b"publish_";

/// A publication that may be made: who, where, and from when its commitment is.
pub(crate) struct Publication {
    trainer: AccountId,
    round: Round,
    committed_at: BlockNumber,
    /// Who published the root from a later commitment.
    displaced: Option<AccountId>,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Under which a spec is voted on.
    pub fn spec_hash(proposer: &AccountId, spec: &TaskSpec) -> H256 {
        hash(Domain::Spec, &(proposer, spec))
    }

    pub(crate) fn do_propose(proposer: AccountId, spec: TaskSpec) -> DispatchResult {
        spec::check::<T>(&spec)?;
        let spec_hash = Self::spec_hash(&proposer, &spec);
        ensure!(
            !Proposals::<T>::contains_key(spec_hash),
            Error::<T>::AlreadyProposed
        );
        let deposit = T::ProposalDeposit::get();
        let expires = Self::now().saturating_add(T::Clock::blocks(T::ProposalLifetime::get()));
        T::Currency::hold(&HoldReason::Proposal.into(), &proposer, deposit)?;
        let proposal = Proposal {
            proposer: proposer.clone(),
            spec,
            deposit,
            expires,
        };
        Proposals::<T>::insert(spec_hash, proposal);
        Self::deposit_event(Event::Proposed {
            proposer,
            spec_hash,
            expires,
        });
        Ok(())
    }

    pub(crate) fn do_withdraw_proposal(who: AccountId, spec_hash: H256) -> DispatchResult {
        let proposal = Proposals::<T>::get(spec_hash).ok_or(Error::<T>::NoSuchProposal)?;
        ensure!(proposal.proposer == who, Error::<T>::NotTheProposer);
        Self::return_deposit(&proposal)?;
        Proposals::<T>::remove(spec_hash);
        Self::deposit_event(Event::ProposalWithdrawn { spec_hash });
        Ok(())
    }

    pub(crate) fn do_remove_expired(spec_hash: H256) -> DispatchResult {
        let proposal = Proposals::<T>::get(spec_hash).ok_or(Error::<T>::NoSuchProposal)?;
        ensure!(
            Self::now() > proposal.expires,
            Error::<T>::ProposalNotExpired
        );
        Self::return_deposit(&proposal)?;
        Proposals::<T>::remove(spec_hash);
        Self::deposit_event(Event::ProposalExpired { spec_hash });
        Ok(())
    }

    /// The deposit, or what is left of the hold: nothing here takes from it, but a return must
    /// not fail where something else did.
    fn return_deposit(proposal: &Proposal) -> DispatchResult {
        let reason = HoldReason::Proposal.into();
        let held = T::Currency::balance_on_hold(&reason, &proposal.proposer);
        let amount = proposal.deposit.min(held);
        T::Currency::release(&reason, &proposal.proposer, amount, Precision::BestEffort)?;
        Ok(())
    }

    pub(crate) fn do_approve(spec_hash: H256, max_share: Perbill) -> DispatchResult {
        let proposal = Proposals::<T>::get(spec_hash).ok_or(Error::<T>::NoSuchProposal)?;
        let now = Self::now();
        ensure!(now <= proposal.expires, Error::<T>::ProposalExpired);
        // Windows may have been chosen since for other slots; a task that can't be scored in
        // time must not start.
        spec::check::<T>(&proposal.spec)?;
        let limits = T::Limits::get();
        ensure!(max_share <= limits.share, Error::<T>::ShareAboveLimit);
        let mut active = Active::<T>::get();
        let most = usize::try_from(limits.active).unwrap_or(usize::MAX);
        ensure!(active.len() < most, Error::<T>::TooManyTasks);
        let id = NextTaskId::<T>::get();
        let next = id.checked_add(1).ok_or(Error::<T>::NoMoreIds)?;
        active.try_push(id).map_err(|_| Error::<T>::TooManyTasks)?;
        Self::return_deposit(&proposal)?;
        Self::hold_bond(id, &proposal.proposer, &proposal.spec, max_share)?;

        let schedule = Self::round_schedule(now, &proposal.spec);
        let Proposal {
            proposer: creator,
            spec,
            ..
        } = proposal;
        let task = Task::enrolling(creator.clone(), spec_hash, max_share, schedule);
        Proposals::<T>::remove(spec_hash);
        NextTaskId::<T>::put(next);
        Active::<T>::put(active);
        Tasks::<T>::insert(id, task);
        Specs::<T>::insert(id, spec);
        T::Rewards::open(id, max_share);
        T::Rewards::set_counted(id, 0);
        Self::deposit_event(Event::Approved {
            task: id,
            spec_hash,
            creator,
            max_share,
        });
        Self::deposit_event(Event::RoundOpened {
            task: id,
            round: 0,
            counted: 0,
        });
        Ok(())
    }

    pub(crate) fn round_schedule(opens: BlockNumber, spec: &TaskSpec) -> Schedule {
        Schedule::new(
            opens,
            T::Clock::blocks(spec.round_minutes),
            &T::Clock::windows(),
        )
    }

    pub(crate) fn do_submit(who: AccountId, id: TaskId, commitment: H256) -> DispatchResult {
        let task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        let at = Self::now();
        let live = task
            .submission_round(RoundPhase::Submissions, at)
            .ok_or(Error::<T>::NoOpenRound)?;
        let round = live.round;
        ensure!(round > 0, Error::<T>::Enrolment);
        let venue = Venue::Task(id);
        ensure!(
            T::Stakes::role(venue, &who) == Some(Role::Trainer),
            Error::<T>::NotATrainer
        );
        ensure!(
            T::Stakes::counted(venue, &who, round).is_some(),
            Error::<T>::StakeNotCounted
        );
        let registered = Specs::<T>::get(id).is_some_and(|spec| spec.registered);
        ensure!(
            !registered || T::Runs::registered_before(id, &who, at),
            Error::<T>::NoRun
        );
        Submissions::<T>::insert((id, round, &who), Submission { commitment, at });
        Self::deposit_event(Event::Submitted {
            task: id,
            round,
            trainer: who,
            commitment,
        });
        Ok(())
    }

    /// Everything that must hold for `publish` to succeed. Stands before the pool and in the
    /// call's body.
    pub(crate) fn publication(
        key: &AccountId,
        id: TaskId,
        manifest_root: H256,
        uris: &Uris,
        nonce: H256,
    ) -> Result<Publication, Error<T>> {
        let trainer = T::ServiceKeys::operator_of(key).ok_or(Error::<T>::NotAServiceKey)?;
        let task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        let live = task
            .submission_round(RoundPhase::Publish, Self::now())
            .filter(|live| live.round > 0)
            .ok_or(Error::<T>::NotPublishing)?;
        let round = live.round;
        let role = T::Stakes::role(Venue::Task(id), &trainer);
        ensure!(role == Some(Role::Trainer), Error::<T>::NotATrainer);
        ensure!(are_mirrors(uris), Error::<T>::BadUris);
        let Some(submission) = Submissions::<T>::get((id, round, &trainer)) else {
            let published = Models::<T>::get(id, &trainer)
                .is_some_and(|model| model.current.from_round == round);
            let error = if published {
                Error::<T>::AlreadyPublished
            } else {
                Error::<T>::NoSubmission
            };
            return Err(error);
        };
        let expected = submission_commitment(&trainer, manifest_root, nonce);
        ensure!(
            submission.commitment == expected,
            Error::<T>::WrongCommitment
        );
        let owner = Roots::<T>::get(id, manifest_root).filter(|owner| owner.trainer != trainer);
        if let Some(owner) = &owner {
            let first = owner.is_preceded_by(&trainer, submission.at);
            ensure!(first, Error::<T>::RootOwned);
        }
        let displaced = owner.map(|owner| owner.trainer);
        Ok(Publication {
            trainer,
            round,
            committed_at: submission.at,
            displaced,
        })
    }

    pub(crate) fn do_publish(
        key: AccountId,
        task: TaskId,
        manifest_root: H256,
        uris: Uris,
        nonce: H256,
    ) -> DispatchResult {
        let Publication {
            trainer,
            round,
            committed_at,
            displaced,
        } = Self::publication(&key, task, manifest_root, &uris, nonce)?;
        if let Some(other) = displaced {
            Models::<T>::mutate_exists(task, &other, |model| {
                *model = model.take().and_then(|model| {
                    if model.current.manifest_root == manifest_root {
                        model.without(round)
                    } else {
                        Some(model)
                    }
                });
            });
            Self::deposit_event(Event::ModelDisplaced {
                task,
                round,
                trainer: other,
                manifest_root,
            });
        }
        let newer = Dated {
            manifest_root,
            from_round: round,
        };
        Models::<T>::mutate(task, &trainer, |model| {
            *model = Some(match model.take() {
                Some(model) => model.replaced_by(newer),
                None => StandingModel {
                    current: newer,
                    previous: None,
                },
            });
        });
        Roots::<T>::mutate(task, manifest_root, |owner| {
            // An owner that publishes its root again keeps its first commitment's date.
            let committed_at = match owner {
                Some(owner) if owner.trainer == trainer => owner.committed_at.min(committed_at),
                _ => committed_at,
            };
            *owner = Some(RootOwner {
                trainer: trainer.clone(),
                committed_at,
                uris,
            });
        });
        Submissions::<T>::remove((task, round, &trainer));
        Self::deposit_event(Event::Published {
            task,
            round,
            trainer,
            manifest_root,
        });
        Ok(())
    }

    /// Whether `call` is due of `signer`; `None` if it is no duty.
    pub fn check_duty(signer: &AccountId, call: &crate::Call<T>) -> Option<DutyCheck> {
        let tag = match call {
            crate::Call::publish {
                task,
                manifest_root,
                uris,
                nonce,
            } => Self::publication(signer, *task, *manifest_root, uris, *nonce).map(
                |Publication { round, .. }| DutyTag {
                    call: PUBLISH_TAG,
                    task: *task,
                    round,
                    key: signer.clone(),
                },
            ),
            crate::Call::open_shard {
                task,
                round,
                shard,
                proof,
                uris,
            } => Self::opening(signer, *task, *round, shard, proof, uris)
                .map(|_| Self::opening_tag(signer, *task, *round)),
            _ => return None,
        };
        Some(tag.map_err(refusal))
    }

    pub(crate) fn do_top_up(who: AccountId, id: TaskId, amount: Balance) -> DispatchResult {
        let task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        let drawing = match task.phase() {
            TaskPhase::Submission => true,
            TaskPhase::FinalValidation => !task.live().is_empty(),
            TaskPhase::Challenge | TaskPhase::Closed | TaskPhase::Cancelled => false,
        };
        ensure!(drawing, Error::<T>::NotDrawing);
        T::Rewards::top_up(id, &who, amount)?;
        Self::deposit_event(Event::ToppedUp {
            task: id,
            who,
            amount,
        });
        Ok(())
    }

    pub(crate) fn do_cancel(id: TaskId) -> DispatchResult {
        let task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        ensure!(!task.is_over(), Error::<T>::TaskOver);
        Self::end(id, task, EndReason::Cancelled, Self::now());
        Ok(())
    }

    pub(crate) fn do_pause(id: TaskId) -> DispatchResult {
        let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        ensure!(!task.is_over(), Error::<T>::TaskOver);
        ensure!(!task.paused, Error::<T>::AlreadyPaused);
        task.paused = true;
        Self::draw_nothing_between_rounds(id, &task);
        Tasks::<T>::insert(id, task);
        Self::deposit_event(Event::Paused { task: id });
        Ok(())
    }

    pub(crate) fn do_resume(id: TaskId) -> DispatchResult {
        let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        ensure!(!task.is_over(), Error::<T>::TaskOver);
        ensure!(task.paused, Error::<T>::NotPaused);
        task.paused = false;
        Tasks::<T>::insert(id, task);
        Self::deposit_event(Event::Resumed { task: id });
        Ok(())
    }

    /// Where a pause lasts beyond the last round that is alive, no emission gathers for it.
    pub(crate) fn draw_nothing_between_rounds(id: TaskId, task: &Task) {
        if task.paused && task.live().is_empty() {
            T::Rewards::set_counted(id, 0);
        }
    }

    /// Ends a task before it is closed: what earlier rounds earned is free, bounty and bond go
    /// back.
    pub(crate) fn end(id: TaskId, mut task: Task, reason: EndReason, now: BlockNumber) {
        if !task.end(reason, now) {
            return;
        }
        Self::return_bond(id, &task.creator);
        Tasks::<T>::insert(id, &task);
        T::Rewards::set_counted(id, 0);
        T::Rewards::lapse(id);
        T::Rewards::release(id, &task.creator);
        T::Results::ended(id);
        T::Cases::ended(id);
        Self::deposit_event(Event::Ended { task: id, reason });
    }
}

/// What the pool says where the call's body would name the error.
fn refusal<T>(error: Error<T>) -> DutyRefusal {
    match error {
        Error::NotAServiceKey => DutyRefusal::NotAServiceKey,
        Error::NoSuchTask | Error::NotALiveRound => DutyRefusal::UnknownRound,
        Error::NotPublishing | Error::ShardTooEarly | Error::ShardTooLate => {
            DutyRefusal::WrongPhase
        }
        Error::NotATrainer | Error::NotTheCreator => DutyRefusal::NotInRole,
        Error::AlreadyPublished | Error::ShardOpen | Error::NoModels => DutyRefusal::AlreadyDone,
        Error::NoSubmission | Error::WrongCommitment | Error::RootOwned | Error::WrongShard => {
            DutyRefusal::Mismatch
        }
        _ => DutyRefusal::BadContent,
    }
}
