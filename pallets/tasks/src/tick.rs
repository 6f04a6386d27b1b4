//! What time does to tasks: one step of one task after the other, as far as the block's weight
//! goes; the next block continues where this one stopped.

use crate::{
    Active, Config, Cursor, Error, Event, Fixed, LiveRound, MAX_WINNERS, Models, PRUNE_ROWS,
    Pallet, Roots, Shards, Specs, Step, Submissions, Task, TaskResult, Tasks, WeightInfo, Winner,
    Winners,
};
use alloc::vec::Vec;
use arena_primitives::{
    Balance, BlockNumber, MAX_ACTIVE_TASKS, MAX_TRAINERS, MAX_VALIDATORS, ModelResult,
    ROSTER_PER_SEAT, Role, Round, RoundModel, RoundModels, TaskId, TaskSpec, Venue,
    time::{MINUTES_PER_DAY, Schedule},
    traits::{Cases, Clock, Results, Stakes, TaskRewards},
};
use frame_support::{
    BoundedVec, ensure,
    weights::{Weight, WeightMeter},
};
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    /// The hook, with `limit` as the most that it may use of the block.
    pub fn tick(now: BlockNumber, limit: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(limit);
        if meter.try_consume(T::WeightInfo::step_look()).is_err() {
            return meter.consumed();
        }
        let active = Active::<T>::get();
        let count = u32::try_from(active.len()).unwrap_or(MAX_ACTIVE_TASKS);
        let start = Cursor::<T>::get().checked_rem(count).unwrap_or(0);
        // Every active task once, from the cursor on.
        let order = active
            .iter()
            .skip(start as usize)
            .chain(active.iter().take(start as usize));
        let mut seen = 0u32;
        for id in order {
            if !Self::advance(*id, now, &mut meter) {
                break;
            }
            seen = seen.saturating_add(1);
        }
        if seen < count {
            Cursor::<T>::put(start.saturating_add(seen));
        } else if start > 0 {
            Cursor::<T>::kill();
        }
        meter.consumed()
    }

    /// All steps that are due for a task. `false` if the weight ended first.
    fn advance(id: TaskId, now: BlockNumber, meter: &mut WeightMeter) -> bool {
        loop {
            if meter.try_consume(T::WeightInfo::step_idle()).is_err() {
                return false;
            }
            let Some((task, spec, step)) = Self::next_step(id, now) else {
                return true;
            };
            if meter.try_consume(step_weight::<T>(step)).is_err() {
                return false;
            }
            // A second removal in one block would count the rows of the first again.
            if !Self::take(id, task, &spec, step, now) || step == Step::Prune {
                return true;
            }
        }
    }

    pub(crate) fn do_poke(id: TaskId) -> DispatchResult {
        let now = Self::now();
        ensure!(Tasks::<T>::contains_key(id), Error::<T>::NoSuchTask);
        let (task, spec, step) = Self::next_step(id, now).ok_or(Error::<T>::NothingDue)?;
        ensure!(Active::<T>::get().contains(&id), Error::<T>::NothingDue);
        ensure!(
            Self::take(id, task, &spec, step, now),
            Error::<T>::NothingDue
        );
        Ok(())
    }

    pub(crate) fn next_step(id: TaskId, now: BlockNumber) -> Option<(Task, TaskSpec, Step)> {
        let task = Tasks::<T>::get(id)?;
        let spec = Specs::<T>::get(id)?;
        let step = task.due(now, spec.rounds)?;
        Some((task, spec, step))
    }

    /// Takes one step. `false` if it must wait for something other than time.
    fn take(id: TaskId, mut task: Task, spec: &TaskSpec, step: Step, now: BlockNumber) -> bool {
        match step {
            Step::OpenRound(round) => {
                let live = LiveRound::new(
                    round,
                    Self::round_schedule(now, spec),
                    spec.sealed().is_some(),
                );
                if !task.open_round(live) {
                    return false;
                }
                Tasks::<T>::insert(id, task);
                let counted = Self::draw_with(id, round, spec);
                Self::deposit_event(Event::RoundOpened {
                    task: id,
                    round,
                    counted,
                });
            }
            Step::StartFinal(round) => {
                let live = LiveRound::new(
                    round,
                    Self::final_schedule(now, spec),
                    spec.sealed().is_some(),
                );
                if !task.start_final(live) {
                    return false;
                }
                Tasks::<T>::insert(id, task);
                let counted = Self::draw_with(id, round, spec);
                Self::deposit_event(Event::RoundOpened {
                    task: id,
                    round,
                    counted,
                });
                Self::deposit_event(Event::FinalValidationStarted { task: id, round });
            }
            Step::Fix(round) => {
                let models = Self::standing_models(id, round);
                task.mark_fixed(round);
                if models.is_empty() {
                    task.spare_shard(round);
                }
                Tasks::<T>::insert(id, task);
                let count = u32::try_from(models.len()).unwrap_or(MAX_TRAINERS);
                Fixed::<T>::insert(id, round, models);
                Self::deposit_event(Event::ModelsFixed {
                    task: id,
                    round,
                    models: count,
                });
            }
            Step::MissShard(round) => Self::miss_shard(id, task, spec, round, now),
            Step::StartChallenge => {
                let until = now.saturating_add(T::Clock::blocks(
                    spec.challenge_days.saturating_mul(MINUTES_PER_DAY),
                ));
                if !task.start_challenge(until) {
                    return false;
                }
                Self::return_bond(id, &task.creator);
                Tasks::<T>::insert(id, task);
                Self::deposit_event(Event::ChallengeStarted { task: id, until });
            }
            Step::Close => return Self::close(id, task, spec, now),
            Step::Prune => Self::prune(id),
        }
        true
    }

    /// Final validation lasts `final_days` with all of its windows, as far as they allow.
    fn final_schedule(now: BlockNumber, spec: &TaskSpec) -> Schedule {
        let windows = T::Clock::windows();
        let whole = T::Clock::blocks(spec.final_days.saturating_mul(MINUTES_PER_DAY));
        Schedule::new(now, whole.saturating_sub(windows.total()).max(1), &windows)
    }

    /// Sets what draws for the task to what the round counts.
    fn draw_with(id: TaskId, round: Round, spec: &TaskSpec) -> Balance {
        let venue = Venue::Task(id);
        let leverage = spec.rewards.max_leverage;
        let counted = [Role::Trainer, Role::Validator]
            .into_iter()
            .flat_map(|role| T::Stakes::all(venue, role, round))
            .fold(0u128, |sum, position| {
                sum.saturating_add(position.stake.counted(leverage))
            });
        T::Rewards::set_counted(id, counted);
        counted
    }

    /// The models that a round counts: of each trainer with counted stake the newest that was
    /// published for it or a round before. Final validation takes each trainer's last.
    pub(crate) fn standing_models(id: TaskId, round: Round) -> RoundModels {
        let models: Vec<RoundModel> = T::Stakes::all(Venue::Task(id), Role::Trainer, round)
            .into_iter()
            .filter_map(|position| {
                let trainer = position.operator;
                let manifest_root = Models::<T>::get(id, &trainer)?.of_round(round)?;
                Some(RoundModel {
                    trainer,
                    manifest_root,
                })
            })
            .collect();
        BoundedVec::truncate_from(models)
    }

    fn close(id: TaskId, mut task: Task, spec: &TaskSpec, now: BlockNumber) -> bool {
        if T::Cases::open_cases(id) > 0 || !task.close(now) {
            return false;
        }
        let winners = Self::best_models(id, task.opened);
        let names = winners
            .iter()
            .map(|winner| winner.trainer.clone())
            .collect();
        Winners::<T>::insert(
            id,
            TaskResult {
                winners,
                licence: spec.licence.clone(),
            },
        );
        T::Rewards::release(id, &task.creator);
        T::Results::ended(id);
        T::Cases::ended(id);
        Tasks::<T>::insert(id, task);
        Self::deposit_event(Event::Closed {
            task: id,
            winners: names,
        });
        true
    }

    fn best_models(id: TaskId, round: Round) -> BoundedVec<Winner, sp_core::ConstU32<MAX_WINNERS>> {
        let Some(result) = T::Results::result(id, round) else {
            return BoundedVec::new();
        };
        let mut ranked: Vec<(u32, ModelResult)> = result
            .models
            .into_iter()
            .filter_map(|model| model.rank.map(|rank| (rank, model)))
            .collect();
        // Stable: tied models stay in the round's order.
        ranked.sort_by_key(|(rank, _)| *rank);
        // Nobody is a winner by a model that isn't its own.
        let winners = ranked
            .into_iter()
            .filter(|(_, model)| !T::Cases::is_convicted(id, &model.trainer))
            .filter_map(|(_, model)| {
                Some(Winner {
                    uris: Roots::<T>::get(id, model.manifest_root)?.uris,
                    trainer: model.trainer,
                    manifest_root: model.manifest_root,
                    score: model.score?,
                })
            })
            .take(MAX_WINNERS as usize)
            .collect();
        BoundedVec::truncate_from(winners)
    }

    /// Removes rows of a task that is over, and the task from the hook's list after the last.
    fn prune(id: TaskId) {
        let mut left = PRUNE_ROWS;
        let clears: [&dyn Fn(u32) -> (u32, bool); 5] = [
            &|limit| cleared(Submissions::<T>::clear_prefix((id,), limit, None)),
            &|limit| cleared(Models::<T>::clear_prefix(id, limit, None)),
            &|limit| cleared(Fixed::<T>::clear_prefix(id, limit, None)),
            &|limit| cleared(Roots::<T>::clear_prefix(id, limit, None)),
            &|limit| cleared(Shards::<T>::clear_prefix(id, limit, None)),
        ];
        for clear in clears {
            if left == 0 {
                return;
            }
            let (removed, more) = clear(left);
            if more {
                return;
            }
            left = left.saturating_sub(removed);
        }
        Active::<T>::mutate(|active| active.retain(|other| *other != id));
    }
}

