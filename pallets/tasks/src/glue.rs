//! What other pallets ask of tasks.

use crate::{
    Active, Call, Config, Fixed, LiveRound, Models, Pallet, Roots, Shards, Specs, Submissions,
    TaskState, Tasks,
};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, BlockNumber, MAX_TRAINERS, PublicData, Publication, Role, Round, RoundInfo,
    RoundModels, TaskId, TaskPhase, TaskSpec, Uris, Venue,
    time::Schedule,
    traits::{Cases, Publishing, Rounds, TaskRewards, TaskStates, VenueRefusal, Venues},
};
use sp_core::H256;

fn info(task: TaskId, live: &LiveRound, is_final: bool) -> RoundInfo {
    RoundInfo {
        task,
        round: live.round,
        schedule: live.schedule,
        is_final,
        shard: live.shard,
    }
}

impl<T: Config> Pallet<T> {
    /// What was voted on.
    pub fn spec(task: TaskId) -> Option<TaskSpec> {
        Specs::<T>::get(task)
    }

    /// Rounds of active tasks whose schedule is wanted, enrolment left out.
    fn rounds(wanted: impl Fn(&Schedule) -> bool) -> Vec<RoundInfo> {
        let mut rounds = Vec::new();
        for id in Active::<T>::get() {
            let Some(task) = Tasks::<T>::get(id) else {
                continue;
            };
            let is_final = task.phase() == TaskPhase::FinalValidation;
            rounds.extend(
                task.live()
                    .iter()
                    .filter(|live| live.round > 0 && wanted(&live.schedule))
                    .map(|live| info(id, live, is_final)),
            );
        }
        rounds
    }
}

/// Tasks as venues; the runtime answers for `Network`, of which this knows nothing.
impl<T: Config> Venues for Pallet<T> {
    fn current_round(venue: Venue) -> Option<Round> {
        let Venue::Task(id) = venue else { return None };
        Tasks::<T>::get(id).map(|task| task.opened)
    }

    fn last_settled(venue: Venue) -> Option<Round> {
        let Venue::Task(id) = venue else { return None };
        Tasks::<T>::get(id)?.settled
    }

    fn admits(venue: Venue, role: Role, who: &AccountId) -> Result<(), VenueRefusal> {
        let Venue::Task(id) = venue else {
            return Err(VenueRefusal::Unknown);
        };
        let task = Tasks::<T>::get(id).ok_or(VenueRefusal::Unknown)?;
        if task.phase() != TaskPhase::Submission {
            return Err(VenueRefusal::Ended);
        }
        if task.creator == *who {
            return Err(VenueRefusal::Creator);
        }
        if T::Cases::is_convicted(id, who) {
            return Err(VenueRefusal::Convicted);
        }
        // Stake taken in the last round counts from final validation on, which takes no models.
        let last = Specs::<T>::get(id).ok_or(VenueRefusal::Unknown)?.rounds;
        if role == Role::Trainer && task.opened >= last {
            return Err(VenueRefusal::Role);
        }
        Ok(())
    }

    fn takes_stake(venue: Venue) -> bool {
        let Venue::Task(id) = venue else { return false };
        Tasks::<T>::get(id).is_some_and(|task| task.phase() == TaskPhase::Submission)
    }

    fn ended(venue: Venue) -> bool {
        let Venue::Task(id) = venue else { return true };
        Tasks::<T>::get(id).is_none_or(|task| task.is_over())
    }

    fn locks_own(venue: Venue, role: Role) -> bool {
        role == Role::Trainer && !Self::ended(venue)
    }
}

impl<T: Config> Rounds for Pallet<T> {
    fn live_rounds() -> Vec<RoundInfo> {
        Self::rounds(|_| true)
    }

    fn closed_rounds() -> Vec<RoundInfo> {
        let now = Self::now();
        Self::rounds(|schedule| now >= schedule.closes)
    }

    fn info(id: TaskId, round: Round) -> Option<RoundInfo> {
        let task = Tasks::<T>::get(id)?;
        let is_final = task.phase() == TaskPhase::FinalValidation;
        task.live()
            .iter()
            .find(|live| live.round == round)
            .map(|live| info(id, live, is_final))
    }

    fn spec(task: TaskId) -> Option<TaskSpec> {
        Self::spec(task)
    }

    fn models(task: TaskId, round: Round) -> RoundModels {
        // Where the hook is late, the publish window is over all the same, so that this is what
        // it will write.
        Fixed::<T>::get(task, round).unwrap_or_else(|| Self::standing_models(task, round))
    }

    fn data(task: TaskId, round: Round) -> Option<PublicData> {
        Self::data_of(task, round)
    }

    fn commitment(task: TaskId, round: Round, trainer: &AccountId) -> Option<(H256, BlockNumber)> {
        Submissions::<T>::get((task, round, trainer)).map(|row| (row.commitment, row.at))
    }

    fn committed_at(task: TaskId, manifest_root: &H256) -> Option<BlockNumber> {
        Roots::<T>::get(task, manifest_root).map(|owner| owner.committed_at)
    }

    fn uris(task: TaskId, manifest_root: &H256) -> Option<Uris> {
        Roots::<T>::get(task, manifest_root).map(|owner| owner.uris)
    }

    fn rounds_left(task: TaskId, round: Round) -> u32 {
        Specs::<T>::get(task)
            .map(|spec| spec.rounds.saturating_add(2).saturating_sub(round))
            .unwrap_or(0)
    }

    fn settled(id: TaskId, round: Round) {
        let Some(mut task) = Tasks::<T>::get(id) else {
            return;
        };
        if !task.settle(round) {
            return;
        }
        if matches!(task.state, TaskState::FinalValidation { .. }) {
            T::Rewards::set_counted(id, 0);
        }
        Self::draw_nothing_between_rounds(id, &task);
        Tasks::<T>::insert(id, task);
        Fixed::<T>::remove(id, round);
        Shards::<T>::remove(id, round);
        // Commitments that were never published. Seats bound them but for displaced trainers,
        // whose rows then stay until the task is over.
        let _ = Submissions::<T>::clear_prefix((id, round), MAX_TRAINERS, None);
    }
}

impl<T: Config, C: From<Call<T>>> Publishing<C> for Pallet<T> {
    fn publish(task: TaskId, publication: Publication) -> C {
        let Publication {
            manifest_root,
            uris,
            nonce,
        } = publication;
        let call = Call::publish {
            task,
            manifest_root,
            uris,
            nonce,
        };
        call.into()
    }
}

impl<T: Config> TaskStates for Pallet<T> {
    fn phase(task: TaskId) -> Option<TaskPhase> {
        Tasks::<T>::get(task).map(|task| task.phase())
    }

    fn phase_ends(task: TaskId) -> Option<BlockNumber> {
        match Tasks::<T>::get(task)?.state {
            TaskState::FinalValidation { round } => Some(round.schedule.settle),
            TaskState::Challenge { until } => Some(until),
            TaskState::Submission { .. } | TaskState::Closed { .. } | TaskState::Ended { .. } => {
                None
            }
        }
    }

    fn model(task: TaskId, trainer: &AccountId) -> Option<H256> {
        Models::<T>::get(task, trainer).map(|model| model.current.manifest_root)
    }

    fn owner(task: TaskId, manifest_root: &H256) -> Option<(AccountId, BlockNumber)> {
        Roots::<T>::get(task, manifest_root).map(|owner| (owner.trainer, owner.committed_at))
    }
}
