//! From reveals to payouts, in units of work that are small against a block. All arithmetic of
//! consensus and rewards is `arena_math`'s; this gathers its input and books its output.
//!
//! What a round pays does not depend on where its units fall: stakes, commissions and what may
//! be drawn are those of the block in which the settlement begins.

mod columns;
mod finish;
mod likeness;
mod pay;
mod rules;

use crate::{
    Config, DISCLOSED_ROUNDS, ModelRow, PRUNE_ROWS, Revealed, RevealedSketches, Reveals,
    Settlement, Stage, ValidatorRow, WeightInfo, units::step_validator,
};
use alloc::{collections::BTreeMap, vec::Vec};
use arena_math::{
    MathError,
    consensus::Consensus,
    fixed::perbill_q64,
    place::Place,
    rewards::{ranks, submission_pot},
    round::{Column, Panel, Tally, eligible, pools},
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, ModelStatus, Role, Round, ShardState, TaskId, TaskSpec,
    Unpaid, Venue,
    traits::{Counted, Due, Rounds, Stakes, TaskRewards},
};
use columns::{Votes, listed, outcomes};
use core::{iter::zip, marker::PhantomData};
use frame_support::{
    BoundedVec,
    weights::{Weight, WeightMeter},
};
use likeness::{earlier_rows, place, unknown};
use rules::{aggregation, cap, rank_rule, validator_rule};

/// A settlement at work within one block.
pub(crate) struct Work<T> {
    state: Settlement,
    spec: TaskSpec,
    panel: Panel,
    tally: Tally,
    /// Of each validator; read when first needed.
    reveals: Option<Vec<Option<Revealed>>>,
    /// The same.
    sketches: Option<Vec<Option<RevealedSketches>>>,
    config: PhantomData<T>,
}

fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<T: Config> Work<T> {
    /// Begins to settle a round: who is counted, and what may be drawn. `None` for a round
    /// without a spec, which can't be.
    pub(crate) fn begin(task: TaskId, round: Round) -> Option<Self> {
        let spec = T::Rounds::spec(task)?;
        let shard = T::Rounds::info(task, round).map(|info| info.shard);
        let venue = Venue::Task(task);
        let mut trainers: BTreeMap<AccountId, Counted> =
            T::Stakes::all(venue, Role::Trainer, round)
                .into_iter()
                .map(|counted| (counted.operator.clone(), counted))
                .collect();
        let models = T::Rounds::models(task, round).into_iter().map(|model| {
            let counted = trainers.remove(&model.trainer);
            ModelRow {
                sketch: unknown::<T>(task, &spec, &model.manifest_root),
                model,
                counted,
                consensus: None,
                status: ModelStatus::Skipped(None),
                raw: None,
                likeness: None,
                below: None,
                rank: None,
                reward: 0,
            }
        });
        let models = BoundedVec::truncate_from(models.collect());
        let validators = T::Stakes::all(venue, Role::Validator, round).into_iter();
        let validators = validators.map(|counted| ValidatorRow {
            counted,
            revealed: false,
            reward: 0,
            distance: (0, 0),
        });
        let state = Settlement {
            task,
            round,
            stage: Stage::Scores { next: 0 },
            due: T::Rewards::due(task, T::Rounds::rounds_left(task, round)),
            models,
            earlier: BoundedVec::truncate_from(earlier_rows::<T>(task, round, &spec)),
            validators: BoundedVec::truncate_from(validators.collect()),
            // Nobody could score.
            unpaid: (shard == Some(ShardState::Missed)).then_some(Unpaid::NoData),
            drawn: 0,
            paid: 0,
            validator_pool: 0,
            pots: 0,
        };
        Some(Self::with(state, spec))
    }

    /// Goes on with a settlement. `None` as for `begin`.
    pub(crate) fn resume(state: Settlement) -> Option<Self> {
        let spec = T::Rounds::spec(state.task)?;
        Some(Self::with(state, spec))
    }

    fn with(state: Settlement, spec: TaskSpec) -> Self {
        let stakes: Vec<Balance> = state
            .validators
            .iter()
            .map(|row| row.counted.stake.counted(spec.rewards.max_leverage))
            .collect();
        let panel = Panel::new(&stakes, spec.rewards.committee.into(), cap(&spec));
        let panel = panel.unwrap_or_else(|error| {
            log::error!(target: "arena::scoring", "panel of task {}: {error:?}", state.task);
            // Nobody has a weight, so that nothing has quorum.
            Panel::default()
        });
        let earned = state.validators.iter();
        let (payouts, distances) = earned.map(|row| (row.reward, row.distance)).unzip();
        let tally = Tally::resume(&validator_rule(&spec), payouts, distances);
        Work {
            state,
            spec,
            panel,
            tally,
            reveals: None,
            sketches: None,
            config: PhantomData,
        }
    }

    /// What is kept between blocks.
    pub(crate) fn state(&mut self) -> &Settlement {
        self.note_tally();
        &self.state
    }

    /// Writes what the pots gave into the rows; later stages change them there.
    fn note_tally(&mut self) {
        if !matches!(self.state.stage, Stage::Pots { .. }) {
            return;
        }
        let rows = self.state.validators.iter_mut();
        for (row, (reward, distance)) in rows.zip(self.tally.rows()) {
            row.reward = reward;
            row.distance = distance;
        }
    }

    /// Takes units of work as far as the weight goes. `true` when the round is settled.
    pub(crate) fn run(&mut self, now: BlockNumber, meter: &mut WeightMeter) -> bool {
        loop {
            if meter.try_consume(self.weight()).is_err() {
                return false;
            }
            let stage = self.state.stage;
            self.state.stage = self.take(stage, now);
            if stage == Stage::Finish {
                return true;
            }
        }
    }

    /// The most that the next unit weighs.
    fn weight(&self) -> Weight {
        let validators = count(self.state.validators.len());
        let models = count(self.state.models.len());
        let reveals = match self.reveals {
            None => T::WeightInfo::step_reveals(validators),
            Some(_) => Weight::zero(),
        };
        let sketches = match self.sketches {
            None => T::WeightInfo::step_sketches(validators),
            Some(_) => Weight::zero(),
        };
        match self.state.stage {
            Stage::Scores { next } if next < models => {
                T::WeightInfo::step_score(validators).saturating_add(reveals)
            }
            Stage::Sketches { next } if next < self.sketched() => {
                let read = reveals.saturating_add(sketches);
                T::WeightInfo::step_sketch(validators).saturating_add(read)
            }
            Stage::Likeness { next } if next < models => T::WeightInfo::step_like(models),
            Stage::Pots { next } if next < models => {
                T::WeightInfo::step_pot(validators).saturating_add(reveals)
            }
            Stage::Draw => T::WeightInfo::step_draw(models),
            Stage::Trainers { next } if next < models => T::WeightInfo::step_trainer(),
            Stage::Validators { next } if next < validators => step_validator::<T>(models),
            Stage::Forget { .. } => T::WeightInfo::step_forget(PRUNE_ROWS),
            Stage::Finish => T::WeightInfo::step_finish(models, validators),
            // Only the stage changes.
            _ => Weight::zero(),
        }
    }

    /// How many sketches validators are asked for.
    fn sketched(&self) -> u32 {
        count(self.state.earlier.len()).saturating_add(count(self.state.models.len()))
    }

    /// Takes one unit of work; returns the stage after it.
    pub(crate) fn take(&mut self, stage: Stage, now: BlockNumber) -> Stage {
        match stage {
            Stage::Scores { .. } | Stage::Sketches { .. } | Stage::Likeness { .. } => {
                self.find(stage)
            }
            Stage::Draw => {
                self.draw();
                Stage::Pots { next: 0 }
            }
            Stage::Pots { .. } | Stage::Trainers { .. } | Stage::Validators { .. } => {
                self.share(stage)
            }
            Stage::Forget { next } => self.forget(next),
            Stage::Finish => {
                self.finish(now);
                Stage::Finish
            }
        }
    }

    /// A unit of what is found out before anything is paid.
    fn find(&mut self, stage: Stage) -> Stage {
        let models = count(self.state.models.len());
        match stage {
            Stage::Scores { next } if next < models => {
                self.score(index(next));
                Stage::Scores {
                    next: next.saturating_add(1),
                }
            }
            Stage::Scores { .. } if self.spec.likeness.is_some() => Stage::Sketches { next: 0 },
            Stage::Sketches { next } if next < self.sketched() => {
                self.agree(index(next));
                Stage::Sketches {
                    next: next.saturating_add(1),
                }
            }
            Stage::Sketches { .. } => {
                self.sketches = None;
                Stage::Likeness { next: 0 }
            }
            Stage::Likeness { next } if next < models => {
                self.compare(index(next));
                Stage::Likeness {
                    next: next.saturating_add(1),
                }
            }
            _ => Stage::Draw,
        }
    }

    /// A unit of what is paid.
    fn share(&mut self, stage: Stage) -> Stage {
        let models = count(self.state.models.len());
        let validators = count(self.state.validators.len());
        match stage {
            Stage::Pots { next } if next < models => {
                self.share_pot(index(next));
                Stage::Pots {
                    next: next.saturating_add(1),
                }
            }
            Stage::Pots { .. } => {
                self.note_tally();
                // Nothing needs them any more.
                self.reveals = None;
                Stage::Trainers { next: 0 }
            }
            Stage::Trainers { next } if next < models => {
                self.pay_trainer(index(next));
                Stage::Trainers {
                    next: next.saturating_add(1),
                }
            }
            Stage::Trainers { .. } => Stage::Validators { next: 0 },
            Stage::Validators { next } if next < validators => {
                self.pay_or_judge(index(next));
                Stage::Validators {
                    next: next.saturating_add(1),
                }
            }
            _ if self.state.round > DISCLOSED_ROUNDS => Stage::Forget { next: 0 },
            _ => Stage::Finish,
        }
    }

    pub(crate) fn reveals(&mut self) -> &[Option<Revealed>] {
        let (task, round) = (self.state.task, self.state.round);
        let validators = &self.state.validators;
        self.reveals.get_or_insert_with(|| {
            validators
                .iter()
                .map(|row| Reveals::<T>::get((task, round, &row.counted.operator)))
                .map(|reveal| reveal.map(|reveal| reveal.outcomes))
                .collect()
        })
    }

    /// The model's reveals. What doesn't fit has no quorum.
    fn column(&mut self, model: usize) -> Result<Column, MathError> {
        self.reveals();
        let reveals = self.reveals.as_deref().unwrap_or_default();
        let entries =
            outcomes(reveals, model).map(|outcome| outcome.map(|o| listed(o, &self.spec)));
        Column::new(&self.panel, entries)
    }

    fn score(&mut self, model: usize) {
        let column = self.column(model);
        let min_scorers = self.spec.rewards.min_scorers.into();
        let consensus = column
            .and_then(|column| column.consensus(&self.panel, aggregation(&self.spec), min_scorers))
            .unwrap_or_else(|error| {
                log::error!(target: "arena::scoring", "task {}: {error:?}", self.state.task);
                None
            });
        let reveals = self.reveals.as_deref().unwrap_or_default();
        let says = self.panel.says().iter().copied();
        let votes = outcomes(reveals, model).zip(says);
        let votes = Votes::new(votes.filter_map(|(outcome, say)| Some((outcome?, say))));
        if let Some(row) = self.state.models.get_mut(model) {
            row.status = votes.status(consensus.as_ref());
            row.raw = votes.raw();
            row.consensus = consensus.map(|score| score.parts());
        }
    }

    fn consensus(&self) -> Vec<Option<Consensus>> {
        let models = self.state.models.iter();
        models
            .map(|row| row.consensus.and_then(Consensus::from_parts))
            .collect()
    }

    /// Decides whether the round is paid before anything is drawn for it, since what lapses is
    /// not minted.
    fn draw(&mut self) {
        let consensus = self.consensus();
        self.state.pots = count(consensus.iter().flatten().count());
        let earning = eligible(&consensus, self.spec.baseline.deconstruct());
        let rows = zip(earning, &self.state.models);
        let keys: Vec<_> = rows
            .map(|(own, row)| own.and_then(|_| place(row)))
            .collect();
        let leverage = self.spec.rewards.max_leverage;
        let stakes: Vec<Balance> = self
            .state
            .models
            .iter()
            .map(|row| {
                let counted = row.counted.as_ref();
                counted.map_or(0, |counted| counted.stake.counted(leverage))
            })
            .collect();
        let ranks = ranks(&keys, &stakes);
        let ranked = ranks.iter().flatten().count();
        for (row, rank) in self.state.models.iter_mut().zip(ranks) {
            row.rank = rank;
        }
        if self.state.unpaid == Some(Unpaid::NoData) {
            // The creator that left the round without data must not get its bounty back for it.
            let emission = 0;
            let forgone = Due {
                emission,
                ..self.state.due
            };
            T::Rewards::lapse(self.state.task);
            self.state.drawn = T::Rewards::draw(self.state.task, forgone);
            return;
        }
        self.state.unpaid = self.unpaid(ranked);
        if self.state.unpaid.is_some() {
            T::Rewards::lapse(self.state.task);
            return;
        }
        self.state.drawn = T::Rewards::draw(self.state.task, self.state.due);
        if let Err(error) = self.share_trainers_pool(&keys, &stakes) {
            log::error!(target: "arena::scoring", "pools of task {}: {error:?}", self.state.task);
        }
    }

    fn unpaid(&self, ranked: usize) -> Option<Unpaid> {
        if self.panel.total() == 0 {
            return Some(Unpaid::NoValidators);
        }
        if self.state.models.is_empty() {
            return Some(Unpaid::TooFewModels);
        }
        if self.state.pots == 0 {
            return Some(Unpaid::NoQuorum);
        }
        let least = usize::from(self.spec.rewards.min_trainers);
        (ranked < least).then_some(Unpaid::TooFewModels)
    }

    fn share_trainers_pool(
        &mut self,
        keys: &[Option<Place<Consensus>>],
        stakes: &[Balance],
    ) -> Result<(), MathError> {
        let params = &self.spec.rewards;
        let gamma = params.gamma.deconstruct();
        let (trainers, validators) = pools(self.state.drawn, gamma, stakes, self.panel.total())?;
        let q_q64 = perbill_q64(params.q.deconstruct());
        let payouts = rank_rule(&self.spec).payouts(keys, stakes, q_q64, trainers)?;
        for (row, payout) in self.state.models.iter_mut().zip(payouts) {
            row.reward = payout;
        }
        self.state.validator_pool = validators;
        Ok(())
    }

    fn share_pot(&mut self, model: usize) {
        let parts = self.state.models.get(model).and_then(|row| row.consensus);
        let Some(consensus) = parts.and_then(Consensus::from_parts) else {
            return;
        };
        let before = self.state.models.iter().take(model);
        let place = count(before.filter(|row| row.consensus.is_some()).count());
        let pot = submission_pot(self.state.validator_pool, self.state.pots, place);
        let shared = self
            .column(model)
            .and_then(|column| self.tally.pay(pot, &self.panel, &column, &consensus));
        if let Err(error) = shared {
            log::error!(target: "arena::scoring", "a pot of task {}: {error:?}", self.state.task);
        }
    }
}