fn cleared(result: sp_io::MultiRemovalResults) -> (u32, bool) {
    (result.loops, result.maybe_cursor.is_some())
}

fn step_weight<T: Config>(step: Step) -> Weight {
    match step {
        Step::OpenRound(_) | Step::StartFinal(_) => {
            // Rosters are read with all that they list.
            let listed = MAX_TRAINERS.saturating_add(MAX_VALIDATORS);
            T::WeightInfo::step_open(listed.saturating_mul(ROSTER_PER_SEAT))
        }
        Step::Fix(_) => T::WeightInfo::step_fix(MAX_TRAINERS.saturating_mul(ROSTER_PER_SEAT)),
        Step::MissShard(_) => T::WeightInfo::step_miss_shard(),
        Step::StartChallenge => T::WeightInfo::step_challenge(),
        Step::Close => T::WeightInfo::step_close(),
        Step::Prune => T::WeightInfo::step_prune(PRUNE_ROWS),
    }
}

/// The heaviest step, which `poke` may take, with the look that finds it.
pub(crate) fn heaviest_step<T: Config>() -> Weight {
    let steps = largest_steps::<T>();
    steps
        .into_iter()
        .fold(Weight::zero(), |most, (_, step)| most.max(step))
}

/// The steps at the largest sizes, each with what it can't be taken without.
pub(crate) fn largest_steps<T: Config>() -> [(&'static str, Weight); 7] {
    let always = T::WeightInfo::step_look().saturating_add(T::WeightInfo::step_idle());
    let each = [
        ("opening a round", Step::OpenRound(1)),
        ("starting final validation", Step::StartFinal(1)),
        ("fixing models", Step::Fix(1)),
        ("taking the bond of a missed shard", Step::MissShard(1)),
        ("starting the challenge phase", Step::StartChallenge),
        ("closing", Step::Close),
        ("pruning", Step::Prune),
    ];
    each.map(|(what, step)| (what, step_weight::<T>(step).saturating_add(always)))
}
