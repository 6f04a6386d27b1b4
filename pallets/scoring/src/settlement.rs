//! From reveals to payouts. All arithmetic of consensus and rewards is `arena_math`'s; this
//! gathers its input and books its output.

use crate::{
    Commits, Config, Event, Misses, Pallet, Revealed, Reveals, RoundResults, Seeds, draws::Chance,
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use arena_math::{
    Listed, MathError, RoundInput, RoundOutput,
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
    settle,
};
use arena_primitives::{
    self as arena, AccountId, Balance, BlockNumber, InfraFault, MAX_VALIDATORS, MinerFault,
    ModelResult, ModelStatus, Role, Round, RoundModels, RoundResult, ScoreOutcome, TaskId,
    TaskSpec, Unpaid, ValidatorResult, Venue,
    traits::{Counted, Rounds, Stakes, TaskRewards},
};
use frame_support::{BoundedVec, traits::Get};
use sp_runtime::Perbill;

/// What a settlement is computed from.
struct Books {
    spec: TaskSpec,
    models: RoundModels,
    /// Of each model; `None` where its trainer's stake doesn't count.
    trainers: Vec<Option<Counted>>,
    validators: Vec<Counted>,
    /// Of each validator.
    reveals: Vec<Option<Revealed>>,
    trainer_stakes: Vec<Balance>,
    validator_stakes: Vec<Balance>,
    listed: Vec<Vec<Option<Listed>>>,
}

/// What was paid.
struct Paid {
    drawn: Balance,
    treasury: Balance,
    unpaid: Option<Unpaid>,
    output: Option<RoundOutput>,
}

impl<T: Config> Pallet<T> {
    /// Settles a round: consensus, payouts, slashes, and removal of its rows.
    pub(crate) fn settle_round(task: TaskId, round: Round, now: BlockNumber) {
        let Some(books) = Self::books(task, round) else {
            // A live round without a spec can't be; its end must not depend on that.
            log::error!(target: "arena::scoring", "round {round} of task {task} has no spec");
            T::Rounds::settled(task, round);
            return;
        };
        let paid = Self::pay(task, round, &books);
        let result = result(&books, &paid, now);
        Self::judge_absence(task, round, &books);

        Self::deposit_event(Event::RoundSettled {
            task,
            round,
            drawn: result.drawn,
            treasury: result.treasury,
            unpaid: result.unpaid,
            models: result.models.len() as u32,
            revealed: result.validators.len() as u32,
        });
        RoundResults::<T>::insert(task, round, result);
        Seeds::<T>::remove(task, round);
        let _ = Commits::<T>::clear_prefix((task, round), MAX_VALIDATORS, None);
        let _ = Reveals::<T>::clear_prefix((task, round), MAX_VALIDATORS, None);
        T::Rounds::settled(task, round);
    }

    fn books(task: TaskId, round: Round) -> Option<Books> {
        let spec = T::Rounds::spec(task)?;
        let venue = Venue::Task(task);
        let leverage = spec.rewards.max_leverage;
        let models = T::Rounds::models(task, round);
        let mut of_trainer: BTreeMap<AccountId, Counted> =
            T::Stakes::all(venue, Role::Trainer, round)
                .into_iter()
                .map(|position| (position.operator.clone(), position))
                .collect();
        let trainers: Vec<Option<Counted>> = models
            .iter()
            .map(|model| of_trainer.remove(&model.trainer))
            .collect();
        let validators = T::Stakes::all(venue, Role::Validator, round);
        let reveals: Vec<Option<Revealed>> = validators
            .iter()
            .map(|position| Reveals::<T>::get((task, round, &position.operator)))
            .collect();
        let listed = reveals
            .iter()
            .map(|reveal| list(reveal.as_ref(), &spec, models.len()))
            .collect();
        let stake = |position: &Counted| position.stake.counted(leverage);
        Some(Books {
            trainer_stakes: trainers
                .iter()
                .map(|position| position.as_ref().map_or(0, stake))
                .collect(),
            validator_stakes: validators.iter().map(stake).collect(),
            spec,
            models,
            trainers,
            validators,
            reveals,
            listed,
        })
    }

    /// Decides whether the round is paid before anything is drawn for it, since what lapses is
    /// not minted.
    fn pay(task: TaskId, round: Round, books: &Books) -> Paid {
        let preview = books.settle(0);
        if let Err(error) = &preview {
            log::error!(target: "arena::scoring", "round {round} of task {task}: {error:?}");
        }
        let preview = preview.ok();
        if let Some(unpaid) = books.unpaid(preview.as_ref()) {
            T::Rewards::lapse(task);
            return Paid {
                drawn: 0,
                treasury: 0,
                unpaid: Some(unpaid),
                output: preview,
            };
        }
        let drawn = T::Rewards::draw(task, T::Rounds::rounds_left(task, round));
        // The same stakes and reveals: only pools and payouts differ from the preview.
        let output = books.settle(drawn).ok();
        let mut paid: Balance = 0;
        if let Some(output) = &output {
            let trainers = books.trainers.iter().zip(&output.trainer_payouts);
            let trainers = trainers.filter_map(|(who, amount)| Some((who.as_ref()?, *amount)));
            let validators = books
                .validators
                .iter()
                .zip(output.validator_payouts.iter().copied());
            for (position, amount) in trainers.chain(validators).filter(|(_, amount)| *amount > 0) {
                match T::Rewards::pay(task, round, position, amount) {
                    Ok(()) => paid = paid.saturating_add(amount),
                    Err(error) => log::error!(
                        target: "arena::scoring",
                        "{amount} of round {round} of task {task} goes to the treasury: {error:?}"
                    ),
                }
            }
        }
        // Skipped pots, dust and what couldn't be booked: the parts sum to the whole.
        let treasury = drawn.saturating_sub(paid);
        if treasury > 0 {
            T::Rewards::to_treasury(treasury);
        }
        Paid {
            drawn,
            treasury,
            unpaid: None,
            output,
        }
    }

    /// Slashes who committed and didn't reveal, and counts who was drawn and didn't commit.
    fn judge_absence(task: TaskId, round: Round, books: &Books) {
        let seed = Self::seed_and_total(task, round);
        let absent = books
            .validators
            .iter()
            .zip(&books.reveals)
            .zip(&books.validator_stakes);
        for ((position, reveal), stake) in absent {
            if reveal.is_some() {
                continue;
            }
            let validator = position.operator.clone();
            if Commits::<T>::contains_key((task, round, &validator)) {
                let amount = T::NonRevealSlash::get().mul_ceil(position.stake.own);
                let slashed = T::Stakes::slash_own(Venue::Task(task), &validator, amount);
                Self::deposit_event(Event::NotRevealed {
                    task,
                    round,
                    validator,
                    slashed,
                });
            } else if let Some((seed, total)) = seed {
                let chance = Chance::new(seed, *stake, total, &books.spec);
                if books
                    .models
                    .iter()
                    .any(|model| chance.hits(&validator, model))
                {
                    Misses::<T>::mutate(task, &validator, |misses| {
                        *misses = misses.saturating_add(1)
                    });
                    Self::deposit_event(Event::Missed {
                        task,
                        round,
                        validator,
                    });
                }
            }
        }
    }
}

fn list(reveal: Option<&Revealed>, spec: &TaskSpec, models: usize) -> Vec<Option<Listed>> {
    let Some(reveal) = reveal else {
        return vec![None; models];
    };
    let mut row: Vec<Option<Listed>> = reveal
        .iter()
        .map(|outcome| {
            outcome.map(|outcome| match outcome {
                ScoreOutcome::Scored(raw) => Listed::Scored(spec.score(raw).deconstruct()),
                ScoreOutcome::Invalid(_) => Listed::Invalid,
                ScoreOutcome::Skipped(_) => Listed::Skipped,
            })
        })
        .collect();
    row.resize(models, None);
    row
}

/// Thousandths as Q32, rounded down.
fn milli_q32(milli: u32) -> u64 {
    (u64::from(milli) << 32).checked_div(1_000).unwrap_or(0)
}

impl Books {
    fn settle(&self, reward: Balance) -> Result<RoundOutput, MathError> {
        let params = &self.spec.rewards;
        settle(&RoundInput {
            reward,
            gamma: params.gamma.deconstruct(),
            q: params.q.deconstruct(),
            rank_rule: match params.rank {
                arena::RankRule::ByStake { depth } => RankRule::ByStake {
                    depth: depth.into(),
                },
                arena::RankRule::ByHead { alpha_milli } => RankRule::ByHead {
                    alpha_q32: milli_q32(alpha_milli),
                },
            },
            validator_rule: ValidatorRule {
                alpha_q32: milli_q32(params.alpha_v_milli),
                lambda_q32: milli_q32(params.lambda_milli),
                band: params.band.deconstruct(),
            },
            committee: params.committee.into(),
            cap: match params.cap {
                arena::WeightCap::None => Cap::None,
                arena::WeightCap::Seats(seats) => Cap::Seats(seats.into()),
                arena::WeightCap::Percentile(percent) => Cap::Percentile(percent),
            },
            aggregation: match params.aggregation {
                arena::Aggregation::Median => Aggregation::Median,
                arena::Aggregation::Mean => Aggregation::Mean,
            },
            min_scorers: params.min_scorers.into(),
            baseline: self.spec.baseline.deconstruct(),
            trainer_stakes: &self.trainer_stakes,
            validator_stakes: &self.validator_stakes,
            listed: &self.listed,
        })
    }

    fn unpaid(&self, output: Option<&RoundOutput>) -> Option<Unpaid> {
        if self.validator_stakes.iter().all(|stake| *stake == 0) {
            return Some(Unpaid::NoValidators);
        }
        if self.models.is_empty() {
            return Some(Unpaid::TooFewModels);
        }
        let Some(output) = output.filter(|output| output.quorum.contains(&true)) else {
            return Some(Unpaid::NoQuorum);
        };
        let ranked = output.ranks.iter().flatten().count();
        (ranked < usize::from(self.spec.rewards.min_trainers)).then_some(Unpaid::TooFewModels)
    }

    /// What was revealed of a model, with each validator's say.
    fn column<'a>(
        &'a self,
        model: usize,
        output: &'a RoundOutput,
    ) -> impl Iterator<Item = (ScoreOutcome, Balance)> + 'a {
        self.reveals
            .iter()
            .zip(&output.capped_weights)
            .filter_map(move |(reveal, weight)| {
                let outcome = (*reveal.as_ref()?.get(model)?)?;
                Some((outcome, *weight))
            })
    }

    fn status(&self, model: usize, output: &RoundOutput) -> ModelStatus {
        let mut scored: Balance = 0;
        let mut faults = BTreeMap::<MinerFault, Balance>::new();
        let mut skips = BTreeMap::<InfraFault, Balance>::new();
        for (outcome, weight) in self.column(model, output) {
            let sum = match outcome {
                ScoreOutcome::Scored(_) => &mut scored,
                ScoreOutcome::Invalid(fault) => faults.entry(fault).or_default(),
                ScoreOutcome::Skipped(fault) => skips.entry(fault).or_default(),
            };
            *sum = sum.saturating_add(weight);
        }
        let quorum = output.quorum.get(model).copied().unwrap_or(false);
        let nothing = output.consensus_q64.get(model).copied().flatten() == Some(0);
        let invalid = faults
            .values()
            .fold(0u128, |sum, weight| sum.saturating_add(*weight));
        match heaviest(faults) {
            _ if !quorum => ModelStatus::Skipped(heaviest(skips)),
            Some(fault) if nothing && invalid >= scored => ModelStatus::Invalid(fault),
            _ => ModelStatus::Scored,
        }
    }

    /// Lower weighted median of the raw values.
    fn raw(&self, model: usize, output: &RoundOutput) -> Option<u64> {
        let mut rows: Vec<(u64, Balance)> = self
            .column(model, output)
            .filter_map(|(outcome, weight)| match outcome {
                ScoreOutcome::Scored(raw) => Some((raw, weight)),
                ScoreOutcome::Invalid(_) | ScoreOutcome::Skipped(_) => None,
            })
            .collect();
        rows.sort_unstable();
        let total = rows
            .iter()
            .fold(0u128, |sum, (_, weight)| sum.saturating_add(*weight));
        let mut below: Balance = 0;
        rows.into_iter().find_map(|(raw, weight)| {
            below = below.saturating_add(weight);
            (below >= total.saturating_sub(below)).then_some(raw)
        })
    }
}

/// The one with the most weight; of equals the first.
fn heaviest<F: Ord + Copy>(weights: BTreeMap<F, Balance>) -> Option<F> {
    let mut best: Option<(F, Balance)> = None;
    for (fault, weight) in weights {
        if best.is_none_or(|(_, most)| weight > most) {
            best = Some((fault, weight));
        }
    }
    best.map(|(fault, _)| fault)
}

/// A Q64 fraction that was rounded down, in Perbill, rounded down. One unit in its last place is
/// added first, so that a whole number of Perbill stays what it was.
fn perbill(q64: u128) -> Perbill {
    let parts = q64
        .saturating_add(1)
        .saturating_mul(u128::from(arena::PERBILL))
        >> 64;
    Perbill::from_parts(u32::try_from(parts).unwrap_or(u32::MAX))
}

fn result(books: &Books, paid: &Paid, now: BlockNumber) -> RoundResult {
    let rewarded = paid.unpaid.is_none();
    let amount = |payouts: Option<&Vec<Balance>>, index: usize| {
        payouts
            .filter(|_| rewarded)
            .and_then(|payouts| payouts.get(index))
            .copied()
            .unwrap_or(0)
    };
    let output = paid.output.as_ref();
    let trainer_payouts = output.map(|output| &output.trainer_payouts);
    let validator_payouts = output.map(|output| &output.validator_payouts);
    let models = books
        .models
        .iter()
        .enumerate()
        .map(|(index, model)| ModelResult {
            trainer: model.trainer.clone(),
            manifest_root: model.manifest_root,
            status: output.map_or(ModelStatus::Skipped(None), |output| {
                books.status(index, output)
            }),
            raw: output.and_then(|output| books.raw(index, output)),
            score: output
                .and_then(|output| output.consensus_q64.get(index).copied().flatten())
                .map(perbill),
            rank: output.and_then(|output| output.ranks.get(index).copied().flatten()),
            reward: amount(trainer_payouts, index),
        });
    let validators = books
        .validators
        .iter()
        .zip(&books.reveals)
        .enumerate()
        .filter(|(_, (_, reveal))| reveal.is_some())
        .map(|(index, (position, _))| ValidatorResult {
            validator: position.operator.clone(),
            distance: output
                .and_then(|output| output.mean_distance.get(index).copied().flatten())
                .map(Perbill::from_parts),
            reward: amount(validator_payouts, index),
        });
    RoundResult {
        settled_at: now,
        drawn: paid.drawn,
        treasury: paid.treasury,
        unpaid: paid.unpaid,
        models: BoundedVec::truncate_from(models.collect()),
        validators: BoundedVec::truncate_from(validators.collect()),
    }
}
